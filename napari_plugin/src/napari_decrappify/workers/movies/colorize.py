"""Jobs of the Colorize widget: colorize the planes of a layer, and import published weights."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from decrappify import Movie, load_model
from decrappify.errors import InputError
from napari_decrappify.layers.image import LayerImage
from napari_decrappify.workers.running.task import Task

_LARGEST_RESULT = 2 * 2**30  # bytes; the command line writes longer films to disk during the run


@dataclass(frozen=True, kw_only=True)
class ColorizeSettings:
    """Values of the widget at the time of the click.

    Attributes
    ----------
    image : LayerImage
        Gray or RGB.
    model : Path or str
        A colorization model.
    render_factor : int or "auto"
        As for `decrappify.colorize`.
    device : str
        As for `decrappify.colorize`.
    watermark : bool
        Write "AI-colorized" into the images.
    planes : tuple of (int, int)
        Indices (t, z) of the planes to colorize; t varies slowest.
    channel : int
        Channel of a gray layer with several channels.
    fidelity : float or None
        As for `decrappify.ColorizationOptions`.
    """

    image: LayerImage
    model: Path | str
    render_factor: int | str
    device: str
    watermark: bool
    planes: tuple[tuple[int, int], ...]
    channel: int = 0
    fidelity: float | None = None


@dataclass(frozen=True)
class Colorized:
    """Colorized images (n, Y, X, 3) of uint8, one for each of the first n planes, and their statement."""

    settings: ColorizeSettings
    images: NDArray[np.uint8]
    statement: str

    @property
    def is_complete(self) -> bool:
        """Return whether every plane was colorized."""
        return len(self.images) == len(self.settings.planes)


def colorize_layer(settings: ColorizeSettings, task: Task) -> Colorized:
    """Colorize plane by plane; a cancelled run returns the finished images."""
    from decrappify import InferenceOptions
    from decrappify.colorization import Colorizer

    sizes = settings.image.sizes
    needed = len(settings.planes) * sizes["Y"] * sizes["X"] * 3
    if needed > _LARGEST_RESULT:
        raise InputError(
            f"{len(settings.planes)} colorized images need {needed / 2**30:.1f} GB, the limit of a layer is "
            f"{_LARGEST_RESULT / 2**30:.0f} GB; colorize single frames here, and whole films with decrappify colorize"
        )
    task.report("loading the model …")
    inference = InferenceOptions(device=settings.device)
    model = load_model(settings.model)
    if settings.fidelity is not None:
        model = model.with_fidelity(settings.fidelity)
    colorizer = Colorizer(model, render_factor=settings.render_factor, inference=inference)
    bar = task.progress(total=len(settings.planes), desc="colorizing", unit="image")
    images: list[NDArray[np.uint8]] = []
    factor = 0
    with closing(settings.image.movie()) as movie:
        for t, z in settings.planes:
            if task.cancel.is_set():
                break
            image = as_8_bit(movie, settings, t, z)
            (square,) = colorizer.color_of([image])
            factor = len(square) // 16
            images.append(_marked(colorizer.finish(image, square), is_wanted=settings.watermark))
            bar.update()
    if not images:
        task.check_cancel()
    return Colorized(settings, np.stack(images), colorizer.statement(factor))


def as_8_bit(movie: Movie, settings: ColorizeSettings, t: int, z: int) -> NDArray[np.uint8]:
    """Convert one plane to an 8-bit image (Y, X, 3), as displayed on the canvas.

    8-bit pixels are not changed. Other gray levels are scaled by the contrast limits of the layer, other RGB values by
    the limits of their dtype (float: 0 to 1).
    """
    if settings.image.is_rgb:
        levels = np.stack([movie.frame(t, channel, z) for channel in range(3)], axis=-1)
        low, high = 0.0, 1.0 if levels.dtype.kind == "f" else float(np.iinfo(levels.dtype).max)
    else:
        levels = np.repeat(movie.frame(t, settings.channel, z)[..., None], 3, axis=-1)
        low, high = (float(end) for end in settings.image.attributes.get("contrast_limits") or (0, 255))
    if levels.dtype == np.uint8:
        return levels
    shares = (levels.astype(np.float32) - low) / max(high - low, 1e-12)
    image: NDArray[np.uint8] = np.rint(np.clip(np.nan_to_num(shares), 0, 1) * 255).astype(np.uint8)
    return image


def import_weights(path: Path, task: Task) -> Path:
    """Convert published weights to a model file next to them; an existing file is used."""
    target = path.with_suffix(".safetensors")
    if not target.exists():
        task.report(f"importing {path.name} …")
        load_model(path).save(target)
    return target


def _marked(image: NDArray[Any], *, is_wanted: bool) -> NDArray[np.uint8]:
    if not is_wanted:
        return image
    from decrappify.colorization import add_watermark

    return np.asarray(add_watermark(image))
