"""Opening of a TIFF file and its scenes: images of OME-XML, positions, mosaic tiles and other series."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple
from xml.etree.ElementTree import Element

import tifffile

from decrappify.errors import FormatError
from decrappify.io.formats.tiff.files.announced import check_micromanager, check_ome, check_scenes
from decrappify.io.formats.tiff.files.ndtiff import NDTIFF_INDEXES
from decrappify.io.formats.tiff.files.scene_axes import scene_indices, scene_label
from decrappify.io.formats.tiff.metadata.micromanager import position_names
from decrappify.io.formats.tiff.metadata.ome import (
    files_of,
    image_elements,
    is_accessory,
    metadata_file,
    missing_files,
    only_image,
    parse_ome,
    renamed_uuid,
    scene_numbers,
)
from decrappify.limits.files import check_regular, check_regular_files

NDTIFF_INDEX = NDTIFF_INDEXES[0]
_DESCRIPTION = 270
_PAGES_SEARCHED = 8  # for OME-XML outside the first page
_SLIDES = frozenset({"svs", "scn", "qpi", "ndpi", "bif", "avs", "philips"})


class Scene(NamedTuple):
    """One image of a file.

    Attributes
    ----------
    name : str or None
        Name in the file.
    image : int or None
        Number of its element in the OME-XML.
    series : int
        Number of tifffile's series, for pages that are not found by the OME-XML.
    fixed : dict
        Indices along the axes of that series that distinguish scenes.
    """

    name: str | None
    image: int | None
    series: int
    fixed: dict[str, int]


class OpenedSeries(NamedTuple):
    """The pages of one scene, and the open file that contains them."""

    file: Any
    series: Any
    fixed: dict[str, int]
    missing_files: list[str]


class TiffDocument:
    """An open TIFF file with its OME-XML, which may be in a neighboring file.

    Attributes
    ----------
    file : tifffile.TiffFile
        The file.
    root : Element or None
        OME-XML with images.
    scenes : list of Scene
        At least one; those with planes in this file first.
    notes : list of str
        Notes about the file for the user, one line each.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.notes: list[str] = []
        check_regular(path)
        self.file = tifffile.TiffFile(path)
        if self.file.is_scanimage:
            # tifffile assumes that the pages of ScanImage are equally spaced, and omits the last one if they are.
            self.file.close()
            self.file = tifffile.TiffFile(path, is_scanimage=False)
        try:
            check_micromanager(path, self.file)
            if self.file.is_micromanager:  # tifffile opens the other files by the names it expects
                check_regular_files(path.parent, (entry.name for entry in path.parent.iterdir()))
            self._uuid: str | None = None
            self.root = self._find_root()
            self._images = image_elements(self.root) if self.root is not None else []
            check_ome(path, self._images, _page_pixels(self.file) if self._images else 1)
            self._uuid = self._uuid or renamed_uuid(self._images, path)
            self.scenes = self._ome_scenes() or self._series_scenes()
        except BaseException:
            self.file.close()
            raise

    def image(self, scene: Scene) -> Element | None:
        """Return the element of a scene in the OME-XML."""
        return None if scene.image is None else self._images[scene.image]

    def open(self, scene: Scene, number: int) -> OpenedSeries:
        """Open the pages of a scene, found by the OME-XML if possible, else by tifffile's series.

        Raises
        ------
        FormatError
            If the files with all its planes are missing.
        """
        lost: list[str] = []
        if scene.image is not None and self.root is not None:
            image = self._images[scene.image]
            lost = missing_files(image, self.path, self._uuid)
            check_regular_files(self.path.parent, files_of(image).values())
            file = tifffile.TiffFile(
                self.path,
                omexml=only_image(self.root, scene.image, self._uuid),
                is_mmstack=False,
                is_shaped=False,
                is_ndtiff=False,
            )
            series = file.series if image.find("{*}Pixels/{*}TiffData") is not None else []
            if series and series[0].kind == "ome":
                return OpenedSeries(file, series[0], {}, lost)
            file.close()
            if lost:
                raise FormatError(
                    f"{self.path.name}: the planes of {scene.name or 'its image'} are in {listed_names(lost)}, "
                    f"not found in {self.path.parent}; copy it there"
                )
        others = self._series_scenes()
        if not others:
            raise FormatError(f"{self.path} is a TIFF file without images; it is damaged: copy it again")
        if scene.image is not None and len(others) != len(self.scenes):
            if len(self.scenes) > 1:
                raise FormatError(
                    f"{self.path.name}: its OME-XML describes {len(self.scenes)} images, found {len(others)} in the "
                    "file; convert it again with the program that wrote it"
                )
            number = 0
        chosen = others[number] if scene.image is not None else scene
        return OpenedSeries(self.file, self.file.series[chosen.series], chosen.fixed, [])

    def close(self) -> None:
        """Close the file."""
        self.file.close()

    def _find_root(self) -> Element | None:
        root = parse_ome(_ome_text(self.file))
        if root is None:
            return None
        self._uuid = root.get("UUID")
        name = metadata_file(root)
        if name is None:
            return root if image_elements(root) else None
        neighbor = self.path.parent / name
        check_regular(neighbor)
        found = parse_ome(_text_of(neighbor)) if neighbor.exists() else None
        if found is None or not image_elements(found):
            state = "contains none" if neighbor.exists() else f"is not in {self.path.parent}"
            self.notes.append(
                f"{self.path.name} contains only pixels; its metadata (channels, pixel size, order of the planes) are "
                f"in {name}, which {state}: copy that file into the same folder"
            )
            return None
        return found

    def _ome_scenes(self) -> list[Scene]:
        numbers = scene_numbers(self._images, self._uuid, self.path.name)
        return [Scene(self._images[number].get("Name"), number, number, {}) for number in numbers]

    def _series_scenes(self) -> list[Scene]:
        scenes = []
        for number, series in _scene_series(self.file.series):
            axes, shape = series.get_axes(squeeze=False), series.get_shape(squeeze=False)
            check_scenes(self.path, axes, shape, series.kind)
            indices = scene_indices(axes, shape, series.kind)
            labels, order = self._positions(series.kind, indices)
            for place in order:
                fixed = {axis: index for axis, index in indices[place].items() if axis in series.axes}
                name = " ".join(part for part in (series.name, labels[place]) if part)
                scenes.append(Scene(name or None, None, number, fixed))
        return scenes

    def _positions(self, kind: str, indices: list[dict[str, int]]) -> tuple[list[str | None], list[int]]:
        """Return the names of the scenes of a series, and their order: the positions of this file first."""
        count = len(indices)
        labels = [scene_label(fixed) if count > 1 else None for fixed in indices]
        if kind not in ("mmstack", "ndtiff") or any(set(fixed) != {"R"} for fixed in indices):
            return labels, list(range(count))
        metadata = self.file.micromanager_metadata or {}
        summary, index = metadata.get("Summary") or {}, metadata.get("IndexMap")
        own = sorted({int(position) for position in index[:, 3]}) if index is not None else []
        first = own[0] if own and own[-1] >= count else 0  # without its other files, a set is reduced to this one
        total = max(count + first, int(summary.get("Positions") or 1))
        if total > 1:
            names = position_names(summary, total)
            labels = list(names[first : first + count])
            if total > count:
                absent = [name for name in names if name not in labels]
                self.notes = [
                    f"{self.path.name} is one of a set; the files with positions {listed_names(absent)} are not in "
                    f"{self.path.parent}: copy them into the same folder to open those"
                ]
        if kind == "ndtiff":
            labels = list(_ndtiff_positions(self.path.parent, count)) or labels
        mine = [place for place in range(count) if place + first in own]
        return labels, mine + [place for place in range(count) if place not in mine]


@contextmanager
def opened_file(page: Any) -> Iterator[Any]:
    """Open the file of a page while it is read; tifffile keeps the other files of a set closed."""
    handle = page.parent.filehandle
    was_closed = handle.closed
    if was_closed:
        handle.open()
    try:
        yield page
    finally:
        if was_closed:
            handle.close()


def listed_names(names: list[str]) -> str:
    """Return up to three names in one line, and the number of further ones."""
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def _scene_series(all_series: list[Any]) -> list[tuple[int, Any]]:
    """Return the series without thumbnails, labels and overviews."""
    numbered = list(enumerate(all_series))
    kept = [
        (number, series)
        for number, series in numbered
        if not series.keyframe.is_reduced and not (series.kind in _SLIDES and is_accessory(series.name))
    ]
    return kept or numbered


def _ome_text(file: Any) -> str | None:
    """Return the OME-XML of a file: from any ImageDescription of its first page, else of another page."""
    if not len(file.pages):
        return None
    first = next((text for text in _descriptions(file.pages.first) if parse_ome(text) is not None), None)
    if first is not None or file.is_shaped:
        return first
    for number in [*range(1, _PAGES_SEARCHED), -1]:
        try:
            page = file.pages[number]
        except (IndexError, ValueError, tifffile.TiffFileError):
            break  # no further page; a damaged one is reported when the series is read
        for text in _descriptions(page) if hasattr(page, "tags") else ():
            if parse_ome(text) is not None:
                return text
    return None


def _descriptions(page: Any) -> list[str]:
    return [str(tag.value) for tag in page.tags.getall(_DESCRIPTION, default=())]


def ndtiff_file(folder: Path) -> Path | None:
    """Return the first file of an NDTiff data set in a folder, None if absent.

    Its index is in the folder, or in "Full resolution" if the set has coarser levels.
    """
    for index in (folder / name for name in NDTIFF_INDEXES):
        if index.is_file():
            first = next(iter(tifffile.read_ndtiff_index(index)), None)
            return None if first is None else index.parent / first[1]
    return None


def _ndtiff_positions(folder: Path, count: int) -> list[str]:
    index = folder / NDTIFF_INDEX
    found = dict.fromkeys(entry[0].get("position") for entry in tifffile.read_ndtiff_index(index))
    names = [name for name in found if isinstance(name, str)]
    return names if len(names) == count else []


def _page_pixels(file: Any) -> int:
    """Return the number of values of the first page, at least 1."""
    return max(int(file.pages.first.size), 1) if len(file.pages) else 1


def _text_of(path: Path) -> str | None:
    """Return the OME-XML of a TIFF file, or of a companion file."""
    try:
        with tifffile.TiffFile(path) as file:
            return _ome_text(file)
    except tifffile.TiffFileError:
        return path.read_text(encoding="utf-8", errors="replace")
