"""Crappifier: a reproducible sequence of parts that degrades an image."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from decrappify._common.arguments import moved_arguments
from decrappify._common.checks import short
from decrappify._common.plugins import definition_of
from decrappify.crappify.files import is_noise_model, read_table, write_table
from decrappify.crappify.part import Part
from decrappify.crappify.registry import did_you_mean, is_part, part_from_dict, part_to_dict
from decrappify.errors import InputError, printable
from decrappify.movie import Array
from decrappify.normalization import Normalization

PERCENTILES = (1.0, 99.8)
_DEFINED_IN = "defined_in"  # key of files: where parts of other packages are defined


class Crappifier:
    """Sequence of degradations.

    Parameters
    ----------
    steps : iterable of Part
        In physical order: bleaching, optics, sampling, noise, file.
    name : str, optional
        Used in provenance and messages.

    Notes
    -----
    Order of the draws: first the setting, step by step (the `probability`, then the ranges in the order of the part's
    fields), then the noise, step by step and frame by frame. A crappifier without ranges draws noise only, so
    ``crappifier(image, rng)`` equals ``crappifier.fixed(rng)(image, rng)``.

    Examples
    --------
    >>> from decrappify.crappify import Blur, Poisson
    >>> crappifier = Crappifier([Blur(1.0), Poisson(photons=(5, 50))], name="mine")
    >>> image = np.full((64, 64), 0.5, np.float32)
    >>> crappifier(image, np.random.default_rng(0)).shape
    (64, 64)
    """

    def __init__(self, steps: Iterable[Part], name: str | None = None) -> None:
        self.steps: tuple[Part, ...] = tuple(steps)
        self.name = name
        for step in self.steps:
            if not isinstance(step, Part):
                raise InputError(f"a crappifier step is {short(step)}, expected a part, such as Gaussian(0.05)")

    @property
    def scale(self) -> int:
        """Product of all down-sampling factors along Y and X."""
        return math.prod(step.scale for step in self.steps)

    @property
    def is_fixed(self) -> bool:
        """Return whether all parameters are numbers, without ranges and probabilities."""
        return all(step.is_fixed for step in self.steps)

    @property
    def color(self) -> bool:
        """Return whether a step mixes red, green and blue, and so needs color images."""
        return any(step.color for step in self.steps)

    def fixed(self, rng: np.random.Generator) -> Crappifier:
        """Draw every range, probability and choice once: images degraded with the result differ only in noise.

        Call the result with ``color=True`` for color images: the step that mixes colors may have been dropped.
        """
        if self.is_fixed:
            return self
        taken = [step for step in self.steps if step.probability == 1 or rng.random() < step.probability]
        return Crappifier([step.fixed(rng) for step in taken], self.name)

    @moved_arguments({"colour": "color=..."}, name="Crappifier")
    def __call__(
        self,
        image: Array,
        rng: np.random.Generator,
        *,
        data_range: tuple[float, float] | None = None,
        times: ArrayLike | None = None,
        color: bool | None = None,
    ) -> Array:
        """Degrade a still or a window of frames.

        Parameters
        ----------
        image : array (Y, X) or (T, Y, X); in color (3, Y, X) or (T, 3, Y, X)
            Integers or floats; not changed. All frames have the same setting and independent noise.
        rng : numpy.random.Generator
            Generator of all draws.
        data_range : (low, high), optional
            Gray levels of signal 0 (dark background) and 1 (bright reference). By default (0, 1) for floats, and the
            percentiles 1 and 99.8 of the array for integers; in color their full scale, such as (0, 255).
        times : int array (T,), optional
            Frame indices in the movie, for bleaching; 0, 1, 2 ... by default.
        color : bool, optional
            Whether `image` is red, green and blue; by default if a step needs it. Steps that do not mix colors treat
            each channel equally.

        Returns
        -------
        array of the axes of `image`, Y and X divided by `scale`
            In the gray levels and dtype of `image`; integers are rounded and clipped. If the dark background is gray 0,
            unsigned integers lose the negative half of the noise; pass floats to keep the mean exact.

        Raises
        ------
        InputError
            For another number of axes, a size that is not a multiple of `scale`, NaN, or a constant integer image.
        """
        image = np.asarray(image)
        color = self.color if color is None else color
        self._check(image, color)
        levels = _levels(image, data_range, color)
        signal = levels.apply(image)
        if not np.isfinite(signal).all():
            raise InputError(f"the image of shape {image.shape} contains NaN or infinity; repair it before crappifying")
        still = signal.ndim == (3 if color else 2)
        window = signal[None] if still else signal
        frames = np.arange(len(window)) if times is None else np.asarray(times)
        if frames.shape != (len(window),) or frames.dtype.kind not in "ui":
            raise InputError(f"times is {short(times)}, expected {len(window)} integers, one per frame")
        for step in self.fixed(rng).steps:
            apply = step.apply_color if color else step.apply
            shape = (*window.shape[:-2], *(side // step.scale for side in window.shape[-2:]))
            window = np.asarray(apply(window, rng, frames.astype(np.int64)), np.float32)
            if window.shape != shape:
                raise InputError(f"crappifier part {step.name!r} returned shape {window.shape}, expected {shape}")
        return levels.invert(window[0] if still else window, image.dtype)

    def _check(self, image: Array, color: bool) -> None:
        name = self.name or "the crappifier"
        if self.color and not color:
            raise InputError(f"{name} mixes red, green and blue; omit color=False and pass color images")
        if color:
            axes, advice = "(3, Y, X) or (T, 3, Y, X)", "the 3 are red, green and blue"
            axes_fit = image.ndim in (3, 4) and image.shape[-3] == 3
        else:
            axes, advice = "(Y, X) or (T, Y, X)", "pass channels one by one, or color=True for color images"
            axes_fit = image.ndim in (2, 3)
        if not axes_fit or image.dtype.kind not in "uif" or image.size == 0:
            raise InputError(
                f"the image has shape {image.shape} and dtype {image.dtype}, "
                f"{name} needs {axes} of integers or real floats; {advice}"
            )
        rows, columns = image.shape[-2:]
        if rows % self.scale or columns % self.scale:
            raise InputError(
                f"the image has {rows} x {columns} pixels (Y, X), but {name} makes it "
                f"{self.scale} times smaller; crop it to {rows // self.scale * self.scale} x "
                f"{columns // self.scale * self.scale}"
            )

    def to_dict(self) -> dict[str, Any]:
        """Return the crappifier as plain values for JSON and TOML."""
        head = {} if self.name is None else {"name": self.name}
        return head | {"steps": [part_to_dict(step) for step in self.steps]}

    @classmethod
    def from_dict(cls, table: Mapping[str, Any]) -> Crappifier:
        """Create it from the plain values of `to_dict`; an unknown key raises an error with the nearest known name."""
        for key in table:
            if key not in ("name", "steps", _DEFINED_IN):
                raise InputError(f"a crappifier has no setting {short(key)}; {did_you_mean(key, ('name', 'steps'))}")
        steps, name = table.get("steps"), table.get("name")
        if not isinstance(steps, list | tuple) or not isinstance(name, str | None):
            raise InputError(
                f"a crappifier has steps {short(steps)} and name {short(name)}, expected a list of steps and a string"
            )
        try:
            return cls([part_from_dict(step) for step in steps], name)
        except InputError as error:
            raise _undefined(table, steps) or error from None

    def save(self, path: str | Path, *, overwrite: bool = False) -> Path:
        """Write a ``.toml`` or ``.json`` file; it names the package or file that defines parts of your own."""
        found = {step.name: definition_of(type(step)) for step in _with_nested(self.steps)}
        others = {name: where for name, where in found.items() if where is not None}
        return write_table(self.to_dict() | ({_DEFINED_IN: others} if others else {}), Path(path), overwrite=overwrite)

    @classmethod
    def load(cls, path: str | Path) -> Crappifier:
        """Read a ``.toml`` or ``.json`` file; `decrappify.noise.load_crappifier` also reads noise models."""
        table = read_table(Path(path))
        if is_noise_model(table):
            raise InputError(
                f"{path} is a noise model, not a crappifier; read its crappifier with "
                "decrappify.noise.load_crappifier(path)"
            )
        try:
            return cls.from_dict(table)
        except InputError as error:
            raise InputError(f"{path}: {error}") from error

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Crappifier) and (self.steps, self.name) == (other.steps, other.name)

    def __hash__(self) -> int:
        return hash((self.steps, self.name))

    def __repr__(self) -> str:
        return f"Crappifier({list(self.steps)!r}, name={self.name!r})"


def full_scale(dtype: np.dtype[Any]) -> Normalization:
    """Return the levels of an image: 0 to 1 for floats, 0 to the largest number for integers."""
    return Normalization(0.0, 1.0 if dtype.kind == "f" else float(np.iinfo(dtype).max))


def _levels(image: Array, data_range: tuple[float, float] | None, color: bool) -> Normalization:
    if data_range is None and (color or image.dtype.kind == "f"):
        return full_scale(image.dtype)
    if data_range is None:
        low, high = (float(level) for level in np.percentile(image, PERCENTILES))
        if high <= low:  # sparse objects on a flat background
            low, high = float(image.min()), float(image.max())
        if high <= low:
            raise InputError(f"the image is constant (every pixel {low:g}); pass data_range=(low, high) in gray levels")
        return Normalization(low, high - low)
    low, high = (float(level) for level in data_range)
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise InputError(f"data_range is {short(data_range)}, expected two gray levels (low, high) with low < high")
    return Normalization(low, high - low)


def _undefined(table: Mapping[str, Any], steps: Iterable[Any]) -> InputError | None:
    """Return the error for a part that is not known here, if the file names its package."""
    places = table.get(_DEFINED_IN)
    for name in _names(steps):
        if isinstance(places, Mapping) and isinstance(name, str) and name in places and not is_part(name):
            return InputError(
                f"the crappifier part {short(name)} is defined in {printable(str(places[name]))[:200]}; install or "
                "import it first, or load its file: --plugin FILE, or load_plugin(FILE) in Python"
            )
    return None


def _with_nested(steps: Iterable[Any]) -> Iterator[Part]:
    """Yield parts, and those among which a part chooses."""
    for step in steps:
        if isinstance(step, Part):
            yield step
            for each in fields(step):
                value = getattr(step, each.name)
                yield from _with_nested(value if isinstance(value, tuple) else ())


def _names(entries: Iterable[Any]) -> Iterator[Any]:
    """Yield the names of parts in plain values, nested ones included."""
    for entry in entries:
        if isinstance(entry, Mapping):
            yield entry.get("part")
            for value in entry.values():
                yield from _names(value if isinstance(value, list | tuple) else ())
