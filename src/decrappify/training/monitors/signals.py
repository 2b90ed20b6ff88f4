"""Spectral signals of a GAN phase: pure functions of restored and reference images, (N, C, H, W).

Every channel is a gray image and powers are summed over channels, so the one channel of microscopy and the three
channels of ImageNet-normalized color are treated equally. Frequencies are in cycles per pixel.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from decrappify.errors import InputError

BANDS = ((0.05, 0.125), (0.125, 0.25), (0.25, 0.45))  # cycles per pixel
LEAST_SIZE = 32  # below it, the lowest band contains at most one ring

_NEIGHBORHOOD = 0.06  # cycles per pixel around the radius of a grid line, but at least ...
_LEAST_BINS = 4.5  # ... this number of bins, so that the corner of a small spectrum has neighbors
_FAINT = 4e-3  # of the data range: one gray level of an 8-bit display
_LOBE = 2  # width of a line in bins under a Hann window


@dataclass(frozen=True, slots=True, eq=False)
class SpectralSums:
    """Power and cross spectra, summed over images and channels; add those of several batches with ``+``.

    Attributes
    ----------
    restored, reference : Tensor
        (H, W) float64 power, in squared gray levels: white noise of variance v has the power v at every frequency.
    cross : Tensor
        (H, W) complex128, restored times the conjugate of the reference.
    n : int
        Gray images (images times channels) in the sums.
    """

    restored: Tensor
    reference: Tensor
    cross: Tensor
    n: int

    def __add__(self, other: SpectralSums) -> SpectralSums:
        return SpectralSums(
            self.restored + other.restored, self.reference + other.reference, self.cross + other.cross, self.n + other.n
        )


def spectra(images: Tensor) -> Tensor:
    """Compute the Fourier transform of images without their mean, under a Hann window.

    Parameters
    ----------
    images : Tensor
        (..., H, W), at least 32 x 32.

    Returns
    -------
    Tensor
        (..., H, W) complex128, scaled so that the expected squared magnitude of white noise is its variance.
    """
    height, width = images.shape[-2:]
    if min(height, width) < LEAST_SIZE:
        raise InputError(f"images of {height} x {width} pixels are too small for spectra, expected {LEAST_SIZE} x 32")
    window = torch.outer(*(torch.hann_window(side, dtype=torch.float64) for side in (height, width)))
    images = images.double()
    mean = (images * window).sum((-2, -1), keepdim=True) / window.sum()
    transform: Tensor = torch.fft.fft2((images - mean) * window)
    return transform / window.square().sum().sqrt()


def spectral_sums(restored: Tensor, reference: Tensor) -> SpectralSums:
    """Sum the spectra of a batch, (N, C, H, W) each, on the CPU."""
    if restored.shape != reference.shape:
        raise InputError(
            f"restored images are {tuple(restored.shape)}, expected {tuple(reference.shape)} like the reference"
        )
    height, width = reference.shape[-2:]
    r, g = (spectra(images).reshape(-1, height, width) for images in (restored, reference))
    return SpectralSums(r.abs().square().sum(0), g.abs().square().sum(0), (r * g.conj()).sum(0), len(r))


def band_power(sums: SpectralSums) -> tuple[float, float, float]:
    """Compute the power of the restored relative to the reference images in three bands, dB.

    0.05-0.125, 0.125-0.25 and 0.25-0.45 cycles per pixel. Below 0 the images are too smooth, above 0 they have more
    texture than the reference. NaN in a band in which the reference has no power.

    >>> noise = torch.randn(4, 1, 64, 64, generator=torch.Generator().manual_seed(0))
    >>> [round(level, 2) for level in band_power(spectral_sums(0.5 * noise, noise))]
    [-6.02, -6.02, -6.02]
    """
    radius = _radius(sums.reference)
    inside = [(radius >= low) & (radius < high) for low, high in BANDS]
    levels = [_decibel(sums.restored[band].sum(), sums.reference[band].sum()) for band in inside]
    return levels[0], levels[1], levels[2]


def grid_lines(sums: SpectralSums, *, data_range: float = 1.0) -> Tensor:
    """Compute the power of each line of a 2- or 4-pixel grid, over the median power around its radius.

    Upsampling causes patterns that repeat every 2 or 4 pixels: lines at multiples of 1/4 cycle per pixel along the
    axes, and at their crossings. Each is about 1 in a textured image without a grid. Surroundings are replaced by the
    line of a grid with an amplitude of 0.4 % of `data_range`, one gray level of an 8-bit display, if they are weaker:
    in a smooth image without noise, an invisible grid would otherwise exceed its surroundings a hundredfold.

    Returns
    -------
    Tensor
        (15,) float64.

    >>> flat, checks = torch.zeros(1, 1, 64, 64), torch.zeros(1, 1, 64, 64)
    >>> checks[..., ::2, ::2] = checks[..., 1::2, 1::2] = 0.1
    >>> float(grid_lines(spectral_sums(flat, flat)).max()), int((grid_lines(spectral_sums(checks, flat)) > 1).sum())
    (0.0, 1)
    """
    power = sums.restored / sums.n
    height, width = power.shape
    radius = _radius(power)
    rows, columns = ([round(side * k / 4) % side for k in range(4)] for side in (height, width))
    crossings = [(row, column) for row in rows for column in columns]
    plain = torch.ones_like(power, dtype=torch.bool)
    near = torch.arange(-_LOBE, _LOBE + 1)
    for row, column in crossings:
        plain[torch.meshgrid((row + near) % height, (column + near) % width, indexing="ij")] = False
    floor = (_FAINT * data_range) ** 2 * _line_gain(height) * _line_gain(width)
    width_of_ring = max(_NEIGHBORHOOD, _LEAST_BINS / min(height, width))
    lines = []
    for row, column in crossings[1:]:  # all except the mean
        around = power[plain & ((radius - radius[row, column]).abs() < width_of_ring)]
        lines.append(power[row, column] / around.median().clamp_min(floor))
    return torch.stack(lines)


def _line_gain(side: int) -> float:
    """Compute the power of a line of unit amplitude in `spectra`, along one axis."""
    window = torch.hann_window(side, dtype=torch.float64)
    return float(window.sum() ** 2 / window.square().sum())


def coherent_split(sums: SpectralSums) -> tuple[float, float]:
    """Split the power of the restored images into the parts that the reference confirms and does not confirm.

    In every ring of frequencies, a share gamma² = |sum R G*|² / (sum |R|² sum |G|²) of the power is correlated with the
    reference, amplified or not; the rest is noise, artifact or hallucination. A smooth but faithful image has little of
    both.

    Returns
    -------
    confirmed, invented : float
        Variances (squared gray levels); their sum is the variance of the restored images.

    >>> image, noise = torch.randn(2, 8, 1, 64, 64, generator=torch.Generator().manual_seed(0))
    >>> [round(part, 2) for part in coherent_split(spectral_sums(image + 0.5 * noise, image))]
    [0.97, 0.25]
    """
    height, width = sums.reference.shape
    ring = (_radius(sums.reference) * min(height, width)).round().long().flatten()
    n_rings = int(ring.max()) + 1

    def per_ring(values: Tensor) -> Tensor:
        return values.new_zeros(n_rings).index_add(0, ring, values.flatten())[1:]

    restored, reference, cross = per_ring(sums.restored), per_ring(sums.reference), per_ring(sums.cross)
    least = torch.finfo(torch.float64).tiny
    confirmed = (cross.abs().square() / reference.clamp_min(least)).clamp_max(restored)
    scale = sums.n * height * width
    return float(confirmed.sum()) / scale, float((restored - confirmed).sum()) / scale


def _radius(power: Tensor) -> Tensor:
    height, width = power.shape
    return torch.hypot(*torch.meshgrid(torch.fft.fftfreq(height), torch.fft.fftfreq(width), indexing="ij")).double()


def _decibel(power: Tensor, reference: Tensor) -> float:
    return float(10 * (power / reference).log10()) if reference > 0 else float("nan")
