"""Header and checksum of a model file, checked on reading."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from decrappify._common.checks import json_value, reason, short
from decrappify._version import __version__
from decrappify.errors import ModelFileError
from decrappify.model.exchange.kinds import is_package
from decrappify.model.fastai_import.kinds import what_it_is

if TYPE_CHECKING:
    from torch import Tensor

FORMAT_VERSION = 1
WITH_FIDELITY = 2  # version of files that also contain the weights before the GAN phase, unknown to earlier releases
PRETRAINED = "pretrained."  # prefix of those of them that differ
_READ = (FORMAT_VERSION, WITH_FIDELITY)


def read_card(path: Path) -> dict[str, Any]:
    """Read a model file's header (format version, architecture, normalization, crappifier, card), not its weights."""
    from safetensors import SafetensorError, safe_open

    if is_package(path):
        raise ModelFileError(
            f"{path} is a package of the BioImage Model Zoo, expected a model file; convert it with "
            "'decrappify import-weights'"
        )
    try:
        with safe_open(path, framework="numpy") as file:
            text = (file.metadata() or {}).get("decrappify")
    except (SafetensorError, ValueError) as error:
        raise ModelFileError(f"{path} is not a model file: {what_it_is(path)}") from error
    if text is None:
        raise ModelFileError(f"{path} is a safetensors file but not a decrappify model: it has no 'decrappify' header")
    try:
        header: dict[str, Any] = checked_header(json_value(text))
    except ValueError as error:
        raise ModelFileError(
            f"{path} has a damaged 'decrappify' header ({reason(error)}); copy or download it again"
        ) from error
    if header.get("format_version") not in _READ:
        raise ModelFileError(
            f"{path} has model format version {short(header.get('format_version'))}, this decrappify {__version__} "
            f"reads versions {' and '.join(map(str, _READ))}; update decrappify (written by "
            f"{short(header.get('written_by'))})"
        )
    return header


def checked_header(value: Any) -> dict[str, Any]:
    """Return a header if all its entries have the expected type; raise ValueError otherwise."""
    if not isinstance(value, dict):
        raise ValueError(f"it is a {type(value).__name__}, expected a table")
    if "format_version" in value and value["format_version"] not in _READ:
        return value  # another version may have other entries
    for key, kind, called in (
        ("architecture", dict, "a table"),
        ("normalization", dict, "a table"),
        ("crappifier", (dict, type(None)), "a table or null"),
        ("card", dict, "a table"),
        ("written_by", str, "a string"),
    ):
        if key not in value or not isinstance(value[key], kind):
            raise ValueError(f"its {key!r} is {short(value.get(key))}, expected {called}")
    if (value.get("format_version") == WITH_FIDELITY) != isinstance(value.get("pretrained_sha256"), str):
        raise ValueError(f"its 'pretrained_sha256' is {short(value.get('pretrained_sha256'))}")
    return value


def has_fidelity(header: Mapping[str, Any]) -> bool:
    """Return whether a model file contains the weights before and after a GAN phase, so that a fidelity can be set.

    Parameters
    ----------
    header : mapping
        Result of `read_card`.
    """
    return header.get("format_version") == WITH_FIDELITY


def check_intact(header: Mapping[str, Any], weights: Mapping[str, Tensor], path: Path) -> None:
    """Raise ModelFileError if weights or settings have changed since saving, or a weight is NaN or infinite.

    Files of earlier versions, without a checksum, are checked for NaN and infinity only.
    """
    if "sha256" in header and header["sha256"] != digest(header["architecture"], header["normalization"], weights):
        raise ModelFileError(
            f"{path} does not match its checksum: its weights or settings have changed since it was saved; "
            "copy or download it again"
        )
    check_finite(weights, str(path))


def check_finite(weights: Mapping[str, Tensor], where: str) -> None:
    """Raise ModelFileError if a weight is NaN or infinite."""
    for key, tensor in weights.items():
        if tensor.is_floating_point() and not math.isfinite(tensor.double().sum()):
            raise ModelFileError(
                f"{where}: weights {key} contain NaN or infinity, so every prediction would be black or NaN; "
                "use a model of a run that did not diverge, or copy the file again"
            )


def digest(architecture: Mapping[str, Any], normalization: Mapping[str, Any], weights: Mapping[str, Tensor]) -> str:
    """Compute the SHA-256 (hex) of architecture, normalization and weights; float16 weights count as float32."""
    digest = hashlib.sha256(json.dumps(architecture, sort_keys=True).encode())
    digest.update(json.dumps(normalization, sort_keys=True).encode())
    for key, tensor in sorted(weights.items()):
        digest.update(key.encode())
        values = tensor.detach().cpu().contiguous().numpy()
        digest.update((values.astype("float32") if values.dtype == "float16" else values).data)
    return digest.hexdigest()


def check_shapes(path: Path, name: str, settings: Mapping[str, Any]) -> tuple[list[str], float]:
    """Check the shapes of the weights in a file by those of its architecture; allocate neither.

    Returns
    -------
    names : list of str
        Weights of the network, without those before a GAN phase.
    share : float
        Their share of all values in the file.

    Raises
    ------
    RuntimeError
        If the shapes differ.
    """
    from safetensors import safe_open

    from decrappify.networks import create
    from decrappify.networks.shapes import shapes_only

    with shapes_only():
        needed = {key: list(tensor.shape) for key, tensor in create(name, **settings).state_dict().items()}
    with safe_open(path, framework="numpy") as file:
        found = {key: file.get_slice(key).get_shape() for key in file.keys()}  # noqa: SIM118  # not a mapping
    names = [key for key in found if key in needed]
    others = {key.removeprefix(PRETRAINED): shape for key, shape in found.items() if key not in needed}
    are_pretrained = all(f"{PRETRAINED}{key}" in found and needed.get(key) == others[key] for key in others)
    if {key: found[key] for key in names} != needed or not are_pretrained:
        raise RuntimeError(f"weights of {path} and its architecture differ")
    count = sum(math.prod(found[key]) for key in names)
    return names, count / max(1, sum(map(math.prod, found.values())))
