"""Reader of OME-Zarr (NGFF 0.4, 0.5 and older) and plain Zarr arrays: any subset of the axes, one region at a time."""

from __future__ import annotations

import os
import re
import warnings
from pathlib import Path
from typing import Any

import zarr
from zarr.storage import LocalStore

from decrappify._common.argument_names import setting
from decrappify._common.caller_warning import warn_caller
from decrappify.errors import FormatError, InputError, MissingFileError
from decrappify.io.formats.omezarr.reading.layout import (
    ZarrImage,
    group_attributes,
    image_at,
    images_of,
    ome_attributes,
)
from decrappify.io.formats.omezarr.reading.source import OmeZarrSource
from decrappify.io.formats.omezarr.reading.spacing import image_axes, level_spacing
from decrappify.io.integrity.damage import damage_errors
from decrappify.io.integrity.missing_planes import warn_of_missing
from decrappify.io.remote.path import Location, RemotePath, location
from decrappify.io.remote.store import RemoteStore
from decrappify.limits.files import check_regular
from decrappify.limits.threads import check_zarr_threads
from decrappify.movie import Movie, dimension_names, parse_axes

_COLOR = re.compile(r"[0-9a-fA-F]{6}")


def open_omezarr(
    path: str | os.PathLike[str],
    *,
    scene: int = 0,
    axes: str | None = None,
    level: int = 0,
    absent_chunks: str = "auto",
) -> Movie:
    """Open an OME-Zarr image, or a plain Zarr array, as a lazy movie.

    Parameters
    ----------
    path : path
        The image group, a bioformats2raw folder of images, a multi-well plate, a well, or a Zarr array.
    scene : int
        Number of the image, if the store has several; the fields of a plate are numbered well by well.
    axes : str, optional
        For a plain array only: one letter of ``TCZYX`` per dimension.
    level : int
        Level of the image's pyramid, 0 for the full resolution.
    absent_chunks : {"auto", "missing", "fill"}
        Meaning of absent chunks, see `decrappify.io.formats.omezarr.reading.chunks.judge`; stores of this package
        contain every chunk.

    Returns
    -------
    Movie
        One level; pixel size in micrometers and frame interval in seconds if the file states units,
        `unitless_spacing` if it states numbers only.

    Warns
    -----
    UserWarning
        If chunks are absent: the missing planes (`MissingPlanesWarning`), and the chunks read as the fill value.

    Raises
    ------
    MissingFileError
        If `path` does not exist.
    FormatError
        If it is not an image, or damaged.
    RemoteError
        If its server cannot be reached or denies access.
    InputError
        If the scene or level does not exist, or `axes` is passed for a file that names its axes.

    References
    ----------
    NGFF 0.4 and 0.5, https://ngff.openmicroscopy.org
    """
    path = location(path)
    if not isinstance(path, RemotePath) and not path.exists():
        raise MissingFileError(f"{path} does not exist; check the path")
    attributes = group_attributes(path)
    if attributes is None:
        _checked_scene(scene, path)
        _checked_level(level, 1, path)
        with damage_errors(f"{path} cannot be read as a Zarr array", "check that the whole folder was copied"):
            array = _array(path)
            source = OmeZarrSource(array, _plain_axes(array, axes, path), path, absent_chunks=absent_chunks)
        _warn(source)
        return Movie(source, name=path.name)
    if axes is not None:
        raise InputError(
            f"{setting('axes', axes)} is for arrays and TIFF; the OME-Zarr image {path.name} states its own axes: "
            "omit it"
        )
    chosen = image_at(path, attributes, scene)
    return _open_image(chosen, level, absent_chunks).replace(name=path.name)


def from_zarr_array(array: zarr.Array[Any], axes: str | None, absent_chunks: str = "auto") -> Movie:
    """Wrap an opened Zarr array of any store as a lazy movie.

    Parameters
    ----------
    array : zarr.Array
        Any subset of the axes, in any order.
    axes : str, optional
        One letter of ``TCZYX`` per dimension; by default its dimension names, else by `decrappify.movie.parse_axes`.
    absent_chunks : {"auto", "missing", "fill"}
        As for `open_omezarr`.
    """
    path = Path(array.store_path.path or "array")
    source = OmeZarrSource(array, _plain_axes(array, axes, Path("array")), path, absent_chunks=absent_chunks)
    _warn(source)
    return Movie(source)


def level_count(path: str | os.PathLike[str], *, scene: int = 0) -> int:
    """Return the number of levels of an image's pyramid, 1 without a pyramid; errors as for `open_omezarr`."""
    path = location(path)
    attributes = group_attributes(path)
    if attributes is None:
        return 1
    chosen = image_at(path, attributes, scene)
    _, image = _metadata_of(chosen)
    return len(image["datasets"])


def scene_names(path: Location) -> list[str | None]:
    """Return the name of every image of a store, None for an image without a name."""
    attributes = group_attributes(path)
    return [None] if attributes is None else [image.name for image in images_of(path, attributes, again=True)]


def _array(path: Location) -> zarr.Array[Any]:
    check_zarr_threads()
    store = RemoteStore(path.address) if isinstance(path, RemotePath) else RegularFiles(path, read_only=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return zarr.open_array(store, mode="r")


class RegularFiles(LocalStore):
    """A folder of which only regular files are read: reading a named pipe among the chunks would block."""

    async def get(self, key: str, *arguments: Any, **options: Any) -> Any:
        """Return the content of one file, None if it does not exist."""
        check_regular(self.root / key)
        return await super().get(key, *arguments, **options)


def _metadata_of(chosen: ZarrImage) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the attributes of an image's group, and its entry of ``multiscales``."""
    attributes = group_attributes(chosen.folder) or {}
    images = ome_attributes(attributes).get("multiscales")
    image = images[chosen.number] if isinstance(images, list) and chosen.number < len(images) else None
    if isinstance(image, dict) and isinstance(image.get("datasets"), list) and image["datasets"]:
        return attributes, image
    raise FormatError(f"{chosen.folder} has damaged OME-Zarr metadata (no list of pixel arrays); copy the file again")


def _open_image(chosen: ZarrImage, number: int, absent_chunks: str) -> Movie:
    path = chosen.folder
    attributes, image = _metadata_of(chosen)
    with damage_errors(f"the OME-Zarr metadata of {path} cannot be read", "they are damaged: copy the file again"):
        dataset = image["datasets"][_checked_level(number, len(image["datasets"]), path)]
        array = _array(path / dataset["path"])
        letters, units = image_axes(image, array.ndim, path)
        own = attributes.get("decrappify")
        own = own if isinstance(own, dict) else {}
        source = OmeZarrSource(
            array, letters, path, own.get("missing_planes", ()), absent_chunks=absent_chunks, complete=bool(own)
        )
        if not all(0 <= i < n for plane in source.missing for i, n in zip(plane, source.shape, strict=False)):
            raise ValueError("missing planes beyond the shape of the array")
        spacing = level_spacing(image, number, letters, units, path)
        names, colors = _channels(ome_attributes(attributes).get("omero"), source.shape[1])
    if own.get("complete", True):  # a store that is still being written lacks planes without a warning
        _warn(source)
    stated = own.get("channel_colors")  # the metadata for viewers cannot express "no color"
    if isinstance(stated, list) and len(stated) == len(colors) and all(map(_is_color, stated)):
        colors = stated
    provenance = own.get("provenance")
    return Movie(
        source,
        name=path.name,
        pixel_size_um=spacing.pixel_size_um,
        frame_interval_s=spacing.frame_interval_s,
        unitless_spacing=spacing.unitless,
        channel_names=names,
        channel_colors=colors,
        provenance=provenance if isinstance(provenance, dict) else None,
    )


def _warn(source: OmeZarrSource) -> None:
    if source.missing_note:
        warn_of_missing(source.missing_note)
    for note in source.notes:
        warn_caller(note)


def _checked_level(level: int, count: int, path: Location) -> int:
    if not 0 <= level < count:
        raise InputError(f"level {level} is not in {path.name}, which has {count} (0 to {count - 1})")
    return level


def _checked_scene(scene: int, path: Location) -> None:
    if scene != 0:
        raise InputError(f"scene {scene} is not in {path.name}, which has only scene 0")


def _plain_axes(array: zarr.Array[Any], axes: str | None, path: Location) -> str:
    return parse_axes(array.shape, axes or None, names=dimension_names(array), what=path.name)


def _channels(omero: Any, count: int) -> tuple[list[str], list[str | None]]:
    names: list[str] = [f"C{i}" for i in range(count)]
    colors: list[str | None] = [None] * count
    channels = omero.get("channels") if isinstance(omero, dict) else None
    for i, channel in enumerate(channels[:count] if isinstance(channels, list) else ()):
        if not isinstance(channel, dict):
            continue
        names[i] = str(channel.get("label") or names[i])
        color = str(channel.get("color") or "").lstrip("#")
        if _COLOR.fullmatch(color):
            colors[i] = color.upper()
    return names, colors


def _is_color(value: object) -> bool:
    return value is None or (isinstance(value, str) and _COLOR.fullmatch(value) is not None and value == value.upper())
