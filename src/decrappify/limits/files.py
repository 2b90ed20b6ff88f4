"""Checks of file types and declared sizes, before a file is opened and memory is allocated for it."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable
from pathlib import Path

from decrappify._common.counting import counted
from decrappify.errors import FormatError
from decrappify.limits.memory import check_memory, in_units

# Sizes up to this are decoded without a check, larger ones if plausible for the stored bytes: microscopy images
# compress 1 to 20 times, masks up to about 100 times, decompression bombs 1000 times and more.
_UNSUSPICIOUS = 256 << 20
_LARGEST_RATIO = 250
MAX_CHANNELS = 10_000
MAX_PLANES = 10_000_000
# Planes that were not recorded are listed, at about 150 bytes each: up to 500,000 in any case, more if many planes were
# recorded.
_MISSING_OF_FEW, _MISSING_PER_PLANE, _MOST_MISSING = 500_000, 100, 2_000_000

_KINDS = {
    stat.S_IFIFO: "a named pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


def check_regular(path: str | os.PathLike[str]) -> None:
    """Raise FormatError for a named pipe, socket or device, as reading it may block forever; absent paths are accepted.

    Raises
    ------
    FormatError
        If the path is not a regular file or folder.
    """
    try:
        kind = _KINDS.get(stat.S_IFMT(Path(path).stat().st_mode))
    except (OSError, ValueError):
        return
    if kind is not None:
        raise FormatError(f"{Path(path)} is {kind}, expected a regular file; save its content to a file and use that")


def check_regular_files(folder: Path, names: Iterable[str]) -> None:
    """Raise FormatError if one of the named files in a folder is not regular; see `check_regular`."""
    for name in names:
        check_regular(folder / name)


def check_decoded_size(name: str, nbytes: int, stored: int) -> None:
    """Raise an error if the declared size is implausible for the stored bytes, or does not fit into memory.

    Parameters
    ----------
    name : str
        For messages.
    nbytes : int
        Declared size of the unit that is decoded at once: an image, or a strip, tile or chunk of one.
    stored : int
        Its compressed size in the file.

    Raises
    ------
    FormatError
        If the ratio is that of a damaged file or a decompression bomb.
    DeviceMemoryError
        If it does not fit into memory.
    """
    limit = max(_UNSUSPICIOUS, _LARGEST_RATIO * stored)
    if nbytes > limit:
        raise FormatError(
            f"{name} declares {in_units(nbytes)} of pixels in {in_units(stored)} of data, at most {in_units(limit)} "
            "are plausible; check it for damage, or save it in tiles of at most 4096 x 4096 pixels"
        )
    check_memory(nbytes, name, "save it in tiles or chunks, such as OME-Zarr, which are decoded one by one")


def check_extent(name: str, shape: tuple[int, int, int, int, int]) -> None:
    """Raise FormatError for a movie (T, C, Z, Y, X) with an implausible number of channels or planes.

    Raises
    ------
    FormatError
        If there are too many.
    """
    n_t, n_c, n_z = shape[:3]
    if n_c > MAX_CHANNELS:
        raise FormatError(
            f"{name} declares {n_c} channels, at most {MAX_CHANNELS} are supported; check its metadata for damage and "
            "the order of its axes"
        )
    if n_t * n_c * n_z > MAX_PLANES:
        sizes = ", ".join(map(counted, shape[:3], ("frame", "channel", "slice")))
        raise FormatError(
            f"{name} declares {n_t * n_c * n_z} planes ({sizes}), at most "
            f"{MAX_PLANES} are supported; check its metadata for damage, or open a part of it"
        )


def check_missing(name: str, n_missing: int, n_recorded: int, advice: str) -> None:
    """Raise FormatError if more planes of a movie were not recorded than can be listed.

    Parameters
    ----------
    name : str
        For messages.
    n_missing, n_recorded : int
        Number of planes that were not recorded, and that were.
    advice : str
        What to do.

    Raises
    ------
    FormatError
        If more than 100 planes per recorded one are missing (at least 500,000), or more than 2,000,000.
    """
    most = min(_MOST_MISSING, max(_MISSING_OF_FEW, _MISSING_PER_PLANE * n_recorded))
    if n_missing > most:
        raise FormatError(
            f"{name} contains {counted(n_recorded, 'plane')} and lacks {n_missing}, at most {most} may be missing; "
            f"{advice}"
        )
