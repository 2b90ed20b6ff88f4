"""Dataset of color photographs and their degraded copies."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from decrappify._common.checks import check_whole
from decrappify.crappify.light import relight
from decrappify.datasets.photographs import Images, Photographs
from decrappify.datasets.sample import Sample, SeededDataset
from decrappify.datasets.views import random_light, random_view, resample
from decrappify.errors import InputError
from decrappify.movie import Array
from decrappify.normalization import IMAGENET

if TYPE_CHECKING:
    from decrappify.crappify import Crappifier

_MEAN, _STD = (np.array(values, np.float32)[:, None, None] for values in (IMAGENET.mean, IMAGENET.std))


class ColorDataset(SeededDataset[Sample]):
    """Random views of photographs, in color as target and crappified as source.

    The views are those of DeOldify's training: crops of the full shorter side with flips, symmetric warps, rotations by
    up to 10 degrees, zooms up to 1.2, and brightness and contrast changed in logit space. The crappifier is applied to
    the finished view of the target: a gray source is exactly the luma of its target, and JPEG blocks are on the grid
    of the source as in a real image. (DeOldify converts to gray first and then changes brightness and contrast of
    both.) Item `i` depends only on `seed` and `i`.

    Parameters
    ----------
    images : folder, or sequence of paths and uint8 arrays (Y, X, 3)
        Folders are searched with their subfolders. Unreadable and gray images are omitted; their numbers are logged.
    crappifier : Crappifier, optional
        Applied to red, green and blue together, signals 0 to 1; must keep the size. By default ``"colour-grey"``.
    patch_size : int
        Side of source and target.
    length : int
        Number of items.
    seed : int
        Integer of at least 0.
    augment : bool
        If False, item `i` is the center of image `i` (cyclically), for validation.
    cache_bytes : int
        Memory for decoded images, which are cached at twice the size of a patch; further images are read each time.

    Raises
    ------
    InputError
        If there are no color images, or a setting is out of range.
    MissingFileError
        If the folder does not exist.

    Examples
    --------
    >>> photograph = np.random.default_rng(0).integers(0, 256, (48, 64, 3), np.uint8)
    >>> sample = ColorDataset([photograph], patch_size=32, length=2)[1]
    >>> sample["source"].shape, sample["target"].shape
    (torch.Size([3, 32, 32]), torch.Size([3, 32, 32]))
    """

    def __init__(
        self,
        images: Images,
        crappifier: Crappifier | None = None,
        *,
        patch_size: int = 64,
        length: int = 1000,
        seed: int = 0,
        augment: bool = True,
        cache_bytes: int = 2 * 1024**3,
    ) -> None:
        from decrappify.crappify import crappifier_preset

        check_whole(2, patch_size=patch_size)
        check_whole(1, length=length)
        check_whole(0, seed=seed)
        self.crappifier = crappifier_preset("colour-grey") if crappifier is None else crappifier
        if self.crappifier.scale != 1:
            raise InputError(
                f"the crappifier returns images {self.crappifier.scale} times smaller, expected one that keeps their "
                "size"
            )
        self.patch_size, self.length, self.seed, self.augment = patch_size, length, seed, augment
        # Twice the patch: bilinear sampling of finer pixels would skip some of them.
        self.photographs = Photographs(images, shorter_side=2 * patch_size, cache_bytes=cache_bytes)

    def _draw(self, index: int, rng: np.random.Generator) -> Sample:
        target = self._random_view(rng) if self.augment else self._middle(index)
        source = self.crappifier(target, rng, data_range=(0, 1), color=True)
        return Sample(source=_normalized(source), target=_normalized(target))

    def _random_view(self, rng: np.random.Generator) -> Array:
        image = self.photographs[int(rng.integers(len(self.photographs)))]
        place = rng.random()
        view = resample(image, random_view(rng), self.patch_size, place=place)
        change, factor = random_light(rng)
        return relight(view, change=change, factor=factor)

    def _middle(self, index: int) -> Array:
        return resample(self.photographs[index % len(self.photographs)], np.eye(3), self.patch_size)


def _normalized(image: Array) -> Tensor:
    return torch.from_numpy((image - _MEAN) / _STD)
