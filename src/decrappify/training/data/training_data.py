"""Training data: split into training and held-out data, as patches of any size."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from decrappify._common.progress import Check
from decrappify.errors import InputError
from decrappify.movie import Array, Movie
from decrappify.normalization import NormalizationRule
from decrappify.training.config.options import DataOptions
from decrappify.training.data.content import movie_content, photograph_content

if TYPE_CHECKING:
    from torch.utils.data import Dataset

    from decrappify.crappify import Crappifier
    from decrappify.datasets import Sample

_SMALLEST_FIELD = 64  # source pixels
# Validation patches are larger than training patches to reduce the effect of borders.
_VALIDATION_PATCH = 96
MoviePairs = list[tuple[Movie, Movie]]


class TrainingData(Protocol):
    """Patches for training and for validation.

    Attributes
    ----------
    scale : int
        Factor between source and target.
    crappifier : Crappifier or None
        Degradation of the sources; None for measured pairs.
    used : list of str
        Names of the training data.
    """

    scale: int
    used: list[str]

    def content(self) -> dict[str, str]:
        """Return shapes and checksums of training and held-out data, by name; of large data only a part is read."""
        ...

    @property
    def crappifier(self) -> Crappifier | None:
        """Degradation from targets to sources."""
        ...

    def training(self, patch_size: int, length: int, seed: int) -> Dataset[Sample]:
        """Return `length` random training patches with sources of the side `patch_size`."""
        ...

    def held_out(self, length: int, seed: int, patch_size: int | None = None) -> Dataset[Sample]:
        """Return `length` patches of held-out data, without augmentation; by default with a side of up to 96 pixels."""
        ...

    def pixel_sizes_um(self) -> list[tuple[float, float]]:
        """Return the smallest and largest pixel in micrometers with which each source that states one is used."""
        ...

    def fields(self, count: int) -> Iterator[list[Array]]:
        """Iterate over regions (Y, X) of up to `count` random fields of view as degraded for training."""
        ...


@dataclass(frozen=True, kw_only=True)
class Split:
    """Options for reading and splitting training data.

    Attributes
    ----------
    n_frames, in_channels : int
        Frames and channels of a window.
    rule : NormalizationRule
        Normalization rule, stored in the model.
    validation_fraction : float
        Share held out if no validation data are given.
    options : DataOptions
        Options for reading the data.
    check : callable, optional
        Called often while movies are read; it may raise an exception to stop.
    """

    n_frames: int = 1
    in_channels: int = 1
    rule: NormalizationRule = field(default_factory=NormalizationRule)
    validation_fraction: float = 0.1
    options: DataOptions = field(default_factory=DataOptions)
    check: Check | None = None


def read_training_data(high_res: Any, crappifier: Any, pairs: Any, split: Split) -> TrainingData:
    """Read measured pairs, or high-resolution images and a crappifier.

    Raises
    ------
    InputError
        If both or neither of the two are given, or data cannot be used.
    """
    from decrappify.training.data.inputs import as_crappifier, as_movies, as_pairs

    validation = split.options.validation
    if pairs is not None:
        if high_res is not None or crappifier is not None:
            raise InputError("pass either pairs, or high_res and a crappifier, not both")
        kept_pairs = None if validation is None else as_pairs(validation, split.options.folder_as)
        return PairData(as_pairs(pairs, split.options.folder_as), kept_pairs, split)
    if high_res is None or crappifier is None:
        raise InputError("training needs high_res images and a crappifier, or pairs")
    kept = None if validation is None else as_movies(validation, split.options.folder_as)
    return TupleData(as_movies(high_res, split.options.folder_as), as_crappifier(crappifier), kept, split)


def data_settings(data: TrainingData, options: DataOptions) -> dict[str, Any]:
    """Return the data settings that a resumed run must share, as plain values."""
    return {
        "crappifier": None if data.crappifier is None else data.crappifier.to_dict(),
        "trained_on": data.used,
        "time_axis": options.time_axis,
        "still_motion_px": options.still_motion_px,
        "shrink": list(options.shrink),
        "content": data.content(),
    }


class TupleData:
    """High-resolution movies and stills, crappified when they are read; see `TrainingData`.

    Attributes
    ----------
    movies : list of Movie
        The training movies, without those held out.
    """

    def __init__(
        self, movies: list[Movie], crappifier: Crappifier, validation: list[Movie] | None, split: Split
    ) -> None:
        self._split = split
        self._given = [*movies, *(validation or ())]
        self.crappifier, self.scale = crappifier, crappifier.scale
        self.movies, self._kept, self._wholes = (
            _split_movies(movies, split) if validation is None else (movies, validation, validation)
        )
        self.used = [movie.name for movie in self.movies]

    def content(self) -> dict[str, str]:
        """Return shapes and checksums of the movies, by name."""
        return movie_content((movie.name, movie) for movie in self._given)

    def training(self, patch_size: int, length: int, seed: int) -> Dataset[Sample]:
        """Return random patches of the training movies."""
        from decrappify.datasets.sizes import check_sizes

        check_sizes(self.movies, patch_size, scale=self.scale, given=self._given)
        shrink = self._split.options.shrink
        return self._tuples(self.movies, patch_size, length, seed, shrink=shrink, augment=True, wholes=None)

    def held_out(self, length: int, seed: int, patch_size: int | None = None) -> Dataset[Sample]:
        """Return patches of the held-out movies, never shrunk."""
        from decrappify.datasets.sizes import check_sizes

        if patch_size is None:
            patch_size = validation_side(self._kept, self.scale)
            check_sizes(self._kept, patch_size, scale=self.scale, is_chosen=False)
        return self._tuples(self._kept, patch_size, length, seed, shrink=(1,), augment=False, wholes=self._wholes)

    def pixel_sizes_um(self) -> list[tuple[float, float]]:
        """Return the pixel sizes of each degraded movie, between those of its least and most shrunk copy."""
        least, most = (self.scale * limit(self._split.options.shrink) for limit in (min, max))
        return [(size * least, size * most) for size in _pixel_sizes(self.movies)]

    def fields(self, count: int) -> Iterator[list[Array]]:
        """Iterate over degraded fields of the training movies, shrunk ones included."""
        from decrappify.datasets.shrink import with_shrunk
        from decrappify.training.data.fields import crappified_fields

        movies = with_shrunk(self.movies, self._split.options.shrink, _SMALLEST_FIELD * self.scale)
        return crappified_fields(movies, self.crappifier, self._split.rule, count)

    def _tuples(
        self,
        movies: Sequence[Movie],
        patch_size: int,
        length: int,
        seed: int,
        *,
        shrink: tuple[int, ...],
        augment: bool,
        wholes: Sequence[Movie] | None,
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
            time_axis=self._split.options.time_axis,
            still_motion_px=self._split.options.still_motion_px,
            shrink=shrink,
            augment=augment,
            rule=self._split.rule,
            wholes=wholes,
            check=self._split.check,
        )


class PairData:
    """Measured pairs; see `TrainingData`."""

    crappifier = None

    def __init__(self, pairs: MoviePairs, validation: MoviePairs | None, split: Split) -> None:
        from decrappify.datasets.pairs import pair_scale

        self._split = split
        self._given = [*pairs, *(validation or ())]
        self._pairs, self._kept, self._wholes = _split_pairs(pairs, validation, split)
        self.scale = pair_scale(*self._pairs[0])
        self.used = [source.name for source, _ in self._pairs]

    def content(self) -> dict[str, str]:
        """Return shapes and checksums of sources and targets, by name."""
        roles = ("source", "target")
        return movie_content(
            (f"{movie.name} ({role})", movie) for pair in self._given for role, movie in zip(roles, pair, strict=True)
        )

    def training(self, patch_size: int, length: int, seed: int) -> Dataset[Sample]:
        """Return random patches of the training pairs."""
        from decrappify.datasets.sizes import check_sizes

        sources = [source for source, _ in self._pairs]
        check_sizes(sources, patch_size, given=[source for source, _ in self._given])
        return self._patches(self._pairs, self._pairs, patch_size, length, seed, augment=True)

    def held_out(self, length: int, seed: int, patch_size: int | None = None) -> Dataset[Sample]:
        """Return patches of the held-out pairs."""
        from decrappify.datasets.sizes import check_sizes

        if patch_size is None:
            sources = [source for source, _ in self._kept]
            patch_size = validation_side(sources)
            check_sizes(sources, patch_size, is_chosen=False)
        return self._patches(self._kept, self._wholes, patch_size, length, seed, augment=False)

    def pixel_sizes_um(self) -> list[tuple[float, float]]:
        """Return the pixel size of each measured source."""
        return [(size, size) for size in _pixel_sizes([source for source, _ in self._pairs])]

    def fields(self, count: int) -> Iterator[list[Array]]:
        """Iterate over fields of the measured sources."""
        from decrappify.training.data.fields import measured_fields

        return measured_fields([source for source, _ in self._pairs], count)

    def _patches(
        self, pairs: MoviePairs, wholes: MoviePairs, patch_size: int, length: int, seed: int, *, augment: bool
    ) -> Dataset[Sample]:
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
            wholes=wholes,
            check=self._split.check,
        )


class PhotographData:
    """Photographs and a color crappifier; see `TrainingData`."""

    scale = 1

    def __init__(
        self, photographs: Sequence[Path], crappifier: Crappifier, validation: Sequence[Path] | None, fraction: float
    ) -> None:
        self.crappifier = crappifier
        photographs = list(photographs)
        if validation is None:
            if len(photographs) < 2:
                raise InputError("one photograph cannot be split into training and validation; pass validation too")
            # Every n-th, so that some of each subject are held out if the folder is sorted by subject.
            step = max(2, min(len(photographs), round(1 / fraction)))
            validation = photographs[step - 1 :: step]
            photographs = [photograph for number, photograph in enumerate(photographs) if (number + 1) % step]
        self.photographs, self._kept = photographs, list(validation)
        self.used = _names(photographs)

    def content(self) -> dict[str, str]:
        """Return sizes and checksums of the photographs, by name."""
        return photograph_content(self.used + _names(self._kept), [*self.photographs, *self._kept])

    def training(self, patch_size: int, length: int, seed: int) -> Dataset[Sample]:
        """Return squares of the training photographs, randomly rotated, warped and changed in brightness."""
        return self._squares(self.photographs, patch_size, length, seed, augment=True)

    def held_out(self, length: int, seed: int, patch_size: int | None = None) -> Dataset[Sample]:
        """Return central squares of the held-out photographs."""
        return self._squares(self._kept, patch_size or _VALIDATION_PATCH, length, seed, augment=False)

    def pixel_sizes_um(self) -> list[tuple[float, float]]:
        """Return nothing: photographs have no pixel size."""
        return []

    def fields(self, count: int) -> Iterator[list[Array]]:
        """Iterate over nothing: photographs to color are not compared with a learned range."""
        return iter(())

    def _squares(
        self, photographs: Sequence[Path], patch_size: int, length: int, seed: int, *, augment: bool
    ) -> Dataset[Sample]:
        from decrappify.datasets.color import ColorDataset

        return ColorDataset(
            photographs, self.crappifier, patch_size=patch_size, length=length, seed=seed, augment=augment
        )


def _names(photographs: Sequence[Any]) -> list[str]:
    return [str(getattr(photograph, "name", f"image {number}")) for number, photograph in enumerate(photographs)]


def _split_movies(movies: list[Movie], split: Split) -> tuple[list[Movie], list[Movie], list[Movie]]:
    """Split along the time axis: training and validation parts, and the movies of the validation parts."""
    from decrappify.datasets.split import split_parts

    is_stack = split.options.time_axis == "Z"
    fields = [(movie.z_as_time() if is_stack else movie,) for movie in movies]
    parts = split_parts(fields, split.validation_fraction, gap=split.n_frames // 2)
    training, kept, wholes = (
        [movie.z_as_time() if is_stack else movie for (movie,) in part]
        for part in (parts.train, parts.validation, parts.wholes)
    )
    return training, kept, wholes


def _split_pairs(
    pairs: MoviePairs, validation: MoviePairs | None, split: Split
) -> tuple[MoviePairs, MoviePairs, MoviePairs]:
    from decrappify.datasets.split import split_parts

    if validation is not None:
        return pairs, validation, validation
    parts = split_parts(pairs, split.validation_fraction, gap=split.n_frames // 2)
    training, kept, wholes = (
        [(source, target) for source, target in part] for part in (parts.train, parts.validation, parts.wholes)
    )
    return training, kept, wholes


def validation_side(movies: Sequence[Movie], scale: int = 1, largest: int = _VALIDATION_PATCH) -> int:
    """Return the source-grid side of a validation patch: a multiple of 16 that fits into the smallest movie."""
    smallest = min(min(movie.shape[3:]) for movie in movies) // scale
    return max(16, min(largest, smallest) // 16 * 16)


def _pixel_sizes(movies: Sequence[Movie]) -> list[float]:
    """Return the larger pixel size along Y and X of each movie that states one."""
    return [max(known) for movie in movies if (known := [size for size in movie.pixel_size_um[1:] if size])]
