"""The report: figures per image, means with intervals, paired differences, as text, CSV, JSON, pictures and a page."""

from __future__ import annotations

import csv
import io
import math
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from decrappify._version import __version__
from decrappify.benchmarking.evidence import Evidence
from decrappify.benchmarking.figures import FIGURES, HEADLINES, SECTIONS, best_of, written
from decrappify.benchmarking.methods import GAUSSIAN, INPUT
from decrappify.benchmarking.scoring import Score
from decrappify.errors import OutputError, printable
from decrappify.io.durable import json_bytes
from decrappify.io.outputs import atomic_output, check_output
from decrappify.metrics.bootstrap import Interval, bootstrap_interval, paired_difference

FILES = ("report.html", "report.csv", "report.json")
_FORMULA = ("=", "+", "-", "@")  # with which a spreadsheet begins a formula


@dataclass
class ViewRecord:
    """What was scored: one channel of one pair.

    Attributes
    ----------
    field_of_view : str
        Views of one field of view are averaged before any interval is made.
    size : (int, int)
        Pixels (Y, X) of the truth's grid.
    data_range : float
        D, from the "truth", the "source" or "given".
    sampled_frames, sampled_size : int, (int, int)
        Frames, and pixels (Y, X) of them, that MS-SSIM, MicroSSIM, foreground SSIM, FRC and spectra were taken from.
    source_resolution_px, truth_resolution_px : float or None
        Decorrelation resolution of the middle frame, each on its own grid.
    notes : dict
        What a method chose for this view.
    """

    name: str
    field_of_view: str
    kind: str
    n_frames: int
    size: tuple[int, ...]
    scale: int
    pixel_size_um: float | None
    has_truth: bool
    data_range: float
    data_range_from: str
    sampled_frames: int
    sampled_size: tuple[int, int]
    ms_ssim_scales: int | None
    source_resolution_px: float | None
    truth_resolution_px: float | None
    halves: str | None
    notes: dict[str, list[str]] = field(default_factory=dict)


@dataclass
class Report:
    """What `benchmark` found.

    Attributes
    ----------
    methods : tuple of (name, kind)
        In the order of the tables; kind is "baseline", "model" or "callable".
    views : tuple of ViewRecord
        The images, one for each channel of each pair.
    scores : dict
        ``scores[method][view name].figures`` holds the figures; None or missing where one does not apply.
    """

    methods: tuple[tuple[str, str], ...]
    views: tuple[ViewRecord, ...]
    scores: Mapping[str, Mapping[str, Score]]
    evidence: Mapping[str, Evidence] = field(repr=False)
    micro_ssim_gains: Mapping[str, float | None]
    seed: int
    settings: Mapping[str, Any]

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the methods."""
        return tuple(name for name, _ in self.methods)

    @property
    def reference(self) -> str | None:
        """The baseline that differences are taken against: the best Gaussian filter, or else the input."""
        return next((name for name in (GAUSSIAN, INPUT) if name in self.names), None)

    @property
    def keys(self) -> tuple[str, ...]:
        """Figures that at least one method has."""
        known = {
            key
            for scores in self.scores.values()
            for one in scores.values()
            for key, v in one.figures.items()
            if v is not None
        }
        return tuple(key for key in FIGURES if key in known)

    @property
    def fields(self) -> tuple[str, ...]:
        """Fields of view, in order."""
        return tuple(dict.fromkeys(view.field_of_view for view in self.views))

    def field_number(self, view: ViewRecord) -> int:
        """Give the number of an image's field of view, from 1."""
        return self.fields.index(view.field_of_view) + 1

    def value(self, method: str, view: str, key: str) -> float:
        """One figure of one image; NaN where there is none."""
        one = self.scores[method].get(view)
        value = None if one is None else one.figures.get(key)
        return math.nan if value is None else float(value)

    def per_field(self, method: str, key: str) -> list[float]:
        """Average a figure over the images of each field of view; NaN where none has it."""
        found: dict[str, list[float]] = {place: [] for place in self.fields}
        for view in self.views:
            value = self.value(method, view.name, key)
            if not math.isnan(value):
                found[view.field_of_view].append(value)
        return [float(np.mean(values)) if values else math.nan for values in found.values()]

    def interval(self, method: str, key: str) -> Interval:
        """Mean of a figure over fields of view with its 95 % bootstrap interval."""
        return bootstrap_interval(self.per_field(method, key), np.random.default_rng(self.seed))

    def mean(self, method: str, key: str) -> float:
        """Mean of a figure over fields of view."""
        return self.interval(method, key).mean

    def difference(self, method: str, reference: str, key: str) -> Interval:
        """Paired difference ``method - reference`` over fields of view with its 95 % bootstrap interval."""
        rng = np.random.default_rng(self.seed)
        return paired_difference(self.per_field(method, key), self.per_field(reference, key), rng)

    def table(self) -> str:
        """Means and intervals of all methods as text, and the paired differences; the best of a line has a star."""
        rows = [("", *self.names)]
        for section, figures in SECTIONS:
            present = [figure for figure in figures if figure.key in self.keys]
            if present:
                rows.append((section.upper(), *("" for _ in self.names)))
            for figure in present:
                best = best_of(figure.key, {name: self.mean(name, figure.key) for name in self.names})
                label = f"  {figure.label} {figure.unit}".rstrip()
                rows.append((label, *(self._cell(name, figure.key, name == best) for name in self.names)))
        lines = [*_aligned(rows), "", self.basis()]
        return "\n".join([*lines, *self._difference_lines()])

    def basis(self) -> str:
        """Say in a sentence what means and intervals are made of."""
        n = len(self.fields)
        few = "; with so few, look at the single values" if 1 < n < 10 else ""
        interval = "no intervals" if n < 2 else f"with 95 % bootstrap intervals over fields of view{few}"
        images = f"{len(self.views)} image{'s' * (len(self.views) != 1)}"
        return f"means over {n} field{'s' * (n != 1)} of view ({images}), {interval}"

    def rows(self) -> list[dict[str, Any]]:
        """List one row per image and method: names, kind, D and all figures."""
        return [
            {
                "image": view.name,
                "field_of_view": self.field_number(view),
                "kind": view.kind,
                "frames": view.n_frames,
                "data_range": view.data_range,
                "method": name,
                **{key: _plain(self.value(name, view.name, key)) for key in self.keys},
            }
            for view in self.views
            for name in self.names
            if view.name in self.scores[name]
        ]

    def to_dict(self) -> dict[str, Any]:
        """Everything but the pictures as plain values: settings, versions, images, figures, means, curves."""
        return {
            "software": versions(),
            "settings": dict(self.settings),
            "methods": [
                {"name": name, "kind": kind, "micro_ssim_gain": self.micro_ssim_gains[name]}
                for name, kind in self.methods
            ],
            "images": [asdict(view) | {"field_of_view": self.field_number(view)} for view in self.views],
            "figures": {key: FIGURES[key]._asdict() for key in self.keys},
            "scores": self.rows(),
            "means": {name: {key: _interval(self.interval(name, key)) for key in self.keys} for name in self.names},
            "differences": self._differences(),
            "curves": self._curves(),
        }

    def to_html(self, path: str | os.PathLike[str], *, overwrite: bool = False) -> Path:
        """Write the report as one self-contained page: tables, plots and pictures that zoom together.

        Raises
        ------
        OutputExistsError
            If the file exists and `overwrite` is False.
        OutputError
            If it cannot be written.
        """
        from decrappify.benchmarking.html import page

        with atomic_output(path, overwrite=overwrite) as partial:
            partial.write_text(page(self), encoding="utf-8")
        return Path(path)

    def save(self, folder: str | os.PathLike[str], *, overwrite: bool = False) -> Path:
        """Write ``report.html``, ``report.csv``, ``report.json`` and the plots and pictures as PNG files.

        Raises
        ------
        OutputExistsError
            If one of the three is in the folder already and `overwrite` is False.
        OutputError
            If the folder or a file cannot be written; files that are new are deleted again.
        """
        from decrappify.benchmarking.plots import png_files

        is_new = not Path(folder).exists()
        folder = check_folder(folder, overwrite=overwrite)
        written: list[Path] = []

        @contextmanager
        def output(name: str) -> Iterator[Path]:
            exists = (folder / name).exists()
            with atomic_output(folder / name, overwrite=overwrite) as partial:
                yield partial
            if not exists:
                written.append(folder / name)

        try:
            for name, data in png_files(self):
                with output(name) as partial:
                    partial.write_bytes(data)
            with output("report.csv") as partial:
                partial.write_text(self._csv(), encoding="utf-8", newline="")
            with output("report.json") as partial:
                partial.write_bytes(json_bytes(_finite(self.to_dict())))
            self.to_html(folder / "report.html", overwrite=overwrite)
        except BaseException:
            # Half a report would have the same command refused.
            with suppress(OSError):
                for path in written:
                    path.unlink()
                if is_new:
                    folder.rmdir()
            raise
        return folder

    def _cell(self, name: str, key: str, best: bool) -> str:
        mean, low, high, _ = self.interval(name, key)
        bounds = "" if math.isnan(low) else f" [{written(low, key)}, {written(high, key)}]"
        return f"{written(mean, key)}{'*' if best else ''}{bounds}"

    def _differences(self) -> dict[str, Any]:
        if self.reference is None:
            return {}
        others = [name for name in self.names if name != self.reference]
        return {
            "reference": self.reference,
            "methods": {
                name: {key: _interval(self.difference(name, self.reference, key)) for key in self.keys}
                for name in others
            },
        }

    def _difference_lines(self) -> list[str]:
        keys = [key for key in HEADLINES if key in self.keys]
        if self.reference is None or not keys or len(self.names) < 2:
            return []
        rows = [
            (f"MINUS {self.reference.upper()}", *(f"{FIGURES[key].label} {FIGURES[key].unit}".rstrip() for key in keys))
        ]
        for name in self.names:
            if name != self.reference:
                intervals = [(key, self.difference(name, self.reference, key)) for key in keys]
                rows.append((f"  {name}", *(signed(interval, key) for key, interval in intervals)))
        return ["", *_aligned(rows)]

    def _curves(self) -> dict[str, Any]:
        curves: dict[str, Any] = {}
        for view in self.views:
            scores = {name: self.scores[name][view.name] for name in self.names if view.name in self.scores[name]}
            frc = {name: one.frc for name, one in scores.items() if one.frc is not None}
            spectra = {name: one.spectrum for name, one in scores.items() if one.spectrum is not None}
            truths = [one.truth_spectrum for one in scores.values() if one.truth_spectrum is not None]
            if not spectra:
                continue
            curves[view.name] = {
                "cycles_per_px": next(iter(spectra.values())).frequency.tolist(),
                "frc": {name: curve.correlation.tolist() for name, curve in frc.items()},
                "power": {name: spectrum.power.tolist() for name, spectrum in spectra.items()}
                | ({"truth": truths[0].power.tolist()} if truths else {}),
                "brightness": {name: values.tolist() for name, values in self.evidence[view.name].brightness.items()},
            }
        return curves

    def _csv(self) -> str:
        text = io.StringIO()
        columns = ["image", "field_of_view", "kind", "frames", "data_range", "method", *self.keys]
        writer = csv.DictWriter(text, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows({key: _cell_text(value) for key, value in row.items()} for row in self.rows())
        return text.getvalue()


def check_folder(folder: str | os.PathLike[str], *, overwrite: bool = False) -> Path:
    """Make the folder of a report, and refuse one that holds a report already, before anything is computed."""
    folder = Path(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"cannot use {folder} as folder for the report: {error.strerror}") from error
    for name in FILES:
        check_output(folder / name, overwrite=overwrite)
    return folder


def signed(interval: Interval, key: str) -> str:
    """Write a difference with its sign and bounds.

    >>> signed(Interval(0.5, 0.25, 1.0, 5), "psnr")
    '+0.50 [+0.25, +1.00]'
    """
    mean, low, high = (
        ("+" if value > 0 and not math.isnan(value) else "") + written(value, key) for value in interval[:3]
    )
    return mean if math.isnan(interval.low) else f"{mean} [{low}, {high}]"


def versions() -> dict[str, str]:
    """Versions of what the figures were computed with."""
    from importlib.metadata import version

    return {"decrappify": __version__} | {name: version(name) for name in ("numpy", "scipy", "scikit-image", "torch")}


def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    rows = [tuple(map(printable, row)) for row in rows]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def _cell_text(value: Any) -> Any:
    """Return a value of the table; names that a spreadsheet would run as formulas get an apostrophe in front.

    >>> _cell_text("=1+1"), _cell_text("cells"), _cell_text(-0.5)
    ("'=1+1", 'cells', -0.5)
    """
    if not isinstance(value, str):
        return value
    text = printable(value)
    return f"'{text}" if text.lstrip().startswith(_FORMULA) else text


def _plain(value: float) -> float | None:
    return None if math.isnan(value) else value


def _interval(interval: Interval) -> dict[str, Any]:
    return interval._asdict()


def _finite(value: Any) -> Any:
    """JSON has no NaN and no infinity: null, and the words "inf" and "-inf"."""
    if isinstance(value, Mapping):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None if math.isnan(value) else str(value)
    return value
