"""`colorize`: color an image, a folder of images, a film or an array."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from decrappify._common.checks import checked_progress
from decrappify.colorization.colorizer import Colorizer, own_preset
from decrappify.colorization.presets import check_render_factor, colorization_preset
from decrappify.colorization.stills import check_still_output, colorize_folder, colorize_still
from decrappify.colorization.watermark import add_watermark
from decrappify.errors import InputError, MissingFileError
from decrappify.io.images.photographs import read_photograph
from decrappify.io.media.damage import check_damaged
from decrappify.io.recognition import format_of
from decrappify.model import find_model, load_model, read_card, shipped_models
from decrappify.model.fastai_import.kinds import is_checkpoint
from decrappify.movie import Array

if TYPE_CHECKING:
    from decrappify.model import Model

logger = logging.getLogger(__name__)

Progress = Callable[..., Any]
PathLike = str | os.PathLike[str]

_MORE_FILMS = frozenset({".gif", ".wmv", ".flv", ".ts", ".mts", ".m2ts", ".vob", ".ogv", ".3gp", ".mxf"})
_PUBLISHED = ("artistic", "stable", "video")


def colorize(
    source: PathLike | Array,
    output: PathLike | None = None,
    *,
    preset: str | None = None,
    model: Model | str | Path | None = None,
    render_factor: int | str | None = None,
    watermark: bool = False,
    device: str = "auto",
    precision: str = "auto",
    backend: str = "auto",
    batch_size: int | None = None,
    steady: float = 0.0,
    damaged: str = "error",
    overwrite: bool = False,
    resume: bool = True,
    progress: Progress | bool | None = None,
    cancel: threading.Event | None = None,
) -> Array | Path:
    """Color a gray photograph, a folder of them, a film or an array.

    The network predicts the chroma; the luma remains that of the original, at full resolution. The metadata of each
    output file state that the colors are from an AI, the model and its settings.

    Parameters
    ----------
    source : path or ndarray
        A PNG, JPEG, BMP or TIFF file, a folder of those, a film, or an array (Y, X) or (Y, X, 3) of uint8 or uint16.
    output : path, optional
        A .png, .jpg or .tif file for an image, a folder for a folder, a film for a film; not for an array. Without it
        an image is returned as an array.
    preset : {"artistic", "stable", "video", "own"}, optional
        Sets the default render factor, and selects a shipped model if `model` is missing. By default that of the model,
        or ``"artistic"`` without one.
    model : Model, name or path, optional
        A colorization model: a decrappify model file or published weights such as ``"ColorizeArtistic_gen.pth"``.
    render_factor : int or "auto", optional
        The network input is a square of ``16 * render_factor`` pixels: lower for more color and old, blurred images,
        higher for steadier, duller color. By default that of the preset; ``"auto"`` depends on each image's size.
    watermark : bool
        Write "AI-coloured" into the lower left corner of the images.
    device, precision, backend : str
        As for `restore`.
    batch_size : int, optional
        Images or frames per forward pass.
    steady : float
        For films, 0 (off) to less than 1: weight of the colors of earlier frames, against flicker. The colors of moving
        objects then trail by about ``steady / (1 - steady)`` frames.
    damaged : {"error", "skip", "keep"}
        For films, frames that are missing or incomplete: raise an error that lists them, leave them out, or color
        incomplete ones as decoded. The sound stays synchronous, and the comment of the result states what is missing.
        In a folder, images that cannot be read are listed in the error at the end.
    overwrite : bool
        Whether `output`, or images in that folder, may be replaced.
    resume : bool
        Whether an unfinished run of a folder or film is resumed.
    progress : callable, optional
        Such as ``tqdm.tqdm``.
    cancel : threading.Event, optional
        Set it to stop.

    Returns
    -------
    ndarray or Path
        ``(Y, X, 3)`` of the source's dtype for an array, or an image without `output`; else the path of `output`.

    Raises
    ------
    InputError
        If source, model or a setting cannot be used.
    MissingFileError, FormatError, ModelFileError
        If a file does not exist, or its content does not match its name.
    OutputExistsError, OutputError
        If the output exists and `overwrite` is False, or cannot be written.
    DeviceMemoryError
        If memory is insufficient; the message states which render factor fits.

    Examples
    --------
    >>> from decrappify.normalization import IMAGENET
    >>> from decrappify.model import Model
    >>> from decrappify.networks import create
    >>> network = create("dynamic-unet", encoder="resnet18", width_factor=0.25)
    >>> model = Model(network, IMAGENET, card={"task": "colorization", "preset": "own"})
    >>> colorize(np.zeros((30, 50), np.uint8), model=model, render_factor=4).shape
    (30, 50, 3)
    """
    if render_factor is not None:
        check_render_factor(render_factor)
    path = None if isinstance(source, np.ndarray) else Path(source)
    target = None if output is None else Path(output)
    kind = "array" if path is None else _kind(path)
    if steady and kind != "film":
        raise InputError(f"steady is {steady!r}, but only the frames of a film follow each other; leave it out")
    if check_damaged(damaged) != "error" and kind != "film":
        raise InputError(f"damaged is {damaged!r}, which is for films; leave it out")
    _check_target(kind, path, target, overwrite=overwrite)
    loaded, preset = _load(model, preset)
    colorizer = Colorizer(
        loaded, render_factor=render_factor, device=device, precision=precision, backend=backend, preset=preset
    )
    if path is None or target is None:
        coloured = colorizer(source if isinstance(source, np.ndarray) else read_photograph(Path(source)).pixels)
        return add_watermark(coloured) if watermark else coloured
    if kind == "picture":
        return colorize_still(path, target, colorizer, watermark=watermark, overwrite=overwrite)
    run: Callable[..., Path] = colorize_folder
    if kind == "film":
        from decrappify.colorization.film import colorize_film

        run = partial(colorize_film, steady=steady, damaged=damaged)
    return run(
        path, target, colorizer, watermark=watermark, batch_size=batch_size, overwrite=overwrite, resume=resume,
        progress=checked_progress(progress), cancel=cancel,
    )  # fmt: skip


def _kind(path: Path) -> str:
    """Return the kind of a path: "picture", "folder" or "film"."""
    if path.suffix.lower() in _MORE_FILMS and path.is_file():  # not movies to restore, but ffmpeg reads them
        return "film"
    found = format_of(path)
    form = "folder" if found is None else found.name
    kinds = {"picture": "picture", "TIFF": "picture", "folder": "folder", "video": "film"}
    if form not in kinds:
        raise InputError(f"{path} is {form}, which is not coloured; give a picture, a folder of pictures or a film")
    return kinds[form]


def _check_target(kind: str, path: Path | None, target: Path | None, *, overwrite: bool) -> None:
    """Raise if the output does not fit the source, before a model is loaded."""
    if path is None and target is not None:
        raise InputError("an array is coloured into an array; leave output out, or give a picture file as source")
    if kind in ("folder", "film") and target is None:
        raise InputError(f"{path} is a {kind}, whose result needs an output; give output a {kind} to write")
    if kind == "picture" and path is not None and target is not None:
        if target.is_dir():
            raise InputError(f"{target} is a folder; give a file in it, such as {target / path.name}")
        check_still_output(path, target, overwrite=overwrite)


def _load(model: Model | str | Path | None, preset: str | None) -> tuple[Model, str]:
    """Find the model, and the name of the preset to use with it."""
    if preset is not None:
        colorization_preset(preset)
    if model is None:
        return load_model(_shipped_model(preset or "artistic")), preset or "artistic"
    of_weights = preset in _PUBLISHED and isinstance(model, str | Path) and is_checkpoint(find_model(model))
    loaded = load_model(model, preset=preset if of_weights else None)
    own = own_preset(loaded)
    if preset is not None and own in _PUBLISHED and preset != own:
        logger.warning("model %r belongs to preset %r; %r only sets the render factor", loaded.name, own, preset)
    return loaded, preset or own


def _shipped_model(preset: str) -> Path:
    for path in shipped_models().values():
        card = read_card(path)["card"]
        if card.get("task") == "colorization" and card.get("preset") == preset:
            return path
    weights = colorization_preset(preset).weights
    remedy = "pass your own with model= (--model)"
    if weights:
        remedy = (
            f"download {weights} from where the README of jantic/DeOldify says, then pass model={weights!r} "
            f"(--model {weights}), or import it once: decrappify import-weights {weights} -o {preset}.safetensors"
        )
    raise MissingFileError(f"no model of preset {preset!r} comes with decrappify; {remedy}")
