"""Import of packages of the BioImage Model Zoo with a residual U-Net; no code of a package is run."""

from __future__ import annotations

import hashlib
import io
import tempfile
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import torch

from decrappify._common.checks import reason, short
from decrappify.errors import InputError, ModelFileError
from decrappify.limits.memory import in_units
from decrappify.limits.weights import check_archive
from decrappify.model.exchange.description import CALLABLE
from decrappify.model.exchange.extras import imported
from decrappify.model.exchange.kinds import DESCRIPTIONS
from decrappify.model.exchange.package import EXTRA, predicted, problems, quiet_library
from decrappify.model.exchange.preprocessing import normalization_of, preprocessed
from decrappify.model.header import FORMAT_VERSION, check_intact, checked_header
from decrappify.model.model import Model
from decrappify.networks import create
from decrappify.networks.spec import RestorationNetwork
from decrappify.networks.weights import read_weights
from decrappify.normalization import normalization_from_dict

_MOST_DIFFERENCE = 1e-3  # of the range of the test prediction, which other versions of torch may have written
_LARGEST_DESCRIPTION = 1 << 24  # bytes
_LARGEST_ARRAY = 1 << 26  # bytes of a test array


def read_package(path: Path) -> Model:
    """Return the model of a package that decrappify has exported, or that has the same architecture.

    The weights are read from the state dictionary, and the network must reproduce the test prediction of the package.

    Parameters
    ----------
    path : Path
        ZIP file, folder or rdf.yaml.

    Raises
    ------
    MissingExtraError
        If bioimageio.spec is not installed.
    ModelFileError
        If the package is not valid, is damaged, or contains another network or preprocessing.
    """
    path = path.parent if path.name in DESCRIPTIONS else path
    content = _description(path)
    weights = (content.get("weights") or {}).get("pytorch_state_dict")
    if weights is None:
        found = sorted(content.get("weights") or {})
        raise ModelFileError(
            f"{path} contains the weights {short(found)}, expected 'pytorch_state_dict' of the network {CALLABLE}"
        )
    network = _network(path, weights.get("architecture") or {})
    state = _state(path, weights, network)
    try:
        network.load_state_dict(state)
    except RuntimeError as error:
        raise ModelFileError(f"{path} contains weights that do not fit its architecture; it is damaged") from error
    model = _model(path, content, network)
    _check_test_arrays(path, content, model)
    return model


def _description(path: Path) -> dict[str, Any]:
    """Return the content of rdf.yaml, as version 0.5 of the specification; other files are not opened."""
    spec = imported("bioimageio.spec", EXTRA)
    yaml = imported("ruyaml", EXTRA).YAML(typ="safe")
    try:
        content = yaml.load(_description_bytes(path))
        with quiet_library():
            context = spec.ValidationContext(perform_io_checks=False)
            found = spec.build_description(content, context=context, format_version="latest")
            described: dict[str, Any] = {} if isinstance(found, spec.InvalidDescr) else spec.dump_description(found)
    except Exception as error:  # of several types, for any content
        raise ModelFileError(
            f"{path} cannot be read as a package of the BioImage Model Zoo ({reason(error)}); download it again"
        ) from error
    if not described:
        raise ModelFileError(f"{path} is not a valid package of the BioImage Model Zoo ({problems(found)})")
    if described.get("type") != "model":
        raise ModelFileError(f"{path} describes a {short(described.get('type'))}, expected a 'model'")
    return described


def _description_bytes(path: Path) -> bytes:
    if path.is_dir():
        return next(path / name for name in DESCRIPTIONS if (path / name).is_file()).read_bytes()
    with zipfile.ZipFile(path) as archive:
        name = next(name for name in DESCRIPTIONS if name in archive.namelist())
        if archive.getinfo(name).file_size > _LARGEST_DESCRIPTION:
            raise ValueError(f"{name} is larger than {in_units(_LARGEST_DESCRIPTION)}")
        return archive.read(name)


def _network(path: Path, architecture: Mapping[str, Any]) -> RestorationNetwork:
    """Create the network that a package describes."""
    found = architecture.get("callable")
    if found != CALLABLE:
        raise ModelFileError(
            f"{path} contains the network {short(found)}, expected {CALLABLE!r}, the residual U-Net of decrappify; "
            "run it with the programs of the BioImage Model Zoo"
        )
    try:
        network: RestorationNetwork = create("residual-unet", **architecture.get("kwargs") or {})
    except InputError as error:
        raise ModelFileError(f"{path} describes a network that cannot be built: {error}") from error
    return network


def _state(path: Path, weights: Mapping[str, Any], network: RestorationNetwork) -> dict[str, torch.Tensor]:
    expected = sum(tensor.nbytes for tensor in network.state_dict().values())
    content = _member(path, weights, most_bytes=2 * expected + (1 << 20))
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "weights.pt"
        file.write_bytes(content)
        try:
            check_archive(file)
            return read_weights(file)
        except ModelFileError as error:
            raise ModelFileError(f"{path} contains a file of weights that cannot be read; download it again") from error


def _member(path: Path, described: Mapping[str, Any], *, most_bytes: int) -> bytes:
    """Return the content of a file of a package, and check its size and SHA-256."""
    name = str(described.get("source"))
    if PurePosixPath(name).name != name:
        raise ModelFileError(f"{path} refers to {short(name)}, expected a file of the package; download it completely")
    try:
        if path.is_dir():
            content = _limited(path / name, most_bytes)
        else:
            with zipfile.ZipFile(path) as archive:
                content = b"" if archive.getinfo(name).file_size > most_bytes else archive.read(name)
    except KeyError as error:
        raise ModelFileError(f"{path} does not contain {short(name)}; download it again") from error
    except Exception as error:  # zipfile raises many types of errors for damaged files
        raise ModelFileError(f"{path} cannot be read ({reason(error)}); download it again") from error
    if not content:
        raise ModelFileError(
            f"{path} contains a file {short(name)} that is empty or larger than {in_units(most_bytes)}; it is damaged, "
            "download it again"
        )
    digest = described.get("sha256")
    if digest is not None and hashlib.sha256(content).hexdigest() != digest:
        raise ModelFileError(f"{path}: the file {short(name)} does not match its SHA-256; download the package again")
    return content


def _limited(file: Path, most_bytes: int) -> bytes:
    if not file.is_file():
        raise KeyError(file.name)
    return b"" if file.stat().st_size > most_bytes else file.read_bytes()


def _model(path: Path, content: Mapping[str, Any], network: RestorationNetwork) -> Model:
    """Return the model with the card of decrappify in the package, or with a new one."""
    own = (content.get("config") or {}).get("decrappify")
    if own is None:
        card = {
            "name": content.get("name"),
            "summary": content.get("description"),
            "imported_from": {"file": path.name},
        }
        return Model(network, normalization_of(_steps(content), network.spec), None, card)
    if not isinstance(own, dict) or own.get("format_version") != FORMAT_VERSION:
        found = own.get("format_version") if isinstance(own, dict) else own
        raise ModelFileError(
            f"{path} has model format version {short(found)}, expected {FORMAT_VERSION}; update decrappify"
        )
    try:
        header = checked_header(own)
        normalization = normalization_from_dict(header["normalization"])
    except (InputError, TypeError, ValueError) as error:
        raise ModelFileError(f"{path} has a damaged entry 'decrappify' ({reason(error)}); download it again") from error
    check_intact({**header, "architecture": network.architecture}, network.state_dict(), path)
    return Model(network, normalization, header["crappifier"], header["card"])


def _steps(content: Mapping[str, Any]) -> Sequence[dict[str, Any]]:
    steps: Sequence[dict[str, Any]] = content["inputs"][0].get("preprocessing") or ()
    return steps


def _check_test_arrays(path: Path, content: Mapping[str, Any], model: Model) -> None:
    """Raise ModelFileError if the network does not reproduce the test prediction of the package."""
    source, expected = (_array(path, content[side][0].get("test_tensor") or {}) for side in ("inputs", "outputs"))
    try:
        found = predicted(model.network, preprocessed(source, _steps(content)))
        difference = float(np.abs(found - expected).max()) / max(float(np.ptp(expected)), 1e-6)
    except (InputError, KeyError, RuntimeError, ValueError) as error:
        raise ModelFileError(
            f"{path} has a test input that does not fit its network ({reason(error)}); download it again"
        ) from error
    if not difference <= _MOST_DIFFERENCE:
        raise ModelFileError(
            f"{path}: the network differs from the test prediction of the package by {difference:.2g} of its range, "
            f"expected at most {_MOST_DIFFERENCE:g}; it has another forward pass or preprocessing than decrappify"
        )


def _array(path: Path, described: Mapping[str, Any]) -> Any:
    content = _member(path, described, most_bytes=_LARGEST_ARRAY)
    try:
        return np.load(io.BytesIO(content), allow_pickle=False)
    except Exception as error:  # of several types
        raise ModelFileError(f"{path} has a damaged test array ({reason(error)}); download it again") from error
