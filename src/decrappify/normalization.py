"""Normalization of a movie and its exact inverse: measured once per movie and applied to all frames."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from decrappify._common.argument_names import pass_setting, setting
from decrappify._common.checks import short
from decrappify._common.counting import counted
from decrappify._common.nan_advice import WITHOUT_NAN
from decrappify._common.planes.bands import bands
from decrappify._common.planes.sampling import evenly_spaced
from decrappify._common.planes.saturation import count_outside, saturate
from decrappify.errors import InputError
from decrappify.movie import Array, Movie

_LARGEST = 1e100  # squares of values beyond 1e154 overflow
_FINEST = 1e-3  # share of the range to which float64 must resolve gray levels; their arithmetic is in float64
_EXACT_SIZE = 128  # pixels: the sum of as many 16-bit values squared fits into 32 bits
_MIN_BLOCKS = 16  # per plane; fewer block means do not represent its range, and a single one has none


@dataclass(frozen=True, slots=True)
class Normalization:
    """Affine map between gray levels and the network's unit range: ``(gray - offset) / scale``.

    Attributes
    ----------
    offset : float
        Gray level that becomes 0 (the dark background).
    scale : float
        Gray levels that become 1 (background to bright structure); above 0.

    Examples
    --------
    >>> norm = Normalization(offset=100.0, scale=400.0)
    >>> gray = np.array([[100, 500]], np.uint16)
    >>> norm.apply(gray)
    array([[0., 1.]], dtype=float32)
    >>> norm.invert(norm.apply(gray), np.uint16)
    array([[100, 500]], dtype=uint16)
    """

    offset: float
    scale: float

    def apply(self, frame: Array) -> Array:
        """Convert gray levels of any dtype to float32 in network units; the shape is kept."""
        wide: Any = np.float64 if frame.dtype.itemsize > 2 else np.float32
        values: Array = np.subtract(frame, wide(self.offset), dtype=wide)
        values /= wide(self.scale)
        return values.astype(np.float32, copy=False)

    def invert(self, values: Array, dtype: DTypeLike) -> Array:
        """Convert network units to gray levels of `dtype`: rounded (integers) and clipped, not rescaled or wrapped."""
        return self.invert_counted(values, dtype)[0]

    def invert_counted(self, values: Array, dtype: DTypeLike) -> tuple[Array, tuple[int, int]]:
        """Return the result of `invert`, and the number of pixels clipped at the lower and upper limits of `dtype`.

        Pixels within 1 % of the unit range beyond a limit are not counted: noise around a dark level of 0 reaches it.

        >>> Normalization(0.0, 1000.0).invert_counted(np.float32([-0.5, 0.1, 0.3, 0.9]), np.uint8)
        (array([  0, 100, 255, 255], dtype=uint8), (1, 2))
        """
        dtype = np.dtype(dtype)
        wide: Any = np.float64 if dtype.itemsize > 2 else np.float32
        margin = max(0.5, 0.01 * self.scale) if dtype.kind in "ui" else 0.0
        result, below, above = np.empty(values.shape, dtype), 0, 0
        parts = bands(values.shape) if values.ndim == 2 else [...]  # whole planes would need three more copies
        for part in parts:
            gray: Array = np.multiply(values[part], wide(self.scale), dtype=wide)
            gray += wide(self.offset)
            clipped = count_outside(gray, dtype, margin)
            below, above = below + clipped[0], above + clipped[1]
            result[part] = saturate(gray, dtype)
        return result, (below, above)


@dataclass(frozen=True, slots=True, kw_only=True)
class NormalizationRule:
    """Rule by which `measure` finds a movie's normalization; stored in the model for use in training and restoration.

    Attributes
    ----------
    low, high : float
        Percentiles that become 0 and 1.
    bin_size : int
        Frames are averaged in ``bin_size × bin_size`` blocks first, so that noise does not widen the range.
    """

    low: float = 1.0
    high: float = 99.8
    bin_size: int = 4

    def __post_init__(self) -> None:
        if not 0 <= self.low < self.high <= 100:
            raise InputError(
                f"normalization percentiles are {short(self.low)} and {short(self.high)}, "
                "expected 0 <= low < high <= 100"
            )
        if self.bin_size < 1:
            raise InputError(f"bin_size is {short(self.bin_size)}, expected at least 1")

    def on_source(self, scale: int) -> NormalizationRule:
        """Return the same rule for a source `scale` times coarser than its target: blocks of the same physical extent.

        >>> NormalizationRule().on_source(2).bin_size
        2
        """
        return replace(self, bin_size=max(1, self.bin_size // scale))

    def to_dict(self) -> dict[str, Any]:
        """Return the rule as plain values for a model file."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class ChannelStatistics:
    """A fixed normalization, the same for every movie: ``(gray / full scale - mean) / std`` of each channel.

    The full scale is the largest value of an integer dtype, such as 255 for uint8, and 1 for floats.

    Attributes
    ----------
    mean, std : tuple of float
        One per channel, as fractions of the full scale; `std` above 0.

    Examples
    --------
    >>> ChannelStatistics((0.5,), (0.25,)).normalization(0, np.uint8)
    Normalization(offset=127.5, scale=63.75)
    """

    mean: tuple[float, ...]
    std: tuple[float, ...]

    def __post_init__(self) -> None:
        numbers = all(isinstance(value, int | float) and np.isfinite(value) for value in (*self.mean, *self.std))
        if not self.mean or len(self.mean) != len(self.std) or not numbers or min(self.std) <= 0:
            raise InputError(
                f"channel statistics have mean {short(self.mean)} and std {short(self.std)}, "
                "expected one finite number of each per channel, and std above 0"
            )

    def normalization(self, channel: int, dtype: DTypeLike) -> Normalization:
        """Return the affine map of a channel's gray levels of `dtype`.

        Raises
        ------
        InputError
            If the channel is beyond those of the statistics.
        """
        if not 0 <= channel < len(self.mean):
            raise InputError(
                f"channel {channel} has no statistics; the model has those of {counted(len(self.mean), 'channel')}"
            )
        dtype = np.dtype(dtype)
        full = float(np.iinfo(dtype).max) if dtype.kind in "ui" else 1.0
        return Normalization(self.mean[channel] * full, self.std[channel] * full)

    def on_source(self, scale: int) -> ChannelStatistics:
        """Return the same statistics: they do not depend on the grid."""
        return self

    def to_dict(self) -> dict[str, Any]:
        """Return the statistics as plain values for a model file."""
        return {"kind": "channel-statistics", "mean": list(self.mean), "std": list(self.std)}


IMAGENET = ChannelStatistics((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
"""Statistics of the photographs (RGB) that published encoders were trained on."""


def normalization_from_dict(values: Mapping[str, Any]) -> NormalizationRule | ChannelStatistics:
    """Create a rule (stored without a kind) or channel statistics from the values that their ``to_dict`` returned.

    Raises
    ------
    InputError
        If the kind is unknown.
    TypeError
        If a name does not belong to the kind.

    Examples
    --------
    >>> normalization_from_dict(IMAGENET.to_dict()) == IMAGENET
    True
    """
    values = dict(values)
    kind = values.pop("kind", "rule")
    if kind == "rule":
        return NormalizationRule(**values)
    if kind == "channel-statistics":
        return ChannelStatistics(**{name: tuple(numbers) for name, numbers in values.items()})
    raise InputError(f"normalization is of kind {short(kind)}, expected 'rule' or 'channel-statistics'")


class ConstantChannelError(InputError):
    """Error for a channel with the same value in every pixel.

    Attributes
    ----------
    value : float
        The gray level of every pixel.
    """

    def __init__(self, movie: Movie, channel: int, value: float) -> None:
        self.value = value
        super().__init__(
            f"channel {channel} of {movie.name} is constant (gray level {value:g}) and contains nothing to restore or "
            "train on; check the file or choose another channel"
        )


def measure(
    movie: Movie,
    channel: int = 0,
    rule: NormalizationRule | ChannelStatistics | None = None,
    *,
    max_planes: int = 32,
    nan: str = "error",
) -> Normalization:
    """Measure the normalization of a movie's channel from planes spread evenly over it.

    Planes that were never recorded are skipped.

    Parameters
    ----------
    movie : Movie
        Any length; at most `max_planes` planes are read, so a 200 GB movie takes seconds.
    channel : int
        The channel; each has a separate normalization.
    rule : NormalizationRule or ChannelStatistics, optional
        Percentiles and binning; or fixed statistics, for which no pixels are read.
    max_planes : int
        Largest number of planes to read.
    nan : {"error", "fill", "zero"}
        Raise an error on NaN and infinite pixels, or skip them (``"zero"`` is the older name of ``"fill"``).

    Raises
    ------
    InputError
        If the planes contain NaN (and `nan` is "error"), the channel is constant or was never recorded, or the
        statistics do not include it.
    """
    rule = rule or NormalizationRule()
    if isinstance(rule, ChannelStatistics):
        return rule.normalization(channel, movie.dtype)
    values = [
        finite_blocks(finite_frame(movie, t, channel, z, nan=nan), rule.bin_size)
        for t, z in sampled_planes(movie, channel, max_planes)
    ]
    return normalization_of(movie, channel, rule, values)


def sampled_planes(movie: Movie, channel: int, max_planes: int = 32) -> list[tuple[int, int]]:
    """Return frame and slice indices of at most `max_planes` recorded planes, spread evenly over the movie.

    Raises
    ------
    InputError
        If no plane of the channel was recorded.
    """
    n_t, _, n_z = movie.shape[:3]
    lost = np.array(sorted(t * n_z + z for t, c, z in movie.missing if c == channel), dtype=np.int64)
    count = n_t * n_z - len(lost)
    if count == 0:
        raise InputError(
            f"every plane of channel {channel} of {movie.name} is missing; choose another channel or scene"
        )
    picks = evenly_spaced(count, max_planes)
    if len(lost):
        before = lost - np.arange(len(lost))  # recorded planes before each lost one
        picks = picks + np.searchsorted(before, picks, side="right")
    return [divmod(int(pick), n_z) for pick in picks]


def normalization_of(movie: Movie, channel: int, rule: NormalizationRule, values: Sequence[Array]) -> Normalization:
    """Return the normalization of `rule` for block means (each any shape) of a channel's planes.

    Raises
    ------
    InputError
        If no pixel is finite, or the gray levels are too large for float64 to resolve their range; a
        `ConstantChannelError` if all have the same value.
    """
    everything = np.concatenate([np.ravel(blocks) for blocks in values]) if values else np.empty(0)
    if not everything.size:
        raise InputError(f"channel {channel} of {movie.name} is all NaN; check the file or choose another channel")
    low, high = np.percentile(everything, [rule.low, rule.high])
    if high <= low:  # sparse objects on a flat background
        low, high = everything.min(), everything.max()
    step = np.spacing(max(abs(low), abs(high)))
    if movie.dtype.kind in "ui" and step > 1 and step > _FINEST * (high - low):
        raise InputError(
            f"the gray levels of channel {channel} of {movie.name} are {low:.17g} to {high:.17g}, in steps that "
            f"float64 does not resolve; subtract a constant, such as {int(low)}, and try again"
        )
    if high <= low:
        raise ConstantChannelError(movie, channel, float(low))
    return Normalization(float(low), float(high - low))


def check_nan(nan: str) -> str:
    """Return `nan` if it is a valid treatment of NaN and infinite pixels; raise InputError otherwise."""
    if nan not in ("error", "fill", "zero"):
        raise InputError(f"{setting('nan', nan)} is not known, expected 'error' or 'fill'")
    return nan


def finite_frame(movie: Movie, t: int, c: int, z: int, *, nan: str = "error") -> Array:
    """Read one plane (Y, X); raise InputError on NaN and infinity with ``nan="error"``, else return them as NaN.

    Values beyond 1e100 always raise InputError.
    """
    check_nan(nan)
    frame = movie.frame(t, c, z)
    if frame.dtype.kind == "f" and not np.isfinite(frame).all():
        if nan == "error":
            raise InputError(
                f"frame {t} of {movie.name} contains NaN or infinity",
                advice=pass_setting("nan", "fill", otherwise=WITHOUT_NAN),
                option="nan",
            )
        frame = np.where(np.isfinite(frame), frame, frame.dtype.type(np.nan))
    if frame.dtype.kind == "f" and frame.dtype.itemsize > 4 and np.any(np.abs(frame) > _LARGEST):
        raise InputError(
            f"frame {t} of {movie.name} contains values up to {np.nanmax(np.abs(frame)):.1g}, the largest supported "
            f"value is {_LARGEST:.0e}; check the file for damage, or divide its pixels by a constant"
        )
    return frame


def finite_blocks(frame: Array, size: int) -> Array:
    """Return the means (float64) of the blocks of ``size × size`` pixels without NaN, or individual pixels.

    All finite pixels if fewer than `_MIN_BLOCKS` blocks are free of NaN; the smallest and the largest pixel if all
    block means are equal but the pixels are not.

    >>> finite_blocks(np.array([[1, 2], [3, 4]], np.uint8), 2).tolist()
    [1.0, 2.0, 3.0, 4.0]
    """
    blocks = binned(frame, size)
    if frame.dtype.kind == "f" and not np.isfinite(blocks).all():
        blocks = blocks[np.isfinite(blocks)]
    if blocks.size >= _MIN_BLOCKS and blocks.min() < blocks.max():
        return blocks
    pixels = (frame[np.isfinite(frame)] if frame.dtype.kind == "f" else frame.ravel()).astype(np.float64)
    if blocks.size < _MIN_BLOCKS:
        return pixels
    low, high = pixels.min(), pixels.max()
    return blocks if low == high else np.array([low, high])


def binned(frame: Array, size: int) -> Array:
    """Return the means (float64) of blocks of ``size × size`` pixels, or the pixels of a frame smaller than a block."""
    rows, columns = frame.shape[0] // size * size, frame.shape[1] // size * size
    if size == 1 or rows == 0 or columns == 0:
        return frame.astype(np.float64)
    if frame.dtype.kind in "ui" and frame.dtype.itemsize <= 2 and size <= _EXACT_SIZE:
        return _sums(_sums(frame[:rows, :columns], size).T, size).T / size**2  # several times as fast as the mean
    blocks = frame[:rows, :columns].reshape(rows // size, size, columns // size, size)
    return np.asarray(blocks.mean(axis=(1, 3), dtype=np.float64))


def _sums(values: Array, size: int) -> Array:
    """Return the sums (int32) of every `size` rows."""
    total = values[::size].astype(np.int32)
    for row in range(1, size):
        total += values[row::size]
    return total
