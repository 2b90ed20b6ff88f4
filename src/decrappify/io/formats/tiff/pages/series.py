"""Pages of one scene of a TIFF file: layout, recorded pages, and completeness of the file."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element

from decrappify._common.counting import counted
from decrappify.errors import FormatError
from decrappify.io.formats.tiff.metadata.ome import announced_axes
from decrappify.io.formats.tiff.metadata.scanimage import scanimage_layout
from decrappify.io.formats.tiff.pages.layout import Layout, announced_layout, named_axes, without_single_axes
from decrappify.io.formats.tiff.pages.series_metadata import scanimage_words

_IMAGEJ_ORDER = {"ctz": "ZTC", "zct": "TCZ", "ztc": "CTZ", "tcz": "ZCT", "tzc": "CZT"}
_BEYOND = re.compile(r"invalid page offset (\d+)")
_FLAT = frozenset({"generic", "uniform", "imagej"})  # kinds with a page order that may be stated elsewhere


def series_layout(
    file: Any, series: Any, fixed: dict[str, int], image: Element | None, given: str | None, name: str
) -> Layout:
    """Return the layout of the pages of a series.

    Parameters
    ----------
    file : tifffile.TiffFile
        The file.
    series : tifffile.TiffPageSeries
        The series.
    fixed : dict
        Indices along the axes of the series that distinguish scenes.
    image : Element or None
        Image of the OME-XML that describes the series.
    given : str, optional
        Axes named by the user.
    name : str
        File name for messages.

    Raises
    ------
    InputError
        If the axes are unknown, or `given` does not match.
    """
    axes, shape, given = without_single_axes(series.axes, series.shape, fixed, given)
    narrow = _narrow_imagej(file, series)
    if narrow is not None and (given is None or len(given) == len(narrow[0])):
        return Layout(named_axes(*narrow, given, fixed, name), narrow[1], fixed)
    n_free = len(axes) - len(fixed)
    stated = _stated_order(file, series, image) if given is None or len(given) != n_free else None
    if stated is not None:
        n_page = series.keyframe.ndim
        axes, shape = stated[0] + axes[-n_page:], (*stated[1], *shape[-n_page:])
    elif given is not None and len(given) != n_free and len(given) == series.keyframe.ndim + 1:
        n_pages, page = len(series.pages), series.keyframe
        if not is_stacked(series) and n_pages > math.prod(shape) // math.prod(page.shape):
            axes, shape = "I" + axes[-page.ndim :], (n_pages, *page.shape)
    layout = Layout(named_axes(axes, shape, given, fixed, name), shape, fixed)
    announced = _announced_by_micromanager(file) if series.kind == "mmstack" and given is None else {}
    if stated is not None:
        announced = dict(zip(layout.axes, stated[2], strict=False))
    layout.announced = {axis: size for axis, size in announced.items() if size > layout.sizes.get(axis, 1)}
    return layout


def refuse_cut_short(path: Path, file: Any, series: Any, messages: Iterable[str]) -> bool:
    """Raise FormatError if bytes are missing: a page is listed beyond the end of the file, or ends beyond it.

    Parameters
    ----------
    path : path
        The file, for messages.
    file : tifffile.TiffFile
        The file.
    series : tifffile.TiffPageSeries
        The series.
    messages : iterable of str
        Messages that tifffile logged while it read the pages.

    Returns
    -------
    bool
        Whether the writer did not close the file: the next page is listed exactly at its end.

    Raises
    ------
    FormatError
        If bytes are missing.

    Notes
    -----
    A recording that was aborted or split has fewer pages than its header declares, but all of them are complete: no
    error is raised.
    """
    pages = [page for page in series.pages if page is not None]
    sizes = {page.parent.filehandle.size for page in pages}
    beyond = [int(number) for message in messages for number in _BEYOND.findall(message)]
    if not pages or not set(beyond) <= sizes:
        raise FormatError(
            f"{path} is truncated: it contains {counted(len(pages), 'complete frame')} and lists more; copy it again"
        )
    last = {page.parent.filehandle.path: page for page in pages}
    for page in last.values():
        refuse_missing_bytes(path, page)
    if series.kind == "mmstack":
        index = (file.micromanager_metadata or {}).get("IndexMap")
        if index is not None and len(index) and int(index[:, 4].max()) >= file.filehandle.size:
            raise FormatError(f"{path} is truncated: its index refers to bytes beyond its end; copy it again")
    _refuse_cut_stack(path, file, series, pages)
    return bool(beyond)


def refuse_missing_bytes(path: Path, page: Any) -> None:
    """Raise FormatError if the data of a page end beyond the end of its file."""
    parts = zip(page.dataoffsets, page.databytecounts, strict=False)
    end = max((offset + count for offset, count in parts), default=0)
    size = page.parent.filehandle.size
    if end > size:
        file = path.parent / page.parent.filename
        raise FormatError(
            f"{file} is truncated: frame {page.index} ends at byte {end}, the file at {size}; copy it again"
        )


def is_stacked(series: Any) -> bool:
    """Return whether one page describes several consecutive planes."""
    return len(series.pages) == 1 and math.prod(series.shape) > math.prod(series.keyframe.shape)


def keyframes(series: Any) -> list[Any]:
    """Return the pages from which tifffile reads the storage format of the others: one, or one per file or page."""
    if series.kind not in ("generic", "ome", "mmstack", "ndtiff", "lsm"):
        return [series.keyframe]
    return list({id(page.keyframe): page.keyframe for page in series.pages if page is not None}.values())


def is_recorded(series: Any, number: int) -> bool:
    """Return whether the page of this number exists and has data."""
    if number >= len(series.pages):
        return False
    if series.kind not in ("ome", "mmstack", "ndtiff", "lsm"):  # the others do not skip pages
        return True
    page = series.pages[number]
    if page is None:
        return False
    return series.kind not in ("mmstack", "lsm") or any(offset > 0 for offset in page.dataoffsets)


def _stated_order(file: Any, series: Any, image: Element | None) -> tuple[str, tuple[int, ...], tuple[int, ...]] | None:
    """Return axes, sizes and declared sizes of pages with an order unknown to tifffile, or fewer than declared."""
    n_pages, page = len(series.pages), series.keyframe
    if series.kind not in _FLAT or is_stacked(series) or not set(page.axes) <= set("YXS"):
        return None
    n_planes = math.prod(series.shape) // math.prod(page.shape)
    if image is not None:
        axes, sizes = announced_axes(image)
        return _whole_or_shortened(axes, sizes, n_pages)
    if file.pages.first.is_scanimage:
        axes, sizes = scanimage_layout(scanimage_words(file), n_pages)
        return axes, sizes, sizes
    if file.is_micromanager and series.kind != "imagej":
        found = _micromanager_order(file)
        return None if found is None else _whole_or_shortened(*found, n_pages)
    words = file.imagej_metadata if file.is_imagej else None
    if words and (series.kind != "imagej" or n_pages < n_planes):
        return _whole_or_shortened(*_imagej_order(words), n_pages)
    return None


def _narrow_imagej(file: Any, series: Any) -> tuple[str, tuple[int, ...]] | None:
    """Return axes and shape of an ImageJ file with planes one pixel wide, which tifffile writes as rows of pages."""
    words, page = file.imagej_metadata if file.is_imagej else None, series.keyframe
    if not words or page.software != "tifffile.py" or page.axes != "YX" or is_stacked(series):
        return None
    axes, sizes = _imagej_order(words)
    length, width = page.shape
    n_planes = math.prod(sizes)
    if n_planes != len(series.pages) * length or n_planes == len(series.pages):
        return None
    kept = [(axis, size) for axis, size in zip(axes, sizes, strict=True) if size > 1]
    return "".join(axis for axis, _ in kept) + "YX", (*(size for _, size in kept), width, 1)


def _imagej_order(words: Mapping[str, Any]) -> tuple[str, tuple[int, ...]]:
    counts = {"T": words.get("frames", 1), "Z": words.get("slices", 1), "C": words.get("channels", 1)}
    if math.prod(counts.values()) == 1:
        counts["T"] = words.get("images", 1)
    axes = _IMAGEJ_ORDER.get(str(words.get("order", "czt")).lower(), "TZC")
    return axes, tuple(counts[axis] for axis in axes)


def _micromanager_order(file: Any) -> tuple[str, tuple[int, ...]] | None:
    """Return the page order of an image stack without an index, which is missing if the program was stopped."""
    summary = (file.micromanager_metadata or {}).get("Summary") or {}
    sizes = _announced_by_micromanager(file)
    if set(sizes) != set("TZC") or int(summary.get("Positions") or 1) > 1:
        return None
    axes = "TZC" if summary.get("SlicesFirst", True) else "TCZ"
    return axes, tuple(sizes[axis] for axis in axes)


def _announced_by_micromanager(file: Any) -> dict[str, int]:
    summary = (file.micromanager_metadata or {}).get("Summary") or {}
    sizes = {axis: summary.get(key) for axis, key in (("T", "Frames"), ("Z", "Slices"), ("C", "Channels"))}
    return {axis: size for axis, size in sizes.items() if isinstance(size, int)}


def _whole_or_shortened(
    axes: str, sizes: tuple[int, ...], n_pages: int
) -> tuple[str, tuple[int, ...], tuple[int, ...]] | None:
    if math.prod(sizes) < n_pages:
        return None
    kept = {axis: size for axis, size in zip(axes, sizes, strict=True) if size > 1}
    if math.prod(sizes) == n_pages:
        return "".join(kept), tuple(kept.values()), tuple(kept.values())
    shortened = announced_layout(axes, sizes, n_pages)
    return None if shortened is None else (*shortened, tuple(kept[axis] for axis in shortened[0]))


def _refuse_cut_stack(path: Path, file: Any, series: Any, pages: list[Any]) -> None:
    if is_stacked(series) and series.dataoffset is not None:
        end = series.dataoffset + math.prod(series.shape) * series.dtype.itemsize
        if end > file.filehandle.size:
            raise FormatError(f"{path} is truncated: {file.filehandle.size} of {end} bytes are present; copy it again")
    announced = (file.imagej_metadata or {}).get("images", 0) if file.is_imagej and series.kind != "imagej" else 0
    page = pages[0]
    if announced > 1 and len(pages) == 1 and page.is_final and page.offset < page.dataoffsets[0]:
        # One page describes all planes, one after another: bytes after the first plane belong to the second.
        present = file.filehandle.size - page.dataoffsets[0]
        if present > page.nbytes:
            complete = counted(present // page.nbytes, "complete frame")
            raise FormatError(f"{path} is truncated: it contains {complete} of {announced}; copy it again")
