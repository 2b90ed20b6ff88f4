"""Validation patches with content, their content pixels, and the best Gaussian filter of each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from torch.utils.data import Dataset

from decrappify._common.counting import counted
from decrappify._common.progress import Check, with_check
from decrappify.datasets import Sample
from decrappify.metrics.baselines import best_gaussian_of_window
from decrappify.movie import Array

if TYPE_CHECKING:
    from decrappify.networks.spec import RestorationNetwork

PATCHES = 32
_CANDIDATES = 8  # per patch, drawn at most
CANDIDATES = _CANDIDATES * PATCHES
CONTENT_LEVEL = 0.15  # of the normalized range, from the dark background (0) to bright structure (1)
LEAST_SHARE = 0.05  # of the pixels of a patch
_SMOOTHING = 2.0  # pixels of the source's grid; the noise of a measured target is not content

Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class ValidationPatches:
    """Fixed held-out patches of a run.

    Attributes
    ----------
    samples : list of Sample
        The patches.
    content : list of ndarray
        Mask (Y, X) of the content pixels of each target.
    gaussian : list of ndarray
        Result (C, Y, X) of the best Gaussian filter of each source.
    n_drawn, n_with_content, n_movies : int
        Number of patches that were drawn, of those in `samples` with content, and of the movies in `samples`.
    """

    samples: list[Sample]
    content: list[Mask]
    gaussian: list[Array]
    n_drawn: int
    n_with_content: int
    n_movies: int

    def __str__(self) -> str:
        count = len(self.samples)
        patches = counted(count, "validation patch", "validation patches")
        text = f"{patches}, {self.n_with_content} with content, from {counted(self.n_movies, 'movie')}"
        if self.n_with_content == count:
            return text
        return (
            f"{text}; in the others, less than {LEAST_SHARE:.0%} of the pixels are brighter than the background "
            f"(the best of {self.n_drawn} drawn)"
        )


def content_mask(target: Array, scale: int = 1) -> Mask:
    """Return the content pixels of a target (C, Y, X) in network units.

    These are the pixels that, in any channel and after smoothing, are above the background by more than 15 % of the
    normalized range.

    Examples
    --------
    >>> target = np.zeros((1, 32, 32), np.float32)
    >>> target[0, 8:24, 8:24] = 1
    >>> content_mask(target)[16, [2, 16, 30]].tolist()
    [False, True, False]
    """
    sigma = _SMOOTHING * scale
    smoothed = np.stack([gaussian_filter(channel.astype(np.float32), sigma) for channel in target])
    mask: Mask = smoothed.max(axis=0) > CONTENT_LEVEL
    return mask


def draw_patches(
    dataset: Dataset[Sample],
    network: RestorationNetwork,
    count: int | None = None,
    check: Check | None = None,
) -> ValidationPatches:
    """Return the first `count` items with content; if there are fewer, also the items with most content.

    Parameters
    ----------
    dataset : Dataset of Sample
        Held-out patches; at most 8 times `count` of them are read.
    network : RestorationNetwork
        The network to validate; only its frames, channels and scale are used.
    count : int, optional
        Number of patches, 32 by default.
    check : callable, optional
        Called before each patch; it may raise an exception to stop.
    """
    count = PATCHES if count is None else count
    limit = min(_CANDIDATES * count, len(dataset))  # type: ignore[arg-type]
    chosen: list[tuple[float, int, Sample, Mask]] = []
    others: list[tuple[float, int, Sample, Mask]] = []
    n_drawn = 0
    while n_drawn < limit and len(chosen) < count:
        if check is not None:
            check()
        sample = dataset[n_drawn]
        mask = content_mask(sample["target"].numpy(), network.scale)
        share = float(mask.mean())
        (chosen if share >= LEAST_SHARE else others).append((-share, n_drawn, sample, mask))
        others = sorted(others, key=lambda entry: entry[:2])[:count]  # no more patches in memory than needed
        n_drawn += 1
    both = chosen + others[: count - len(chosen)]
    samples = [sample for _, _, sample, _ in both]
    return ValidationPatches(
        samples=samples,
        content=[mask for *_, mask in both],
        gaussian=[_best_gaussian(sample, network) for sample in with_check(samples, check)],
        n_drawn=n_drawn,
        n_with_content=len(chosen),
        n_movies=len({sample["movie"] for sample in samples if "movie" in sample}),
    )


def _best_gaussian(sample: Sample, network: RestorationNetwork) -> Array:
    """Return the best Gaussian filter of a source, upsampled first, for each channel separately."""
    target = sample["target"]
    frames = sample["source"].reshape(network.n_frames, network.in_channels, *sample["source"].shape[-2:])
    upsampled = upsample(frames, target.shape[-2:]).numpy()
    filtered = [
        best_gaussian_of_window(upsampled[:, channel], target[channel].numpy()).restored
        for channel in range(len(target))
    ]
    return np.stack(filtered).astype(np.float32)


def upsample(source: torch.Tensor, size: torch.Size) -> torch.Tensor:
    """Upsample (N, C, H, W) to the size of its target, bilinearly."""
    return F.interpolate(source, size, mode="bilinear")
