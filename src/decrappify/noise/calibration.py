"""Calibration of a noise model from a movie of the user's microscope, and of its optics with good images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from decrappify._common.argument_names import setting
from decrappify._common.planes.sampling import evenly_spaced
from decrappify._common.progress import Cancel, Check, check_cancel
from decrappify.crappify import Crappifier
from decrappify.errors import InputError
from decrappify.movie import Movie
from decrappify.noise.estimate import unknown
from decrappify.noise.files import read_tables, write_tables
from decrappify.noise.measurement.dark import Dark, hot_estimates, measure_dark
from decrappify.noise.measurement.gain import GainFit
from decrappify.noise.measurement.input_checks import check_dark_level, check_dark_movie, check_differs, hint_at_slices
from decrappify.noise.measurement.levels import measure_bit_depth, measure_saturation
from decrappify.noise.measurement.measure import measure_noise
from decrappify.noise.measurement.sample import IMAGES, sample_images, sample_regions
from decrappify.noise.measurement.transfer import Transfer
from decrappify.noise.model import NoiseModel
from decrappify.noise.optics.measure import measure_optics
from decrappify.noise.optics.optics import Optics
from decrappify.noise.optics.scale import Spacing
from decrappify.noise.table import calibration_table, quantities, remark
from decrappify.noise.validity import warn_of_values

Array = NDArray[Any]


@dataclass(frozen=True, slots=True)
class Samples:
    """Pixels from which a calibration was measured.

    Attributes
    ----------
    low : tuple of arrays (T, Y, X)
        Regions of the low images.
    high : tuple of arrays (1, Y, X)
        Good images; empty without.
    """

    low: tuple[Array, ...]
    high: tuple[Array, ...] = ()


@dataclass(frozen=True, slots=True)
class Calibration:
    """Result of `calibrate`.

    Attributes
    ----------
    noise : NoiseModel
        The measured noise.
    optics : Optics
        Blur, scale factor and line jitter.
    transfer : Transfer or None
        Photon-transfer curve; None if it was not measured.
    samples : Samples or None
        Pixels for the report; None if the calibration was read from a file.
    """

    noise: NoiseModel
    optics: Optics = field(default_factory=Optics)
    transfer: Transfer | None = field(default=None, compare=False)
    samples: Samples | None = field(default=None, compare=False, repr=False)

    def crappifier(self, levels: tuple[float, float] | None = None) -> Crappifier:
        """Create a crappifier with the measured blur, down-sampling, line jitter and noise.

        Quantities without a value have no part, and values that are not valid are named in a warning; see
        `NoiseModel.crappifier` for `levels` and errors.
        """
        parts = [*self.optics.parts(), *self.noise.parts(levels)]
        warn_of_values(self.noise.estimates() | self.optics.estimates())
        return Crappifier(parts, name="calibrated")

    def table(self) -> str:
        """Return all quantities with standard errors and notes as text, one per line."""
        return calibration_table(self.noise, self.optics)

    def _repr_html_(self) -> str:
        """Return the quantities with a value for notebooks."""
        from decrappify._common.pages.cards import html_table

        known = [line for line in quantities(self.noise, self.optics) if line[1].value is not None]
        rows = [[label, f"{one.text()} {unit}".strip(), remark(one)] for label, one, unit in known]
        return html_table(["quantity", "value", "note"], rows, note=self.noise.source)

    def report(self, path: str | Path, *, overwrite: bool = False) -> Path:
        """Write a report as one self-contained HTML file.

        It contains all quantities, the photon-transfer curve, correlation and spectrum of the noise, and with good
        images a low image next to a good one that was degraded with `crappifier`, and the differences of the two.

        Raises
        ------
        FormatError
            If the suffix is not ``.html``.
        OutputExistsError
            If the file exists and `overwrite` is False.
        OutputError
            If it cannot be written.
        """
        from decrappify.io.store.reports import write_report
        from decrappify.noise.report.html import page

        low, high = (self.samples.low, self.samples.high) if self.samples is not None else ((), ())
        return write_report(path, lambda: page(self.noise, self.optics, self.transfer, low, high), overwrite=overwrite)

    def save(self, path: str | Path, *, overwrite: bool = False) -> Path:
        """Write noise model and optics as one ``.toml`` file; see `load` and `NoiseModel.load`."""
        return write_tables(self.noise.to_dict() | {"optics": self.optics.to_dict()}, Path(path), overwrite=overwrite)

    @classmethod
    def load(cls, path: str | Path) -> Calibration:
        """Read a ``.toml`` file of `save`, or of `NoiseModel.save` without optics."""
        table = read_tables(Path(path))
        try:
            optics = table.pop("optics", None)
            return cls(NoiseModel.from_dict(table), Optics() if optics is None else Optics.from_dict(optics))
        except InputError as error:
            raise InputError(f"{path}: {error}") from error


def calibrate(
    low: Any, high: Any = None, *, dark: Any = None, channel: int | str | None = None, cancel: Cancel | None = None
) -> Calibration:
    """Measure the noise of a microscope from a movie of any specimen, moving or not, and its blur with good images.

    Regions of consecutive frames, at most 6 million pixels, are read, so that the movie may be larger than memory.

    Parameters
    ----------
    low : path, array or Movie
        A raw movie; 20 frames are enough. A single image has a larger error. Data that were denoised, compressed or
        averaged have other noise than the camera.
    high : path, array, Movie, or list of these, optional
        Good images of the same kind of specimen, not of the same fields; 4 or more. Blur and scale factor are those
        that lead from them to `low`.
    dark : path, array or Movie, optional
        Frames recorded without light, at the same settings; without them offset and read noise are not determined.
    channel : int or str, optional
        Channel of each, if there are several.
    cancel : threading.Event, optional
        Stops the calibration after a part of it when set.

    Returns
    -------
    Calibration
        Quantities that the data do not determine have no value, and a note with the reason.

    Raises
    ------
    InputError
        For several channels, NaN, a constant movie, images under 32 pixels, dark frames that are brighter than half of
        `low`, or the pixels of `low` as `dark` or `high`.
    Cancelled
        If `cancel` was set.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> expected = np.tile(np.linspace(10, 400, 128), (128, 1))
    >>> movie = 100 + 2.0 * rng.poisson(expected, (6, 128, 128))
    >>> result = calibrate(movie)
    >>> abs(result.noise.gain.value / 2.0 - 1) < 0.05, result.noise.offset.note
    (True, 'no dark frames: offset and read noise cannot be separated')
    """
    return measure_calibration(low, high, dark, channel, partial(check_cancel, cancel, "the calibration was cancelled"))


def measure_calibration(low: Any, high: Any, dark: Any, channel: int | str | None, check: Check | None) -> Calibration:
    """Calibrate, see `calibrate`; `check` is called between its parts, and may raise an exception to stop."""
    check = check or (lambda: None)
    movie = _one_channel(low, channel)
    hint_at_slices(movie)
    raw = sample_regions(movie)
    values = np.concatenate([region.ravel() for region in raw])
    check()
    noise = measure_noise(raw, values, check)
    check()
    measured = Dark()
    if dark is not None:
        dark_movie = _one_channel(dark, channel, lenient=True)
        check_dark_movie(movie, dark_movie)
        measured = measure_dark([region.astype(np.float64) for region in sample_regions(dark_movie)])
        median, sd = float(np.median(values)), noise["noise_sd"].value or 0.0
        check_dark_level(dark_movie.name, measured, median, noise["levels"][0], sd)
        noise |= hot_estimates(measured, noise["hot_pixels"], noise["hot_level"])
    fit: GainFit = noise.pop("fit")
    model = NoiseModel(
        gain=fit.gain,
        intercept=fit.intercept,
        offset=measured.offset,
        read_noise=measured.read_noise,
        fixed_pattern=measured.fixed_pattern,
        excess_noise=unknown("cannot be separated from the gain, which contains it"),
        saturation=measure_saturation(values),
        bit_depth=measure_bit_depth(values),
        source=f"{movie.name}: {values.size} pixels of {len(raw)} region{'s' * (len(raw) != 1)}",
        **noise,
    )
    good, spacing = ([], (None, None)) if high is None else _good_images(high, channel, movie)
    check()
    optics = measure_optics(raw, model, None if high is None else good, (movie.pixel_size_um, spacing))
    return Calibration(model, optics, fit.transfer, Samples(tuple(raw), tuple(good)))


def _one_channel(source: Any, channel: int | str | None, *, lenient: bool = False) -> Movie:
    """Open one channel of a movie; if `lenient`, the only channel of a file may have any name."""
    from decrappify.io import open_movie

    movie = open_movie(source)
    if channel is not None and not (movie.shape[1] == 1 and (lenient or isinstance(source, Movie))):
        movie = open_movie(movie, channel=channel)
    if movie.shape[1] != 1:
        raise InputError(
            f"{movie.name} has {movie.shape[1]} channels ({', '.join(movie.channel_names)}), and each may have another "
            f"camera; pass {setting('channel', 0)} or the name of another one"
        )
    if min(movie.shape[3:]) < 32:
        raise InputError(f"{movie.name} has {movie.shape[3:]} pixels (Y, X), expected at least 32 of each to calibrate")
    return movie


def _good_images(high: Any, channel: int | str | None, low: Movie) -> tuple[list[Array], Spacing]:
    """Return planes of the good images, and their pixel size along Y and X; unknown if it differs between files."""
    sources: Sequence[Any] = high if isinstance(high, list | tuple) else [high]
    if not sources:
        raise InputError("high is an empty list, expected at least one good image")
    images: list[Array] = []
    sizes = set()
    for k in evenly_spaced(len(sources), IMAGES):
        movie = _one_channel(sources[k], channel, lenient=True)
        check_differs(low, movie, "high", "good images of the same kind of specimen")
        images += sample_images(movie, max(1, IMAGES // len(sources)))
        sizes.add(tuple(movie.pixel_size_um[1:]))
    if not images:
        raise InputError("every sampled good image is constant or missing, expected images with structure")
    return images, sizes.pop() if len(sizes) == 1 else (None, None)
