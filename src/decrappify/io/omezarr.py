"""Read OME-Zarr (NGFF 0.4 and 0.5, older ones and plain arrays too): any subset of the axes, one region at a time."""

from __future__ import annotations

import os
import re
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import zarr

from decrappify.errors import FormatError, InputError, MissingFileError
from decrappify.io.units import to_micrometres, to_seconds
from decrappify.movie import AXES, Array, Movie, Shape5

# What zarr and its codecs raise for damaged metadata and chunks.
_DAMAGE = (OSError, ValueError, TypeError, KeyError, IndexError, RuntimeError)


def open_omezarr(path: str | os.PathLike[str], *, scene: int = 0, axes: str | None = None, level: int = 0) -> Movie:
    """Open an OME-Zarr image, or a plain Zarr array, as a lazy movie.

    Parameters
    ----------
    path : path
        The image group, a bioformats2raw folder of images, or a Zarr array.
    scene : int
        Which image, where the store holds several.
    axes : str, optional
        For a plain array only: one letter of ``TCZYX`` per dimension.
    level : int
        Which level of the image's pyramid, 0 for the full resolution.

    Returns
    -------
    Movie
        One level; pixel size in micrometres and frame interval in seconds where the file gives units.

    Raises
    ------
    MissingFileError
        If there is nothing at `path`.
    FormatError
        If it is no image, or damaged.
    InputError
        If there is no such scene or level, or `axes` is given for a file that names its own.

    References
    ----------
    NGFF 0.4 and 0.5, https://ngff.openmicroscopy.org
    """
    path = Path(path)
    if not path.exists():
        raise MissingFileError(f"{path} does not exist; check the path")
    node = _open_node(path)
    if isinstance(node, zarr.Array):
        _checked_level(level, 1, path)
        return Movie(OmeZarrSource(node, _plain_axes(node, axes, path), path), name=path.name)
    if axes is not None:
        raise InputError(
            f"axes={axes!r} was given, but {path.name} is an OME-Zarr image, which names its own axes; leave axes out"
        )
    return _open_image(node, path, scene, level)


def level_count(path: str | os.PathLike[str], *, scene: int = 0) -> int:
    """Count the levels of an image's pyramid: 1 where there is no pyramid. Errors are those of `open_omezarr`."""
    path = Path(path)
    node = _open_node(path)
    if isinstance(node, zarr.Array):
        return 1
    attributes: dict[str, Any] = dict(node.attrs)
    ome: dict[str, Any] = attributes.get("ome", attributes)
    images = ome.get("multiscales")
    if not images:
        return level_count(_series_member(path, scene)) if "bioformats2raw.layout" in ome else 1
    return len(images[_scene_index(scene, len(images), path)]["datasets"])


def scene_names(path: Path) -> list[str | None]:
    """Return the name of every image of a store, None where the store has no name for it."""
    node = _open_node(path)
    if isinstance(node, zarr.Array):
        return [None]
    attributes: dict[str, Any] = dict(node.attrs)
    ome: dict[str, Any] = attributes.get("ome", attributes)
    images = ome.get("multiscales")
    if images:
        return [image.get("name") for image in images]
    return [entry.name for entry in _series_members(path)] or [None]


def _open_node(path: Path) -> zarr.Group | zarr.Array[Any]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return zarr.open(path, mode="r")
    except _DAMAGE as error:
        raise FormatError(
            f"{path} is not a readable Zarr store ({type(error).__name__}); check that the whole folder was copied"
        ) from error


def _open_image(group: zarr.Group, path: Path, scene: int, number: int) -> Movie:
    attributes: dict[str, Any] = dict(group.attrs)
    ome: dict[str, Any] = attributes.get("ome", attributes)  # 0.5 has its own key, 0.4 does not
    if "plate" in ome or "well" in ome:
        raise FormatError(f"{path} is a multi-well plate; open one image in it, such as {path / 'A' / '1' / '0'}")
    images = ome.get("multiscales")
    if not images:
        if "bioformats2raw.layout" in ome:
            return _open_series(path, scene, number)
        raise FormatError(f"{path} is a Zarr group without OME-Zarr image metadata; open the image or array inside it")
    image = images[_scene_index(scene, len(images), path)]
    try:
        dataset = image["datasets"][_checked_level(number, len(image["datasets"]), path)]
        level = group[dataset["path"]]
        if not isinstance(level, zarr.Array):
            raise FormatError(f"{path} names {level.path} as its pixels, which is no array; copy the file again")
        letters, units = _axes(image, level.ndim, path)
        source = OmeZarrSource(level, letters, path)
        scale = dict(zip(letters, _scale(image, dataset, level.ndim), strict=True))
    except _DAMAGE as error:
        if isinstance(error, FormatError | InputError):
            raise
        raise FormatError(
            f"{path} has damaged OME-Zarr metadata ({type(error).__name__}: {error}); copy the file again"
        ) from error
    size = tuple(to_micrometres(scale.get(axis), units.get(axis)) for axis in "ZYX")
    names, colors = _channels(ome.get("omero"), source.shape[1])
    own = attributes.get("decrappify")
    own = own if isinstance(own, dict) else {}
    if len(own.get("channel_colors", ())) == len(colors):  # the viewers' metadata has no word for "no colour"
        colors = own["channel_colors"]
    return Movie(
        source,
        name=path.name,
        pixel_size_um=(size[0], size[1], size[2]),
        frame_interval_s=to_seconds(scale.get("T"), units.get("T")),
        channel_names=names,
        channel_colors=colors,
        provenance=own.get("provenance"),
    )


def _open_series(path: Path, scene: int, level: int) -> Movie:
    movie = open_omezarr(_series_member(path, scene), level=level)
    movie.name = path.name
    return movie


def _series_member(path: Path, scene: int) -> Path:
    numbers = _series_members(path)
    return numbers[_scene_index(scene, len(numbers), path)]


def _series_members(path: Path) -> list[Path]:
    return sorted((entry for entry in path.iterdir() if entry.name.isdecimal()), key=lambda entry: int(entry.name))


def _checked_level(level: int, count: int, path: Path) -> int:
    if not 0 <= level < count:
        raise InputError(f"level {level} is not in {path.name}, which has {count} (0 to {count - 1})")
    return level


def _scene_index(scene: int, count: int, path: Path) -> int:
    if not 0 <= scene < count:
        raise InputError(f"scene {scene} is not in {path.name}, which has {count} (0 to {count - 1})")
    return scene


def _axes(image: dict[str, Any], ndim: int, path: Path) -> tuple[str, dict[str, str | None]]:
    named: list[Any] = image.get("axes") or list("tczyx")[-ndim:]  # before 0.4 bare names, before 0.3 always TCZYX
    axes: list[dict[str, Any]] = [axis if isinstance(axis, dict) else {"name": axis} for axis in named]
    letters = ""
    spatial = [axis["name"] for axis in axes if axis.get("type") == "space"]
    for axis in axes:
        letter = str(axis["name"]).upper()
        if letter not in tuple(AXES):
            kind = str(axis.get("type"))
            letter = {"time": "T", "channel": "C"}.get(kind, "")
            if kind == "space":
                letter = "ZYX"[-len(spatial) :][spatial.index(axis["name"])]
        if not letter or letter in letters:
            raise FormatError(
                f"{path} has an axis {axis['name']!r}, which is none of T, C, Z, Y, X; there is no reader for it"
            )
        letters += letter
    if len(letters) != ndim or not set("YX") <= set(letters):
        raise FormatError(
            f"{path} has axes {letters} for {ndim} dimensions, needs Y and X among them; the metadata is damaged"
        )
    return letters, {letter: axis.get("unit") for letter, axis in zip(letters, axes, strict=True)}


def _plain_axes(array: zarr.Array[Any], axes: str | None, path: Path) -> str:
    named = "".join(str(name or "?")[0].upper() for name in getattr(array.metadata, "dimension_names", None) or ())
    by_count = {2: "YX", 3: "TYX", 5: "TCZYX"}.get(array.ndim, "")
    letters = axes.upper() if axes else named if named and set(named) <= set(AXES) else by_count
    if len(letters) != array.ndim or len(set(letters)) != len(letters) or not set("YX") <= set(letters) <= set(AXES):
        raise InputError(f"{path.name} is an array of shape {array.shape}; say what its axes are, such as axes='TCYX'")
    return letters


def _scale(image: dict[str, Any], dataset: dict[str, Any], ndim: int) -> list[float]:
    scale = np.ones(ndim)
    for transformation in [
        *dataset.get("coordinateTransformations", ()),
        *image.get("coordinateTransformations", ()),
    ]:
        if transformation.get("type") == "scale" and len(transformation.get("scale", ())) == ndim:
            scale = scale * np.asarray(transformation["scale"], dtype=np.float64)
    return [float(factor) for factor in scale]


def _channels(omero: Any, count: int) -> tuple[list[str], list[str | None]]:
    names: list[str] = [f"C{i}" for i in range(count)]
    colors: list[str | None] = [None] * count
    channels = omero.get("channels", ()) if isinstance(omero, dict) else ()
    for i, channel in enumerate(channels[:count]):
        names[i] = str(channel.get("label") or names[i])
        color = str(channel.get("color") or "").lstrip("#")
        if re.fullmatch(r"[0-9a-fA-F]{6}", color):
            colors[i] = color.upper()
    return names, colors


class OmeZarrSource:
    """Regions of one Zarr array; only the chunks under a region are read and decoded.

    Parameters
    ----------
    array : zarr.Array
        Any subset of the axes, in any order.
    axes : str
        One letter of ``TCZYX`` per dimension.
    path : Path
        For messages.
    """

    def __init__(self, array: zarr.Array[Any], axes: str, path: Path) -> None:
        sizes = dict(zip(axes, array.shape, strict=True))
        self.shape: Shape5 = tuple(sizes.get(axis, 1) for axis in AXES)  # type: ignore[assignment]
        self.dtype = np.dtype(np.uint8 if array.dtype.kind == "b" else array.dtype).newbyteorder("=")
        if self.dtype.kind not in "uif":
            raise FormatError(f"{path} holds {array.dtype}, which is no image; needs integers or real floats")
        self._array: Any = array
        self._axes, self._path = axes, path

    def read(self, t: int, c: int, z: int, rows: slice, columns: slice) -> Array:
        """Read one region as a (Y, X) array."""
        index = {"T": t, "C": c, "Z": z, "Y": rows, "X": columns}
        try:
            plane = np.asarray(self._array[tuple(index[axis] for axis in self._axes)])
        except _DAMAGE as error:
            raise FormatError(
                f"frame {t} (channel {c}, slice {z}) of {self._path} cannot be decoded; "
                "a chunk is damaged or cut short: copy it again"
            ) from error
        if self._axes.index("Y") > self._axes.index("X"):
            plane = plane.T
        return plane.astype(self.dtype, copy=False)

    def close(self) -> None:
        """Nothing to release: chunks are opened and closed one by one."""
