"""Plausibility of weights files, and the memory they need; torch archives store each value once, uncompressed."""

from __future__ import annotations

import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from decrappify.errors import ModelFileError
from decrappify.limits.memory import check_memory, in_units

# Bytes beyond twice the size of the file: small archives may be recompressed, and tensors may share values.
_UNPACKED = 64 << 20
_SHARED = 1 << 30
# Peak memory as a multiple of the weights, measured on dynamic U-Nets of 84 MB in float32 and bfloat16. Loading: the
# network and the tensors of its file. Preparing: a copy with folded norms, and its copy in bfloat16 or Winograd form.
_LOADING, _PREPARING = 2.75, 3.0


def check_archive(path: Path) -> None:
    """Raise ModelFileError for a ZIP archive of weights that unpacks to far more than its size; other files pass.

    Raises
    ------
    ModelFileError
        If it unpacks to more than twice its size plus 64 MiB.
    """
    if not zipfile.is_zipfile(path):
        return
    try:
        with zipfile.ZipFile(path) as archive:
            unpacked = sum(member.file_size for member in archive.infolist())
    except Exception as error:  # zipfile does not validate the directory at the end of the file
        raise ModelFileError(f"{path} is damaged or a truncated download; download it again") from error
    _check(path, unpacked, _UNPACKED, "unpacks to")


def check_tensors(path: Path, tensors: Iterable[Any]) -> None:
    """Raise ModelFileError for tensors that are far larger in total than their file, such as one repeated value.

    Raises
    ------
    ModelFileError
        If they are larger than twice the file plus 1 GiB.
    """
    _check(path, sum(tensor.numel() * tensor.element_size() for tensor in tensors), _SHARED, "declares weights of")


def check_loading(path: Path, share: float = 1.0) -> None:
    """Raise an error if a model file does not fit into memory, before it is read.

    Parameters
    ----------
    path : Path
        The file.
    share : float
        Share of its values that are read.

    Raises
    ------
    DeviceMemoryError
        If it does not fit.
    """
    _check_room(_LOADING * share * path.stat().st_size, f"loading {path}")


def check_preparing(weights: Iterable[Any]) -> None:
    """Raise an error if the copies of a network for inference do not fit into memory, before they are made.

    Raises
    ------
    DeviceMemoryError
        If they do not fit.
    """
    nbytes = sum(tensor.nbytes for tensor in weights)
    _check_room(_PREPARING * nbytes, f"preparing a network with {in_units(nbytes)} of weights")


def _check_room(nbytes: float, what: str) -> None:
    remedy = "close other programs, raise the memory limit of this process or its container, or use a smaller model"
    check_memory(round(nbytes), what, remedy)


def _check(path: Path, nbytes: int, tolerance: int, how: str) -> None:
    size = path.stat().st_size
    if nbytes > 2 * size + tolerance:
        raise ModelFileError(
            f"{path} {how} {in_units(nbytes)}, which is implausible for a file of {in_units(size)}; it is damaged, "
            "download it again"
        )
