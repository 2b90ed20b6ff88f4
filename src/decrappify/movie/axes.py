"""Assignment of the dimensions of an array or file to T, C, Z, Y and X."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Any

from decrappify._common.argument_names import setting
from decrappify._common.counting import counted
from decrappify.errors import InputError

AXES = "TCZYX"
_BY_COUNT = {2: "YX", 3: "TYX", 5: "TCZYX"}
_NAMES = {
    "T": ("t", "time", "times", "timepoint", "timepoints", "frame", "frames"),
    "C": ("c", "s", "ch", "channel", "channels", "band", "bands", "rgb", "sample", "samples"),
    "Z": ("z", "depth", "slice", "slices", "plane", "planes"),
    "Y": ("y", "row", "rows", "height", "lat", "latitude"),
    "X": ("x", "col", "cols", "column", "columns", "width", "lon", "longitude"),
}
_LETTERS = {name: letter for letter, names in _NAMES.items() for name in names}
_SAMPLES = (3, 4)  # of a color pixel, without and with alpha
_SMALL_FRAME = 7  # rows: smaller frames are test data, not color images
_MUCH = 4  # "much smaller": by this factor, with two axes of similar length
_SIMILAR = 2  # ratio of height and width up to which two axes look like an image
_SMALLER = 2  # by this factor, with two axes of equal length
_VERY_MUCH = 16  # by this factor for any ratio of the two others


def axis_letter(name: object) -> str:
    """Return the letter of ``TCZYX`` for the name of a dimension, empty for an unknown name.

    >>> axis_letter("Time"), axis_letter("z"), axis_letter("column"), axis_letter("angle")
    ('T', 'Z', 'X', '')
    """
    return _LETTERS.get(str(name).strip().lower(), "")


def parse_axes(
    shape: tuple[int, ...],
    axes: str | None = None,
    *,
    names: Iterable[Any] | None = None,
    what: str = "array",
    is_named: bool = False,
    with_samples: bool = False,
) -> str:
    """Return the axes of an array or file, one letter of ``TCZYX`` per dimension.

    Parameters
    ----------
    shape : tuple of int
        Shape of the array.
    axes : str, optional
        Axes from the user, in any order and case; ``S`` (samples of a color pixel) is an alias of ``C``.
    names : iterable, optional
        Names of the dimensions in the file, used if `axes` is None; ignored if a name is unknown or repeated, or Y or X
        is absent. By default (Y, X), (T, Y, X) or (T, C, Z, Y, X), by the number of dimensions.
    what : str
        Name of the array or file in messages.
    is_named : bool
        Whether `names` must name the axes; otherwise they may be inferred from the shape.
    with_samples : bool
        Whether `names` may contain ``S`` besides ``C``, as in a TIFF file.

    Raises
    ------
    InputError
        If `axes` or `names` do not match the shape, or the axes cannot be inferred from it: other numbers of
        dimensions, and shapes with a last axis that may be color samples or time, such as (512, 512, 3) and
        (512, 512, 50).

    Notes
    -----
    The last axis may be color samples if it has 3 or 4 entries and frames would have more than 7 rows. It may be time
    or depth if it is at most a quarter of the two axes before it and these differ by a factor of 2 at most, as the
    sides of an image do, if it is at most half of these and they are equal, or if it is at most a sixteenth of both.
    Strips of line scans, such as (2000, 256, 32), and short movies of narrow frames, such as (50, 512, 32), remain
    (T, Y, X).

    Examples
    --------
    >>> parse_axes((10, 64, 64)), parse_axes((64, 64, 3), "yxs"), parse_axes((9, 8, 7), names=("time", "y", "x"))
    ('TYX', 'YXC', 'TYX')
    """
    found = [] if names is None else list(names)
    known = {*AXES, "S"} if with_samples else {*AXES}
    if axes is not None:
        return _given_axes(axes, shape, what, found)
    letters = [str(name) if str(name) in known else axis_letter(name) for name in found]
    if are_axes(letters, len(shape), known):
        return "".join(letters)
    if is_named:
        raise InputError(
            f"{what} of shape {shape} has dimensions {_listed(found)}, expected names such as time, channel, z, y, x, "
            f"each once, or pass the axes, such as {setting('axes', 'TCYX')}"
        )
    return _axes_by_shape(shape, what)


def are_axes(letters: Sequence[str], ndim: int, known: Collection[str] = AXES) -> bool:
    """Return whether letters name each of `ndim` dimensions once, Y and X included.

    >>> are_axes("TYX", 3), are_axes("TY", 2), are_axes(["T", "", "Y", "X"], 4)
    (True, False, False)
    """
    return len(letters) == len(set(letters)) == ndim and set("YX") <= set(letters) <= set(known)


def _given_axes(axes: str, shape: tuple[int, ...], what: str, found: Sequence[Any]) -> str:
    letters = axes.upper() if isinstance(axes, str) else ""
    if "C" not in letters:
        letters = letters.replace("S", "C")
    if not are_axes(letters, len(shape)):
        named = f" ({_listed(found)})" if found else ""
        raise InputError(
            f"{setting('axes', axes)} does not fit {what} of shape {shape}{named}; "
            "needs one letter of TCZYX per dimension, Y and X included"
        )
    return letters


def _listed(names: Sequence[Any]) -> str:
    return ", ".join(map(str, names))


def _axes_by_shape(shape: tuple[int, ...], what: str) -> str:
    if len(shape) not in _BY_COUNT:
        raise InputError(
            f"{what} of shape {shape} has {counted(len(shape), 'axis', 'axes')}; expected (Y, X), (T, Y, X) or (T, C, "
            f"Z, Y, X), or pass the axes, such as {setting('axes', 'TCYX')}"
        )
    guess = _BY_COUNT[len(shape)]
    other = _other_reading(shape)
    if other is not None:
        axes_of_other, meaning = other
        raise InputError(
            f"{what} of shape {shape}: frames of {shape[-2]} x {shape[-1]} pixels are unlikely; "
            f"pass {setting('axes', axes_of_other)} for {meaning}, or {setting('axes', guess)} for such frames"
        )
    return guess


def _other_reading(shape: tuple[int, ...]) -> tuple[str, str] | None:
    """Return axes that match the shape better than those of its number of dimensions, and their meaning."""
    last = shape[-1]
    if len(shape) == 5:
        # The arrays of this package and of many others are (T, C, Z, Y, X): only what cannot be an image is rejected.
        if last <= _SAMPLES[1] and shape[-2] >= _VERY_MUCH * last:
            return "TZYXC", "color images"
        return None
    if len(shape) != 3:
        return None
    short, long = sorted(shape[:2])
    if last in _SAMPLES and shape[1] > _SMALL_FRAME:
        return "YXC", "a color image"
    is_square = short == long > _SMALL_FRAME and _SMALLER * last <= short  # a movie rarely has as many frames as rows
    if is_square or (_MUCH * last <= short and long <= _SIMILAR * short) or _VERY_MUCH * last <= short:
        return "YXT", "time on the last axis ('YXZ' for slices, 'YXC' for channels)"
    return None
