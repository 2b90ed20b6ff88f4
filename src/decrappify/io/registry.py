"""Selection of the reader for a path: by suffix, and by content if the suffix is wrong or unknown."""

from __future__ import annotations

import os
from pathlib import Path

from decrappify._common.checks import similar_names
from decrappify.errors import FormatError, InputError, MissingFileError
from decrappify.limits.files import check_regular

READABLE = {
    "CZI": (".czi",),
    "TIFF": (".tif", ".tiff", ".btf", ".tf8", ".lsm", ".stk"),
    "OME-Zarr": (".zarr",),
    "video": (".mp4", ".mov", ".avi", ".mkv", ".webm", ".m4v", ".mpg", ".mpeg"),
    "picture": (".png", ".jpg", ".jpeg", ".bmp"),
}
ZARR_DOCUMENTS = ("zarr.json", ".zgroup", ".zattrs", ".zarray")  # a folder with one of them is a Zarr store
WRITABLE = {"OME-Zarr": (".zarr",), "TIFF": (".tif", ".tiff"), "video": (".mp4",)}
_MAGIC = (
    (0, b"ZISRAWFILE", "CZI"),
    *((0, magic, "TIFF") for magic in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")),
    (0, b"\x89PNG\r\n\x1a\n", "picture"),
    (0, b"\xff\xd8\xff", "picture"),
    (4, b"ftyp", "video"),
    (8, b"AVI ", "video"),
    (0, b"\x1a\x45\xdf\xa3", "video"),
)
FOLDER_AS = ("auto", "movie", "images")
# A folder with one of these is a data set of Micro-Manager.
NDTIFF_INDEXES = ("NDTiff.index", "Full resolution/NDTiff.index")
_UNREADABLE = (
    (b"version https://git-lfs", "a git-LFS pointer", "fetch the real file with 'git lfs pull'"),
    (b"<!doctype html", "an HTML page", "download it again"),
    (b"<html", "an HTML page", "download it again"),
    (b"<?xml", "an XML file", "give the image file that belongs to it"),
    (b"pk\x03\x04", "a ZIP archive", "unpack it first"),
    (b"\x1f\x8b", "a gzip archive", "unpack it first"),
    (b"\x89hdf", "an HDF5 file", "export it as OME-TIFF first"),
    (b"%pdf", "a PDF document", "give the image file"),
)


def format_of(path: Path) -> str:
    """Return the format of a file or folder to read: a key of `READABLE`, or ``"folder"`` for a folder of images.

    Raises
    ------
    MissingFileError
        If `path` does not exist; the message names the most similar existing file.
    InputError
        If `path` is a web address.
    FormatError
        If the content is not an image file, or its format is not supported.
    """
    if not path.exists():
        if "://" in str(path) or str(path).startswith(("http:/", "https:/", "s3:/")):
            raise InputError(f"{path} is a web address; download the file and give its path")
        raise MissingFileError(_missing(path))
    if path.is_dir():
        if any((path / name).is_file() for name in NDTIFF_INDEXES):
            return "TIFF"
        is_zarr = path.suffix.lower() == ".zarr" or any((path / name).exists() for name in ZARR_DOCUMENTS)
        return "OME-Zarr" if is_zarr else "folder"
    check_regular(path)
    named = _by_suffix(path)
    wanted = f", not a {named} file" if named else ""
    try:
        with path.open("rb") as file:
            head = file.read(512)
    except OSError as error:
        raise FormatError(f"{path} cannot be read: {error.strerror}; check its permissions") from error
    if not head:
        raise FormatError(f"{path} is empty (0 bytes){wanted}; copy or download it again")
    found = next((kind for at, magic, kind in _MAGIC if head[at:].startswith(magic)), None)
    if found is not None:
        return found
    start = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    for magic, what, remedy in _UNREADABLE:
        if start.startswith(magic):
            raise FormatError(f"{path.name} is {what}{wanted}: {remedy}")
    if _is_text(head):
        raise FormatError(f"{path.name} is a text file{wanted}: give the image file")
    if named == "video" or (named == "picture" and head.startswith(b"BM")):  # content alone is not conclusive
        return named
    if named is not None:
        raise FormatError(
            f"{path.name} is not a {named} file (it begins with {head[:4]!r}): it is damaged or misnamed, copy it again"
        )
    raise FormatError(f"{path.name} has no reader here; readable are {suffixes(READABLE)}, and folders of pictures")


def is_image_folder(source: object) -> bool:
    """Return whether `source` is the path of a folder other than an OME-Zarr store or an NDTiff acquisition."""
    if not isinstance(source, str | os.PathLike):
        return False
    return os.path.isdir(source) and format_of(Path(source)) == "folder"  # noqa: PTH112 -- False for invalid names


def check_folder_as(folder_as: str, source: object) -> None:
    """Raise InputError for an unknown value, and for one other than "auto" if `source` is not a folder."""
    if folder_as not in FOLDER_AS:
        raise InputError(f"folder_as={folder_as!r} is not known, needs 'auto', 'movie' or 'images'")
    if folder_as != "auto" and not is_image_folder(source):
        raise InputError(f"folder_as={folder_as!r} (--as) is for folders, found {_what(source)}; leave it out")


def _what(source: object) -> str:
    return Path(source).name if isinstance(source, str | os.PathLike) else f"a {type(source).__name__}"


def writer_for(path: Path) -> str:
    """Return the format to write, a key of `WRITABLE`.

    Raises
    ------
    FormatError
        If the suffix is not a supported output format.
    """
    for kind, endings in WRITABLE.items():
        if path.suffix.lower() in endings:
            return kind
    raise FormatError(f"{path} has no writer here; writable are .ome.zarr, .ome.tif and .mp4")


def suffixes(table: dict[str, tuple[str, ...]]) -> str:
    """Return the suffixes of a table in one line."""
    return ", ".join(ending for endings in table.values() for ending in endings)


def _by_suffix(path: Path) -> str | None:
    return next((kind for kind, endings in READABLE.items() if path.suffix.lower() in endings), None)


def _is_text(head: bytes) -> bool:
    try:
        text = head.decode()
    except UnicodeDecodeError as error:
        if error.start < len(head) - 3:  # not only a truncated character at the end
            return False
        text = head[: error.start].decode()
    return all(character.isprintable() or character in "\t\r\n\f" for character in text)


def _missing(path: Path) -> str:
    folder = path.absolute().parent
    if not folder.is_dir():
        return f"{path} does not exist: there is no folder {folder}; check the path"
    if path.is_symlink():
        return f"{path} is a symbolic link to {path.readlink()}, which does not exist; check the link"
    similar = similar_names(path.name, (entry.name for entry in folder.iterdir()))
    return f"{path} does not exist; " + (f"did you mean {similar[0]}?" if similar else "check the path")
