"""Identification of files by their magic bytes, and descriptions of those that are not weights files."""

from __future__ import annotations

import codecs
from pathlib import Path

ZIP = b"PK\x03\x04"
LEGACY = b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19."  # the magic number of torch.save before 1.6
_PICKLES = tuple(bytes([0x80, protocol]) for protocol in range(2, 6))
_SUFFIXES = {".pth", ".pt", ".pkl"}


def is_checkpoint(path: Path) -> bool:
    """Return whether to read a file as a checkpoint of torch, by its content or else by its suffix.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = Path(folder, "model.safetensors")
    ...     _ = file.write_bytes(LEGACY)
    ...     is_checkpoint(file)
    True
    """
    if path.is_dir():  # a package of the BioImage Model Zoo
        return False
    head = _head(path)
    if _is_safetensors(head):
        return False
    return head.startswith((ZIP, *_PICKLES)) or path.suffix.lower() in _SUFFIXES


def what_it_is(path: Path) -> str:
    """Return the kind of an unreadable file and what to do, in a few words."""
    head = _head(path)
    text = head.removeprefix(codecs.BOM_UTF8).lstrip().lower()
    if not head:
        return "it is empty; copy or download it again"
    if text.startswith(b"<"):
        return "it is a web page saved under this name; download the file itself"
    if text.startswith(b"version https://git-lfs"):
        return "it is a git-LFS pointer; fetch the real file with git lfs pull"
    if head.startswith((ZIP, LEGACY)):
        return "it may be a PyTorch checkpoint; convert it to a model file with 'decrappify import-weights'"
    if head.startswith(_PICKLES) and not _is_safetensors(head):
        return "it is a Python pickle; save the weights alone, with torch.save(network.state_dict(), 'name.pth')"
    if _is_safetensors(head):
        return "it is damaged or truncated; copy or download it again"
    if head[:64].isascii():
        return "it is a text file"
    return "it is damaged, truncated or from another program"


def _head(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(256)


def _is_safetensors(head: bytes) -> bool:
    # The header begins after its length (eight bytes), which may begin with the first two bytes of a pickle.
    return head[4:9] == b"\0\0\0\0{"
