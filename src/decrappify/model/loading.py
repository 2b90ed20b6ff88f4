"""Loading of shipped models, model files and published weights."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from decrappify._common.argument_names import setting
from decrappify._common.checks import reason, short
from decrappify._version import __version__
from decrappify.errors import DeviceMemoryError, InputError, ModelFileError, printable
from decrappify.limits.reached import raise_if_limit
from decrappify.limits.weights import check_loading
from decrappify.model.catalog import find_model
from decrappify.model.exchange.kinds import is_package
from decrappify.model.fastai_import.kinds import is_checkpoint
from decrappify.model.fidelity import StoredWeights
from decrappify.model.header import check_finite, check_intact, check_shapes, has_fidelity, read_card
from decrappify.model.model import Model
from decrappify.normalization import normalization_from_dict

if TYPE_CHECKING:
    from torch import nn


def load_model(name_or_path: str | Path | Model, *, preset: str | None = None) -> Model:
    """Load a shipped or shared model by name, or a model file, package or published weights of fastai v1 by path.

    Parameters
    ----------
    name_or_path : str, Path or Model
        Such as ``"fluorescence-movie"``, ``"runs/mine/model.safetensors"``, ``"mine.zip"`` (a package of the BioImage
        Model Zoo with the network of decrappify) or ``"ColorizeArtistic_gen.pth"`` (see
        `decrappify.model.fastai_import`); a Model is returned unchanged.
    preset : str, optional
        Name of the published network, required if the file does not identify it, such as ``"video"``.

    Raises
    ------
    MissingFileError
        If it is neither the name of a model nor a file.
    InputError
        If `preset` is unknown, or passed for a file that does not contain published weights.
    ModelFileError
        If the file is neither a decrappify model nor known weights, is damaged, or has another format version.
    MissingExtraError
        If it is a package, and the extra "bioimageio" is not installed.
    """
    if not isinstance(name_or_path, Model):
        path = find_model(name_or_path)
        is_zoo_package = is_package(path)
        if not is_zoo_package and is_checkpoint(path):
            return _from_checkpoint(path, preset)
    if preset is not None:
        raise InputError(
            f"{name_or_path} is a model and needs no preset; {setting('preset', preset)} is for published weights"
        )
    if isinstance(name_or_path, Model):
        return name_or_path
    return _from_package(path) if is_zoo_package else _read_model(path)


def _from_checkpoint(path: Path, preset: str | None) -> Model:
    from decrappify.model.fastai_import import read_checkpoint

    imported = read_checkpoint(path, preset=preset)
    with path.open("rb") as file:
        checksum = hashlib.file_digest(file, "sha256").hexdigest()
    check_finite(imported.network.state_dict(), str(path))
    card: dict[str, Any] = {
        "name": path.stem,
        "task": imported.task,
        "preset": imported.preset,
        "imported_from": {"file": path.name, "sha256": checksum},
        "notes": list(imported.notes),
    }
    return Model(imported.network, imported.statistics, None, card)


def _from_package(path: Path) -> Model:
    from decrappify.model.exchange.reading import read_package

    return read_package(path)


def _read_model(path: Path) -> Model:
    from safetensors import SafetensorError, safe_open

    from decrappify.networks import create
    from decrappify.networks.registry import is_network
    from decrappify.networks.shapes import shapes_only

    header = read_card(path)
    try:
        settings = dict(header["architecture"])
        name = settings.pop("name")
        names, share = check_shapes(path, name, settings)
        check_loading(path, share)
        with shapes_only():  # its weights are those of the file, and not a second copy
            network = create(name, **settings)
        dtypes = {key: tensor.dtype for key, tensor in network.state_dict().items()}
        with safe_open(path, framework="pt") as file:
            # Copied: the tensors of a file have any alignment, on which the last digits of predictions depend.
            weights = {key: file.get_tensor(key).to(dtypes[key], copy=True) for key in names}
        network.load_state_dict(weights, assign=True)
        if not _has_values(network):  # it computes tensors that are not in its state dict
            network = create(name, **settings)
            network.load_state_dict(weights)
        normalization = normalization_from_dict(header["normalization"])
        pretrained = StoredWeights(path, header["pretrained_sha256"]) if has_fidelity(header) else None
        model = Model(network, normalization, header["crappifier"], header["card"], pretrained)
    except (DeviceMemoryError, Warning):
        raise
    except Exception as error:  # networks, torch and safetensors raise many types of errors for invalid input
        raise_if_limit(error, f"loading {path}")
        if isinstance(error, RuntimeError | SafetensorError):
            raise ModelFileError(
                f"{path} contains weights that do not fit its architecture; the file is damaged"
            ) from error
        where = header.get("network_defined_in")
        if isinstance(where, str) and not is_network(header["architecture"].get("name")):
            name = short(header["architecture"].get("name"))
            raise ModelFileError(
                f"{path} needs the network {name} of {printable(where)[:200]}; install or import it first, or load its "
                "file: --plugin FILE, or load_plugin(FILE) in Python"
            ) from error
        raise ModelFileError(
            f"{path} describes a model that this decrappify {__version__} cannot build: "
            f"{error if isinstance(error, InputError) else reason(error, of_settings=True)}"
        ) from error
    check_intact(header, weights, path)
    return model


def _has_values(network: nn.Module) -> bool:
    """Return whether all tensors of a network created by `shapes_only` have been replaced."""
    import torch

    attributes = (value for module in network.modules() for value in vars(module).values())
    tensors = [*network.parameters(), *network.buffers(), *(x for x in attributes if isinstance(x, torch.Tensor))]
    return not any(tensor.is_meta for tensor in tensors)
