"""Metadata of an opened TIFF file, merged from those of several programs, the most reliable first."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import tifffile
from tifffile.tifffile import (
    metaseries_description_metadata,
    shaped_description_metadata,
    svs_description_metadata,
)

from decrappify._common.checks import json_value
from decrappify.errors import FormatError
from decrappify.io.formats.tiff.files.document import NDTIFF_INDEX, opened_file
from decrappify.io.formats.tiff.metadata import vendors
from decrappify.io.formats.tiff.metadata.imagej import read_imagej, read_plain
from decrappify.io.formats.tiff.metadata.micromanager import ndtiff_channels, read_micromanager
from decrappify.io.formats.tiff.metadata.record import TiffMetadata, merged
from decrappify.io.formats.tiff.metadata.scanimage import read_scanimage, scanimage_settings
from decrappify.io.formats.tiff.pages.layout import Layout
from decrappify.io.integrity.damage import damage_errors

_GATAN = (65003, 65004, 65009, 65010)


def collected_metadata(file: Any, series: Any, layout: Layout) -> TiffMetadata:
    """Return the metadata of a series of a file, except OME-XML.

    Parameters
    ----------
    file : tifffile.TiffFile
        The file.
    series : tifffile.TiffPageSeries
        One of its series.
    layout : Layout
        Order of its pages.

    Notes
    -----
    Metadata in the format of an acquisition program come first, then ImageJ's, tifffile's, and the resolution tags.
    """
    sizes = layout.sizes
    found = [metadata for metadata in _of_programs(file, series, layout) if metadata is not None]
    tags = series.keyframe.tags
    n_channels = sizes.get("C", 1) * sizes.get("S", 1)
    if file.is_imagej and file.imagej_metadata:
        words = read_imagej(file.imagej_metadata, tags, n_channels)
        words.channel_names = _constant_labels(file.imagej_metadata.get("Labels"), layout.axes, sizes)
        return merged(*found, words)
    if series.kind == "shaped" and series.keyframe.shaped_description:
        own = shaped_description_metadata(series.keyframe.shaped_description)
        return merged(*found, read_imagej(own, tags, n_channels))
    return merged(*found, read_plain(tags))


def scanimage_words(file: Any) -> dict[str, Any]:
    """Return the settings of a ScanImage file from its header, its Software tag or its description; may be empty."""
    page = file.pages.first
    texts: list[Callable[[], Any]] = [
        lambda: tifffile.read_scanimage_metadata(file.filehandle)[0],
        lambda: tifffile.matlabstr2py(page.software) if page.software.startswith("SI.") else {},
        lambda: tifffile.matlabstr2py(page.description),
    ]
    for read in texts:
        words = _attempt(read)
        if isinstance(words, Mapping) and words:
            return scanimage_settings(words)
    return {}


def _of_programs(file: Any, series: Any, layout: Layout) -> Iterator[TiffMetadata | None]:
    axes, sizes = layout.axes, layout.sizes
    page = file.pages.first
    for flag, name, read in (
        ("is_lsm", "lsm_metadata", vendors.read_lsm),
        ("is_stk", "stk_metadata", vendors.read_stk),
        ("is_fluoview", "fluoview_metadata", vendors.read_fluoview),
        ("is_andor", "andor_metadata", vendors.read_andor),
        ("is_fei", "fei_metadata", vendors.read_fei),
        ("is_sem", "sem_metadata", vendors.read_sem),
        ("is_sis", "sis_metadata", vendors.read_sis),
        ("is_tvips", "tvips_metadata", vendors.read_tvips),
    ):
        if getattr(file, flag, False) or getattr(page, flag, False):
            yield _attempt(lambda name=name, read=read: read(getattr(file, name)))  # type: ignore[misc]
    if file.is_metaseries:
        yield _attempt(lambda: _metaseries(series, layout))
    if page.is_scanimage:
        yield _attempt(
            lambda: read_scanimage(scanimage_words(file), axes, sizes.get("Y", page.imagelength), sizes.get("X", 1))
        )
    if file.is_micromanager:
        yield _attempt(lambda: _micromanager(file, series, layout))
    if file.is_svs:
        yield _attempt(lambda: vendors.read_svs(svs_description_metadata(page.description)))
    if all(code in page.tags for code in _GATAN):
        values = [page.tags.valueof(code) for code in _GATAN]
        yield _attempt(lambda: vendors.read_gatan((values[0], values[1]), (values[2], values[3])))


def _attempt(read: Callable[[], Any]) -> Any:
    """Return the result of a metadata parser, None if it fails: the pixels are not affected."""
    try:
        with damage_errors("the metadata", ""):
            return read()
    except FormatError:
        return None


def _metaseries(series: Any, layout: Layout) -> TiffMetadata:
    sizes = layout.sizes
    of_channels = [{"C": c} for c in range(sizes.get("C", 1))]
    pages = [
        metaseries_description_metadata(_first_tag(series, layout, index, 270))
        for index in [*of_channels, {"T": sizes.get("T", 1) - 1}]
    ]
    metadata = vendors.read_metaseries(pages)
    times = [(page.get("PlaneInfo") or {}).get("acquisition-time-local") for page in (pages[0], pages[-1])]
    n_steps = sizes.get("T", 1) - 1
    if n_steps and isinstance(times[0], datetime) and isinstance(times[1], datetime):
        seconds = (times[1] - times[0]).total_seconds() / n_steps
        metadata.frame_interval_s = seconds if seconds > 0 else None
    if len(metadata.channel_names) != sizes.get("C", 1):
        metadata.channel_names = []
    return metadata


def _micromanager(file: Any, series: Any, layout: Layout) -> TiffMetadata:
    summary = (file.micromanager_metadata or {}).get("Summary") or {}
    sizes, index = layout.sizes, _ndtiff_index(file)
    n_steps = sizes.get("T", 1) - 1
    first: Any
    last: Any
    if index:
        first, last = (_attempt(lambda entry=entry: _ndtiff_words(file, entry)) for entry in (index[0], index[-1]))  # type: ignore[misc]
        times = [entry[0].get("time") for entry in (index[0], index[-1])]
        n_steps = times[1] - times[0] if all(isinstance(time, int) for time in times) else 0
    else:
        first, last = (
            _attempt(lambda t=t: _first_tag(series, layout, {"T": t}, 51123))  # type: ignore[misc]
            for t in (0, n_steps)
        )
    metadata = read_micromanager(summary, _mapping(first), _mapping(last), n_steps)
    if index:
        metadata.channel_names = ndtiff_channels([entry[0] for entry in index]) or metadata.channel_names
    if len(metadata.channel_names) != sizes.get("C", 1):
        metadata.channel_names = []
    return metadata


def _ndtiff_index(file: Any) -> list[Any]:
    path = Path(file.filehandle.dirname) / NDTIFF_INDEX
    return list(tifffile.read_ndtiff_index(path)) if file.is_ndtiff and path.exists() else []


def _ndtiff_words(file: Any, entry: Sequence[Any]) -> Any:
    with (Path(file.filehandle.dirname) / entry[1]).open("rb") as data:
        data.seek(entry[7])
        return json_value(data.read(entry[8]).decode().strip("\0"))


def _first_tag(series: Any, layout: Layout, index: Mapping[str, int], code: int) -> Any:
    """Return the value of a tag of the page at an index, 0 along all other axes."""
    leading = layout.axes[: len(layout.axes) - series.keyframe.ndim]
    page = series.pages[layout.page_number(leading, {"T": 0, "C": 0, "Z": 0, **index})]
    with opened_file(page):
        return (page if hasattr(page, "tags") else page.aspage()).tags.valueof(code)


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _constant_labels(labels: Any, axes: str, sizes: Mapping[str, int]) -> list[str]:
    """Return ImageJ's slice labels as channel names, if all slices of a channel have the same label."""
    n_channels = sizes.get("C", 1)
    leading = [axis for axis in axes if axis in "TCZ"]
    if n_channels < 2 or not isinstance(labels, list) or "C" not in leading:
        return []
    inner = 1
    for axis in leading[leading.index("C") + 1 :]:
        inner *= sizes[axis]
    names: list[set[str]] = [set() for _ in range(n_channels)]
    for number, label in enumerate(labels):
        names[number // inner % n_channels].add(str(label).split("\n")[0].strip())
    unique = [next(iter(found)) for found in names if len(found) == 1]
    return unique if len(set(unique)) == n_channels and all(unique) else []
