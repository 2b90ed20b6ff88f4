"""Colorization of an image, a folder of images, a film or an array."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from decrappify._common.argument_names import setting
from decrappify._common.arguments import moved_arguments, moved_into
from decrappify._common.checks import check_instance
from decrappify._common.progress import Cancel, Progress, checked_progress
from decrappify.colorization.colorizer import Colorizer
from decrappify.colorization.options import ColorizationOptions
from decrappify.colorization.presets import check_render_factor, colorization_preset, own_preset
from decrappify.colorization.stills import check_still_output, colorize_folder, colorize_still
from decrappify.colorization.watermark import add_watermark
from decrappify.errors import InputError, MissingFileError
from decrappify.inference.options import InferenceOptions
from decrappify.io.images.photographs import read_photograph
from decrappify.io.recognition.file_format import format_of
from decrappify.model import find_model, load_model, read_card, shipped_models
from decrappify.model.fastai_import.kinds import is_checkpoint
from decrappify.movie import Array

if TYPE_CHECKING:
    from decrappify.batch import Row, Source, Summary
    from decrappify.model import Model

logger = logging.getLogger(__name__)

PathLike = str | os.PathLike[str]

_MORE_FILMS = frozenset({".gif", ".wmv", ".flv", ".ts", ".mts", ".m2ts", ".vob", ".ogv", ".3gp", ".mxf"})
_PUBLISHED = ("artistic", "stable", "video")
_MOVED = moved_into("options=ColorizationOptions", "preset", "watermark", "steady", "damaged", "fidelity") | moved_into(
    "inference=InferenceOptions", "device", "precision", "backend", "batch_size"
)


@moved_arguments(_MOVED)
def colorize(
    source: PathLike | Array,
    output: PathLike | None = None,
    *,
    model: Model | str | Path | None = None,
    render_factor: int | str | None = None,
    options: ColorizationOptions = ColorizationOptions(),
    inference: InferenceOptions = InferenceOptions(),
    overwrite: bool = False,
    resume: bool = True,
    progress: Progress | bool | None = None,
    cancel: Cancel | None = None,
) -> Array | Path:
    """Color a gray photograph, a folder of them, a film or an array.

    The network predicts the chroma; the luma remains that of the original, at full resolution. The metadata of each
    output file state that the colors were predicted by AI, and the model and its settings.

    Parameters
    ----------
    source : path or ndarray
        A PNG, JPEG, BMP or TIFF file, a folder of those, a film, or an array (Y, X) or (Y, X, 3) of uint8 or uint16.
    output : path, optional
        A .png, .jpg or .tif file for an image, a folder for a folder, a film for a film; not allowed for an array.
        Without it an image is returned as an array.
    model : Model, name or path, optional
        A colorization model: a decrappify model file or published weights such as ``"ColorizeArtistic_gen.pth"``. None
        is shipped; without it the error states where to download weights.
    render_factor : int or "auto", optional
        The network input is a square of ``16 * render_factor`` pixels: lower for more color and old, blurred images,
        higher for steadier, duller color. By default that of the preset, or of the training of an own model; ``"auto"``
        depends on each image's size.
    options : ColorizationOptions
        Preset, watermark, fidelity, and the handling of films.
    inference : InferenceOptions
        Device, precision, backend and batch size.
    overwrite : bool
        Whether `output`, or images in that folder, may be replaced.
    resume : bool
        Whether an unfinished run of a folder or film is resumed.
    progress : bool or callable, optional
        As for `restore`.
    cancel : threading.Event, optional
        When set, the run of a folder or film stops within one batch; finished results are kept.

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
    Cancelled
        If `cancel` was set.

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
    check_instance(InferenceOptions, inference=inference)
    check_instance(ColorizationOptions, options=options)
    if render_factor is not None:
        check_render_factor(render_factor)
    path = None if isinstance(source, np.ndarray) else Path(source)
    target = None if output is None else Path(output)
    kind = "array" if path is None else _kind(path)
    _check_film_options(options, kind)
    inference.check_unused("tile_size", "tile_overlap", by="colorize")
    _check_target(kind, path, target, overwrite=overwrite)
    loaded, preset = _load(model, options.preset)
    if options.fidelity is not None:
        loaded = loaded.with_fidelity(options.fidelity)
    colorizer = Colorizer(loaded, render_factor=render_factor, inference=inference, preset=preset)
    if path is None or target is None:
        colorized = colorizer(source if isinstance(source, np.ndarray) else read_photograph(Path(source)).pixels)
        return add_watermark(colorized) if options.watermark else colorized
    return _colorize_file(
        path, target, kind, colorizer, options, batch_size=inference.batch_size, overwrite=overwrite, resume=resume,
        progress=checked_progress(progress), cancel=cancel,
    )  # fmt: skip


def colorize_many(
    sources: Sequence[Source],
    output_dir: PathLike,
    *,
    model: Model | str | Path | None = None,
    render_factor: int | str | None = None,
    options: ColorizationOptions = ColorizationOptions(),
    inference: InferenceOptions = InferenceOptions(),
    overwrite: bool = False,
    resume: bool = True,
    progress: Progress | bool | None = None,
    cancel: Cancel | None = None,
    on_row: Callable[[Row], Any] = bool,
) -> Summary:
    """Color photographs and films into one folder, under their names; an error of one does not stop the others.

    Finished outputs of the same file, model and settings are skipped. BMP files are written as PNG, films that are not
    mp4, mkv or mov as mp4. The model is loaded once.

    Parameters
    ----------
    sources : sequence of Source
        As returned by `decrappify.batch.find_sources`.
    output_dir : path
        Folder of the outputs.
    model, render_factor, options, inference, overwrite, resume, progress, cancel
        As for `colorize`.
    on_row : callable
        Called with the `Row` of each output.

    Returns
    -------
    Summary
        One row per output.
    """
    from decrappify.batch import write_each

    if render_factor is not None:
        check_render_factor(render_factor)
    loaded, preset = _load(model, options.preset)
    if options.fidelity is not None:
        loaded = loaded.with_fidelity(options.fidelity)
    colorizer = Colorizer(loaded, render_factor=render_factor, inference=inference, preset=preset)
    bars = checked_progress(progress)

    def work(path: Path, target: Path) -> None:
        kind = _kind(path)
        _check_film_options(options, kind)
        _check_target(kind, path, target, overwrite=overwrite)
        _colorize_file(
            path, target, kind, colorizer, options, batch_size=inference.batch_size, overwrite=overwrite,
            resume=resume, progress=bars, cancel=cancel,
        )  # fmt: skip

    settings = {"colorizer": colorizer.identity, "render_factor": colorizer.render_factor, "options": str(options)}
    outputs = [Path(source.folder) / _output_name(source.path) for source in sources]
    return write_each(
        sources, outputs, work, folder=Path(output_dir), settings=settings, overwrite=overwrite, on_row=on_row,
        cancel=cancel,
    )  # fmt: skip


def _output_name(path: Path) -> str:
    suffix = path.suffix.lower()
    if suffix == ".bmp":
        return path.with_suffix(".png").name
    is_film = suffix in _MORE_FILMS or suffix in (".avi", ".webm", ".m4v", ".mpg", ".mpeg")
    return path.with_suffix(".mp4").name if is_film else path.name


def _colorize_file(
    path: Path,
    target: Path,
    kind: str,
    colorizer: Colorizer,
    options: ColorizationOptions,
    *,
    overwrite: bool,
    **settings: Any,
) -> Path:
    if kind == "image":
        return colorize_still(path, target, colorizer, watermark=options.watermark, overwrite=overwrite)
    run: Callable[..., Path] = partial(colorize_folder, watermark=options.watermark)
    if kind == "film":
        from decrappify.colorization.film import colorize_film

        run = partial(colorize_film, options=options)
    return run(path, target, colorizer, overwrite=overwrite, **settings)


def _check_film_options(options: ColorizationOptions, kind: str) -> None:
    """Raise InputError if an option for films is set and the source is not a film."""
    if options.steady and kind != "film":
        raise InputError(f"{setting('steady', options.steady)} is for films, and the source is not a film; omit it")
    if options.damaged != "error" and kind != "film":
        raise InputError(f"{setting('damaged', options.damaged)} is for films, and the source is not a film; omit it")


def _kind(path: Path) -> str:
    """Return the kind of a path: "image", "folder" or "film"."""
    if path.suffix.lower() in _MORE_FILMS and path.is_file():  # not movies to restore, but ffmpeg reads them
        return "film"
    found = format_of(path)
    form = "folder" if found is None else found.name
    kinds = {"still image": "image", "TIFF": "image", "folder": "folder", "video": "film"}
    if form not in kinds:
        raise InputError(f"cannot colorize {path} ({form}); pass an image, a folder of images or a film")
    return kinds[form]


def _check_target(kind: str, path: Path | None, target: Path | None, *, overwrite: bool) -> None:
    """Raise an error if the output does not fit the source; called before the model is loaded."""
    if path is None and target is not None:
        raise InputError("the result for an array is an array; omit output, or pass an image file as source")
    if kind in ("folder", "film") and target is None:
        raise InputError(f"{path} is a {kind}, which needs an output; pass the path of the {kind} to write")
    if kind == "image" and path is not None and target is not None:
        if target.is_dir():
            raise InputError(f"{target} is a folder; pass a file in it, such as {target / path.name}")
        check_still_output(path, target, overwrite=overwrite)


def _load(model: Model | str | Path | None, preset: str | None) -> tuple[Model, str]:
    """Load the model and return it with the name of its preset."""
    if model is None:
        return load_model(_shipped_model(preset or "artistic")), preset or "artistic"
    of_weights = preset in _PUBLISHED and isinstance(model, str | Path) and is_checkpoint(find_model(model))
    loaded = load_model(model, preset=preset if of_weights else None)
    own = own_preset(loaded.card)
    if preset is not None and own in _PUBLISHED and preset != own:
        logger.warning("model %r belongs to preset %r; %r only sets the render factor", loaded.name, own, preset)
    return loaded, preset or own


def _shipped_model(preset: str) -> Path:
    for path in shipped_models().values():
        card = read_card(path)["card"]
        if card.get("task") == "colorization" and card.get("preset") == preset:
            return path
    weights = colorization_preset(preset).weights
    remedy = f"pass one with {setting('model', 'FILE')}"
    if weights:
        remedy = (
            f"download {weights} from the links in the README of jantic/DeOldify, then pass "
            f"{setting('model', weights)}, or import it once: decrappify import-weights {weights} -o "
            f"{preset}.safetensors"
        )
    raise MissingFileError(f"no model of preset {preset!r} is shipped; {remedy}")
