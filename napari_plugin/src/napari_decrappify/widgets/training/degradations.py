"""Adjustable parameters of a crappifier as slider ranges, and its scale; without Qt."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from decrappify.crappify import BinDown, Crappifier, OneOf, Part, crappifier_preset, list_parts, preset_names

POSITIONS = 200  # number of steps of a slider
Ends = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Parameter:
    """Parameter of one step of a crappifier, drawn from a range whose ends may be equal.

    Attributes
    ----------
    step : int
        Index of the step.
    part, key : str
        Names of the part and of the parameter.
    ends : (float, float)
        Lowest and highest value.
    lowest, highest : float
        Ends of the slider.
    is_log, is_whole : bool
        Whether the slider is logarithmic, and whether the value is an integer.
    """

    step: int
    part: str
    key: str
    ends: Ends
    lowest: float
    highest: float
    is_log: bool = False
    is_whole: bool = False

    @property
    def label(self) -> str:
        """Name of the parameter with spaces.

        >>> Parameter(0, "poisson_gaussian", "read_noise", (1, 2), 0, 6).label
        'read noise'
        """
        return self.key.replace("_", " ")

    def position(self, value: float) -> int:
        """Return the position of a value on the slider, 0 to `POSITIONS`."""
        low, high, value = (self._scaled(number) for number in (self.lowest, self.highest, value))
        return min(POSITIONS, max(0, round(POSITIONS * (value - low) / (high - low))))

    def value(self, position: int) -> float:
        """Return the value at a position of the slider, to three digits.

        >>> Parameter(0, "poisson", "photons", (8, 60), 1, 100, is_log=True).value(100)
        10.0
        """
        low, high = self._scaled(self.lowest), self._scaled(self.highest)
        raw = low + (high - low) * position / POSITIONS
        value = float(f"{math.exp(raw) if self.is_log else raw:.3g}")
        value = round(value) if self.is_whole else value
        return min(self.highest, max(self.lowest, value))

    def _scaled(self, value: float) -> float:
        return math.log(value) if self.is_log else value


def presets() -> list[str]:
    """Return the names of the crappifiers for gray images, without those for color images."""
    return [name for name in preset_names() if not crappifier_preset(name).color]


def added_parts() -> list[str]:
    """Return the names of the parts registered by plugins, without those for color images or sampling."""
    return [
        name
        for name, part in list_parts().items()
        if not part.__module__.startswith("decrappify.") and part().scale == 1 and not part().color
    ]


def with_part(crappifier: Crappifier, name: str) -> Crappifier:
    """Add a part with its default values: before sampling and noise, or as the last one.

    >>> [type(step).__name__ for step in with_part(crappifier_preset("confocal-x2"), "blur").steps]
    ['Blur', 'SampleDown', 'ExcessNoise']
    >>> [type(step).__name__ for step in with_part(crappifier_preset("confocal-x2"), "jpeg").steps]
    ['SampleDown', 'ExcessNoise', 'Jpeg']
    """
    part = list_parts()[name]()
    place = _optics(crappifier) if part.before_sampling else len(crappifier.steps)
    return Crappifier([*crappifier.steps[:place], part, *crappifier.steps[place:]], crappifier.name)


def parameters(crappifier: Crappifier) -> list[Parameter]:
    """List the adjustable parameters, step by step: ranges, and all parameters of the parts of plugins.

    The other parameters of a preset are properties of its microscope.
    """
    return [
        _parameter(number, step, key)
        for number, step in enumerate(crappifier.steps)
        for key in type(step).limits
        if isinstance(getattr(step, key), tuple) or not type(step).__module__.startswith("decrappify.")
    ]


def changed(crappifier: Crappifier, ends: Mapping[tuple[int, str], Ends]) -> Crappifier:
    """Replace ranges of a crappifier.

    Parameters
    ----------
    crappifier : Crappifier
        The preset.
    ends : mapping of (step, key) to (float, float)
        The new ranges; others are not changed.

    Examples
    --------
    >>> changed(crappifier_preset("confocal"), {(0, "photons"): (5, 5)}).steps
    (ExcessNoise(probability=1.0, photons=5.0, background=(0.0, 1.0), read_noise=0.0, factor=(1.0, 1.5)),)
    """
    steps = list(crappifier.steps)
    for (number, key), (low, high) in ends.items():
        change: dict[str, Any] = {key: low if low == high else (low, high)}
        steps[number] = replace(steps[number], **change)
    return Crappifier(steps, crappifier.name)


def with_scale(crappifier: Crappifier, scale: int) -> Crappifier:
    """Set the downsampling factor of a crappifier: of its sampling step, or by adding binning before the noise.

    >>> [type(step).__name__ for step in with_scale(crappifier_preset("widefield"), 2).steps]
    ['Blur', 'BinDown', 'PoissonGaussian']
    >>> [with_scale(crappifier_preset(name), 4).scale for name in ("confocal-x2", "fluorescence-any-x2", "em-x4")]
    [4, 4, 4]
    """
    if crappifier.scale == scale:
        return crappifier
    if scale == 1:
        return Crappifier([step for step in crappifier.steps if step.scale == 1], crappifier.name)
    if crappifier.scale > 1:
        return Crappifier([_sampling(step, scale) for step in crappifier.steps], crappifier.name)
    optics = _optics(crappifier)
    return Crappifier([*crappifier.steps[:optics], BinDown(factor=scale), *crappifier.steps[optics:]], crappifier.name)


def _optics(crappifier: Crappifier) -> int:
    """Count the steps before sampling and noise."""
    others = (number for number, step in enumerate(crappifier.steps) if not step.before_sampling)
    return next(others, len(crappifier.steps))


def _sampling(step: Part, scale: int) -> Part:
    if isinstance(step, OneOf):
        return replace(step, parts=tuple(_sampling(part, scale) for part in step.parts))
    change: dict[str, Any] = {"factor": scale}
    return step if step.scale == 1 else replace(step, **change)


def _parameter(number: int, step: Part, key: str) -> Parameter:
    limits, value = type(step).limits[key], getattr(step, key)
    low, high = value if isinstance(value, tuple) else (value, value)
    if limits.log:
        lowest, highest = low / 10, high * 10
    else:
        reach = 3 * max(abs(low), abs(high)) or 1.0
        lowest, highest = -reach if low < 0 else 0.0, reach
    lowest = max(lowest, limits.minimum)
    if not limits.log and limits.above > -math.inf:
        lowest = max(lowest, min(low, reach / POSITIONS))  # the limit itself, such as 0, is not allowed
    highest = min(highest, limits.maximum)
    if limits.whole:
        lowest, highest = math.ceil(lowest), math.floor(highest)
    return Parameter(number, type(step).name, key, (low, high), lowest, highest, limits.log, limits.whole)
