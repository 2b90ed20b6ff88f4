"""Packages of the BioImage Model Zoo: content, ZIP file, and validation by bioimageio.spec."""

from __future__ import annotations

import io
import tempfile
import warnings
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn

from decrappify.errors import InputError, OutputError
from decrappify.model.exchange import description as names
from decrappify.model.exchange.extras import imported
from decrappify.model.exchange.graphs import as_onnx, as_torchscript, is_residual_unet, plain_network, size_step
from decrappify.model.exchange.preprocessing import preprocessed, steps_of
from decrappify.model.exchange.readme import readme
from decrappify.model.exchange.sample import cover, simulated_source
from decrappify.movie import Array
from decrappify.networks import plain_residual_unet

if TYPE_CHECKING:
    from decrappify.model.model import Model

EXTRA = "bioimageio"
_FIRST_TIME = (1980, 1, 1, 0, 0, 0)  # of ZIP files; with the time of the export, equal members would differ


def package_files(model: Model, attribution: names.Attribution, metadata: str) -> dict[str, bytes]:
    """Return the content of the files of a package by name.

    Parameters
    ----------
    model : Model
        A model with a residual U-Net.
    attribution : Attribution
        License and authors of the weights.
    metadata : str
        Entry "decrappify" of the metadata of the ONNX and TorchScript files.

    Raises
    ------
    InputError
        If the network is not a residual U-Net, which is the only one with an architecture file.
    MissingExtraError
        If bioimageio.spec or a dependency of the export to ONNX is not installed.
    """
    if not is_residual_unet(model.network):
        found = model.network.architecture.get("name")
        raise InputError(
            f"model {model.name!r} has the network {found!r}, expected 'residual-unet' for a package of the BioImage "
            "Model Zoo; export it as ONNX or TorchScript"
        )
    imported("bioimageio.spec", EXTRA)
    spec, network = model.network.spec, plain_network(model.network)
    source = simulated_source(
        spec, names.least_side(spec), size_step(spec), dark_structures=names.of_electron_micrographs(model)
    )
    prediction = predicted(network, preprocessed(source, steps_of(model.normalization, spec)))
    files = {
        names.CARD: readme(model).encode(),
        names.COVER: cover(source, prediction, spec),
        names.TEST_SOURCE: _npy(source),
        names.TEST_PREDICTION: _npy(prediction),
        names.STATE_DICT: _state_dict(network),
        names.ARCHITECTURE: Path(plain_residual_unet.__file__).read_bytes(),
        names.TORCHSCRIPT: as_torchscript(network, spec, metadata),
        names.ONNX: as_onnx(network, spec, metadata),
    }
    now = datetime.now(UTC).isoformat(timespec="seconds")
    content = names.description(model, files, attribution, torch.__version__, now)
    return {names.DESCRIPTION: as_yaml(content), **files}


def predicted(network: nn.Module, source: Array) -> Array:
    """Predict from a normalized source (N, C, H, W) float32."""
    with torch.inference_mode():
        prediction: Array = network(torch.from_numpy(source)).numpy()
    return prediction


def write_package(files: Mapping[str, bytes], path: Path) -> None:
    """Validate the files of a package, and write them into a ZIP file.

    Raises
    ------
    OutputError
        If bioimageio.spec does not accept the package.
    """
    _validate(files)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            member = zipfile.ZipInfo(name, _FIRST_TIME)
            member.external_attr = 0o644 << 16  # readable by all users once extracted
            archive.writestr(member, content, zipfile.ZIP_DEFLATED)


def _validate(files: Mapping[str, bytes]) -> None:
    """Raise OutputError if bioimageio.spec does not accept a package."""
    spec = imported("bioimageio.spec", EXTRA)
    with tempfile.TemporaryDirectory() as folder, quiet_library():
        for name, content in files.items():
            (Path(folder) / name).write_bytes(content)
        found = spec.load_description(folder, perform_io_checks=True)
    if isinstance(found, spec.InvalidDescr):
        raise OutputError(f"bioimageio.spec does not accept the package ({problems(found)}); report this as a bug")


def problems(invalid: Any) -> str:
    """Return the errors of an invalid description as one line."""
    errors = [error for detail in invalid.validation_summary.details for error in detail.errors]
    return "; ".join(f"{'.'.join(map(str, error.loc))}: {error.msg}" for error in errors) or "unknown reason"


@contextmanager
def quiet_library() -> Iterator[None]:
    """Suppress the messages of bioimageio.spec, which logs recommendations for uploads, and does not close files."""
    loguru: Any = imported("loguru", EXTRA).logger
    loguru.disable("bioimageio")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ResourceWarning)
            yield
    finally:
        loguru.enable("bioimageio")


def as_yaml(content: Mapping[str, Any]) -> bytes:
    """Return plain values as YAML, in the order of their keys."""
    text = io.StringIO()
    yaml = imported("ruyaml", EXTRA).YAML(typ="safe")
    yaml.default_flow_style = False
    yaml.allow_unicode = True
    yaml.sort_base_mapping_type_on_output = False
    yaml.width = 120
    yaml.dump(names.plain(content), text)  # copies: equal parts would be written as references
    return text.getvalue().encode()


def _npy(array: Array) -> bytes:
    content = io.BytesIO()
    np.save(content, np.ascontiguousarray(array), allow_pickle=False)
    return content.getvalue()


def _state_dict(network: nn.Module) -> bytes:
    content = io.BytesIO()
    torch.save({key: tensor.contiguous() for key, tensor in network.state_dict().items()}, content)
    return content.getvalue()
