"""Parser of axes: assignment of the dimensions of an array or file to T, C, Z, Y and X."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

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


def named_axes(names: Iterable[Any] | None, ndim: int) -> str | None:
    """Return the axes named by dimension names; None if a name is unknown or repeated, or Y or X is absent.

    >>> named_axes(("time", "y", "x"), 3), named_axes(("dim_0", "y", "x"), 3)
    ('TYX', None)
    """
    letters = [axis_letter(name) for name in names or ()]
    axes = "".join(letters)
    return axes if len(axes) == len(letters) == len(set(axes)) == ndim and set("YX") <= set(axes) else None


def array_axes(shape: tuple[int, ...], axes: str | None = None, *, what: str = "array") -> str:
    """Return the axes of an array, one letter of ``TCZYX`` per dimension.

    Parameters
    ----------
    shape : tuple of int
        Shape of the array.
    axes : str, optional
        Axes from the user. By default (Y, X), (T, Y, X) or (T, C, Z, Y, X), by the number of dimensions.
    what : str
        Name of the array in messages.

    Raises
    ------
    InputError
        If the axes do not match the shape, or are not passed and cannot be inferred from it: other numbers of
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
    >>> array_axes((10, 64, 64)), array_axes((64, 64, 3), "yxc")
    ('TYX', 'YXC')
    """
    if axes is not None:
        return checked_axes(axes, shape, what)
    if len(shape) not in _BY_COUNT:
        raise InputError(
            f"{what} of shape {shape} has {len(shape)} axes; expected (Y, X), (T, Y, X) or (T, C, Z, Y, X), "
            "or pass the axes, such as axes='TCYX' (--axes TCYX)"
        )
    guess = _BY_COUNT[len(shape)]
    other = _other_reading(shape)
    if other is not None:
        axes_of_other, meaning = other
        raise InputError(
            f"{what} of shape {shape}: frames of {shape[-2]} x {shape[-1]} pixels are unlikely; "
            f"pass axes={axes_of_other!r} (--axes {axes_of_other}) for {meaning}, or axes={guess!r} for such frames"
        )
    return guess


def checked_axes(axes: str, shape: tuple[int, ...], what: str, found: str | None = None) -> str:
    """Return `axes` in upper case if they name each dimension of `shape` once, Y and X included.

    Parameters
    ----------
    axes : str
        One letter of ``TCZYX`` per dimension, in any order and case; ``S`` (samples of a color pixel) stands for ``C``.
    shape : tuple of int
        Shape of the array.
    what : str
        Name of the array or file in messages.
    found : str, optional
        The dimensions as named in the file, for the message.

    Raises
    ------
    InputError
        If they do not.

    Examples
    --------
    >>> checked_axes("yxs", (64, 64, 3), "array")
    'YXC'
    """
    letters = axes.upper() if isinstance(axes, str) else ""
    if "C" not in letters:
        letters = letters.replace("S", "C")
    unique = len(set(letters)) == len(letters) == len(shape)
    if not unique or not set("YX") <= set(letters) <= set(AXES):
        named = f" ({found})" if found else ""
        raise InputError(
            f"axes={axes!r} does not fit {what} of shape {shape}{named}; "
            "needs one letter of TCZYX per dimension, Y and X included"
        )
    return letters


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
