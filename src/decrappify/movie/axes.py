"""The one parser of axes: which dimension of an array or file is T, C, Z, Y and X."""

from __future__ import annotations

from decrappify.errors import InputError

AXES = "TCZYX"
_BY_COUNT = {2: "YX", 3: "TYX", 5: "TCZYX"}


def array_axes(shape: tuple[int, ...], axes: str | None = None, *, what: str = "array") -> str:
    """Return the axes of an array, one letter of ``TCZYX`` per dimension.

    Parameters
    ----------
    shape : tuple of int
        Shape of the array.
    axes : str, optional
        As given by the user. By default (Y, X), (T, Y, X) or (T, C, Z, Y, X), by the number of dimensions.
    what : str
        Name of the array in messages.

    Raises
    ------
    InputError
        If the axes do not fit the shape, or are not given and cannot be inferred from it.

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
            "or pass the axes, such as axes='TCYX'"
        )
    return _BY_COUNT[len(shape)]


def checked_axes(axes: str, shape: tuple[int, ...], what: str, found: str | None = None) -> str:
    """Return `axes` in upper case if they name each dimension of `shape` once, Y and X included.

    Parameters
    ----------
    axes : str
        One letter of ``TCZYX`` per dimension, in any order and case.
    shape : tuple of int
        Shape of the array.
    what : str
        Name of the array or file in messages.
    found : str, optional
        The dimensions as the file names them, for the message.

    Raises
    ------
    InputError
        If they do not.
    """
    letters = axes.upper()
    unique = len(set(letters)) == len(letters) == len(shape)
    if not unique or not set("YX") <= set(letters) <= set(AXES):
        named = f" ({found})" if found else ""
        raise InputError(
            f"axes={axes!r} does not fit {what} of shape {shape}{named}; "
            "needs one letter of TCZYX per dimension, Y and X included"
        )
    return letters
