"""Writer of the OME-XML document of an OME-TIFF file with one or several movies."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Iterator
from xml.etree import ElementTree
from xml.etree.ElementTree import SubElement

from decrappify._version import __version__
from decrappify.io.formats.tiff.metadata.namespaces import MOVIE_NAMESPACE, PROVENANCE_NAMESPACE
from decrappify.movie import Movie, Plane

TYPES = {name: name for name in ("int8", "int16", "int32", "uint8", "uint16", "uint32")} | {
    "float32": "float",
    "float64": "double",
}
_SCHEMA = "http://www.openmicroscopy.org/Schemas/OME/2016-06"
_NOT_XML = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")


def ome_xml(*movies: Movie) -> bytes:
    """Return the OME-XML of movies with a dtype of `TYPES`, one image each, whose planes follow each other.

    The recorded planes of a movie are stored with Z fastest and T slowest. Planes that were never recorded have no
    TiffData. A spacing without a unit is in "reference frame", the OME length without a physical size; time has no such
    unit, so a spacing of T is in a map annotation of namespace ``decrappify/movie``. The identifier of the file is
    computed from its content, so that equal movies are written as identical bytes.

    References
    ----------
    OME schema 2016-06, https://docs.openmicroscopy.org/ome-model
    """
    root = ElementTree.Element("OME", xmlns=_SCHEMA, Creator=f"decrappify {__version__}")
    root.set("xmlns:xsi", "http://www.w3.org/2001/XMLSchema-instance")
    root.set("xsi:schemaLocation", f"{_SCHEMA} {_SCHEMA}/ome.xsd")
    images, first_page = [], 0
    for number, movie in enumerate(movies):
        images.append(_add_image(root, movie, number, first_page))
        first_page += len(list(movie.planes())) - len(unrecorded(movie))
    annotations = ElementTree.Element("StructuredAnnotations")
    for image, movie in zip(images, movies, strict=True):  # after all images, as the schema requires
        _add_annotations(annotations, image, {PROVENANCE_NAMESPACE: movie.provenance, MOVIE_NAMESPACE: _own(movie)})
    if len(annotations):
        root.append(annotations)
    root.set("UUID", f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_OID, ElementTree.tostring(root, encoding='unicode'))}")
    document: bytes = ElementTree.tostring(root, encoding="us-ascii")
    return b'<?xml version="1.0" encoding="UTF-8"?>' + document


def _add_image(root: ElementTree.Element, movie: Movie, number: int, first_page: int) -> ElementTree.Element:
    n_t, n_c, n_z, n_y, n_x = movie.shape
    image = SubElement(root, "Image", ID=f"Image:{number}", Name=_plain(movie.name))
    pixels = SubElement(image, "Pixels", ID=f"Pixels:{number}", DimensionOrder="XYZCT", Type=TYPES[movie.dtype.name])
    for axis, count in zip("XYZCT", (n_x, n_y, n_z, n_c, n_t), strict=True):
        pixels.set(f"Size{axis}", str(count))
    spacing = movie.unitless_spacing
    for axis, size in zip("ZYX", movie.pixel_size_um, strict=True):
        if size is not None:
            pixels.set(f"PhysicalSize{axis}", repr(size))
            pixels.set(f"PhysicalSize{axis}Unit", "µm")
        elif axis in spacing:
            pixels.set(f"PhysicalSize{axis}", repr(spacing[axis]))
            pixels.set(f"PhysicalSize{axis}Unit", "reference frame")
    if movie.frame_interval_s is not None:
        pixels.set("TimeIncrement", repr(movie.frame_interval_s))
        pixels.set("TimeIncrementUnit", "s")
    for c, (name, color) in enumerate(zip(movie.channel_names, movie.channel_colors, strict=True)):
        channel = SubElement(pixels, "Channel", ID=f"Channel:{number}:{c}", Name=_plain(name), SamplesPerPixel="1")
        if color is not None:
            channel.set("Color", str(ome_color(color)))
    missing = unrecorded(movie)
    if missing:
        _add_recorded_planes(pixels, movie, missing, first_page)
    else:
        SubElement(pixels, "TiffData", IFD=str(first_page), PlaneCount=str(n_t * n_c * n_z))
    return image


def _own(movie: Movie) -> dict[str, object]:
    """Return the entries of the annotation of this package: what OME-XML has no attribute for."""
    spacing, missing = movie.unitless_spacing, unrecorded(movie)
    own: dict[str, object] = {"unitless_spacing": {"T": spacing["T"]}} if "T" in spacing else {}
    if missing:
        own["missing_planes"] = len(missing)
    return own


def ome_color(color: str) -> int:
    """Convert ``"RRGGBB"`` to the signed RGBA integer of OME-XML.

    >>> ome_color("00FF00"), ome_color("FFFFFF")
    (16711935, -1)
    """
    value = int(color, 16) << 8 | 0xFF
    return value - (1 << 32) if value >= 1 << 31 else value


def unrecorded(movie: Movie) -> frozenset[Plane]:
    """Return the planes to omit from a file; empty if no plane was recorded, as TIFF requires a page."""
    return movie.missing if len(movie.missing) < len(list(movie.planes())) else frozenset()


def _add_recorded_planes(pixels: ElementTree.Element, movie: Movie, missing: frozenset[Plane], first_page: int) -> None:
    for number, (t, c, z), count in _runs(movie, missing):
        planes = {"IFD": first_page + number, "FirstT": t, "FirstC": c, "FirstZ": z, "PlaneCount": count}
        SubElement(pixels, "TiffData", {name: str(value) for name, value in planes.items()})


def _runs(movie: Movie, missing: frozenset[Plane]) -> Iterator[tuple[int, Plane, int]]:
    """Yield page number, first plane and length of each run of recorded planes."""
    first: Plane | None = None
    page = count = 0
    for plane in movie.planes():
        if plane not in missing:
            first = first or plane
            count += 1
        elif first is not None:
            yield page, first, count
            page, first, count = page + count, None, 0
    if first is not None:
        yield page, first, count


def _add_annotations(
    annotations: ElementTree.Element, image: ElementTree.Element, tables: dict[str, dict[str, object]]
) -> None:
    for namespace, entries in tables.items():
        if not entries:
            continue
        name = f"Annotation:{len(annotations)}"
        SubElement(image, "AnnotationRef", ID=name)
        table = SubElement(annotations, "MapAnnotation", ID=name, Namespace=namespace)
        value = SubElement(table, "Value")
        for key, content in entries.items():
            SubElement(value, "M", K=_plain(key)).text = json.dumps(content)


def _plain(text: str) -> str:
    return _NOT_XML.sub(" ", text)
