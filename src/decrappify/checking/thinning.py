"""Thinning test: a part of the photons is restored, and compared with the other part, which has independent noise.

With the source ``a`` and the target ``b``, parts of ``share`` and ``1 - share`` of the light, the mean of
``(restored - b)²`` is the squared error of the restoration plus the variance of the noise of ``b``. The difference of
two methods is that of their errors, whatever the variance is. Their ratio in dB needs the variance, which is
``share * mean((a - b)²)``.

If the variance of the split is wrong by ``d``, both parts share noise of variance ``d``. The error of a method then
changes by ``d - 2 s d``, where ``s`` is the derivative of a restored pixel by the same pixel of the source. Its mean is
measured from two splits of the same pixels, so that the uncertainty of the gain is a part of that of the result.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from decrappify._common.progress import Cancel, check_cancel
from decrappify.checking.forward import Forward
from decrappify.checking.regions import Region, read_window
from decrappify.checking.scores import SHARE, Scores, Thinning
from decrappify.checking.spectrum import shared_noise
from decrappify.metrics.baselines import best_gaussian_of_windows, filtered_windows
from decrappify.movie import Array, Movie
from decrappify.noise.pixels.variance import MovieSplitter
from decrappify.restoration.measurement.channels import Channel
from decrappify.restoration.tiling.restorer import Restorer

_SPLITS = 2
_GAUSSIAN_FRAMES = 7  # of the window of the Gaussian filter in time
_SEARCHED = 8  # regions on which the widths of the Gaussian filter are chosen
_LEAST_REGIONS = 8  # fewer are divided into blocks for the standard error
_BLOCK = 64


@dataclass(frozen=True, slots=True)
class Split:
    """One split of a region: the windows of all frames around it, and the target.

    Attributes
    ----------
    source : array (T, Y, X)
        First parts of the frames that the model gets.
    wide : array (T, Y, X)
        First parts of the frames that the Gaussian filter gets.
    target : array (Y, X)
        Second part of the middle frame.
    """

    source: Array
    wide: Array
    target: Array

    @property
    def first(self) -> Array:
        """The first part of the middle frame."""
        return np.asarray(self.source[len(self.source) // 2])


class ThinningTest:
    """Splits of regions of a movie with one channel, on which methods are compared.

    Parameters
    ----------
    movie : Movie
        Raw movie.
    channel : Channel
        Its normalization and outlier limits.
    splitter : MovieSplitter
        Of its noise.
    regions : sequence of Region
        Places of the test.
    n_frames : int
        Frames in a window of the model.
    seed : int
        Seed of the splits.
    """

    def __init__(
        self,
        movie: Movie,
        channel: Channel,
        splitter: MovieSplitter,
        regions: Sequence[Region],
        n_frames: int,
        seed: int,
        share: float = SHARE,
    ) -> None:
        self._units, self._regions, self._share = channel.normalization, regions, share
        self._splits = []
        for number, region in enumerate(regions):
            n_wide = max(_GAUSSIAN_FRAMES, n_frames) if n_frames > 1 else 1
            indices, frames = read_window(movie, channel, region, n_wide)
            middle, half = len(indices) // 2, n_frames // 2
            rng = np.random.default_rng([seed, number])
            # One split of each frame: those that are repeated in a window must not contain the target's photons.
            place = region.rows, region.columns
            parts = {t: splitter.split(frame, share, rng, *place) for t, frame in frames.items()}
            row = []
            for _ in range(_SPLITS):  # of the middle frame
                parts[region.t] = splitter.split(frames[region.t], share, rng, *place)
                wide = np.stack([parts[t][0] for t in indices]).astype(np.float32)
                row.append(Split(wide[middle - half : middle + half + 1], wide, parts[region.t][1].astype(np.float32)))
            self._splits.append(row)

    def run(
        self, restorer: Restorer, forward: Forward, *, cancel: Cancel | None = None, done: Callable[[], None]
    ) -> Thinning:
        """Compare the model with the Gaussian filter that predicts the targets best."""
        restored = []
        for row in self._splits:
            check_cancel(cancel, "the check was cancelled")
            restored.append([forward(self._restored(restorer, split.source)) for split in row])
            done()
        windows = np.stack([row[0].wide for row in self._splits])
        targets = np.stack([row[0].target for row in self._splits])
        step = max(1, len(windows) // _SEARCHED)
        best = best_gaussian_of_windows(windows[::step], targets[::step], data_range=self._units.scale)
        widths = best.sigma_space, best.sigma_time
        filtered = [list(filtered_windows([split.wide for split in row], *widths)) for row in self._splits]
        firsts = [[split.first for split in row] for row in self._splits]
        noise = self._share * self._differences(firsts)
        brightest = int(np.argmax([row[0].target.std() for row in self._splits]))
        return Thinning(
            model=self._scores(restored),
            gaussian=self._scores(filtered),
            noise=noise,
            variance=float(noise.mean()) * (1 - self._share),
            shared=shared_noise([(s.first, s.target) for row in self._splits for s in row], self._share),
            sigma_space=best.sigma_space,
            sigma_time=best.sigma_time,
            n_regions=len(self._regions),
            example=(firsts[brightest][0], restored[brightest][0], filtered[brightest][0]),
            images=([row[0] for row in firsts], [row[0] for row in restored], list(targets)),
        )

    def _restored(self, restorer: Restorer, source: Array) -> Array:
        units = self._units
        window = ((source.astype(np.float64) - units.offset) / units.scale).astype(np.float32)
        return np.asarray(restorer.restore_window(window)[0].astype(np.float64) * units.scale + units.offset)

    def _scores(self, results: Sequence[Sequence[Array]]) -> Scores:
        total = count = 0.0
        for row, splits, region in zip(results, self._splits, self._regions, strict=True):
            change = (row[0] - row[1])[region.inner] * (splits[0].first - splits[1].first)[region.inner]
            total, count = total + float(change.sum(dtype=np.float64)), count + change.size
        return Scores(self._differences(results), total / count * self._share / (2 * (1 - self._share)))

    def _differences(self, results: Sequence[Sequence[Array]]) -> Array:
        """Return the mean squared difference from the target of each unit, over both splits."""
        found: list[float] = []
        for row, splits, region in zip(results, self._splits, self._regions, strict=True):
            squares = np.mean(
                [np.square(r - s.target, dtype=np.float64) for r, s in zip(row, splits, strict=True)], axis=0
            )
            found += _units_of(squares[region.inner], len(self._regions))
        return np.array(found)


def _units_of(squares: Array, n_regions: int) -> list[float]:
    """Return the mean of a region, or those of its blocks if there are few regions."""
    if n_regions >= _LEAST_REGIONS:
        return [float(squares.mean())]
    rows = np.array_split(squares, max(1, round(squares.shape[0] / _BLOCK)), axis=0)
    return [
        float(block.mean())
        for row in rows
        for block in np.array_split(row, max(1, round(squares.shape[1] / _BLOCK)), axis=1)
    ]
