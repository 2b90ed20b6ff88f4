"""Error without a reference: the restoration of one half of the light is compared with the other half.

The other half is noisy, but its noise is independent of the restored one. The mean squared difference of the two is
therefore the squared error of the restoration plus the variance of this noise, which is equal for all methods (Batson
and Royer 2019). Independent noise is split photon by photon (`binomial_halves`). Photons of correlated noise are not
independent: `correlated_halves` adds simulated noise of the same covariance to one half and subtracts it from the other
(Pang et al. 2021).
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike
from scipy.ndimage import gaussian_filter, gaussian_filter1d

from decrappify.errors import InputError
from decrappify.metrics.pairs import checked_pair, checked_stack, finite, frames
from decrappify.metrics.resolution import block_mean, check_camera
from decrappify.movie import Array

# Of the brightness from which the variance of the simulated noise is computed, in pixels.
_SMOOTHING = 2.0


def correlated_halves(
    image: ArrayLike,
    rng: np.random.Generator,
    *,
    gain: float,
    noise_width: float,
    offset: float = 0.0,
    read_noise: float = 0.0,
) -> tuple[Array, Array]:
    """Split an image with correlated noise into two with independent noise, each of half the exposure.

    The noise added to one half and subtracted from the other is Gaussian, and has the variance of the camera at the
    local brightness. The halves are independent to second order if gain and width are those of the image.

    Parameters
    ----------
    image : array-like
        (Y, X) or (T, Y, X) in gray levels: ``gain * photons + offset``.
    rng : numpy.random.Generator
        Generator of the noise.
    gain : float
        Gray levels per photon, above 0.
    noise_width : float
        Sigma in pixels of the Gaussian kernel that correlates the noise of neighboring pixels.
    offset : float
        Gray level without light.
    read_noise : float
        Standard deviation of the read noise in photons.

    Returns
    -------
    tuple of ndarray
        Two float64 images of `image`'s shape, in the gray levels of `binomial_halves`.

    Raises
    ------
    InputError
        If a value is not possible for a camera, or the image contains NaN.

    Examples
    --------
    >>> one, two = correlated_halves(np.full((64, 64), 50), np.random.default_rng(0), gain=2, noise_width=0.7)
    >>> bool(np.allclose(one + two, 50))
    True
    """
    check_camera(gain, offset, read_noise)
    if not 0 <= noise_width < math.inf:
        raise InputError(f"noise_width is {noise_width!r}, expected a sigma of at least 0 pixels")
    stack = checked_stack(image, "image")
    gray = np.stack([finite(frame, t, "image") for t, frame in enumerate(stack)])
    smooth = gaussian_filter(gray, (0, _SMOOTHING, _SMOOTHING))
    variance = np.maximum(gain * (smooth - offset), 0) + (gain * read_noise) ** 2
    noise = np.sqrt(variance) * _correlated(rng.standard_normal(gray.shape), noise_width)
    one, two = (offset + (gray - offset + sign * noise) / 2 for sign in (1, -1))
    shape = np.shape(image)
    return one.reshape(shape), two.reshape(shape)


def held_out_error(restored_half: ArrayLike, half: ArrayLike, other_half: ArrayLike) -> float:
    """Estimate the mean squared error of a restored half, in squared gray levels, from the raw other half.

    ``mean((restored_half - other_half)²)`` minus the variance of the noise of the other half, which is
    ``mean((half - other_half)²) / 2``. Unbiased for halves with independent noise. The value can be below 0, if the
    error is smaller than the uncertainty of the estimate.

    Parameters
    ----------
    restored_half : array-like
        (Y, X) or (T, Y, X): the restoration of `half`; if its grid is an integer number of times finer, it is averaged
        in blocks to the raw grid.
    half, other_half : array-like
        The two raw halves, see `binomial_halves` and `correlated_halves`.

    Raises
    ------
    InputError
        If shapes do not fit, or a value is NaN.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> one, two = rng.poisson(100.0, (2, 256, 256))
    >>> round(held_out_error(one, one, two) / 100, 1), abs(held_out_error(np.full((256, 256), 100), one, two)) < 2
    (1.0, True)
    """
    one, two = checked_pair(half, other_half, ("half", "other_half"))
    restored = block_mean(checked_stack(restored_half, "restored_half"), two.shape[1:])
    restored, _ = checked_pair(restored, two, ("restored_half", "other_half"))
    error = noise = 0.0
    for r, a, b in zip(
        *(frames(*each) for each in ((restored, "restored_half"), (one, "half"), (two, "other_half"))), strict=True
    ):
        error += float(np.square(r - b).sum())
        noise += float(np.square(a - b).sum()) / 2
    return (error - noise) / two.size


def held_out_gain_db(error: float, baseline: float) -> float:
    """Return by how many dB an estimated squared error is below that of a baseline.

    Infinite if the error is not above 0, and NaN if that of the baseline is not, since both are then smaller than their
    uncertainty.

    >>> round(held_out_gain_db(0.5, 1.0), 2), held_out_gain_db(-0.1, 1.0), held_out_gain_db(0.5, -0.1)
    (3.01, inf, nan)
    """
    if baseline <= 0:
        return math.nan
    return 10 * math.log10(baseline / error) if error > 0 else math.inf


def _correlated(white: Array, width: float) -> Array:
    """Filter white noise (T, Y, X) by a Gaussian along Y and X, with its variance kept."""
    impulse = np.zeros(2 * int(4 * width + 0.5) + 3)
    impulse[len(impulse) // 2] = 1
    power = float(np.square(gaussian_filter1d(impulse, width)).sum()) if width > 0 else 1.0
    return np.asarray(gaussian_filter(white, (0, width, width), mode="wrap") / power)
