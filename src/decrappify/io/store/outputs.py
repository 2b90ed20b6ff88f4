"""Output paths: checked early, written under a temporary name, renamed when complete."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryFile

from decrappify._common.argument_names import setting
from decrappify.errors import InputError, OutputError, OutputExistsError
from decrappify.io.remote.address import is_address
from decrappify.io.remote.path import RemotePath
from decrappify.io.store.durable import output_errors
from decrappify.io.store.locks import lock_path, locked
from decrappify.io.store.working_paths import working_path
from decrappify.io.store.zarr_folders import is_zarr_folder
from decrappify.movie import Movie

_LONGEST_NAME = 255  # bytes, on all common file systems


def check_output(path: str | os.PathLike[str], *, overwrite: bool = False) -> Path:
    """Raise an error if an output path cannot be written, before anything is computed.

    Raises
    ------
    OutputExistsError
        If `path` exists and `overwrite` is False.
    OutputError
        If its folder is missing or not writable, `path` is a folder that is not a Zarr store, or an address.
    """
    refuse_remote(path)
    path = Path(path)
    _check_name(path)
    if os.path.lexists(path) and not overwrite:
        raise OutputExistsError(
            f"{path} already exists",
            advice=f"choose another name, or replace it with {setting('overwrite', True)}",
            option="overwrite",
        )
    if path.is_dir() and any(path.iterdir()) and not is_zarr_folder(path):
        raise OutputError(f"{path} is a folder but not a Zarr store, and is never replaced; choose another name")
    folder = path.absolute().parent
    if not folder.is_dir():
        raise OutputError(f"{path} cannot be written: folder {folder} does not exist; create it first")
    if not os.access(folder, os.W_OK):
        if _is_read_only(folder):
            raise OutputError(
                f"{path} cannot be written: {folder} is on a read-only file system; choose another folder"
            )
        raise OutputError(f"{path} cannot be written: no permission to write into {folder}; choose another folder")
    return path


def refuse_remote(path: str | os.PathLike[str]) -> None:
    """Raise OutputError for an output at a web address or in a bucket."""
    if is_address(path):
        raise OutputError(
            f"{RemotePath(os.fspath(path))} is an address, and outputs are written to disks only; pass a path, and "
            "copy the result to the server"
        )


def _is_read_only(folder: Path) -> bool:
    """Return whether a folder that cannot be written to is on a file system that is mounted read-only."""
    try:
        with TemporaryFile(dir=folder):
            return False
    except OSError as error:
        return error.errno == errno.EROFS


def _check_name(path: Path) -> None:
    """Raise OutputError for a name that no file system accepts, and for a folder with circular symbolic links."""
    length = len(os.fsencode(path.name))
    if length > _LONGEST_NAME:
        raise OutputError(
            f"{path} cannot be written: its name has {length} bytes, expected at most {_LONGEST_NAME}; choose a "
            "shorter one"
        )
    try:
        path.absolute().parent.resolve()
    except (OSError, RuntimeError) as error:  # RuntimeError before Python 3.13
        raise OutputError(
            f"{path} cannot be written: its folder is a symbolic link that leads back to itself; choose another folder"
        ) from error


def check_early(path: str | os.PathLike[str], *, overwrite: bool = False) -> Path:
    """Check an output as `check_output` does; if a lock file exists, defer the overwrite check until it is acquired."""
    return check_output(path, overwrite=overwrite or lock_path(Path(path)).exists())


@contextmanager
def atomic_output(path: str | os.PathLike[str], *, overwrite: bool = False) -> Iterator[Path]:
    """Yield a temporary name next to `path` to write to; it is renamed on success and deleted on failure.

    The lock on the output is held meanwhile. If an earlier run was killed just after renaming its output, an equal
    output counts as written, even without `overwrite`.

    Yields
    ------
    path : Path
        The temporary name, with the suffix of `path`, for writers that choose the format by suffix.
    """
    path = check_output(path, overwrite=True)
    with output_errors(path), locked(path) as lock:
        check_output(path, overwrite=overwrite or lock.placed_by is not None)
        partial = lock.temporary("partial", path.suffix)
        yield partial
        lock.place(partial, overwrite=overwrite)


def refuse_input(output: str | os.PathLike[str], movie: Movie) -> None:
    """Apply `refuse_overlap` to the origin of a movie and, if the output exists, to all files of the movie.

    The files of a movie may be anywhere: those of a set of OME-TIFF refer to each other, and folders contain links.

    Raises
    ------
    InputError
        If the output is, contains, or is inside a part of the input.
    """
    refuse_overlap(output, movie.origin)
    if os.path.lexists(output):  # otherwise no data can be lost; there may be many files
        refuse_overlap(output, *sorted(movie.files))


def refuse_overlap(output: str | os.PathLike[str], *inputs: str | os.PathLike[str] | None) -> None:
    """Raise InputError if an output is, is inside, or contains an input (links resolved), or its working folder does.

    Raises
    ------
    InputError
        For the first such input.
    OutputError
        If the name of the output is too long, or its folder is a symbolic link to itself.
    """
    target = Path(output)
    _check_name(target)
    final = target.absolute().parent.resolve() / target.name
    for source in (Path(each) for each in inputs if each is not None):
        read = source.resolve()
        written = {final, final.resolve()}
        if read in written:
            part = "the input itself" if len(inputs) == 1 else "a part of the input"
            raise InputError(f"{target} is {part}; choose another name for the output")
        if any(read.is_relative_to(each) for each in written):
            raise InputError(f"{target} contains the input {source}; choose another name for the output")
        if any(each.is_relative_to(read) for each in written):
            raise InputError(f"{target} is inside the input {source}; choose another folder for the output")
        if read.is_relative_to(working_path(final)):
            raise InputError(
                f"the input {source} is in the working folder of {target}, which a run deletes; choose another name "
                "for the output"
            )


def create_folder(folder: Path) -> None:
    """Create a folder and those that contain it.

    Raises
    ------
    OutputError
        If it cannot be created.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        reason = error.strerror or error
        raise OutputError(f"folder {folder} cannot be created: {reason}; choose another folder") from error
