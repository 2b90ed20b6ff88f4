"""Arrays with named dimensions (xarray's ``DataArray``): axes, spacing and channel names from their attributes.

They are recognized by their attributes, so xarray is not imported here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from decrappify.io.opening.image_objects import ome_size
from decrappify.io.units import to_micrometers, to_seconds
from decrappify.movie import Movie, axis_letter, parse_axes

_SPATIAL = "ZYX"
_PIXEL_SIZES = ("pixel_size", "pixel_sizes", "voxel_size", "physical_pixel_sizes", "spacing", "scale")
_INTERVALS = ("frame_interval", "time_interval", "time_increment", "timeincrement", "finterval", "interval", "dt")
_CHANNELS = ("channel_names", "channels", "channel_name", "channel")
_SUFFIXES = ("", "_um", "_nm", "_mm", "_s", "_ms", "_min")
_IRREGULAR = {"T": 0.1, "Z": 0.01, "Y": 0.01, "X": 0.01}  # accepted deviation from even steps, relative
_SAMPLES = frozenset({"s", "rgb", "sample", "samples"})
_RGB = ("R", "G", "B")


def is_labeled_array(obj: object) -> bool:
    """Return whether `obj` is an xarray ``DataArray``, or has the same attributes."""
    return all(hasattr(obj, name) for name in ("dims", "coords", "attrs", "data", "shape", "dtype"))


def from_labeled_array(array: Any, axes: str | None = None) -> Movie:
    """Return an xarray ``DataArray`` as a movie; a dask array in it remains lazy.

    Axes are read from the names of the dimensions, in any case: t or time, c or channel, z, y, x, s (color samples,
    which become channels). Dimensions of length 1 with other names are dropped. Spacing is read from coordinates with
    even steps, else from attributes such as ``pixel_size``, ``spacing``, ``scale`` or ``frame_interval``; units from
    the coordinate's ``attrs["units"]``, the attribute ``units``, the name of an attribute (``pixel_size_um``), or an
    OME model among the attributes, as bioio stores it. A spacing without a unit is kept in `unitless_spacing`.

    Parameters
    ----------
    array : xarray.DataArray
        Two to five dimensions.
    axes : str, optional
        One letter of ``TCZYX`` per dimension, if the names do not state them.

    Returns
    -------
    Movie
        (T, C, Z, Y, X) of the array's dtype.

    Raises
    ------
    InputError
        If the dimensions are not those of an image, or `axes` does not match them.
    """
    named = _named(array, axes)
    data = array.data[tuple(0 if letter == "-" else slice(None) for letter, _ in named)]
    letters = "".join(letter for letter, _ in named).replace("-", "")
    attrs = {str(name): value for name, value in array.attrs.items()}
    order = [letter for letter, _ in named]
    spacing = {letter: _spacing(letter, dim, order, array, attrs) for letter, dim in named if letter in "TZYX"}
    physical = {axis: value for axis, (value, _) in spacing.items() if value is not None}
    sizes = [physical.get(axis) for axis in _SPATIAL]
    movie = Movie.from_array(
        data,
        letters,
        name=str(getattr(array, "name", None) or "movie"),
        pixel_size_um=(sizes[0], sizes[1], sizes[2]),
        frame_interval_s=physical.get("T"),
        unitless_spacing={axis: number for axis, (_, number) in spacing.items() if number is not None},
    )
    return _with_channels(movie, dict(named).get("C"), array, attrs)


def _named(array: Any, axes: str | None) -> list[tuple[str, str]]:
    """Return letter and name of each dimension; the letter is ``-`` for one of length 1 that is dropped."""
    dims, shape = [str(name) for name in array.dims], tuple(array.shape)
    if axes is not None or all(re.fullmatch(r"dim_\d+", name) for name in dims):  # default names of xarray
        return list(zip(parse_axes(shape, axes, names=dims), dims, strict=True))
    letters = [axis_letter(name) for name in dims]
    for number, (letter, size) in enumerate(zip(letters, shape, strict=True)):
        is_one_of_two = letter == "C" and letters.count("C") > 1 and dims[number].lower() not in _SAMPLES
        if size == 1 and (not letter or is_one_of_two):
            letters[number] = "-"
    kept = [(name, size) for name, size, letter in zip(dims, shape, letters, strict=True) if letter != "-"]
    parse_axes(tuple(size for _, size in kept), names=[name for name, _ in kept], is_named=True)
    return list(zip(letters, dims, strict=True))


def _spacing(
    letter: str, dim: str, order: Sequence[str], array: Any, attrs: Mapping[str, Any]
) -> tuple[float | None, float | None]:
    """Return the spacing along one axis in micrometers or seconds, and as a number, possibly without a unit."""
    convert = to_seconds if letter == "T" else to_micrometers
    first = None
    for number, unit in _candidates(letter, dim, order, array, attrs):
        if number is None or not np.isfinite(number) or number <= 0:
            continue
        value = convert(number, unit)
        if value is not None:
            return value, number
        if first is None and number != 1:  # a coordinate with steps of 1 is only an index
            first = number
    return None, first


def _candidates(
    letter: str, dim: str, order: Sequence[str], array: Any, attrs: Mapping[str, Any]
) -> Iterator[tuple[float | None, str | None]]:
    ome_number, ome_unit = ome_size(_only_ome_image(attrs), letter)
    general = _unit_of(attrs, letter)
    if dim in array.coords:
        coordinate = array.coords[dim]
        step, unit = _step(np.asarray(coordinate.values), _IRREGULAR[letter])
        yield step, unit or _text(coordinate.attrs, "units", "unit") or general or (ome_unit if step != 1 else None)
    keys = _INTERVALS if letter == "T" else _PIXEL_SIZES
    lower = {name.lower(): value for name, value in attrs.items()}
    for key in (*keys, *(("spacing", "scale") if letter == "T" else (f"physical_size_{letter.lower()}",))):
        for suffix in _SUFFIXES:
            if key + suffix in lower:
                number = _along(lower[key + suffix], letter, order, single=letter == "T" and key in _INTERVALS)
                yield number, suffix[1:] or general
    if f"physicalsize{letter.lower()}" in lower:
        yield _number(lower[f"physicalsize{letter.lower()}"]), lower.get(f"physicalsize{letter.lower()}unit", "um")
    yield ome_number, ome_unit


def _step(values: Any, irregular: float) -> tuple[float | None, str | None]:
    """Return the even step of a coordinate, and its unit if the dtype states one."""
    unit = None
    if values.ndim != 1 or len(values) < 2:
        return None, None
    if values.dtype.kind in "mM":
        values, unit = (values - values[0]) / np.timedelta64(1, "s"), "s"
    if values.dtype.kind not in "uif":
        return None, None
    steps = np.abs(np.diff(values.astype(np.float64)))
    mean = float(abs(float(values[-1]) - float(values[0])) / (len(values) - 1))
    even = np.isfinite(mean) and bool((np.abs(steps - mean) <= irregular * mean).all())
    # The mean of many sums has digits beyond those of the coordinates.
    return (float(f"{mean:.12g}"), unit) if even else (None, None)


def _along(value: Any, letter: str, order: Sequence[str], *, single: bool) -> float | None:
    """Return the entry of an attribute for one axis: by name, by dimension, or in the order Z, Y, X."""
    if isinstance(value, Mapping):
        return next((_number(entry) for name, entry in value.items() if axis_letter(name) == letter), None)
    if hasattr(value, "_asdict"):
        return _along(value._asdict(), letter, order, single=single)
    if isinstance(value, str) or np.ndim(value) == 0:
        return _number(value) if single or letter in "YX" else None
    entries = list(value)
    if len(entries) != len(order):
        order = _SPATIAL[-len(entries) :] if len(entries) in (2, 3) else ""
    return _number(entries[order.index(letter)]) if letter in order else None


def _unit_of(attrs: Mapping[str, Any], letter: str) -> str | None:
    own = ("time_unit", "frame_interval_unit") if letter == "T" else ("pixel_size_unit", "spacing_unit")
    for name in (*own, "units", "unit"):
        given = attrs.get(name)
        if isinstance(given, Mapping):
            given = next((unit for key, unit in given.items() if axis_letter(key) == letter), None)
        if isinstance(given, str):
            return given
    return None


def _text(attrs: Mapping[str, Any], *names: str) -> str | None:
    given = next((attrs[name] for name in names if isinstance(attrs.get(name), str)), None)
    return None if given is None else given.partition(" since ")[0]


def _number(value: Any) -> float | None:
    try:
        return None if isinstance(value, bool) else float(value)
    except (TypeError, ValueError):
        return None


def _only_ome_image(attrs: Mapping[str, Any]) -> Any | None:
    """Return ``Pixels`` of the only image of an OME model among the attributes; None for several (ambiguous)."""
    for model in attrs.values():
        images = getattr(model, "images", None)
        if isinstance(images, Sequence) and len(images) == 1:
            return getattr(images[0], "pixels", None)
    return None


def _with_channels(movie: Movie, dim: str | None, array: Any, attrs: Mapping[str, Any]) -> Movie:
    if dim is None:
        return movie
    n_channels = movie.shape[1]
    if dim.lower() in _SAMPLES and n_channels in (3, 4):
        return movie.select(channels=slice(0, 3)).replace(channel_names=_RGB)  # drop opacity
    names: list[str] = []
    if dim in array.coords:
        values = np.asarray(array.coords[dim].values)
        if values.ndim == 1 and not np.array_equal(values, np.arange(n_channels)):
            names = [str(value) for value in values]
    for key in _CHANNELS if not names else ():
        given = attrs.get(key)
        if isinstance(given, Sequence | np.ndarray) and not isinstance(given, str) and len(given) == n_channels:
            names = [_channel_name(entry) for entry in given]
            break
    return movie.replace(channel_names=names) if len(names) == n_channels and all(names) else movie


def _channel_name(entry: Any) -> str:
    if isinstance(entry, Mapping):
        entry = next((entry[key] for key in ("name", "label", "Name") if key in entry), "")
    return str(entry).strip()
