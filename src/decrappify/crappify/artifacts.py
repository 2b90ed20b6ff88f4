"""Artifacts: bleaching, and the compression and text of the original image crappifier of fast.ai."""

from __future__ import annotations

import io
import math
from dataclasses import dataclass
from typing import Annotated, ClassVar, Self

import numpy as np

from decrappify._common.checks import short
from decrappify.crappify.part import AnyNumber, Limits, Number, Part, Signal, Times
from decrappify.crappify.registry import register_part
from decrappify.errors import InputError


@register_part("bleaching")
@dataclass(frozen=True, slots=True)
class Bleaching(Part):
    """Exponential decay of the fluorescence with the frame index; frame 0 of the movie keeps its brightness.

    Attributes
    ----------
    loss_per_frame : float or range
        Share of the fluorescence lost from one frame to the next.
    """

    before_sampling: ClassVar[bool] = True

    loss_per_frame: Annotated[Number, Limits(minimum=0, maximum=0.999)] = 0.01

    @classmethod
    def from_tau(cls, tau_frames: float) -> Self:
        """Create it from a decay time: the signal decays to 1/e in `tau_frames` frames."""
        if not Limits(above=0).allows(tau_frames):
            raise InputError(f"bleaching: tau_frames is {short(tau_frames)}, expected a number above 0")
        return cls(loss_per_frame=-math.expm1(-1 / tau_frames))

    def apply(self, signal: Signal, rng: np.random.Generator, times: Times) -> Signal:
        """Dim each frame."""
        left = (1 - self.value("loss_per_frame")) ** times.astype(np.float64)
        return np.asarray(signal * left.astype(np.float32)[:, None, None])


@register_part("jpeg")
@dataclass(frozen=True, slots=True)
class Jpeg(Part):
    """JPEG compression with 8 bits; the three channels of a color image are compressed together.

    Attributes
    ----------
    quality : int or range
        1 (worst) to 95, as in Pillow.
    low, high : float or range
        Signals that become gray 0 and 255; values outside are clipped.
    """

    quality: Annotated[Number, Limits(minimum=1, maximum=95, whole=True)] = 50
    low: AnyNumber = 0.0
    high: AnyNumber = 1.0

    def apply(self, signal: Signal, rng: np.random.Generator, times: Times) -> Signal:
        """Compress and decode each frame."""
        from PIL import Image

        low, span = self.value("low"), self.value("high") - self.value("low")
        if span <= 0:
            raise InputError(f"jpeg: low is {low:g} and high {low + span:g}, expected low < high")
        gray = np.rint(np.clip((signal - low) / span, 0, 1) * 255).astype(np.uint8)
        decoded = np.empty_like(signal)
        for frame, out in zip(gray, decoded, strict=True):
            buffer = io.BytesIO()
            Image.fromarray(frame).save(buffer, format="JPEG", quality=int(self.value("quality")))
            out[:] = np.asarray(Image.open(buffer))
        return np.asarray(decoded * np.float32(span / 255) + np.float32(low))

    def apply_color(self, signal: Signal, rng: np.random.Generator, times: Times) -> Signal:
        """Compress and decode each image, its chroma at half the resolution as in Pillow."""
        decoded = self.apply(np.moveaxis(signal, 1, -1), rng, times)
        return np.ascontiguousarray(np.moveaxis(decoded, -1, 1))


@register_part("text")
@dataclass(frozen=True, slots=True)
class Text(Part):
    """Random number printed on each frame, as in the crappifier of the fast.ai course (Howard 2019).

    Attributes
    ----------
    size : float or range
        Height of the letters in pixels.
    brightness : float or range
        Signal of the letters.
    """

    size: Annotated[Number, Limits(minimum=4)] = 12.0
    brightness: AnyNumber = 1.0

    def apply(self, signal: Signal, rng: np.random.Generator, times: Times) -> Signal:
        """Print a number from 10 to 70 at a random position in the upper left quarter."""
        covered = self._covered(signal.shape, rng)
        return np.asarray(signal + covered * (np.float32(self.value("brightness")) - signal))

    def apply_color(self, signal: Signal, rng: np.random.Generator, times: Times) -> Signal:
        """Print the number in gray, equal in all channels."""
        covered = self._covered((len(signal), *signal.shape[2:]), rng)[:, None]
        return np.asarray(signal + covered * (np.float32(self.value("brightness")) - signal))

    def _covered(self, shape: tuple[int, ...], rng: np.random.Generator) -> Signal:
        """Compute the fraction of each pixel (T, Y, X) covered by print, 0 to 1."""
        from PIL import Image, ImageDraw, ImageFont

        font = ImageFont.load_default(self.value("size"))
        _, rows, columns = shape
        covered = np.empty(shape, np.float32)
        for frame in covered:
            page = Image.new("L", (columns, rows))
            x, y = int(rng.integers(columns // 2 + 1)), int(rng.integers(rows // 2 + 1))
            ImageDraw.Draw(page).text((x, y), str(rng.integers(10, 71)), fill=255, font=font)
            frame[:] = np.asarray(page, np.float32) / 255
        return covered
