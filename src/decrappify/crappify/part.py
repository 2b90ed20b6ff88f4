"""Part: one step of a crappifier, a frozen dataclass whose numbers may be ranges that are drawn once per setting."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import Annotated, Any, ClassVar, TypeAlias, get_args, get_type_hints

import numpy as np
from numpy.typing import NDArray

from decrappify._common.checks import short
from decrappify.errors import InputError

Number: TypeAlias = float | tuple[float, float]
Signal: TypeAlias = NDArray[np.float32]
Times: TypeAlias = NDArray[np.int64]


_SMALLEST, _LARGEST = 1e-9, 1e9  # magnitude of a number other than 0: beyond it float32 overflows


@dataclass(frozen=True, slots=True)
class Limits:
    """Allowed values of a parameter, and the distribution of draws from a range."""

    minimum: float = -math.inf
    maximum: float = math.inf
    above: float = -math.inf
    whole: bool = False
    log: bool = False

    def describe(self) -> str:
        """Return the limits in words for an error message, such as ``a number above 0``."""
        ends = [f"above {self.above:g}"] if self.above > -math.inf else []
        ends += [f"at least {self.minimum:g}"] if self.minimum > -math.inf else []
        ends += [f"at most {self.maximum:g}"] if self.maximum < math.inf else []
        return " ".join(["an integer" if self.whole else "a number", " and ".join(ends)]).strip()

    def allows(self, value: Any) -> bool:
        """Return whether one number (not a range) is allowed."""
        if isinstance(value, bool) or not isinstance(value, int | float) or not _is_of_size(value):
            return False
        return self.minimum <= value <= self.maximum and value > self.above and (not self.whole or value == int(value))

    def draw(self, low: float, high: float, rng: np.random.Generator) -> float:
        """Draw from a range: log-uniform, uniform, or an integer with both ends included."""
        if self.whole:
            return int(rng.integers(int(low), int(high), endpoint=True))
        if self.log:
            return float(np.exp(rng.uniform(math.log(low), math.log(high))))
        return float(rng.uniform(low, high))


# A field of these types takes a number or a (low, high) range that is drawn once per setting.
AnyNumber: TypeAlias = Annotated[Number, Limits()]
NonNegative: TypeAlias = Annotated[Number, Limits(minimum=0)]
Positive: TypeAlias = Annotated[Number, Limits(above=0)]
Logarithmic: TypeAlias = Annotated[Number, Limits(above=0, log=True)]


@dataclass(frozen=True, slots=True)
class Part:
    """Base of all parts.

    A part works on signal units: 0 is the dark background and 1 the bright reference level of the movie.

    Attributes
    ----------
    probability : float
        Probability that the step is applied, drawn once per setting; 1 is always.
    """

    name: ClassVar[str]  # set by register_part
    before_sampling: ClassVar[bool] = False  # simulates the specimen or the optics, not the detector or the file
    limits: ClassVar[dict[str, Limits]]  # of the fields that may be ranges, in the order in which they are drawn

    probability: float = field(default=1.0, kw_only=True)

    def __init_subclass__(cls) -> None:
        try:
            hints = get_type_hints(cls, include_extras=True)
        except NameError as error:
            raise InputError(
                f"crappifier part {cls.__name__}: {error}, but it is in the annotation of a field; import or define it "
                "at the top of the module, and the class too"
            ) from error
        cls.limits = {
            key: note for key, hint in hints.items() for note in get_args(hint)[1:] if isinstance(note, Limits)
        }

    def __post_init__(self) -> None:
        if not Limits(above=0, maximum=1).allows(self.probability):
            raise InputError(
                f"{self.name}: probability is {short(self.probability)}, expected a number above 0 and at most 1"
            )
        if self.scale != 1 and self.probability != 1:
            raise InputError(
                f"{self.name}: a step that changes the image size needs probability 1, found {self.probability:g}"
            )
        for key, limits in self.limits.items():
            object.__setattr__(self, key, _checked(getattr(self, key), limits, f"{self.name}: {key}"))

    @property
    def scale(self) -> int:
        """Down-sampling factor along Y and X."""
        return 1

    @property
    def color(self) -> bool:
        """Return whether the part mixes red, green and blue, and so needs color images."""
        return False

    def fixed(self, rng: np.random.Generator) -> Part:
        """Draw every range, field by field in the order of declaration, and drop the probability."""
        changes: dict[str, Any] = {"probability": 1.0}
        for key, limits in self.limits.items():
            value = getattr(self, key)
            if isinstance(value, tuple):
                changes[key] = limits.draw(value[0], value[1], rng)
        return replace(self, **changes)

    @property
    def is_fixed(self) -> bool:
        """Return whether all parameters are fixed, so that only the noise is random."""
        return self.probability == 1 and not any(isinstance(getattr(self, key), tuple) for key in self.limits)

    def apply(self, signal: Signal, rng: np.random.Generator, times: Times) -> Signal:
        """Degrade a window; every number of the part must be fixed.

        Parameters
        ----------
        signal : float32 array (T, Y, X)
            Signal units; not changed in place.
        rng : numpy.random.Generator
            Generator of the noise.
        times : int64 array (T,)
            Frame indices in the movie.

        Returns
        -------
        float32 array (T, Y / scale, X / scale)
        """
        raise NotImplementedError

    def apply_color(self, signal: Signal, rng: np.random.Generator, times: Times) -> Signal:
        """Degrade color images (T, 3, Y, X), by default each channel separately with independent noise.

        As `apply`, with an axis of red, green and blue; the result is (T, 3, Y / scale, X / scale).
        """
        planes = self.apply(signal.reshape(-1, *signal.shape[2:]), rng, np.repeat(times, signal.shape[1]))
        return planes.reshape(*signal.shape[:2], *planes.shape[1:])

    def value(self, key: str) -> float:
        """Return one number of a fixed part; raise for a range."""
        number_or_range = getattr(self, key)
        if isinstance(number_or_range, tuple):
            raise InputError(f"{self.name}: {key} is still the range {number_or_range}; call fixed(rng) first")
        return float(number_or_range)


def _checked(value: Any, limits: Limits, where: str) -> Number:
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, list | tuple):
        if len(value) == 2 and all(limits.allows(end) for end in value) and value[0] <= value[1]:
            if limits.log and value[0] <= 0:
                raise InputError(f"{where} is {short(value)} and is drawn log-uniformly, expected a low end above 0")
            return (_plain(value[0], limits), _plain(value[1], limits))
    elif limits.allows(value):
        return _plain(value, limits)
    needed = f"{limits.describe()}, or a (low, high) range of such numbers{_size_hint(value)}"
    raise InputError(f"{where} is {short(value)}, expected {needed}")


def _size_hint(value: Any) -> str:
    numbers = [number for number in (value if isinstance(value, list | tuple) else [value]) if type(number) is float]
    return "" if all(map(_is_of_size, numbers)) else f", of a size from {_SMALLEST:g} to {_LARGEST:g}"


def _is_of_size(value: float) -> bool:
    return value == 0 or _SMALLEST <= abs(value) <= _LARGEST


def _plain(value: float, limits: Limits) -> float:
    return int(value) if limits.whole else float(value) + 0.0  # never -0.0, which is not valid as an end of a range
