"""Recognition of the format of a file or folder: by content, and by suffix if the content is not conclusive."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from decrappify._common.checks import similar_names
from decrappify.errors import FormatError, InputError, MissingFileError
from decrappify.io.format import Format
from decrappify.io.recognition.registry import (
    built_in_formats,
    format_by_suffix,
    formats,
    plain_stem,
    readable_suffixes,
)
from decrappify.io.remote.path import Location, RemotePath, location
from decrappify.io.store.working_paths import partial_path, working_path
from decrappify.limits.files import check_regular

_HEAD_BYTES = 512
_SIMILAR = 0.7  # least similarity of two file names for a suggestion
_UNREADABLE = (
    (b"version https://git-lfs", "a git-LFS pointer", "fetch the real file with 'git lfs pull'"),
    (b"<!doctype html", "an HTML page", "download it again"),
    (b"<html", "an HTML page", "download it again"),
    (b"<?xml", "an XML file", "open the image file that belongs to it"),
    (b"pk\x03\x04", "a ZIP archive", "unpack it first"),
    (b"\x1f\x8b", "a gzip archive", "unpack it first"),
    (b"\x89hdf", "an HDF5 file", "export it as OME-TIFF first"),
    (b"%pdf", "a PDF document", "open the image file"),
)


def format_of(path: Location) -> Format | None:
    """Return the format of a file or folder to read; None for a folder of images.

    A format with a matching suffix and signature takes precedence over formats with only a matching signature.

    Raises
    ------
    MissingFileError
        If `path` does not exist; the message names the most similar existing file.
    InputError
        If `path` is an address of a file whose format is not read from servers.
    FormatError
        If the content is not an image file, or its format is not supported.
    """
    if isinstance(path, RemotePath):
        return _remote_format(path)
    if not path.exists():
        raise MissingFileError(_missing(path))
    if path.is_dir():
        return next((form for form in _one_by_one() if form.is_folder is not None and form.is_folder(path)), None)
    check_regular(path)
    named = format_by_suffix(path)
    head = _head(path, named)
    if named is not None and (named.has_signature(head) or _is_named_only(named)):
        return named
    found = next((form for form in _one_by_one() if form.has_signature(head)), None)
    return found or _inconclusive(path, named, head)


def is_image_folder(source: object) -> bool:
    """Return whether `source` is the path of a folder that is not one movie or store, such as OME-Zarr or NDTiff."""
    if not isinstance(source, str | os.PathLike):
        return False
    return os.path.isdir(source) and format_of(location(source)) is None  # noqa: PTH112 -- False for invalid names


def _remote_format(path: RemotePath) -> Format:
    """Return the format of a remote store by its suffix; stores without a known suffix count as OME-Zarr."""
    remote = [form for form in built_in_formats() if "remote" in form.supports]
    named = format_by_suffix(path)
    if named is None or "remote" in named.supports:
        return named or remote[0]
    raise InputError(
        f"{path} is a {named.name} file, and only {remote[0].name} is read from servers; download the file and pass "
        "its path"
    )


def _one_by_one() -> Iterator[Format]:
    """Yield all formats; installed ones are loaded only if no built-in one matches."""
    yield from built_in_formats()
    yield from formats()[len(built_in_formats()) :]


def _is_named_only(form: Format) -> bool:
    """Return whether the files of a format have no signature, so that their suffix decides."""
    return not form.signatures and form.accepts is None and not form.is_in_folders_only


def _head(path: Path, named: Format | None) -> bytes:
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD_BYTES)
    except OSError as error:
        raise FormatError(f"{path} cannot be read: {error.strerror}; check its permissions") from error
    if not head:
        raise FormatError(f"{path} is empty (0 bytes){_instead_of(named)}; copy or download it again")
    return head


def _inconclusive(path: Path, named: Format | None, head: bytes) -> Format:
    """Return the format of the suffix if it accepts a file without a signature; raise FormatError otherwise."""
    start = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    for magic, what, remedy in _UNREADABLE:
        if start.startswith(magic):
            raise FormatError(f"{path.name} is {what}{_instead_of(named)}: {remedy}")
    if _is_text(head):
        raise FormatError(f"{path.name} is a text file{_instead_of(named)}: open the image file")
    if named is None:
        readable = ", ".join(readable_suffixes())
        raise FormatError(f"{path.name} has an unsupported file format; supported: {readable}, and folders of images")
    if named.accepts is None or not named.accepts(head):
        raise FormatError(
            f"{path.name} is not a {named.name} file (it begins with {head[:4]!r}): it is damaged or misnamed, copy it "
            "again"
        )
    return named


def _instead_of(named: Format | None) -> str:
    return f", not a {named.name} file" if named is not None else ""


def _is_text(head: bytes) -> bool:
    try:
        text = head.decode()
    except UnicodeDecodeError as error:
        if error.start < len(head) - 3:  # not only a truncated character at the end
            return False
        text = head[: error.start].decode()
    return all(character.isprintable() or character in "\t\r\n\f" for character in text)


def _missing(path: Path) -> str:
    from decrappify.io.store.working_folder import unfinished_output

    folder = path.absolute().parent
    if not folder.is_dir():
        return f"{path} does not exist, nor does its folder {folder}; check the path"
    if path.is_symlink():
        return f"{path} is a symbolic link to {path.readlink()}, which does not exist; check the link"
    if unfinished_output(working_path(path)) is not None:
        return (
            f"{path} is not complete: repeat the command that writes it, or open the planes written so far in "
            f"{partial_path(path)}"
        )
    similar = similar_file(path.name, (entry.name for entry in folder.iterdir() if not entry.name.startswith(".")))
    return f"{path} does not exist; " + (f"did you mean {similar}?" if similar else "check the path")


def similar_file(name: str, existing: Iterable[str]) -> str | None:
    """Return the existing file name that is most similar to a given one without its suffix; None if none is similar.

    >>> similar_file("cels.ome.tif", ["cells.ome.tif", "dark.ome.tif"]), similar_file("b.ome.tif", ["dark.ome.tif"])
    ('cells.ome.tif', None)
    """
    by_stem: dict[str, list[str]] = {}
    for each in existing:
        by_stem.setdefault(plain_stem(each).lower(), []).append(each)
    near = similar_names(plain_stem(name).lower(), by_stem, least=_SIMILAR)
    return similar_names(name, by_stem[near[0]], least=0)[0] if near else None
