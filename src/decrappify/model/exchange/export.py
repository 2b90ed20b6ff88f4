"""Export of a model to a file of another program."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from decrappify._common.argument_names import setting
from decrappify._common.checks import short
from decrappify.errors import InputError
from decrappify.model.catalog import shipped_models
from decrappify.model.exchange.description import Attribution
from decrappify.model.header import read_card
from decrappify.model.loading import load_model
from decrappify.model.model import Model

SUFFIXES = {"onnx": ".onnx", "torchscript": ".pt", "bioimageio": ".zip"}
"""Formats and the suffixes of their files."""

_SHIPPED = Attribution(license="BSD-3-Clause", authors=("The decrappify developers",))


def export_model(
    model: Model | str | Path,
    path: str | Path,
    *,
    format: str | None = None,
    license: str | None = None,
    authors: Sequence[str] = (),
    overwrite: bool = False,
) -> Path:
    """Export a model as ONNX, as TorchScript, or as a package of the BioImage Model Zoo, and return the path.

    The exported network takes windows (N, n_frames * in_channels, H, W) float32, normalized, of any number and of
    height and width that are multiples of ``model.network.spec.tile_multiple``.

    Parameters
    ----------
    model : Model, str or Path
        A model, the name of a shipped or shared one, or a model file.
    path : path
        New file, written under a temporary name until complete.
    format : {"onnx", "torchscript", "bioimageio"}, optional
        By default, that of the suffix of `path`: .onnx, .pt or .zip.
    license : str, optional
        SPDX identifier of the license of the weights, such as ``"CC-BY-4.0"``, for a package; by default, that of the
        model card, and BSD-3-Clause for shipped models.
    authors : sequence of str
        Names of the authors of the weights, for a package; by default, those of the model card.
    overwrite : bool
        Whether to replace an existing file.

    Raises
    ------
    InputError
        If the format is unknown, or the network cannot be exported to it.
    MissingExtraError
        If the packages that the format needs are not installed; the message names the extra.
    OutputExistsError
        If the file exists and `overwrite` is False.
    OutputError
        If it cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     export_model("fluorescence-still", f"{folder}/still.pt").name
    'still.pt'
    """
    from decrappify.io.store.outputs import atomic_output, check_output

    path = Path(path)
    kind = _format_of(path, format)
    check_output(path, overwrite=overwrite)
    model = load_model(model)
    attribution = _attribution(model, license, authors)
    metadata = json.dumps({**model.header(), "sha256": model.sha256})
    with atomic_output(path, overwrite=overwrite) as temporary:
        if kind == "bioimageio":
            from decrappify.model.exchange.package import package_files, write_package

            write_package(package_files(model, attribution, metadata), temporary)
        else:
            from decrappify.model.exchange.graphs import as_onnx, as_torchscript, plain_network

            convert = as_onnx if kind == "onnx" else as_torchscript
            temporary.write_bytes(convert(plain_network(model.network), model.network.spec, metadata))
    return path


def _format_of(path: Path, given: str | None) -> str:
    """Return the format of a file to write."""
    of_suffix = {suffix: kind for kind, suffix in SUFFIXES.items()}
    if given is None and path.suffix.lower() in of_suffix:
        return of_suffix[path.suffix.lower()]
    if given is None:
        raise InputError(
            f"{path} has the suffix {path.suffix!r}, expected one of {', '.join(map(repr, of_suffix))}; choose another "
            "name, or state the format"
        )
    if given not in SUFFIXES:
        raise InputError(f"{setting('format', short(given))} is not known, expected one of {', '.join(SUFFIXES)}")
    return given


def _attribution(model: Model, license: str | None, authors: Sequence[str]) -> Attribution:
    """Return license and authors: as given, else of the model card, else of the shipped model with these weights."""
    is_shipped = any(read_card(path).get("sha256") == model.sha256 for path in shipped_models().values())
    default = _SHIPPED if is_shipped else Attribution()
    of_card = model.card.get("authors")
    listed = [of_card] if isinstance(of_card, str) else of_card if isinstance(of_card, list) else []
    return Attribution(
        license=license or (str(model.card["license"]) if model.card.get("license") else default.license),
        authors=tuple(map(str, authors)) or tuple(map(str, listed)) or default.authors,
    )
