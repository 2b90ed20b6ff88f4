"""Layout of a Zarr store: its metadata documents and its images (scenes), without opening arrays."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from decrappify._common.caller_warning import warn_caller
from decrappify._common.checks import json_value, reason
from decrappify._common.counting import counted
from decrappify.errors import DecrappifyError, FormatError, InputError, MissingFileError
from decrappify.io.remote.path import Location, RemotePath
from decrappify.limits.files import check_regular

_LISTED = 5  # names in a message
_SEARCHED = 1000  # entries of a folder searched for an example


@dataclass(frozen=True, slots=True)
class ZarrImage:
    """One image of a store.

    Attributes
    ----------
    folder : Path or RemotePath
        The group of the image.
    name : str or None
        Name of the scene; None for a scene without a name.
    number : int
        Index of its entry in the group's ``multiscales``.
    """

    folder: Location
    name: str | None = None
    number: int = 0


def group_attributes(folder: Location) -> dict[str, Any] | None:
    """Return the attributes of a Zarr group, None for an array.

    Raises
    ------
    FormatError
        If the folder is not a Zarr node, or its metadata cannot be read.
    """
    document = _document(folder / "zarr.json")
    if document is not None:
        return None if document.get("node_type") == "array" else _mapping(document.get("attributes"))
    if (folder / ".zarray").is_file():
        return None
    attributes = _document(folder / ".zattrs")
    if attributes is None and not (folder / ".zgroup").is_file():
        if isinstance(folder, RemotePath):
            raise MissingFileError(
                f"{folder} is not a Zarr store: the server has no zarr.json, .zattrs, .zgroup or .zarray there; check "
                "the address"
            )
        raise FormatError(
            f"{folder} is not a readable Zarr store (it has no zarr.json, .zgroup or .zarray); "
            "check that the whole folder was copied"
        )
    return attributes or {}


def ome_attributes(attributes: dict[str, Any]) -> dict[str, Any]:
    """Return the OME part of a group's attributes: under a separate key in NGFF 0.5, at the top level before."""
    return _mapping(attributes.get("ome")) or attributes


def images_of(path: Location, attributes: dict[str, Any], *, again: bool = False) -> list[ZarrImage]:
    """Return the images of a store, in the order of their numbers.

    Parameters
    ----------
    path : Path or RemotePath
        The group: an image, a bioformats2raw folder of images, a multi-well plate, or one well.
    attributes : dict
        As returned by `group_attributes`.
    again : bool
        Whether to read the metadata of wells and series again; else the list of the previous call is used, so that
        opening thousands of fields one by one does not read it thousands of times.

    Raises
    ------
    FormatError
        If it is not an image and contains none; the message names an image or array inside it, if present.

    Notes
    -----
    One small document is read per well of a plate and per image of a bioformats2raw folder; label images are not
    scenes.
    """
    ome = ome_attributes(attributes)
    images = ome.get("multiscales")
    if isinstance(images, list) and images:
        return [ZarrImage(path, _name_in(image), number) for number, image in enumerate(images)]
    if not {"plate", "well", "bioformats2raw.layout"} & set(ome):
        raise FormatError(f"{path} is a Zarr group without OME-Zarr image metadata; {_example(path)}")
    if again:
        _several.cache_clear()
    found = list(_several(path, json.dumps(ome)))
    if not found:
        kind = "multi-well plate" if "plate" in ome else "well" if "well" in ome else "bioformats2raw folder"
        raise FormatError(f"{path} is a {kind} without images; {_example(path)}")
    return found


@lru_cache(maxsize=4)
def _several(path: Location, metadata: str) -> tuple[ZarrImage, ...]:
    ome = json.loads(metadata)
    if "plate" in ome:
        return tuple(_fields(path, _mapping(ome["plate"])))
    if "well" in ome:
        return tuple(ZarrImage(path / field, field) for field in _fields_of_well(path, ome))
    return tuple(_series(path))


def _fields(path: Location, plate: dict[str, Any]) -> Iterator[ZarrImage]:
    """Yield every field of every well of a plate, from the metadata alone."""
    absent = []
    listed = [str(well["path"]).strip("/") for well in _mappings(plate.get("wells")) if well.get("path")]
    named = listed or [
        f"{row['name']}/{column['name']}"
        for row in _mappings(plate.get("rows"))
        for column in _mappings(plate.get("columns"))
        if "name" in row and "name" in column
    ]
    named = [name for name in named if _is_inside(name)]
    if not named:  # a plate without well names
        wells = (well for row in path.iterdir() if row.is_dir() for well in row.iterdir())
        named = sorted(str(well.relative_to(path)) for well in wells if _is_well(well))
    for name in named:
        well = path / name
        if not well.is_dir():
            absent.append(name)
            continue
        for field in _fields_of_well(well, ome_attributes(group_attributes(well) or {})):
            yield ZarrImage(well / field, f"{name}/{field}")
    if absent and listed:
        more = ", ..." if len(absent) > _LISTED else ""
        warn_caller(
            f"{path.name} lists {len(listed)} wells, of which {len(absent)} do not exist and are omitted "
            f"({', '.join(absent[:_LISTED])}{more}); check that the whole plate was copied",
        )


def _is_inside(name: str) -> bool:
    """Return whether a path stated in a store is valid and inside the store."""
    return bool(name) and ".." not in name.split("/") and "\0" not in name and name.isprintable()


def _is_well(folder: Location) -> bool:
    try:
        return folder.is_dir() and "well" in ome_attributes(group_attributes(folder) or {})
    except FormatError:
        return False


def _fields_of_well(folder: Location, ome: dict[str, Any]) -> list[str]:
    listed = _mappings(_mapping(ome.get("well")).get("images"))
    names = [str(image["path"]).strip("/") for image in listed if "path" in image]
    return [name for name in names if _is_inside(name)] or _numbered(folder)


def _series(path: Location) -> list[ZarrImage]:
    """Return the images of a bioformats2raw folder, in the order of its OME group, else by number."""
    ome_folder = path / "OME"
    listed: list[Any] = []
    if ome_folder.is_dir():
        try:
            listed = ome_attributes(group_attributes(ome_folder) or {}).get("series") or []
        except FormatError:  # a folder with only the XML document
            listed = []
    named = [str(name).strip("/") for name in listed] if isinstance(listed, list) else []
    folders = [name for name in named if _is_inside(name)] or _numbered(path)
    titles = _titles(ome_folder / "METADATA.ome.xml")
    if len(titles) != len(folders):
        titles = [""] * len(folders)
    return [
        ZarrImage(path / folder, title or _own_name(path / folder) or folder)
        for folder, title in zip(folders, titles, strict=True)
    ]


def _numbered(folder: Location) -> list[str]:
    names = [entry.name for entry in folder.iterdir()] if folder.is_dir() else []
    return sorted((name for name in names if name.isascii() and name.isdecimal()), key=int)


def _titles(document: Location) -> list[str]:
    """Return the names of the images of an OME-XML document, in order; empty if it cannot be read."""
    from xml.etree import ElementTree

    try:
        root = ElementTree.fromstring(document.read_bytes())
    except DecrappifyError:
        raise
    except (OSError, ElementTree.ParseError, ValueError, LookupError):  # LookupError for an unknown encoding
        return []
    return [(node.get("Name") or "").strip() for node in root if re.sub(r"^\{.*\}", "", node.tag) == "Image"]


def _own_name(folder: Location) -> str | None:
    try:
        images = ome_attributes(group_attributes(folder) or {}).get("multiscales")
    except FormatError:  # raised when the image is opened
        return None
    return _name_in(images[0]) if isinstance(images, list) and images else None


def _name_in(image: Any) -> str | None:
    return str(_mapping(image).get("name") or "").strip().strip("/") or None


def _example(path: Location) -> str:
    """Return the name of an image or array inside a group, for a message."""
    arrays: list[tuple[int, str]] = []
    entries: list[Location] = [*path.iterdir()]
    for entry in sorted(entries, key=str)[:_SEARCHED]:
        if not entry.is_dir():
            continue
        try:
            attributes = group_attributes(entry)
        except FormatError:
            continue
        if attributes is None:
            document = _document(entry / "zarr.json") or _document(entry / ".zarray") or {}
            arrays.append((-len(document.get("shape", ())), str(entry)))
            continue
        if "multiscales" in (ome := ome_attributes(attributes)) or "well" in ome or "plate" in ome:
            return f"open one image in it, such as {next(iter(images_of(entry, attributes))).folder}"
    if arrays:  # the one with the most dimensions: others are coordinates
        return f"open one array in it, such as {min(arrays)[1]}"
    return "there is no image or array directly inside it; check that the whole folder was copied"


def _document(file: Location) -> dict[str, Any] | None:
    check_regular(file)
    try:
        found = json_value(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except DecrappifyError:
        raise
    except (OSError, ValueError) as error:
        raise FormatError(
            f"{file.parent} is not a readable Zarr store ({file.name}: {reason(error)}); "
            "check that the whole folder was copied"
        ) from error
    return _mapping(found)


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _mappings(value: Any) -> list[dict[str, Any]]:
    return [entry for entry in value if isinstance(entry, dict)] if isinstance(value, list) else []


def image_at(path: Location, attributes: dict[str, Any], scene: int) -> ZarrImage:
    """Return the image with number `scene`; arguments and further errors as for `images_of`.

    Raises
    ------
    InputError
        If the image does not exist.
    FormatError
        If the store lists it, but its folder does not exist.
    """
    images = images_of(path, attributes)
    if scene >= len(images):  # a plate that is still growing
        images = images_of(path, attributes, again=True)
    if not 0 <= scene < len(images):
        raise InputError(
            f"scene {scene} is not in {path.name}, which has {counted(len(images), 'scene')}, numbered from 0"
        )
    image = images[scene]
    if not image.folder.is_dir():
        raise FormatError(
            f"{path} lists the image {image.folder.relative_to(path)}, which does not exist; copy the store again, "
            "or choose another scene"
        )
    return image
