"""Inputs of a command: files, folders and patterns, as a list of files and folders that each contain one recording."""

from __future__ import annotations

import glob
import logging
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path, PurePath

from decrappify._common.argument_names import setting
from decrappify._common.counting import counted
from decrappify.errors import DecrappifyError, InputError, MissingFileError
from decrappify.io.folders.folder import read_folder
from decrappify.io.folders.natural import natural_key
from decrappify.io.recognition.file_format import is_image_folder
from decrappify.io.recognition.registry import format_by_suffix, frame_suffixes
from decrappify.io.remote.address import is_address
from decrappify.io.remote.path import RemotePath
from decrappify.io.store.working_folder import unfinished_output
from decrappify.limits.files import check_regular

logger = logging.getLogger(__name__)

_NAMED = 4  # skipped files that a message names
_HERE = PurePath()


@dataclass(frozen=True, slots=True)
class Source:
    """One file, store or folder of frames.

    Attributes
    ----------
    path : Path
        The file or folder.
    folder : PurePath
        Its folder, relative to the folder that was searched; empty for a path that was passed.
    error : DecrappifyError or None
        The error that prevented listing it.
    """

    path: Path
    folder: PurePath = _HERE
    error: DecrappifyError | None = None


@dataclass(slots=True)
class _Search:
    """Settings and state of the search of folders."""

    recursive: bool
    folder_as: str
    excluded: Path | None
    visited: set[Path] = field(default_factory=set)


def find_sources(
    words: Iterable[str | os.PathLike[str]],
    *,
    recursive: bool = False,
    folder_as: str = "auto",
    excluded: Path | None = None,
) -> list[Source]:
    """Return the recordings that files, folders and patterns name, each once, in natural order within a folder.

    Parameters
    ----------
    words : iterable of path
        Files, OME-Zarr and other stores, folders, and patterns such as ``raw/*.czi`` or ``raw/**/*.tif``.
    recursive : bool
        Whether to search the folders in a folder, too.
    folder_as : {"auto", "movie", "images"}
        "movie": a folder is one recording. "images": each file of a folder is. "auto": a folder is one recording only
        if its file names label frames, channels, slices or wells, such as ``t001``.
    excluded : Path, optional
        A folder that is not searched, such as that of the outputs.

    Returns
    -------
    list of Source
        A path that does not exist and a pattern without a match are sources with an error.

    Raises
    ------
    InputError
        If nothing was found, or a folder is `excluded` itself.

    Examples
    --------
    >>> find_sources(["missing.czi"])[0].path.name
    'missing.czi'
    """
    search = _Search(recursive, folder_as, None if excluded is None else excluded.resolve())
    found: dict[str, Source] = {}
    shown: list[str] = []
    for word in words:
        shown.append(str(word))
        for source in _of_word(Path(word), search):
            found.setdefault(os.path.abspath(source.path), source)  # noqa: PTH100 -- links are not resolved
    if not found and excluded is not None and any(Path(word).resolve() == excluded.resolve() for word in shown):
        raise InputError(f"{shown[0]} is the folder of both inputs and outputs; choose another folder for the outputs")
    if not found:
        raise InputError(f"{', '.join(shown) or 'the list of inputs'} contains no images or movies; check the path")
    return list(found.values())


def _of_word(path: Path, search: _Search) -> Iterator[Source]:
    if not os.path.lexists(path) and glob.has_magic(str(path)):
        matches = sorted((Path(match) for match in glob.glob(str(path), recursive=True)), key=natural_key)  # noqa: PTH207
        matches = [match for match in matches if not _is_skipped(match, search)]
        if not matches and is_address(path):
            shown = RemotePath(os.fspath(path))
            yield Source(path, error=InputError(f"{shown} is a pattern on a server; list the addresses of the stores"))
        elif not matches:
            yield Source(path, error=MissingFileError(f"no file matches {path}; check the pattern"))
        for match in matches:
            if match.is_dir() and is_image_folder(match) and "**" in path.parts:
                continue  # its files match, too
            yield from _of_path(match, search)
        return
    yield from _of_path(path, search)


def _of_path(path: Path, search: _Search) -> Iterator[Source]:
    try:
        is_folder = is_image_folder(path)
    except (DecrappifyError, OSError) as error:
        yield Source(path, error=_as_error(path, error))
        return
    if not is_folder:
        yield Source(path)
        return
    if search.excluded is not None and path.resolve() == search.excluded:
        return  # a pattern that the shell has expanded also matches the folder of the outputs
    if search.folder_as == "movie":
        yield Source(path)
        return
    found = list(_in_folder(path, _HERE, search))
    if not found:
        found = [Source(path, error=_nothing_found(path, search))]
    yield from found


def _in_folder(path: Path, place: PurePath, search: _Search) -> Iterator[Source]:
    real = path.resolve()
    if real in search.visited:  # also a link to a folder above
        return
    search.visited.add(real)
    try:
        entries = sorted((entry for entry in path.iterdir() if not _is_skipped(entry, search)), key=natural_key)
        folders = [entry for entry in entries if entry.is_dir() and is_image_folder(entry)]
        files = [entry for entry in entries if entry not in set(folders)]
    except (DecrappifyError, OSError) as error:
        yield Source(path, place, error=_as_error(path, error))
        return
    images = [file for file in files if file.is_dir() or format_by_suffix(file) is not None]
    _report_skipped(path, [file for file in files if file not in set(images)])
    for file in images:
        try:
            check_regular(file)  # opening a pipe would wait indefinitely
        except DecrappifyError as error:
            yield Source(file, place, error=error)
            images = [other for other in images if other != file]
    frames = _frames_of_one_movie(path, images, search)
    if frames is not None:
        yield Source(path, place)
        images = [file for file in images if file not in frames]
    yield from (Source(file, place) for file in _without_parts(images))
    if search.recursive and frames != set():
        for folder in folders:
            yield from _in_folder(folder, place / folder.name, search)


def _frames_of_one_movie(path: Path, images: Sequence[Path], search: _Search) -> set[Path] | None:
    """Return the files of a folder that are frames of one recording, an empty set if they are in its folders.

    Return None if its files are separate images or movies.
    """
    if search.folder_as != "auto":
        return None
    suffixes = frame_suffixes()
    singles = {file for file in images if file.suffix.lower() in suffixes and not file.is_dir()}
    if len(singles) == 1 or (images and not singles):
        return None
    try:
        reading = read_folder(path)
    except (DecrappifyError, OSError):  # no images, or files of several formats
        return None
    if reading.kind != "movie" or reading.scenes[0].grid is None:
        return None
    if not reading.time_is_labeled:
        logger.info(
            "%s: %s with numbers in their names are restored separately; %s reads them as the frames of one movie",
            path, counted(len(singles), "file"), setting("folder_as", "movie"),
        )  # fmt: skip
        return None
    return singles


def _without_parts(files: Sequence[Path]) -> Iterator[Path]:
    """Yield the files without those that belong to the recording of an earlier one, such as sets of OME-TIFF files."""
    covered: set[str] = set()
    for file in files:
        if file.name in covered:
            continue
        form = None if file.is_dir() else format_by_suffix(file)
        frames = None if form is None else form.frames
        if frames is not None and frames.members is not None and file.suffix.lower() in frames.suffixes:
            with suppress(DecrappifyError, OSError):  # raised again when the file is opened
                covered |= frames.members(file)
        yield file


def _is_skipped(path: Path, search: _Search) -> bool:
    """Return whether a path is hidden, the folder of the outputs, or the working folder of an unfinished output."""
    if path.name.startswith("."):
        return True
    if search.excluded is not None and path.is_dir() and path.resolve() == search.excluded:
        return True
    return path.name.endswith(".partial") and unfinished_output(path) is not None


def _report_skipped(path: Path, skipped: Sequence[Path]) -> None:
    if skipped:
        names = ", ".join(file.name for file in skipped[:_NAMED]) + (" ..." if len(skipped) > _NAMED else "")
        logger.info("%s: %s of unsupported formats skipped (%s)", path, counted(len(skipped), "file"), names)


def _nothing_found(path: Path, search: _Search) -> InputError:
    if not search.recursive and any(entry.is_dir() for entry in path.iterdir()):
        return InputError(
            f"folder {path} contains no images or movies, but folders; search them with {setting('recursive', True)}"
        )
    return InputError(f"folder {path} contains no images or movies; check the path")


def _as_error(path: Path, error: DecrappifyError | OSError) -> DecrappifyError:
    if isinstance(error, DecrappifyError):
        return error
    return InputError(f"{path} cannot be read: {error.strerror or error}; check the permissions")
