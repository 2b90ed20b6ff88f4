"""NoiseModel: the measured noise of a microscope, its TOML file and the crappifier that simulates it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from decrappify._common.checks import short
from decrappify.crappify import Crappifier, Part
from decrappify.errors import InputError
from decrappify.noise.estimate import Estimate, unknown
from decrappify.noise.files import read_tables, write_tables
from decrappify.noise.validity import warn_of_values

_UNMEASURED = unknown("not measured")
KIND = "decrappify noise model 1"
_NOT_RAW = "the data are not raw"  # start of the note of the gain in files without the key `is_raw`
_RECORDS = ("is_raw", "levels", "source")  # fields without an estimate


@dataclass(frozen=True, slots=True, kw_only=True)
class NoiseModel:
    """Measured noise; each quantity has a standard error and a validity flag, and no value if it is not determined.

    The variance of a pixel is ``gain * mean + intercept`` in squared gray levels, with
    ``intercept = read_noise**2 - gain * offset``, and at least ``background_sd**2``.

    Attributes
    ----------
    gain : Estimate
        Gray levels per photoelectron; of detectors that multiply electrons, times the excess noise factor.
    intercept : Estimate
        Variance of the line at gray level 0, in squared gray levels.
    noise_sd : Estimate
        Standard deviation of the noise in gray levels, over the sampled pixels.
    background_sd : Estimate
        Standard deviation of the noise of dim pixels, in gray levels. The line can be below it at the dimmest ones, if
        the offset differs from pixel to pixel (sCMOS): they are dim without having less noise.
    offset, read_noise : Estimate
        Gray level without light, and the standard deviation of the noise there, in gray levels; from dark frames.
    excess_noise : Estimate
        Excess noise factor; cannot be separated from `gain`, which contains it.
    saturation : Estimate
        Highest gray level.
    bit_depth : Estimate
        Bits of the digitizer.
    correlation_y, correlation_x : tuple of 5 Estimate
        Autocorrelation of the noise at lags 0 to 4 pixels.
    row_noise, column_noise : Estimate
        Standard deviation of the offsets of rows and columns that change from frame to frame, in gray levels.
    fixed_pattern : Estimate
        Standard deviation of the constant offsets of pixels in gray levels; from dark frames.
    hot_pixels, hot_level : Estimate
        Share of the pixels that are hot, and their mean excess in gray levels.
    levels : (float, float)
        Gray levels of the dark background and of bright structure, signal 0 and 1 of a crappifier.
    is_raw : bool
        Whether the noise shows no filtering, denoising, resampling or compression of the data. Otherwise the measured
        gain has no value, and its note states the reason.
    source : str
        What was measured.
    """

    gain: Estimate = _UNMEASURED
    intercept: Estimate = _UNMEASURED
    noise_sd: Estimate = _UNMEASURED
    background_sd: Estimate = _UNMEASURED
    offset: Estimate = _UNMEASURED
    read_noise: Estimate = _UNMEASURED
    excess_noise: Estimate = _UNMEASURED
    saturation: Estimate = _UNMEASURED
    bit_depth: Estimate = _UNMEASURED
    correlation_y: tuple[Estimate, ...] = (_UNMEASURED,) * 5
    correlation_x: tuple[Estimate, ...] = (_UNMEASURED,) * 5
    row_noise: Estimate = _UNMEASURED
    column_noise: Estimate = _UNMEASURED
    fixed_pattern: Estimate = _UNMEASURED
    hot_pixels: Estimate = _UNMEASURED
    hot_level: Estimate = _UNMEASURED
    levels: tuple[float, float] = field(default=(0.0, 1.0))
    is_raw: bool = True
    source: str = ""

    def __post_init__(self) -> None:
        low, high = self.levels
        if not low < high:
            raise InputError(f"levels is {self.levels}, expected two gray levels (low, high) with low < high")

    def variance(self, gray_level: float) -> float:
        """Return the variance of the noise at a mean gray level; raise InputError if the gain is not determined."""
        if self.gain.value is None or self.intercept.value is None:
            raise InputError(f"the gain of this noise model is not determined: {self.gain.note}")
        return max(self.gain.value * gray_level + self.intercept.value, self.least_variance)

    @property
    def least_variance(self) -> float:
        """Variance below which the noise does not fall, in squared gray levels; 0 if it was not measured."""
        return (self.background_sd.value or 0.0) ** 2

    @property
    def neighbor_correlation(self) -> float:
        """The larger correlation of direct neighbors along Y and X; 0 if it is not determined."""
        return max(lags[1].value or 0.0 for lags in (self.correlation_y, self.correlation_x))

    def crappifier(self, levels: tuple[float, float] | None = None) -> Crappifier:
        """Create a crappifier with this noise; warn if values are not valid, or if it has no photon noise.

        Parameters
        ----------
        levels : (low, high), optional
            Gray levels of signal 0 and 1, those of the measured movie by default. A larger `high` is a brighter
            specimen, and so less noise.

        Raises
        ------
        InputError
            If neither the gain nor the standard deviation of the noise is determined.
        """
        parts = self.parts(levels)
        warn_of_values(self.estimates())
        return Crappifier(parts, name="calibrated")

    def parts(self, levels: tuple[float, float] | None = None) -> list[Part]:
        """Return the parts of `crappifier`, without warnings."""
        from decrappify.noise.simulation import noise_parts

        values = {name: one.value for name, one in self.estimates().items() if isinstance(one, Estimate)}
        neighbors = (self.correlation_y[1].value or 0.0, self.correlation_x[1].value or 0.0)
        return noise_parts(values, neighbors, levels or self.levels)

    def to_dict(self) -> dict[str, Any]:
        """Return the model as plain values for TOML."""
        table: dict[str, Any] = {"kind": KIND, "source": self.source, "is_raw": self.is_raw}
        table["levels"] = list(self.levels)
        for name, value in self.estimates().items():
            table[name] = [one.to_dict() for one in value] if isinstance(value, tuple) else value.to_dict()
        return table

    @classmethod
    def from_dict(cls, table: Mapping[str, Any]) -> NoiseModel:
        """Create it from the plain values of `to_dict`; the optics of a whole calibration are left out."""
        if table.get("kind") != KIND:
            raise InputError(f"kind is {short(table.get('kind'))}, expected {KIND!r}; write the file with calibrate")
        known = {one.name for one in fields(cls)}
        values: dict[str, Any] = {}
        for name, value in table.items():
            if name in ("kind", "optics"):  # optics: of a file of a whole calibration
                continue
            if name not in known:
                raise InputError(f"a noise model has no key {short(name)}")
            values[name] = _value(name, value)
        gain = values.get("gain", _UNMEASURED)
        is_raw = gain.value is not None or not gain.note.startswith(_NOT_RAW)
        return cls(**({"is_raw": is_raw} | values))

    def save(self, path: str | Path, *, overwrite: bool = False) -> Path:
        """Write a ``.toml`` file atomically; raise OutputExistsError if it exists, unless `overwrite`."""
        return write_tables(self.to_dict(), Path(path), overwrite=overwrite)

    @classmethod
    def load(cls, path: str | Path) -> NoiseModel:
        """Read a ``.toml`` file of `save`, or the noise in one of a whole calibration."""
        table = read_tables(Path(path))
        try:
            return cls.from_dict(table)
        except InputError as error:
            raise InputError(f"{path}: {error}") from error

    def estimates(self) -> dict[str, Estimate | tuple[Estimate, ...]]:
        """Return all quantities by name."""
        return {one.name: getattr(self, one.name) for one in fields(self) if one.name not in _RECORDS}


def _value(name: str, value: Any) -> Any:
    if name == "source":
        if isinstance(value, str):
            return value
    elif name == "is_raw":
        if isinstance(value, bool):
            return value
    elif name == "levels":
        numbers = isinstance(value, list) and all(type(one) in (int, float) for one in value)
        if numbers and len(value) == 2:
            return (float(value[0]), float(value[1]))
    elif name.startswith("correlation_"):
        if isinstance(value, list) and len(value) == 5 and all(isinstance(one, dict) for one in value):
            return tuple(Estimate.from_dict(one) for one in value)
    elif isinstance(value, dict):
        return Estimate.from_dict(value)
    raise InputError(f"{name} is {short(value)}, which is not a value of a noise model")
