"""Benchmark: every method runs on every pair, and the results are scored."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np

from decrappify._common.arguments import moved_arguments, moved_into
from decrappify._common.checks import check_instance
from decrappify._common.progress import Bar, Cancel, Progress, cancellable, checked_progress, progress_bar
from decrappify.benchmarking.camera import Camera
from decrappify.benchmarking.inputs.agreement import Agreement, check_agreement
from decrappify.benchmarking.inputs.groups import FIELD, parsed
from decrappify.benchmarking.inputs.movies import kept
from decrappify.benchmarking.inputs.pairs import Pair, checked_pairs
from decrappify.benchmarking.methods.methods import INPUT, Method, baseline_methods, user_methods
from decrappify.benchmarking.options import BenchmarkOptions
from decrappify.benchmarking.report.origin import origin_of
from decrappify.benchmarking.report.report import Report
from decrappify.benchmarking.report.results import ViewRecord
from decrappify.benchmarking.scoring.evidence import Evidence, gather
from decrappify.benchmarking.scoring.halves import Halves, compare_halves, split
from decrappify.benchmarking.scoring.scores import Ground, Score, finish_micro_ssim, ms_ssim_scales, score, survey
from decrappify.errors import InputError
from decrappify.inference.options import InferenceOptions
from decrappify.metrics.quantities import Quantities
from decrappify.movie import Movie

if TYPE_CHECKING:
    from decrappify.model import Model

_MOVED = moved_into(
    "options=BenchmarkOptions", "psf", "data_range", "levels", "static", "seed", "folder_as"
) | moved_into("inference=InferenceOptions", "device", "precision")


@moved_arguments(_MOVED)
def benchmark(
    methods: Model | str | Path | Mapping[str, Model | str | Path | Callable[[Movie], Any]],
    pairs: Any,
    *,
    baselines: Sequence[str] = ("input", "gaussian", "nlm"),
    camera: Camera | None = None,
    options: BenchmarkOptions = BenchmarkOptions(),
    inference: InferenceOptions = InferenceOptions(),
    progress: Progress | bool | None = None,
    cancel: Cancel | None = None,
) -> Report:
    """Compare models, other methods and baselines on paired data.

    Every channel of every pair is scored with one data range D for a movie, without rescaling of results unless the
    name of a metric states it, or source and reference have different gray levels (see `BenchmarkOptions`). Results
    are computed as float32, before any rounding. Memory does not grow with the length of a movie: frames are read one
    by one, results larger than an eighth of the free memory are stored on disk, and MS-SSIM, MicroSSIM, foreground
    SSIM, FRC and spectra use at most 16 frames spread over the movie (and 2048 × 2048 pixels of each), as the report
    states.

    Parameters
    ----------
    methods : Model, name, path, or mapping
        Methods to compare: one model, or a mapping from names to models and callables ``movie -> movie`` (or array).
    pairs : folder, tuple or list
        A folder with ``low/`` and ``high/``, two folders (see `BenchmarkOptions`), (source, reference), or a list of
        such pairs of paths, movies or arrays; a reference of None denotes data without one. Pairs with the same
        reference count as one field of view.
    baselines : sequence of str
        From "input" (bicubic if the reference is finer), "gaussian" (with the best sigmas for the reference), "nlm"
        (non-local means) and "tv" (total variation), the last two set to the noise estimated from the source, and
        "bm3d" (with the best strength for the reference; needs the package bm3d).
    camera : Camera, optional
        Gain, offset, read noise and correlation of the noise. A gain adds the held-out gain and the confirmed
        resolution: half of the photons is restored and compared with the raw other half. "nlm", "tv" and "bm3d" use it
        to stabilize the noise, Richardson-Lucy uses the offset.
    options : BenchmarkOptions
        Data range, gray levels, point spread function, seed, and how pairs are read.
    inference : InferenceOptions
        Options of the models, as for `restore`.
    progress : bool or callable, optional
        As for `restore`.
    cancel : threading.Event, optional
        When set, the benchmark stops within one tile of a model, or after the current method.

    Returns
    -------
    Report
        ``.table()``, ``.to_html(path)``, ``.save(folder)``.

    Raises
    ------
    InputError
        If pairs, models and options do not match, a source and its reference do not show the same field, a frame
        contains NaN, or a reference is constant.
    Cancelled
        If `cancel` was set.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> reference = np.kron(rng.random((8, 8)), np.ones((8, 8))) * 100
    >>> noisy = reference + rng.normal(0, 10, reference.shape)
    >>> report = benchmark({"half": lambda movie: np.asarray(movie) / 2}, [(noisy, reference)], baselines=("input",))
    >>> report.mean("input", "psnr") > report.mean("half", "psnr")
    True
    """
    camera = camera or Camera()
    check_instance(InferenceOptions, inference=inference)
    check_instance(BenchmarkOptions, options=options)
    inference.check_unused("batch_size", by="benchmark")
    found = checked_pairs(pairs, folder_as=options.folder_as)
    groups = _groups(found, options.group_by)
    checked = check_agreement(found, levels=options.levels, unrelated=options.unrelated)
    for line in checked.warnings:
        warnings.warn(line, stacklevel=3)  # the caller of `benchmark`, around its check of arguments
    bars = cancellable(checked_progress(progress), cancel, "cancelled; no report was written")
    with TemporaryDirectory(prefix="decrappify-", ignore_cleanup_errors=True) as folder:
        compared = [
            *baseline_methods(baselines, psf=options.psf, camera=camera),
            *user_methods(methods, Path(folder), inference, cancel),
        ]
        _check_names(compared)
        collected = _Collected(checked.agreements, groups)
        with progress_bar(bars, total=len(checked.pairs) * len(compared), desc="benchmark", unit="run") as bar:
            for i, pair in enumerate(checked.pairs):
                halves = split(pair, camera=camera, static=options.static, seed=(options.seed, i))
                _run_pair(collected, pair, compared, halves, options.data_range, Path(folder), bar)
    gains = {method.name: finish_micro_ssim(list(collected.scores[method.name].values())) for method in compared}
    return Report(
        methods=tuple((method.name, method.kind) for method in compared),
        views=tuple(collected.views),
        scores=collected.scores,
        evidence=collected.evidence,
        micro_ssim_gains=gains,
        seed=options.seed,
        settings=_settings(baselines, camera, options, inference) | {"levels": "fit" if checked.fit_levels else "same"},
        warnings=tuple(checked.warnings),
        origin=origin_of(compared, checked.pairs),
    )


def _groups(pairs: Sequence[Pair], pattern: str | None) -> dict[str, dict[str, str]]:
    return {} if pattern is None else parsed(pattern, [view.name for pair in pairs for view in pair.views])


def _settings(
    baselines: Sequence[str], camera: Camera, options: BenchmarkOptions, inference: InferenceOptions
) -> dict[str, Any]:
    """Return the settings for the report as plain values; those of network execution only if not automatic."""
    psf = options.psf
    chosen = {name: getattr(inference, name) for name in ("tile_size", "tile_overlap", "backend")}
    return {
        "baselines": list(baselines),
        "psf": None if psf is None else f"sigma {psf} px" if np.ndim(psf) == 0 else f"array {np.shape(psf)}",
        "data_range": options.data_range,
        "levels": options.levels,
        **asdict(camera),
        "static": options.static,
        "group_by": options.group_by,
        "seed": options.seed,
        "device": inference.device,
        "precision": inference.precision,
        **{name: value for name, value in chosen.items() if value not in (None, "auto")},
    }


class _Collected:
    def __init__(self, agreements: Mapping[str, Agreement], groups: Mapping[str, dict[str, str]]) -> None:
        self.agreements, self.groups = agreements, groups
        self.views: list[ViewRecord] = []
        self.scores: dict[str, dict[str, Score]] = {}
        self.evidence: dict[str, Evidence] = {}


def _run_pair(
    collected: _Collected,
    pair: Pair,
    methods: Sequence[Method],
    halves: Halves | None,
    data_range: float | None,
    folder: Path,
    bar: Bar,
) -> None:
    grounds = {view.name: survey(view, data_range) for view in pair.views}
    records = {
        name: _record(ground, halves, collected.agreements.get(name, Agreement()), collected.groups.get(name, {}))
        for name, ground in grounds.items()
    }
    collected.views += records.values()
    collected.evidence |= {name: gather(ground) for name, ground in grounds.items()}
    for method in methods:
        scores = collected.scores.setdefault(method.name, {})
        if method.needs_reference and pair.reference is None:
            continue
        with TemporaryDirectory(dir=folder, ignore_cleanup_errors=True) as scratch:
            started = time.perf_counter()
            lazy, notes = method.run(pair)
            movie = lazy if method.kind == "model" and not notes else kept(lazy, Path(scratch) / "kept.ome.zarr")
            speed = float(np.prod(movie.shape)) / 1e6 / (time.perf_counter() - started)
            for name, ground in grounds.items():
                scores[name], restored = score(ground, ground.view.of(movie))
                scores[name].add(Quantities({"megapixels_per_s": None if method.name == INPUT else speed}))
                collected.evidence[name].add(method.name, restored)
                records[name].notes[method.name] = notes[ground.view.channel : ground.view.channel + 1] or notes[:1]
            movie.close()
        if halves is not None and not method.needs_reference:
            for name, found in compare_halves(pair, method, halves).items():
                scores[name].add(Quantities(found))
        bar.update(1)


def _record(ground: Ground, halves: Halves | None, agreement: Agreement, groups: dict[str, str]) -> ViewRecord:
    view, movie = ground.view, ground.enlarged
    return ViewRecord(
        name=view.name,
        field_of_view=groups.get(FIELD, view.pair.field),
        groups=groups,
        kind=view.kind,
        n_frames=movie.shape[0],
        size=movie.shape[3:],
        scale=view.pair.scale,
        pixel_size_um=(movie if view.reference is None else view.reference).pixel_size_um[2],
        has_reference=view.reference is not None,
        data_range=ground.data_range,
        data_range_from=ground.data_range_from,
        sampled_frames=len(ground.frames),
        sampled_size=ground.sampled_size,
        ms_ssim_scales=ms_ssim_scales(ground),
        source_resolution_px=ground.source_resolution_px,
        reference_resolution_px=ground.reference_resolution_px,
        halves=None if halves is None else halves.how,
        **agreement.facts(),
    )


def _check_names(methods: Sequence[Method]) -> None:
    names = [method.name for method in methods]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise InputError(f"two methods have the name {twice[0]!r}; choose different names")
    reserved = sorted({"reference", "truth"} & set(names))
    if reserved:
        raise InputError(
            f"a method has the name {reserved[0]!r}, which is reserved for the reference; choose another name"
        )
