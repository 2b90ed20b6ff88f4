"""Model: network, normalisation, crappifier and provenance in one .safetensors file that restores itself."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from contextlib import suppress
from difflib import get_close_matches
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from decrappify._version import __version__
from decrappify.errors import InputError, MissingFileError, ModelFileError, OutputError, OutputExistsError
from decrappify.intensity import NormalizationRule

if TYPE_CHECKING:
    from torch import nn

FORMAT_VERSION = 1
_SHIPPED = Path(__file__).parent / "shipped"


class Model:
    """A trained network with everything needed to use it again.

    Parameters
    ----------
    network : nn.Module
        Has an ``architecture`` dictionary from which it can be rebuilt; put into eval mode.
    normalization : NormalizationRule
        How the movie's one normalisation is measured; the same in training and restoration.
    crappifier : mapping or None
        The crappifier it was trained with, as plain values; None for measured pairs.
    card : mapping
        Provenance: name, data and licences, settings, seed, scores, limits.

    Attributes
    ----------
    n_frames, in_channels, scale : int
        What the network takes and gives.
    """

    def __init__(
        self,
        network: nn.Module,
        normalization: NormalizationRule | None = None,
        crappifier: Mapping[str, Any] | None = None,
        card: Mapping[str, Any] | None = None,
    ) -> None:
        self.network = cast("Any", network.eval())  # its own attributes are beyond the type of nn.Module
        self.normalization = normalization or NormalizationRule()
        self.crappifier = None if crappifier is None else dict(crappifier)
        self.card: dict[str, Any] = dict(card or {})
        self.n_frames = int(self.network.n_frames)
        self.in_channels = int(self.network.in_channels)
        self.scale = int(self.network.scale)

    @property
    def name(self) -> str:
        """Name on the card."""
        return str(self.card.get("name", "unnamed"))

    @property
    def n_parameters(self) -> int:
        """Number of trained numbers."""
        return sum(parameter.numel() for parameter in self.network.parameters())

    @cached_property
    def sha256(self) -> str:
        """SHA-256 of architecture and weights (hex); equal for equal predictions, whatever the card says."""
        digest = hashlib.sha256(json.dumps(self._header()["architecture"], sort_keys=True).encode())
        digest.update(json.dumps(self.normalization.to_dict(), sort_keys=True).encode())
        for key, tensor in sorted(self.network.state_dict().items()):
            digest.update(key.encode())
            digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
        return digest.hexdigest()

    def save(self, path: str | Path, *, overwrite: bool = False) -> Path:
        """Write the model to one .safetensors file, through a temporary name, and return its path.

        Raises
        ------
        OutputExistsError
            If the file exists and `overwrite` is False.
        OutputError
            If it cannot be written.
        """
        from safetensors.torch import save

        path = Path(path)
        if path.exists() and not overwrite:
            raise OutputExistsError(f"{path} exists; pass overwrite=True (--overwrite) or choose another name")
        tensors = {key: tensor.detach().cpu().contiguous() for key, tensor in self.network.state_dict().items()}
        temporary = path.with_name(f".{path.name}.partial")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            temporary.write_bytes(save(tensors, {"decrappify": json.dumps(self._header())}))
            temporary.replace(path)
        except OSError as error:
            with suppress(OSError):
                temporary.unlink()
            raise OutputError(f"cannot write {path}: {error.strerror or error}") from error
        return path

    def _header(self) -> dict[str, Any]:
        return {
            "format_version": FORMAT_VERSION,
            "written_by": f"decrappify {__version__}",
            "architecture": self.network.architecture,
            "normalization": self.normalization.to_dict(),
            "crappifier": self.crappifier,
            "card": self.card,
        }

    def __repr__(self) -> str:
        return (
            f"Model({self.name!r}, n_frames={self.n_frames}, scale={self.scale}, in_channels={self.in_channels}, "
            f"parameters={self.n_parameters:,})"
        )


def shipped_models() -> dict[str, Path]:
    """Models inside the package: name to file."""
    return {path.stem: path for path in sorted(_SHIPPED.glob("*.safetensors"))}


def load_model(name_or_path: str | Path | Model) -> Model:
    """Load a shipped model by name, or a model file by path.

    Parameters
    ----------
    name_or_path : str, Path or Model
        Such as ``"fluorescence-movie"`` or ``"runs/mine/model.safetensors"``; a Model is returned as it is.

    Raises
    ------
    MissingFileError
        If it is neither a shipped name nor a file.
    ModelFileError
        If the file is not a decrappify model, is damaged, or was written by a later format version.
    """
    if isinstance(name_or_path, Model):
        return name_or_path
    return _read_model(find_model(name_or_path))


def find_model(name_or_path: str | Path) -> Path:
    """Find the file of a shipped model by name, or check the path of a model file.

    Raises
    ------
    MissingFileError
        If it is neither; names the most similar shipped model.
    """
    shipped = shipped_models()
    if isinstance(name_or_path, str) and name_or_path in shipped:
        return shipped[name_or_path]
    path = Path(name_or_path)
    if not path.is_file():
        near = get_close_matches(str(name_or_path), list(shipped), 1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise MissingFileError(
            f"{name_or_path} is neither a shipped model ({', '.join(shipped) or 'none'}) nor a model file{hint}"
        )
    return path


def read_card(path: Path) -> dict[str, Any]:
    """Read a model file's header (format version, architecture, normalisation, crappifier, card), not its weights."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as file:
            text = (file.metadata() or {}).get("decrappify")
    except SafetensorError as error:
        raise ModelFileError(f"{path} is not a model file: {_what_it_is(path)}") from error
    if text is None:
        raise ModelFileError(f"{path} is a safetensors file but not a decrappify model: it has no 'decrappify' header")
    try:
        header: dict[str, Any] = dict(json.loads(text))
    except (TypeError, ValueError) as error:
        raise ModelFileError(f"{path} has a damaged 'decrappify' header; copy or download it again") from error
    if header.get("format_version") != FORMAT_VERSION:
        raise ModelFileError(
            f"{path} has model format version {header.get('format_version')}, this decrappify {__version__} reads "
            f"version {FORMAT_VERSION}; update decrappify (written by {header.get('written_by', 'an unknown version')})"
        )
    return header


def _read_model(path: Path) -> Model:
    from safetensors.torch import load_file

    from decrappify.networks import create

    header = read_card(path)
    try:
        settings = dict(header["architecture"])
        network = create(settings.pop("name"), **settings)
        network.load_state_dict(load_file(path))
        return Model(network, NormalizationRule(**header["normalization"]), header["crappifier"], header["card"])
    except (KeyError, TypeError, InputError) as error:
        raise ModelFileError(
            f"{path} describes a model that this decrappify {__version__} cannot build: {error}"
        ) from error
    except RuntimeError as error:
        raise ModelFileError(f"{path} holds weights that do not fit its architecture; the file is damaged") from error


def _what_it_is(path: Path) -> str:
    """Say what a file that is no model really is, in a few words."""
    with path.open("rb") as file:
        head = file.read(256)
    text = head.lstrip().lower()
    if not head:
        return "it is empty; copy or download it again"
    if text.startswith((b"<!doctype", b"<html", b"<?xml")):
        return "it is a web page saved under this name; download the file itself"
    if text.startswith(b"version https://git-lfs"):
        return "it is a git-LFS pointer; fetch the real file with git lfs pull"
    if head.startswith((b"PK\x03\x04", b"\x80\x02", b"\x80\x03", b"\x80\x04")):
        return "it looks like a PyTorch checkpoint; load_model reads .safetensors files written by Model.save"
    if head[8:9] == b"{":  # after the length of the header, in eight bytes
        return "it is damaged or truncated; copy or download it again"
    if head[:64].isascii():
        return "it is a text file"
    return "it is damaged, truncated or of another program"
