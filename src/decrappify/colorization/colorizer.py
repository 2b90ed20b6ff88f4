"""Colorizer: prediction of the chroma of gray squares with the network, and its merging with the images."""

from __future__ import annotations

import logging
import math
import sys
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from decrappify._common.argument_names import setting
from decrappify._common.counting import counted
from decrappify._version import RELEASE
from decrappify.colorization.chroma import gray_of, merge_luma, merging_bytes
from decrappify.colorization.presets import (
    RENDER_FACTORS,
    SQUARE,
    automatic_render_factor,
    check_render_factor,
    preset_of,
)
from decrappify.errors import DeviceMemoryError, InputError
from decrappify.inference.memory import free_memory
from decrappify.inference.network import InferenceNetwork
from decrappify.inference.options import InferenceOptions
from decrappify.limits.memory import check_memory, in_units
from decrappify.limits.reached import is_out_of_memory
from decrappify.movie import Array
from decrappify.movie.casting import as_uint8
from decrappify.normalization import ChannelStatistics

if TYPE_CHECKING:
    from decrappify.model import Model

logger = logging.getLogger(__name__)

_SHARE_OF_FREE_MEMORY = 0.5
# Lower than for restoration: only the chroma of the prediction is used, in 8 bits. At 47 dB (the fixed weights of the
# parity tests) bfloat16 changes the result by 0.4 gray levels on average, at 61 dB (a trained colorizer) by 0.3.
_MIN_AGREEMENT_DB = 40.0
STATEMENT = "AI-colorized"
FORMER_STATEMENT = "AI-coloured"  # of 0.1.0: in its images, and in the records of its unfinished films


class Colorizer:
    """Coloring of images with a colorization model, as in DeOldify.

    An image is resized to a square of ``16 * render_factor`` pixels and converted to gray for the network. The chroma
    of the prediction, resized back, is merged with the luma of the original at its full resolution.

    Parameters
    ----------
    model : Model
        A colorization model: card task ``"colorization"``, 3 channels in and out. Its network is copied.
    render_factor : int or "auto", optional
        By default that of the preset, and for preset ``"own"`` that of the training of the model. ``"auto"`` selects
        one per image, see `automatic_render_factor`, limited to half of the memory that is free at the start, and
        reduces it if memory runs out.
    inference : InferenceOptions
        Device, precision and backend.
    preset : str, optional
        Sets default and range of the render factor; by default the preset of the model.

    Attributes
    ----------
    render_factor : int or "auto"
        As passed, or that of the preset; the factor of a result is the side of its square / 16.
    preset : ColorizationPreset
        The preset in use.

    Raises
    ------
    InputError
        If the model is not a colorization model, or a setting is unknown.

    Examples
    --------
    >>> from decrappify.normalization import IMAGENET
    >>> from decrappify.model import Model
    >>> from decrappify.networks import create
    >>> network = create("dynamic-unet", encoder="resnet18", width_factor=0.25)
    >>> model = Model(network, IMAGENET, card={"task": "colorization", "preset": "own"})
    >>> colorizer = Colorizer(model, render_factor=4)
    >>> colorizer(np.zeros((30, 50), np.uint8)).shape
    (30, 50, 3)
    """

    def __init__(
        self,
        model: Model,
        *,
        render_factor: int | str | None = None,
        inference: InferenceOptions = InferenceOptions(),
        preset: str | None = None,
    ) -> None:
        statistics = _statistics(model)
        self.preset = preset_of(model.card, preset)
        self.render_factor = check_render_factor(self.preset.render_factor if render_factor is None else render_factor)
        self.network = InferenceNetwork(
            model.network,
            device=inference.device,
            precision=inference.precision,
            min_agreement_db=_MIN_AGREEMENT_DB,
            as_source=partial(_as_photograph, statistics=statistics),
            backend=inference.backend,
        )
        self.identity = f"{STATEMENT} by decrappify {RELEASE}, preset {self.preset.name}, model {model.name}"
        self.identity += f" (sha256 {model.sha256})"
        if model.fidelity is not None:
            self.identity += f", fidelity {model.fidelity:g}"
        self._mean, self._std = (
            torch.tensor(values, device=self.network.device).view(1, 3, 1, 1)
            for values in (statistics.mean, statistics.std)
        )
        self._largest = self._largest_that_fits()
        self._together = sys.maxsize  # images per forward pass

    def __call__(self, image: Array) -> Array:
        """Color one image: (Y, X) or (Y, X, 3), uint8 or uint16, to (Y, X, 3) of the same dtype."""
        rgb = as_rgb(image)
        return self.finish(rgb, self.color_of([rgb])[0])

    def color_of(self, images: Sequence[Array]) -> list[Array]:
        """Predict the colors of images.

        Parameters
        ----------
        images : sequence of ndarray of uint8 or uint16, (Y, X, 3)
            Images of any sizes; predicted in one forward pass if memory allows.

        Returns
        -------
        list of ndarray of uint8, (16 * render_factor, 16 * render_factor, 3)
            Resized and colored images, for `finish`.

        Raises
        ------
        DeviceMemoryError
            If memory runs out, and `render_factor` is not ``"auto"``.
        """
        for image in images:
            check_memory(
                merging_bytes(image),
                f"coloring an image of {image.shape[0]} x {image.shape[1]} pixels",
                "scale it down first, or use a computer or container with more memory",
            )
        factors = [self.render_factor_for(image.shape[:2]) for image in images]
        squares: dict[int, Array] = {}
        for factor in set(factors):
            members = [index for index, other in enumerate(factors) if other == factor]
            squares |= zip(members, self._color([images[index] for index in members], factor), strict=True)
        return [squares[index] for index in range(len(images))]

    def finish(self, image: Array, square: Array) -> Array:
        """Merge the luma of an image, (Y, X, 3) uint8 or uint16, with the chroma of its square of `color_of`."""
        return merge_luma(image, _resized(square, image.shape[:2]))

    def render_factor_for(self, frame_shape: tuple[int, ...]) -> int:
        """Return the render factor for an image of (Y, X) pixels."""
        if isinstance(self.render_factor, int):
            return self.render_factor
        return min(automatic_render_factor((frame_shape[0], frame_shape[1]), self.preset), self._largest)

    def statement(self, render_factor: int) -> str:
        """Return one line for the metadata of a result: that it was colored, the model and the settings.

        Parameters
        ----------
        render_factor : int
            The factor used: ``len(square) // 16``.
        """
        return f"{self.identity}, render_factor {render_factor}"

    def _color(self, images: Sequence[Array], factor: int) -> list[Array]:
        squares: list[Array] = []
        while len(squares) < len(images):
            group = images[len(squares) : len(squares) + self._together]
            if not isinstance(self.render_factor, int):
                factor = min(factor, self._largest)  # may have been reduced since
            try:
                self._check_memory(len(group), factor)
                squares += self._color_once(group, factor)
                continue
            except (MemoryError, RuntimeError, OSError) as error:
                if not is_out_of_memory(error):
                    raise
                reason = error.with_traceback(None)  # its frames would keep the tensors in memory
            self._use_less_memory(len(group), factor, reason)
        return squares

    def _use_less_memory(self, together: int, factor: int, reason: BaseException) -> None:
        """Reduce the images per forward pass, or else the size of the squares, if allowed."""
        device = self.network.device
        if device.type == "cuda":
            torch.cuda.empty_cache()
        if together > 1:
            self._together = together // 2
            logger.info("out of memory on %s with %d images at once, now %d", device, together, self._together)
            return
        if isinstance(self.render_factor, int) or factor == RENDER_FACTORS.start:
            raise DeviceMemoryError(
                self._shortage(factor), advice=self._advice(factor), option="render_factor"
            ) from reason
        self._largest = max(RENDER_FACTORS.start, 3 * factor // 4)
        logger.warning(
            "out of memory on %s with %s, now at most %d", device, setting("render_factor", factor), self._largest
        )

    @torch.inference_mode()
    def _color_once(self, images: Sequence[Array], factor: int) -> list[Array]:
        side = SQUARE * factor
        grays = np.stack([gray_of(_resized(as_uint8(image), (side, side))) for image in images])
        unit = torch.from_numpy(grays).to(self.network.device)[:, None].float() / 255
        prediction: Tensor = self.network((unit - self._mean) / self._std)
        if not torch.isfinite(prediction).all():  # NaN would be written as black
            raise InputError(
                f"{self.identity} predicted NaN or infinity from an image",
                advice=f"use {setting('precision', 'float32')}, or another model",
                option="precision",
            )
        levels = (prediction * self._std + self._mean).clamp(0, 1) * 255
        return list(levels.to(torch.uint8).permute(0, 2, 3, 1).contiguous().cpu().numpy())

    def _check_memory(self, together: int, factor: int) -> None:
        """Raise MemoryError before the operating system would kill the process for lack of main memory."""
        device = self.network.device
        if device.type != "cuda" and together * self._needed(factor) > free_memory(device):
            raise MemoryError("not enough memory")

    def _needed(self, factor: int) -> float:
        """Bytes that the network needs for one square."""
        return self.network.bytes_per_pixel * (SQUARE * factor) ** 2

    def _largest_that_fits(self) -> int:
        pixels = _SHARE_OF_FREE_MEMORY * free_memory(self.network.device) / self.network.bytes_per_pixel
        return min(max(math.isqrt(int(pixels)) // SQUARE, RENDER_FACTORS.start), RENDER_FACTORS.stop - 1)

    def _shortage(self, factor: int) -> str:
        device, needed = self.network.device, in_units(self._needed(factor))
        free = in_units(free_memory(device))
        return f"not enough memory on {device} for {setting('render_factor', factor)}: needs {needed}, {free} are free"

    def _advice(self, factor: int) -> str:
        fits = min(self._largest_that_fits(), 3 * factor // 4)
        device = self.network.device
        ways = "a computer or container with more memory"
        if device.type != "cpu":
            ways = f"another device, such as {setting('device', 'cpu')}"
        if fits >= RENDER_FACTORS.start and self._needed(fits) <= free_memory(device):
            ways = f"{setting('render_factor', fits)} or 'auto', or {ways}"
        return f"choose {ways}"


def _statistics(model: Model) -> ChannelStatistics:
    """Return the normalization of a colorization model; raise InputError for other models."""
    task = model.card.get("task")
    if task != "colorization":
        raise InputError(
            f"model {model.name!r} is for {task or 'restoration'}, not colorization; choose a colorization model, such "
            "as one imported from ColorizeArtistic_gen.pth"
        )
    sizes = (model.n_frames, model.in_channels, int(model.network.out_channels), model.scale)
    if sizes != (1, 3, 3, 1):
        raise InputError(
            f"model {model.name!r} takes {counted(sizes[0], 'frame')} of {counted(sizes[1], 'channel')} and "
            f"returns {sizes[2]} at scale {sizes[3]}; expected 1 frame, 3 channels in and out, and scale 1"
        )
    if not isinstance(model.normalization, ChannelStatistics) or len(model.normalization.mean) != 3:
        raise InputError(
            f"model {model.name!r} is normalized by {model.normalization}, expected ChannelStatistics of "
            "red, green and blue, such as decrappify.normalization.IMAGENET"
        )
    return model.normalization


def _as_photograph(source: Tensor, statistics: ChannelStatistics) -> Tensor:
    """Convert a simulated source to a normalized gray photograph: three equal channels between 0 and 1."""
    mean, std = (source.new_tensor(values).view(1, 3, 1, 1) for values in (statistics.mean, statistics.std))
    return (source[:, :1].clamp(0, 1) - mean) / std


def as_rgb(image: Array) -> Array:
    """Convert (Y, X) or (Y, X, 3), uint8 or uint16, to (Y, X, 3); gray becomes three equal channels.

    Raises
    ------
    InputError
        For other shapes or dtypes, and for images without pixels.
    """
    shaped = image.ndim == 2 or (image.ndim == 3 and image.shape[2] == 3)
    if not shaped or image.size == 0 or image.dtype not in (np.uint8, np.uint16):
        raise InputError(
            f"image of shape {image.shape} {image.dtype} cannot be colorized, expected (Y, X) or (Y, X, 3), "
            "uint8 or uint16"
        )
    return np.repeat(image[..., None], 3, axis=2) if image.ndim == 2 else image


def _resized(image: Array, frame_shape: tuple[int, ...]) -> Array:
    from PIL import Image

    size = (frame_shape[1], frame_shape[0])
    return np.asarray(Image.fromarray(image).resize(size, Image.Resampling.BILINEAR))
