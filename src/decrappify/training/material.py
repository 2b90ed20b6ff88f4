"""Material: what a run learns from, split into training and held-out data, cut into patches of any size."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from decrappify.errors import InputError
from decrappify.intensity import NormalizationRule
from decrappify.movie import Movie

if TYPE_CHECKING:
    from torch.utils.data import Dataset

    from decrappify.crappify import Crappifier
    from decrappify.datasets import Sample

# Validation patches are larger than training patches, so that borders matter less.
_VALIDATION_PATCH = 96
MoviePairs = list[tuple[Movie, Movie]]


class Material(Protocol):
    """Patches for training and for validation.

    Attributes
    ----------
    scale : int
        Factor between source and target.
    crappifier : Crappifier or None
        How the sources were made; None for measured pairs.
    used : list of str
        Names of what is trained on.
    """

    scale: int
    used: list[str]

    @property
    def crappifier(self) -> Crappifier | None:
        """How sources are made from targets."""
        ...

    def training(self, patch_size: int, length: int, seed: int) -> Dataset[Sample]:
        """Give `length` random training patches whose sources have the side `patch_size`."""
        ...

    def held_out(self, length: int, seed: int, patch_size: int | None = None) -> Dataset[Sample]:
        """Give `length` patches of held-out data, without augmentation; as large as is useful by default."""
        ...


@dataclass(frozen=True, kw_only=True)
class Split:
    """How material is read and split.

    Attributes
    ----------
    n_frames, in_channels : int
        Of a window.
    rule : NormalizationRule
        Stored in the model.
    validation_fraction : float
        Share kept when no validation data are given.
    time_axis, still_motion_px, shrink, folder_as
        As for `decrappify.train`.
    """

    n_frames: int = 1
    in_channels: int = 1
    rule: NormalizationRule = field(default_factory=NormalizationRule)
    validation_fraction: float = 0.1
    time_axis: str = "T"
    still_motion_px: tuple[float, float] = (0.0, 2.0)
    shrink: tuple[int, ...] = (1,)
    folder_as: str = "auto"


def find_material(high_res: Any, crappifier: Any, pairs: Any, validation: Any, split: Split) -> Material:
    """Read what the user gave: measured pairs, or good images and a crappifier.

    Raises
    ------
    InputError
        For both or neither of the two, and for data that cannot be used.
    """
    from decrappify.training.data import as_crappifier, as_movies, as_pairs

    if pairs is not None:
        if high_res is not None or crappifier is not None:
            raise InputError("give either pairs, or high_res and a crappifier, not both")
        kept_pairs = None if validation is None else as_pairs(validation, split.folder_as)
        return PairMaterial(as_pairs(pairs, split.folder_as), kept_pairs, split)
    if high_res is None or crappifier is None:
        raise InputError("training needs high_res images and a crappifier, or pairs")
    kept = None if validation is None else as_movies(validation, split.folder_as)
    return TupleMaterial(as_movies(high_res, split.folder_as), as_crappifier(crappifier), kept, split)


class TupleMaterial:
    """Good movies and stills, crappified on the way; see `Material`."""

    def __init__(
        self, movies: list[Movie], crappifier: Crappifier, validation: list[Movie] | None, split: Split
    ) -> None:
        self._split = split
        self.crappifier, self.scale = crappifier, crappifier.scale
        self._movies, self._kept = _split_movies(movies, split) if validation is None else (movies, validation)
        self.used = [movie.name for movie in self._movies]

    def training(self, patch_size: int, length: int, seed: int) -> Dataset[Sample]:
        """Random patches of the training movies."""
        return self._tuples(self._movies, patch_size, length, seed, shrink=self._split.shrink, augment=True)

    def held_out(self, length: int, seed: int, patch_size: int | None = None) -> Dataset[Sample]:
        """Patches of the held-out movies, never shrunk."""
        patch_size = _patch(self._kept, self.scale) if patch_size is None else patch_size
        return self._tuples(self._kept, patch_size, length, seed, shrink=(1,), augment=False)

    def _tuples(
        self,
        movies: Sequence[Movie],
        patch_size: int,
        length: int,
        seed: int,
        *,
        shrink: tuple[int, ...],
        augment: bool,
    ) -> Dataset[Sample]:
        from decrappify.datasets import TupleDataset

        return TupleDataset(
            movies,
            self.crappifier,
            n_frames=self._split.n_frames,
            patch_size=patch_size,
            length=length,
            seed=seed,
            in_channels=self._split.in_channels,
            time_axis=self._split.time_axis,
            still_motion_px=self._split.still_motion_px,
            shrink=shrink,
            augment=augment,
            rule=self._split.rule,
        )


class PairMaterial:
    """Measured pairs; see `Material`."""

    crappifier = None

    def __init__(self, pairs: MoviePairs, validation: MoviePairs | None, split: Split) -> None:
        from decrappify.datasets.pairs import pair_scale

        self._split = split
        self._pairs, self._kept = _split_pairs(pairs, validation, split)
        self.scale = pair_scale(*self._pairs[0])
        self.used = [source.name for source, _ in self._pairs]

    def training(self, patch_size: int, length: int, seed: int) -> Dataset[Sample]:
        """Random patches of the training pairs."""
        return self._patches(self._pairs, patch_size, length, seed, augment=True)

    def held_out(self, length: int, seed: int, patch_size: int | None = None) -> Dataset[Sample]:
        """Patches of the held-out pairs."""
        patch_size = _patch([source for source, _ in self._kept], 1) if patch_size is None else patch_size
        return self._patches(self._kept, patch_size, length, seed, augment=False)

    def _patches(self, pairs: MoviePairs, patch_size: int, length: int, seed: int, *, augment: bool) -> Dataset[Sample]:
        from decrappify.datasets import PairDataset

        return PairDataset(
            pairs,
            n_frames=self._split.n_frames,
            patch_size=patch_size,
            length=length,
            seed=seed,
            in_channels=self._split.in_channels,
            augment=augment,
            rule=self._split.rule,
        )


class PhotoMaterial:
    """Photographs and a colour crappifier; see `Material`."""

    scale = 1

    def __init__(
        self, pictures: Sequence[Path], crappifier: Crappifier, validation: Sequence[Path] | None, fraction: float
    ) -> None:
        self.crappifier = crappifier
        pictures = list(pictures)
        if validation is None:
            if len(pictures) < 2:
                raise InputError("one photograph cannot be split into training and validation; give validation too")
            # Every n-th, so that a folder sorted by subject keeps some of each.
            step = max(2, min(len(pictures), round(1 / fraction)))
            validation = pictures[step - 1 :: step]
            pictures = [picture for number, picture in enumerate(pictures) if (number + 1) % step]
        self.pictures, self._kept = pictures, list(validation)
        self.used = [str(getattr(picture, "name", f"picture {number}")) for number, picture in enumerate(pictures)]

    def training(self, patch_size: int, length: int, seed: int) -> Dataset[Sample]:
        """Randomly turned, warped and lit squares of the training photographs."""
        return self._squares(self.pictures, patch_size, length, seed, augment=True)

    def held_out(self, length: int, seed: int, patch_size: int | None = None) -> Dataset[Sample]:
        """Center squares of the held-out photographs."""
        return self._squares(self._kept, patch_size or _VALIDATION_PATCH, length, seed, augment=False)

    def _squares(
        self, pictures: Sequence[Path], patch_size: int, length: int, seed: int, *, augment: bool
    ) -> Dataset[Sample]:
        from decrappify.datasets.color import ColourDataset

        return ColourDataset(
            pictures, self.crappifier, patch_size=patch_size, length=length, seed=seed, augment=augment
        )


def _split_movies(movies: list[Movie], split: Split) -> tuple[list[Movie], list[Movie]]:
    """Split along the axis that plays time."""
    from decrappify.datasets import split_movies

    gap, fraction = split.n_frames // 2, split.validation_fraction
    if split.time_axis != "Z":
        return split_movies(movies, fraction, gap=gap)
    training, kept = split_movies([movie.z_as_time() for movie in movies], fraction, gap=gap)
    return [movie.z_as_time() for movie in training], [movie.z_as_time() for movie in kept]


def _split_pairs(pairs: MoviePairs, validation: MoviePairs | None, split: Split) -> tuple[MoviePairs, MoviePairs]:
    from decrappify.datasets.split import split_fields

    if validation is not None:
        return pairs, validation
    training, kept = split_fields(pairs, split.validation_fraction, gap=split.n_frames // 2)
    return [(source, target) for source, target in training], [(source, target) for source, target in kept]


def _patch(movies: Sequence[Movie], scale: int) -> int:
    """Source-grid side of a validation patch: a multiple of 16 that fits into the smallest movie."""
    smallest = min(min(movie.shape[3:]) for movie in movies) // scale
    return max(16, min(_VALIDATION_PATCH, smallest) // 16 * 16)
