"""Classification of a folder of image files: one movie, several scenes, or unrelated images."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

from decrappify._common.argument_names import setting
from decrappify._common.counting import counted
from decrappify.errors import FormatError, InputError
from decrappify.io.folders.folder_as import check_folder_as
from decrappify.io.folders.name_grid import Arrangement, Grid, arrange, single_grid
from decrappify.io.folders.natural import natural_key
from decrappify.io.format import FrameFiles
from decrappify.io.recognition.file_format import is_image_folder
from decrappify.io.recognition.file_scenes import file_scenes
from decrappify.io.recognition.registry import format_by_suffix
from decrappify.limits.files import check_regular

_ENDING = re.compile(r"(\.ome)?\.[^.]+$", re.IGNORECASE)
# Folders that acquisition programs write inside one acquisition.
_PART_OF_ACQUISITION = re.compile(
    r"(?:.*[-_ ])?(?:pos|position|xy|site|well|field|scene|timepoint|zstep)[-_ ]?\d+(?:_\d+)*", re.IGNORECASE
)
_VOLUME = re.compile(r"(?:vol(?:ume)?|z?stack)s?(?![a-z])", re.IGNORECASE)
_CAMERA = re.compile(r"(?:img|dsc|dscn|dscf|imgp|pict|photo|sam|gopr)_?\d+", re.IGNORECASE)
_HEADERS = 1000  # read to compare the sizes of images; others are compared when their pixels are read


@dataclass(frozen=True)
class FolderScene:
    """One image of a folder.

    Attributes
    ----------
    name : str
        Unique within the folder if it has several images.
    files : tuple of Path
        The files; only the first one if `grid` is None.
    grid : Grid or None
        Index of the file of each plane; None for a file that is a separate image.
    inner : int
        Scene of that file.
    pages_are_slices : bool
        Whether pages without axis names in a TIFF file are slices.
    """

    name: str
    files: tuple[Path, ...]
    grid: Grid | None = None
    inner: int = 0
    pages_are_slices: bool = False


@dataclass(frozen=True)
class FolderReading:
    """Classification of a folder.

    Attributes
    ----------
    path : Path
        The folder.
    kind : {"movie", "images"}
        Whether files are planes of a movie (of each scene), or separate images.
    scenes : tuple of FolderScene
        At least one.
    reason : str
        Reason of the classification, for messages.
    is_sure : bool
        Whether the classification is certain: the message is information, otherwise a warning.
    left_out : tuple of str
        Descriptions of the omitted content of the folder.
    time_is_labeled : bool
        Whether the file names label the frame number, such as t0001, or other metadata order the files.
    """

    path: Path
    kind: str
    scenes: tuple[FolderScene, ...]
    reason: str
    is_sure: bool = True
    left_out: tuple[str, ...] = ()
    time_is_labeled: bool = True

    @property
    def may_be_frames(self) -> bool:
        """Return whether every file is of a format that can contain one frame."""
        return all(frames_of(file) is not None for scene in self.scenes for file in scene.files)


def _is_image(entry: Path) -> bool:
    if frames_of(entry) is None:
        return False
    check_regular(entry)  # a pipe among the frames must not be skipped silently
    return entry.is_file()


def read_folder(path: Path, folder_as: str = "auto") -> FolderReading:
    """Classify a folder by the names of its files and, if these are ambiguous, by their sizes.

    Parameters
    ----------
    path : Path
        The folder.
    folder_as : {"auto", "movie", "images"}
        "movie": the files are planes of one movie, successive frames unless their names number other axes. "images":
        each file is a separate image or movie.

    Raises
    ------
    InputError
        If there are no image files, or files of several formats; the message states what was found.
    """
    check_folder_as(folder_as, path)
    return _read_unchanged(path.absolute(), folder_as, _content(path))


def _content(path: Path) -> tuple[tuple[str, int, int], ...]:
    """Return a value that changes when files of a folder change; for many files only the names."""
    with os.scandir(path) as entries:
        found = sorted(entries, key=lambda entry: entry.name)
    if len(found) > _HEADERS:
        return tuple((entry.name, 0, 0) for entry in found)
    return tuple((entry.name, *_state(entry)) for entry in found)


def _state(entry: os.DirEntry[str]) -> tuple[int, int]:
    """Return size and time of a file, zeros for a broken link."""
    try:
        state = entry.stat()
    except OSError:
        return 0, 0
    return state.st_size, state.st_mtime_ns


@lru_cache(maxsize=4)  # every scene of a folder is opened by a separate call
def _read_unchanged(path: Path, folder_as: str, _: tuple[tuple[str, int, int], ...]) -> FolderReading:
    files, left_out = listed_files(path, folder_as)
    is_container = frames_of(files[0]) is None or files[0].is_dir()
    if is_container and folder_as == "movie" and len(files) > 1:
        raise InputError(
            f"folder {path.name} contains {len(files)} files such as {files[0].name}, which cannot be frames of one "
            f"movie; omit {setting('folder_as', 'movie')}, or open them one by one"
        )
    reading = _reading(path, files, folder_as, is_container=is_container)
    return replace(reading, left_out=tuple(left_out))


def _reading(path: Path, files: list[Path], folder_as: str, *, is_container: bool) -> FolderReading:
    if len(files) == 1:
        return FolderReading(path, "images", tuple(_own_scenes(files, [files[0].name])), "it contains one file")
    sets = [] if is_container else _file_sets(files)
    if sets:
        scenes = _own_scenes(sets, [stem_of(path, file) for file in sets])
        if len(sets) == 1:
            inner = [scene.name.partition(" / ")[2] for scene in scenes]
            scenes = [replace(scene, name=name) for scene, name in zip(scenes, inner, strict=True)]
            return FolderReading(path, "movie", tuple(scenes), "the files are joined by their metadata")
        return FolderReading(path, "images", tuple(scenes), "some of the files are joined by their metadata")
    if folder_as == "images":
        return _images(path, files, "as requested")
    if is_container:
        return _images(path, files, "each file contains a separate movie")
    found = arrange([stem_of(path, file) for file in files])
    if folder_as == "movie":
        grid = found.grids[0] if len(found.grids) == 1 else single_grid(len(files))
        found, is_sure = Arrangement((grid,), "as requested", time_is_labeled=True), True
    elif not found.grids or (len(found.grids) == len(files) > 1):
        return _images(path, files, found.reason, is_sure=found.is_sure)
    else:
        is_sure = found.is_sure
        doubt = _doubt(path, files, found)
        if doubt is not None:
            return _images(path, files, *doubt)
    slices = pages_are_slices_of(path, files, found)
    scenes = [FolderScene(grid.name, tuple(files), grid, pages_are_slices=slices) for grid in found.grids]
    labeled = found.time_is_labeled or "T" not in found.grids[0].axes
    return FolderReading(path, "movie", tuple(scenes), found.reason, is_sure, time_is_labeled=labeled)


def check_layouts(scene: FolderScene, folder: str) -> None:
    """Raise InputError if files of one scene differ in size or data type; the message names two of them."""
    if scene.grid is None:
        return
    odd = differing([scene.files[number] for number in sorted(scene.grid.files.values())])
    if odd is not None:
        raise InputError(
            f"frames of folder {folder} differ: {odd}; convert them to one shape and data type, move the file "
            f"that differs, or pass {setting('folder_as', 'images')} for separate images"
        )


def differing(files: Sequence[Path]) -> str | None:
    """Return a description of the first two files with different headers, or None; samples many files."""
    if len(files) > _HEADERS:
        by_size = sorted(files, key=lambda file: file.stat().st_size)
        step = len(files) / _HEADERS
        sample = {0, len(files) - 1, *(int(number * step) for number in range(_HEADERS))}
        files = [by_size[0], by_size[-1], *(files[number] for number in sorted(sample))]
    first = layout_of(files[0])
    for file in files[1:]:
        layout = layout_of(file)
        if str(layout) != str(first):
            return f"{files[0].name} is {first}, {file.name} is {layout}"
    return None


def layout_of(file: Path) -> object:
    """Read the header of one file; the result can be compared and converted to a string."""
    frames = frames_of(file)
    assert frames is not None, f"{file.name} is not a frame"
    return frames.layout(file)


def frames_of(file: Path) -> FrameFiles | None:
    """Return how frames are read from files with the suffix of `file`; None if they cannot be frames."""
    form = format_by_suffix(file)
    return form.frames if form is not None and form.frames and file.suffix.lower() in form.frames.suffixes else None


def listed_files(folder: Path, folder_as: str) -> tuple[list[Path], list[str]]:
    """Return the files to read, in natural order, and descriptions of the omitted ones."""
    entries = sorted((e for e in folder.iterdir() if not e.name.startswith(".")), key=natural_key)
    subfolders = [entry for entry in entries if entry.is_dir() and not _is_store(entry)]
    singles = [entry for entry in entries if _is_image(entry)]
    containers = [entry for entry in entries if _is_store(entry) or _is_container(entry)]
    if folder_as == "images" and (singles or containers):
        return [entry for entry in entries if entry in {*singles, *containers}], []
    if not singles and not containers:
        singles = _inside(subfolders)
    if not singles and not containers:
        hint = f", but folders such as {subfolders[0].name}: open one of them" if subfolders else ""
        needs = hint or ", expected .tif, .png, .jpg or .bmp files, one per frame"
        raise InputError(f"folder {folder} contains no images{needs}")
    if not singles:
        return containers, []
    left_out = [f"{counted(len(containers), 'other file')} such as {containers[0].name}"] if containers else []
    full = [file for file in singles if "_thumb" not in file.name.lower()]
    if full and len(full) < len(singles):
        left_out.append(counted(len(singles) - len(full), "thumbnail"))
        singles = full
    kinds = Counter(map(_spelling, singles))
    if len(kinds) > 1:
        found = " and ".join(f"{count} {kind}" for kind, count in kinds.most_common())
        raise InputError(
            f"folder {folder} contains {found} files, expected frames of one format; move the others, or pass "
            f"{setting('folder_as', 'images')}"
        )
    return singles, left_out


def _is_store(path: Path) -> bool:
    """Return whether a path is a folder in which a format stores one movie."""
    return path.is_dir() and not is_image_folder(path)


def _is_container(path: Path) -> bool:
    """Return whether a path is a file that is never a single frame."""
    form = format_by_suffix(path)
    return form is not None and not form.is_in_folders_only and frames_of(path) is None and not path.is_dir()


def _spelling(file: Path) -> str:
    """Return the preferred spelling of a file's suffix."""
    suffix, frames = file.suffix.lower(), frames_of(file)
    return suffix if frames is None else frames.spellings.get(suffix, suffix)


def _inside(folders: Sequence[Path], depth: int = 2) -> list[Path]:
    """Return the files of one acquisition with positions, time points or slices in separate folders."""
    parts = [folder for folder in folders if _PART_OF_ACQUISITION.fullmatch(folder.name)]
    files: list[Path] = []
    for part in parts:
        entries = sorted((entry for entry in part.iterdir() if not entry.name.startswith(".")), key=natural_key)
        own = [entry for entry in entries if _is_image(entry)]
        files += own or (_inside([entry for entry in entries if entry.is_dir()], depth - 1) if depth > 1 else [])
    return files


def stem_of(folder: Path, file: Path) -> str:
    """Return the name of a file below the folder without its suffix, of which ``.ome`` is a part."""
    return _ENDING.sub("", file.relative_to(folder).as_posix())


def _images(path: Path, files: Sequence[Path], reason: str, is_sure: bool = True) -> FolderReading:
    names = [stem_of(path, file) for file in files]
    if len(set(names)) < len(names):
        names = [file.name for file in files]
    return FolderReading(path, "images", tuple(_own_scenes(files, names)), reason, is_sure)


def _is_plain(file: Path) -> bool:
    """Return whether a file is a frame of a format without scenes; OME-TIFF can contain several."""
    form = format_by_suffix(file)
    return form is not None and frames_of(file) is not None and not file.name.lower().endswith(form.long_suffixes)


def _own_scenes(files: Sequence[Path], names: Sequence[str]) -> list[FolderScene]:
    """Return all scenes of the files; stills and plain TIFF files have one."""
    found = []
    for file, name in zip(files, names, strict=True):
        inner = [""] if _is_plain(file) and len(files) > 1 else _scenes_in(file, among_others=len(files) > 1)
        found += [
            FolderScene(name if len(inner) == 1 else f"{name} / {scene}", (file,), inner=number)
            for number, scene in enumerate(inner)
        ]
    return found


def _scenes_in(file: Path, *, among_others: bool) -> list[str]:
    """Return the scenes of a file; a damaged one of several counts as one scene, whose error is raised on opening."""
    try:
        return file_scenes(file)
    except FormatError:
        if not among_others:
            raise
        return [""]


def _file_sets(files: Sequence[Path]) -> list[Path]:
    """Return the first file of each set of files that refer to each other; empty for independent files."""
    folder = files[0].parent
    frames = frames_of(files[0])
    if frames is None or frames.members is None or any(file.parent != folder for file in files):
        return []
    covered: set[str] = set()
    first_of_set: list[Path] = []
    for file in files:
        if file.name in covered:
            continue
        named = _members(frames, file)
        if not first_of_set and not (named - {file.name}) & {other.name for other in files}:
            return []
        covered |= named
        first_of_set.append(file)
    return first_of_set


def _members(frames: FrameFiles, file: Path) -> set[str]:
    """Return the names of the files in the set of a file; only the file if it is damaged."""
    assert frames.members is not None, "the format has no sets of files"
    try:
        return set(frames.members(file))
    except FormatError:
        return {file.name}


def _doubt(path: Path, files: Sequence[Path], found: Arrangement) -> tuple[str, bool] | None:
    """Return why files with matching names are separate images, and whether that is certain; None if they are not."""
    first = files[0]
    frames = frames_of(first)
    of_cameras = frames is not None and first.suffix.lower() in frames.of_cameras
    if of_cameras and all(_CAMERA.fullmatch(stem_of(path, file)) for file in files):
        return "the file names are those of a camera", False
    if frames is not None and frames.axes is not None:
        axes, pages = frames.axes(first)
        grid = found.grids[0]
        if pages > 1 and "T" in axes and "T" in grid.axes:
            return f"{first.name} is a movie of {pages} pages", not found.time_is_labeled
        if pages > 1 and "Z" in axes and "Z" in grid.axes:
            return f"{first.name} is a stack of {pages} pages", False
        named = found.time_is_labeled or _VOLUME.search(stem_of(path, first)) or "T" not in grid.axes
        if pages > 1 and _are_unnamed(axes) and not named:
            return f"{first.name} has {pages} pages, which may be frames or slices", False
    if not found.time_is_labeled and (len(found.grids) == 1 or not found.is_sure):
        odd = differing(files)
        if odd is not None:
            return f"their sizes differ: {odd}", False
    return None


def pages_are_slices_of(path: Path, files: Sequence[Path], found: Arrangement) -> bool:
    """Return whether the pages of the files have no axis names and are slices, as the files are frames."""
    frames = frames_of(files[0])
    if frames is None or frames.axes is None:
        return False
    axes, pages = frames.axes(files[0])
    return pages > 1 and _are_unnamed(axes) and "T" in found.grids[0].axes


def _are_unnamed(axes: str) -> bool:
    return not set("TZC") & set(axes)
