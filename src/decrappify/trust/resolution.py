"""Confirmed resolution: the finest detail of a restored half of the photons that the other half contains."""

from __future__ import annotations

import math
from dataclasses import dataclass

from decrappify.metrics.resolution import BETWEEN_HALVES, cross_frc, frc
from decrappify.movie import Array

_FINEST = 2.0  # period in pixels; the pixels limit the resolution
_COARSEST = 4  # rings from which a correlation is not significant


@dataclass(frozen=True, slots=True)
class ConfirmedResolution:
    """Confirmed resolution of one channel.

    Attributes
    ----------
    channel : str
        Name of the channel.
    px : float
        Period in pixels up to which the restored half correlates with the raw other half; infinite if it does not.
    raw_px : float
        The same of the raw half without restoration.
    pixel_size_um : float or None
        Larger pixel size of Y and X; None if it is not known.
    n_planes : int
        Planes that were compared.
    """

    channel: str
    px: float
    raw_px: float
    pixel_size_um: float | None
    n_planes: int

    @property
    def um(self) -> float | None:
        """Period in micrometers; None if the pixel size is not known."""
        return None if self.pixel_size_um is None else self.px * self.pixel_size_um

    def text(self) -> str:
        """Return the resolution in pixels and micrometers.

        >>> ConfirmedResolution("GFP", 3.456, math.inf, 0.1, 16).text()
        '3.5 px (0.35 µm)'
        >>> ConfirmedResolution("GFP", math.inf, math.inf, 0.1, 16).text()
        'not resolvable'
        """
        return resolution_text(self.px, self.pixel_size_um)

    def raw_text(self) -> str:
        """Return the resolution of the raw half as `text` does."""
        return resolution_text(self.raw_px, self.pixel_size_um)


def resolution_text(px: float, pixel_size_um: float | None) -> str:
    """Return a period in pixels, and in micrometers if the pixel size is known.

    >>> resolution_text(2.0, None), resolution_text(4.0, 0.065)
    ('2 px or finer', '4.0 px (0.26 µm)')
    """
    if math.isinf(px):
        return "not resolvable"
    if px <= _FINEST:
        size = "" if pixel_size_um is None else f" ({_FINEST * pixel_size_um:.2g} µm)"
        return f"2 px{size} or finer"
    return f"{px:.1f} px" if pixel_size_um is None else f"{px:.1f} px ({px * pixel_size_um:.2g} µm)"


def confirmed_resolution_of(
    restored_half: Array, first: Array, second: Array, *, channel: str, pixel_size_um: float | None
) -> ConfirmedResolution:
    """Compare the restoration of the first half of the photons with the raw second half, all (T, Y, X).

    A period above a quarter of the frame is not resolvable: the few coarsest rings correlate by chance.
    """
    px = cross_frc(restored_half, second).resolution_px(BETWEEN_HALVES)
    raw_px = frc(first, second).resolution_px(BETWEEN_HALVES)
    longest = min(second.shape[1:]) / _COARSEST
    px, raw_px = (each if each <= longest else math.inf for each in (px, raw_px))
    return ConfirmedResolution(channel, px, raw_px, pixel_size_um, len(second))
