"""Conversion of published weights and packages into a model file, with a summary for the user."""

from __future__ import annotations

from pathlib import Path

from decrappify._common.counting import counted
from decrappify.errors import InputError
from decrappify.model import check_unused, load_model
from decrappify.model.exchange.kinds import is_package


def import_weights(
    weights: str | Path, output: str | Path, *, preset: str | None = None, overwrite: bool = False
) -> list[str]:
    """Convert published weights, or a package of the BioImage Model Zoo, into a model file.

    Parameters
    ----------
    weights : str or Path
        Weights of DeOldify, PSSR or another fastai-v1 U-Net; see `decrappify.model.fastai_import`. Or a package with
        the network of decrappify: a ZIP file, a folder or its rdf.yaml.
    output : str or Path
        The model file, .safetensors.
    preset : str, optional
        Name of the published network, required if the file does not identify it.
    overwrite : bool
        Whether to replace `output`.

    Returns
    -------
    list of str
        Lines for the user: recognized network, SHA-256 of the weights or model, number of parameters, path.

    Raises
    ------
    OutputExistsError
        If `output` exists and `overwrite` is False.
    InputError, MissingExtraError, MissingFileError, ModelFileError
        As for `decrappify.model.load_model`.
    """
    weights, output = Path(weights), Path(output)
    if weights.is_file() and output.exists() and output.samefile(weights):
        raise InputError(f"{output} is the weights file itself; choose another name for the model")
    check_unused(output, overwrite=overwrite)
    model = load_model(weights, preset=preset)
    if is_package(weights):
        model.save(output, overwrite=overwrite)
        return [
            f"{weights}: package of the BioImage Model Zoo with {model.name!r}; its test prediction was reproduced",
            f"sha256 of the model: {model.sha256}",
            f"parameters: {model.n_parameters:,}",
            f"{output}: model of {counted(model.n_frames, 'frame')}, scale {model.scale}",
        ]
    if "imported_from" not in model.card:
        raise InputError(f"{weights} is already a decrappify model; use it without import")
    recognized, *notes = model.card["notes"]
    model.save(output, overwrite=overwrite)
    return [
        f"{weights}: {recognized}",
        *(f"note: {note}" for note in notes),
        f"sha256: {model.card['imported_from']['sha256']}",
        f"parameters: {model.n_parameters:,}",
        f"{output}: model for {model.card['task']}, preset {model.card['preset']}",
    ]
