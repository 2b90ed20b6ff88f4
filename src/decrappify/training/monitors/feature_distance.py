"""Distances between two sets of images in the features of a frozen random network: KID, and the AUC of a classifier.

The encoder is never trained and not part of any loss, so a generator cannot have been optimized against it.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from decrappify.errors import InputError

LEAST_IMAGES = 4
WANTED_FEATURES = 256

_MOST_FEATURES = 2048  # memory of the kernel grows with its square
_CELL_PX = 16
_RESAMPLES = 200
_RIDGE = 1.0
_NEWTON_STEPS = 12


class RandomEncoder(nn.Module):
    """Two layers of random filters, pooled over a grid of positions; frozen, and the same for the same seed.

    Each filter sums to zero over channels and pixels together: it is invariant to the gray level, but not to color.

    Parameters
    ----------
    channels : int
        Channels of the images, filtered together.
    seed : int
        Seed of the filters.
    """

    first: Tensor
    second: Tensor

    def __init__(self, channels: int, seed: int = 0) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        self.register_buffer("first", _filters(24, channels, 5, generator))
        self.register_buffer("second", _filters(48, 24, 3, generator))

    def forward(self, images: Tensor, grid: int) -> Tensor:
        """Compute the features of (N, C, H, W) images, at least 32 x 32 px, as (N, grid * grid, 72)."""
        edges = F.conv2d(images, self.first).abs()
        texture = F.conv2d(F.avg_pool2d(edges, 2), self.second).abs()
        pooled = [F.adaptive_avg_pool2d(level, grid) for level in (edges, texture)]
        return torch.cat(pooled, dim=1).flatten(2).transpose(1, 2).sqrt()  # root: less weight for rare bright spots


def _filters(n: int, channels: int, size: int, generator: torch.Generator) -> Tensor:
    filters = torch.randn(n, channels, size, size, generator=generator)
    filters = filters - filters.mean(dim=(1, 2, 3), keepdim=True)
    return filters / filters.square().sum(dim=(1, 2, 3), keepdim=True).sqrt()


def grid_side(n_images: int, side: int) -> int:
    """Choose positions per side: cells of 16 pixels, or as many as needed for 256 features, but at most 2048 features.

    >>> grid_side(64, 64), grid_side(8, 64), grid_side(64, 256)
    (4, 6, 5)
    """
    wanted = max(side // _CELL_PX, math.ceil(math.sqrt(WANTED_FEATURES / n_images)))
    most = max(1, math.isqrt(_MOST_FEATURES // n_images))
    return min(wanted, most, (side - 8) // 4)


def kid_matrix(features: Tensor, reference: Tensor) -> Tensor:
    """Compute the kernel comparison of two feature sets of the same images, image by image.

    The kernel is ``(x.y / d + 1)³`` (Binkowski et al. 2018). The restored image i and the reference image i show the
    same scene, and so do the positions within them; only pairs of different images are used, which keeps the estimate
    unbiased.

    Parameters
    ----------
    features, reference : Tensor
        (N, positions, d), standardized.

    Returns
    -------
    Tensor
        (N, N) float64 with a zero diagonal, K(x, x) + K(y, y) - K(x, y) - K(y, x) of images i and j: its mean off the
        diagonal is the KID.
    """
    x, y = features.double(), reference.double()
    difference = _kernel(x, x) + _kernel(y, y)
    crossed = _kernel(x, y)
    return (difference - crossed - crossed.T).fill_diagonal_(0)


def _kernel(x: Tensor, y: Tensor) -> Tensor:
    n, positions, d = x.shape
    values = (x.flatten(0, 1) @ y.flatten(0, 1).T / d + 1) ** 3
    return values.reshape(n, positions, n, positions).mean(dim=(1, 3))


def kid(matrix: Tensor) -> float:
    """Compute the kernel inception distance of a `kid_matrix`; about 0, of either sign, for sets of the same kind.

    >>> features = torch.randn(8, 4, 5, generator=torch.Generator().manual_seed(0))
    >>> kid(kid_matrix(features, features)), kid(kid_matrix(features + 1, features)) > 1
    (0.0, True)
    """
    n = len(matrix)
    return float(matrix.sum()) / (n * (n - 1))


def kid_error(matrix: Tensor, seed: int = 0) -> float:
    """Compute the bootstrap standard error over images (200 resamples) of the KID, or of a difference of two matrices.

    The same seed draws the same images, so errors of different checkpoints can be compared.
    """
    n = len(matrix)
    generator = torch.Generator().manual_seed(seed)
    drawn = torch.randint(n, (_RESAMPLES, n), generator=generator)
    counts = F.one_hot(drawn, n).sum(dim=1).double()
    pairs = n**2 - counts.square().sum(dim=1)
    return float((((counts @ matrix) * counts).sum(dim=1) / pairs.clamp_min(1)).std())


def referee_auc(features: Tensor, reference: Tensor) -> float:
    """Compute the ROC AUC of a new classifier of restored and reference images by their features.

    A two-sample test: a ridge-penalized logistic regression is fitted to the features of every other image and
    evaluated on the rest, then with the two parts exchanged. 0.5 means that the sets are indistinguishable, 1 that they
    are perfectly separable.

    Parameters
    ----------
    features, reference : Tensor
        (N, positions, d), standardized; N at least 4.

    >>> features = torch.randn(8, 4, 5, generator=torch.Generator().manual_seed(0))
    >>> referee_auc(features, features), referee_auc(features + 5, features)
    (0.5, 1.0)
    """
    if len(features) < LEAST_IMAGES:
        raise InputError(f"{len(features)} images are too few for the classifier, expected at least {LEAST_IMAGES}")
    halves = [(features[k::2].flatten(0, 1).double(), reference[k::2].flatten(0, 1).double()) for k in (0, 1)]
    areas = []
    for (fake, real), (test_fake, test_real) in (halves, halves[::-1]):
        weights = _logistic_regression(fake, real)
        areas.append(_auc(test_fake @ weights, test_real @ weights))
    return sum(areas) / 2


def _logistic_regression(positive: Tensor, negative: Tensor) -> Tensor:
    """Fit weights by Newton's method; both classes have equal size, so ranking the scores needs no offset."""
    rows = torch.cat([positive, negative])
    rows = torch.cat([rows, rows.new_ones(len(rows), 1)], dim=1)
    labels = torch.cat([rows.new_ones(len(positive)), rows.new_zeros(len(negative))])
    penalty = _RIDGE * torch.eye(rows.shape[1], dtype=rows.dtype)
    weights = rows.new_zeros(rows.shape[1])
    for _ in range(_NEWTON_STEPS):
        chance = torch.sigmoid(rows @ weights)
        slope = rows.T @ (chance - labels) + penalty @ weights
        # A lower bound of the curvature keeps steps small if all probabilities are 0 or 1.
        curvature = (chance * (1 - chance)).clamp_min(1e-3)
        weights = weights - torch.linalg.solve((rows * curvature[:, None]).T @ rows + penalty, slope)
    return weights[:-1]


def _auc(positive: Tensor, negative: Tensor) -> float:
    """Compute the probability that a positive scores above a negative; ties count half (Mann-Whitney)."""
    ordered = negative.sort().values
    below = torch.searchsorted(ordered, positive, right=False) + torch.searchsorted(ordered, positive, right=True)
    return float(below.double().mean()) / (2 * len(negative))
