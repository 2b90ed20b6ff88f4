"""Models: network, normalization, crappifier and provenance in one self-contained .safetensors file."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from decrappify._version import __version__
from decrappify.checks import json_value, nearest, reason, short
from decrappify.errors import (
    DeviceMemoryError,
    InputError,
    MissingFileError,
    ModelFileError,
    OutputError,
    OutputExistsError,
)
from decrappify.fastai_import.kinds import is_checkpoint, what_it_is
from decrappify.intensity import ChannelStatistics, NormalizationRule, normalization_from_dict
from decrappify.limits.files import check_regular
from decrappify.limits.reached import raise_if_limit
from decrappify.limits.weights import check_loading

if TYPE_CHECKING:
    from torch import Tensor

    from decrappify.networks.spec import RestorationNetwork

FORMAT_VERSION = 1
_SHIPPED = Path(__file__).parent / "shipped"


class Model:
    """A trained network with everything needed to apply it.

    Parameters
    ----------
    network : RestorationNetwork
        With an ``architecture`` dictionary from which it can be rebuilt; set to eval mode.
    normalization : NormalizationRule or ChannelStatistics
        How the movie's normalization is measured, identical in training and restoration; or fixed statistics.
    crappifier : mapping or None
        The crappifier used in training, as plain values; None for measured pairs.
    card : mapping
        Provenance: name, data and licenses, settings, seed, scores, limits.

    Attributes
    ----------
    n_frames, in_channels, scale : int
        Frames and channels of the network's input, and its upsampling factor.
    """

    def __init__(
        self,
        network: RestorationNetwork,
        normalization: NormalizationRule | ChannelStatistics | None = None,
        crappifier: Mapping[str, Any] | None = None,
        card: Mapping[str, Any] | None = None,
    ) -> None:
        self.network = network.eval()
        self.normalization: NormalizationRule | ChannelStatistics = normalization or NormalizationRule()
        self.crappifier = None if crappifier is None else dict(crappifier)
        self.card: dict[str, Any] = dict(card or {})
        self.n_frames = network.spec.n_frames
        self.in_channels = network.spec.in_channels
        self.scale = network.spec.scale

    @property
    def name(self) -> str:
        """Name on the model card."""
        return str(self.card.get("name", "unnamed"))

    @property
    def n_parameters(self) -> int:
        """Number of trainable parameters."""
        return sum(parameter.numel() for parameter in self.network.parameters())

    @cached_property
    def sha256(self) -> str:
        """SHA-256 (hex) of architecture, normalization and weights: equal for equal predictions, whatever the card."""
        return _digest(self.network.architecture, self.normalization.to_dict(), self.network.state_dict())

    def save(self, path: str | Path, *, overwrite: bool = False) -> Path:
        """Write the model to one .safetensors file, through a temporary name, and return its path.

        Raises
        ------
        OutputExistsError
            If the file exists and `overwrite` is False.
        OutputError
            If it cannot be written.
        ModelFileError
            If a weight is NaN or infinite.
        """
        from safetensors.torch import save

        from decrappify.io.outputs import atomic_output

        _check_finite(self.network.state_dict(), str(path))

        path = check_unused(path, overwrite=overwrite)
        tensors = {key: tensor.detach().cpu().contiguous() for key, tensor in self.network.state_dict().items()}
        header = self._header()
        header["sha256"] = _digest(header["architecture"], header["normalization"], tensors)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError(f"cannot write {path}: {error.strerror or error}") from error
        with atomic_output(path, overwrite=overwrite) as temporary:
            # Not by save_file: its temporary file would be left behind if the process is killed.
            temporary.write_bytes(save(tensors, {"decrappify": json.dumps(header)}))
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
    """Return the models shipped with the package: name to file."""
    return {path.stem: path for path in sorted(_SHIPPED.glob("*.safetensors"))}


def check_unused(path: str | Path, *, overwrite: bool = False) -> Path:
    """Return the path of a model file to write.

    Raises
    ------
    OutputExistsError
        If it exists and `overwrite` is False.
    """
    path = Path(path)
    if path.exists() and not overwrite:
        raise OutputExistsError(f"{path} exists; pass overwrite=True (--overwrite) or choose another name")
    return path


def load_model(name_or_path: str | Path | Model, *, preset: str | None = None) -> Model:
    """Load a shipped model by name, a model file by path, or published weights of fastai v1 by path.

    Parameters
    ----------
    name_or_path : str, Path or Model
        Such as ``"fluorescence-movie"``, ``"runs/mine/model.safetensors"`` or ``"ColorizeArtistic_gen.pth"`` (see
        `decrappify.fastai_import`); a Model is returned as it is.
    preset : str, optional
        Name of the published network, needed if the file does not identify it, such as ``"video"``.

    Raises
    ------
    MissingFileError
        If it is neither a shipped model nor a file.
    InputError
        If `preset` is unknown, or passed for a file that does not contain published weights.
    ModelFileError
        If the file is neither a decrappify model nor known weights, is damaged, or has a later format version.
    """
    if not isinstance(name_or_path, Model):
        path = find_model(name_or_path)
        if is_checkpoint(path):
            return _from_checkpoint(path, preset)
    if preset is not None:
        raise InputError(f"{name_or_path} is a model and knows what it is; preset={preset!r} is for published weights")
    return name_or_path if isinstance(name_or_path, Model) else _read_model(path)


def find_model(name_or_path: str | Path) -> Path:
    """Return the file of a shipped model by name, or check the path of a model file.

    Raises
    ------
    MissingFileError
        If it is neither; the message names the most similar shipped model.
    """
    shipped = shipped_models()
    if isinstance(name_or_path, str) and name_or_path in shipped:
        return shipped[name_or_path]
    path = Path(name_or_path)
    check_regular(path)
    if not path.is_file():
        hint = nearest(str(name_or_path), shipped)
        if path.suffix in (".pth", ".pkl"):
            hint = "; nothing is downloaded by itself, the README of jantic/DeOldify says where its weights are"
        raise MissingFileError(
            f"{name_or_path} is neither a shipped model ({', '.join(shipped) or 'none'}) nor a model file{hint}"
        )
    return path


def _from_checkpoint(path: Path, preset: str | None) -> Model:
    from decrappify.fastai_import import read_checkpoint

    imported = read_checkpoint(path, preset=preset)
    with path.open("rb") as file:
        checksum = hashlib.file_digest(file, "sha256").hexdigest()
    _check_finite(imported.network.state_dict(), str(path))
    card: dict[str, Any] = {
        "name": path.stem,
        "task": imported.task,
        "preset": imported.preset,
        "imported_from": {"file": path.name, "sha256": checksum},
        "notes": list(imported.notes),
    }
    return Model(imported.network, imported.statistics, None, card)


def read_card(path: Path) -> dict[str, Any]:
    """Read a model file's header (format version, architecture, normalization, crappifier, card), not its weights."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as file:
            text = (file.metadata() or {}).get("decrappify")
    except (SafetensorError, ValueError) as error:
        raise ModelFileError(f"{path} is not a model file: {what_it_is(path)}") from error
    if text is None:
        raise ModelFileError(f"{path} is a safetensors file but not a decrappify model: it has no 'decrappify' header")
    try:
        header: dict[str, Any] = _header_of(json_value(text))
    except ValueError as error:
        raise ModelFileError(
            f"{path} has a damaged 'decrappify' header ({reason(error)}); copy or download it again"
        ) from error
    if header.get("format_version") != FORMAT_VERSION:
        raise ModelFileError(
            f"{path} has model format version {short(header.get('format_version'))}, this decrappify {__version__} "
            f"reads version {FORMAT_VERSION}; update decrappify (written by {short(header.get('written_by'))})"
        )
    return header


def _header_of(value: Any) -> dict[str, Any]:
    """Return a header after checking the type of every entry; raise ValueError if one differs."""
    if not isinstance(value, dict):
        raise ValueError(f"it is a {type(value).__name__}, needs a table")
    if "format_version" in value and value["format_version"] != FORMAT_VERSION:
        return value  # another version may have other entries
    for key, kind, called in (
        ("architecture", dict, "a table"),
        ("normalization", dict, "a table"),
        ("crappifier", (dict, type(None)), "a table or null"),
        ("card", dict, "a table"),
        ("written_by", str, "a text"),
    ):
        if key not in value or not isinstance(value[key], kind):
            raise ValueError(f"its {key!r} is {short(value.get(key))}, needs {called}")
    return value


def _read_model(path: Path) -> Model:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    from decrappify.networks import create

    header = read_card(path)
    try:
        settings = dict(header["architecture"])
        name = settings.pop("name")
        _check_shapes(path, name, settings)
        check_loading(path)
        network = create(name, **settings)
        weights = load_file(path)
        network.load_state_dict(weights)
        model = Model(network, normalization_from_dict(header["normalization"]), header["crappifier"], header["card"])
    except (DeviceMemoryError, Warning):
        raise
    except Exception as error:  # networks, torch and safetensors do not validate their input
        raise_if_limit(error, f"loading {path}")
        if isinstance(error, RuntimeError | SafetensorError):
            raise ModelFileError(
                f"{path} holds weights that do not fit its architecture; the file is damaged"
            ) from error
        raise ModelFileError(
            f"{path} describes a model that this decrappify {__version__} cannot build: "
            f"{reason(error, of_settings=True)}"
        ) from error
    _check_intact(header, weights, path)
    return model


def _check_intact(header: Mapping[str, Any], weights: Mapping[str, Tensor], path: Path) -> None:
    """Raise ModelFileError if a bit of the file has changed since it was saved, or a weight is NaN or infinite.

    Files of earlier versions, without a checksum, are checked for NaN and infinity only.
    """
    if "sha256" in header and header["sha256"] != _digest(header["architecture"], header["normalization"], weights):
        raise ModelFileError(
            f"{path} does not have the checksum that it was saved with, its weights or settings have changed since; "
            "copy or download it again"
        )
    _check_finite(weights, str(path))


def _check_finite(weights: Mapping[str, Tensor], where: str) -> None:
    for key, tensor in weights.items():
        if tensor.is_floating_point() and not math.isfinite(tensor.double().sum()):
            raise ModelFileError(
                f"{where}: weights {key} hold NaN or infinity, with which every result would be black or NaN; "
                "use a model of a run that did not diverge, or copy the file again"
            )


def _digest(architecture: Mapping[str, Any], normalization: Mapping[str, Any], weights: Mapping[str, Tensor]) -> str:
    """Compute the SHA-256 (hex) of everything that predictions depend on."""
    digest = hashlib.sha256(json.dumps(architecture, sort_keys=True).encode())
    digest.update(json.dumps(normalization, sort_keys=True).encode())
    for key, tensor in sorted(weights.items()):
        digest.update(key.encode())
        digest.update(tensor.detach().cpu().contiguous().numpy().data)
    return digest.hexdigest()


def _check_shapes(path: Path, name: str, settings: Mapping[str, Any]) -> None:
    """Compare the shapes of the weights in the file with those of the architecture before allocating either."""
    from safetensors import safe_open

    from decrappify.networks import create
    from decrappify.networks.shapes import shapes_only

    with shapes_only():
        needed = {key: list(tensor.shape) for key, tensor in create(name, **settings).state_dict().items()}
    with safe_open(path, framework="numpy") as file:
        found = {key: file.get_slice(key).get_shape() for key in file.keys()}  # noqa: SIM118  # not a mapping
    if needed != found:
        raise RuntimeError(f"weights of {path} and its architecture differ")
