"""Description of a package of the BioImage Model Zoo (rdf.yaml, specification 0.5), as plain values."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from decrappify.inference.onnx_export import OPSET
from decrappify.model.exchange.citations import method_citations
from decrappify.model.exchange.graphs import size_step
from decrappify.model.exchange.preprocessing import steps_of
from decrappify.networks.spec import NetworkSpec

if TYPE_CHECKING:
    from decrappify.model.model import Model

FORMAT_VERSION = "0.5.4"  # not the latest: other programs refuse versions that are newer than they are
DESCRIPTION, CARD, COVER = "rdf.yaml", "README.md", "cover.png"
TEST_SOURCE, TEST_PREDICTION = "test_source.npy", "test_prediction.npy"
STATE_DICT, ARCHITECTURE, TORCHSCRIPT, ONNX = "weights.pt", "plain_residual_unet.py", "torchscript.pt", "weights.onnx"
CALLABLE = "PlainResidualUNet"

_TOLERANCE = 1e-4
_LONGEST_NAME, _LONGEST_SUMMARY = 64, 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Attribution:
    """License and authors of exported weights.

    Attributes
    ----------
    license : str or None
        SPDX identifier, such as "CC-BY-4.0"; None if not stated.
    authors : tuple of str
        Names.
    """

    license: str | None = None
    authors: tuple[str, ...] = ()


def least_side(spec: NetworkSpec) -> int:
    """Return the smallest height and width of a source of which something is left without the halo.

    >>> least_side(NetworkSpec(n_frames=1, in_channels=1, out_channels=1, size_multiple=8, margin=40))
    88
    """
    step = size_step(spec)
    return 2 * halo(spec) + step


def halo(spec: NetworkSpec) -> int:
    """Return the border of a tile, in source pixels, that differs from the whole image: a multiple of the step."""
    step = size_step(spec)
    return -(-spec.margin // step) * step


def description(
    model: Model, files: Mapping[str, bytes], attribution: Attribution, torch_version: str, timestamp: str
) -> dict[str, Any]:
    """Return the content of rdf.yaml.

    Parameters
    ----------
    model : Model
        A model with a residual U-Net.
    files : mapping
        Content of all other files of the package by name.
    attribution : Attribution
        License and authors.
    torch_version : str
        Version of torch that wrote the weights.
    timestamp : str
        Time of the export, ISO 8601.
    """
    sources = {name: {"source": name, "sha256": hashlib.sha256(content).hexdigest()} for name, content in files.items()}
    spec = model.network.spec
    summary = str(model.card.get("summary") or f"restoration network trained with decrappify, {model.name}")
    return {
        "type": "model",
        "format_version": FORMAT_VERSION,
        "name": _name(model.name),
        "description": summary[:_LONGEST_SUMMARY],
        "authors": [{"name": name.replace("/", "-")} for name in attribution.authors or ("not stated",)],
        **({"license": attribution.license} if attribution.license else {}),
        "cite": [
            *_own_citations(model.card.get("cite")),
            *method_citations(spec, is_trained_on_degraded=model.crappifier is not None),
        ],
        "tags": _tags(model),
        "covers": [sources[COVER]],
        "documentation": sources[CARD],
        "timestamp": timestamp,
        "inputs": [_input(model, spec, sources)],
        "outputs": [_output(spec, sources)],
        "weights": _weights(model.network.architecture, sources, torch_version),
        "config": {
            "bioimageio": {
                "reproducibility_tolerance": [
                    {
                        "relative_tolerance": _TOLERANCE,
                        "absolute_tolerance": _TOLERANCE,
                        "mismatched_elements_per_million": 0,
                    }
                ]
            },
            "decrappify": plain({**model.header(), "sha256": model.sha256}),
        },
    }


def _name(name: str) -> str:
    """Return a name with the characters and the length that the zoo accepts."""
    return f"decrappify {re.sub(r'[^A-Za-z0-9_+() -]', '-', name)}"[:_LONGEST_NAME].strip()


def _own_citations(given: Any) -> list[dict[str, str]]:
    """Return the citations of a model card that have a text and a DOI or an address, as the zoo requires."""
    entries = given if isinstance(given, list) else []
    texts = [each for each in entries if isinstance(each, dict) and isinstance(each.get("text"), str)]
    return [
        {key: str(each[key]) for key in ("text", "doi", "url") if each.get(key)}
        for each in texts
        if each.get("doi") or each.get("url")
    ]


def _tags(model: Model) -> list[str]:
    tags = ["decrappify", "image-restoration", "denoising", "unet", "pytorch", "2d"]
    tags += ["super-resolution"] if model.scale > 1 else []
    tags += ["time-series"] if model.n_frames > 1 else []
    return [*tags, "electron-microscopy" if of_electron_micrographs(model) else "fluorescence-light-microscopy"]


def of_electron_micrographs(model: Model) -> bool:
    """Return whether the model was trained for electron micrographs, as its crappifier's name or its card states."""
    texts = (str((model.crappifier or {}).get("name", "")), str(model.card.get("summary", "")))
    return texts[0].startswith("em") or "electron micrograph" in texts[1]


def channel_names(spec: NetworkSpec) -> list[str]:
    """Return the names of the input's channels, frame after frame.

    >>> channel_names(NetworkSpec(n_frames=3, in_channels=1, out_channels=1))
    ['t_minus_1', 't', 't_plus_1']
    """
    half = spec.n_frames // 2
    frames = [f"t_{'minus' if step < 0 else 'plus'}_{abs(step)}" if step else "t" for step in range(-half, half + 1)]
    if spec.in_channels == 1:
        return frames
    return [f"{frame}_channel_{channel}" for frame in frames for channel in range(spec.in_channels)]


def _input(model: Model, spec: NetworkSpec, sources: Mapping[str, dict[str, str]]) -> dict[str, Any]:
    window = f"{spec.n_frames} successive frames of one movie" if spec.n_frames > 1 else "one image"
    size = {"min": least_side(spec), "step": size_step(spec)}
    return {
        "id": "source",
        "description": f"gray levels of {window}",
        "axes": [
            {"type": "batch"},
            {"type": "channel", "id": "channel", "channel_names": channel_names(spec), "description": window},
            *({"type": "space", "id": axis, "size": size, "concatenable": True} for axis in "yx"),
        ],
        "data": {"type": "float32"},
        "preprocessing": steps_of(model.normalization, spec),
        "test_tensor": sources[TEST_SOURCE],
    }


def _output(spec: NetworkSpec, sources: Mapping[str, dict[str, str]]) -> dict[str, Any]:
    names = [f"restored_{channel}" for channel in range(spec.out_channels)] if spec.out_channels > 1 else ["restored"]
    border = halo(spec) * spec.scale
    return {
        "id": "prediction",
        "description": "restored frame t, in the units of the normalized input",
        "axes": [
            {"type": "batch"},
            {"type": "channel", "id": "channel", "channel_names": names},
            *(
                {
                    "type": "space",
                    "id": axis,
                    "size": {"tensor_id": "source", "axis_id": axis},
                    "scale": 1 / spec.scale,
                    **({"halo": border} if border else {}),
                }
                for axis in "yx"
            ),
        ],
        "data": {"type": "float32"},
        "test_tensor": sources[TEST_PREDICTION],
    }


def _weights(
    architecture: Mapping[str, Any], sources: Mapping[str, dict[str, str]], torch_version: str
) -> dict[str, Any]:
    version = torch_version.partition("+")[0]
    settings = {key: value for key, value in architecture.items() if key != "name"}
    parent = "pytorch_state_dict"
    return {
        parent: {
            **sources[STATE_DICT],
            "architecture": {**sources[ARCHITECTURE], "callable": CALLABLE, "kwargs": settings},
            "pytorch_version": version,
        },
        "torchscript": {**sources[TORCHSCRIPT], "parent": parent, "pytorch_version": version},
        "onnx": {**sources[ONNX], "parent": parent, "opset_version": OPSET},
    }


def plain(value: Any) -> Any:
    """Return nested values as dictionaries, lists, strings, numbers, booleans and None."""
    if isinstance(value, Mapping):
        return {str(key): plain(each) for key, each in value.items()}
    if isinstance(value, Sequence | np.ndarray) and not isinstance(value, str):
        return [plain(each) for each in value]
    return value.item() if isinstance(value, np.generic) else value
