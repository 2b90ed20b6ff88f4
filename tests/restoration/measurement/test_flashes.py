from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from decrappify.restoration.measurement.flashes import Brightness, find_flash, sampled_patches


def scene(rng, n_frames=9, size=96):
    smooth = gaussian_filter(rng.random((size, size)), 4)
    clean = (smooth - smooth.min()) / np.ptp(smooth)
    noise = rng.normal(0, 0.1, (n_frames, size, size))
    return (np.stack([np.roll(clean, 2 * t, axis=1) for t in range(n_frames)]) + noise).astype(np.float32)


def flashes_of(frames, missing=()):
    brightness = [None if t in missing else Brightness.of([frame]) for t, frame in enumerate(frames)]
    flashes = [find_flash(t, len(frames), brightness.__getitem__) for t in range(len(frames))]
    return {t: flash for t, flash in enumerate(flashes) if flash is not None}


@pytest.mark.parametrize("t", [0, 1, 4, 7, 8])
@pytest.mark.parametrize("factor", [3, 6, 20])
def test_find_flash_estimates_the_gain_in_any_frame(rng, t, factor):
    frames = scene(rng)
    frames[t] = factor * frames[t] + 0.3
    found = flashes_of(frames)
    assert list(found) == [t]
    assert found[t].usable
    assert found[t].gain == pytest.approx(factor, rel=0.05)
    assert found[t].offset == pytest.approx(0.3, abs=0.03 * factor)


def test_find_flash_finds_two_consecutive_flashes(rng):
    frames = scene(rng)
    frames[4:6] *= 6
    assert list(flashes_of(frames)) == [4, 5]


def test_find_flash_finds_two_different_or_separated_flashes(rng):
    frames = scene(rng)
    frames[4] *= 1.06  # both frames differ by six times as much as their neighbors
    frames[4:6] *= 6
    assert list(flashes_of(frames)) == [4, 5]
    frames = scene(rng)
    frames[[3, 5]] *= 6
    assert list(flashes_of(frames)) == [3, 5]


def test_find_flash_finds_a_flash_with_an_even_brighter_object(rng):
    frames = scene(rng)
    frames[4] *= 6
    frames[4, 40:48, 40:48] *= 2.5
    assert list(flashes_of(frames)) == [4]


def test_blackout_and_saturated_flash_are_not_usable(rng):
    frames = scene(rng)
    frames[3] = 0
    frames[6] = np.minimum(6 * frames[6], 2)
    found = flashes_of(frames[:6])
    assert list(found) == [3]
    assert not found[3].usable
    found = flashes_of(frames[4:])
    assert list(found) == [2]
    assert not found[2].usable


@pytest.mark.parametrize("n_frames", [1, 2])
def test_find_flash_needs_two_other_frames(rng, n_frames):
    frames = scene(rng, n_frames)
    frames[0] *= 6
    assert flashes_of(frames) == {}


@pytest.mark.parametrize(
    "levels",
    [
        [1, 1, 1, 1, 3, 3, 3, 3, 3],  # light switched on
        [6, 6, 6, 1, 1, 1, 1, 1, 1],
        [3, 2, 1.5, 1.2, 1, 0.9, 0.8, 0.75, 0.7],  # bleaching
        [1, 1, 1, 4, 3, 2.2, 1.7, 1.3, 1],  # a transient
        [1, 1, 1, 3, 3, 3, 1, 1, 1],  # three frames
        [1, 3, 1, 3, 1, 3, 1, 3, 1],  # alternating light
    ],
    ids=["on", "off", "bleaching", "transient", "three", "alternating"],
)
def test_find_flash_ignores_lasting_and_repeated_changes(rng, levels):
    frames = scene(rng) * np.array(levels, np.float32)[:, None, None]
    assert flashes_of(frames) == {}


def test_find_flash_ignores_objects_that_light_up_in_one_frame(rng):
    frames = scene(rng)
    frames[4, 20:44, 20:44] *= 6
    frames[4, 60:80, 60:80] *= 3
    assert flashes_of(frames) == {}


def test_find_flash_ignores_missing_frames(rng):
    frames = scene(rng)
    frames[4] *= 6
    frames[3] = 0
    assert list(flashes_of(frames, missing=(3,))) == [4]


def test_sampled_patches_limit_the_pixels_of_large_frames():
    patches = sampled_patches((2000, 500))
    assert len(patches) == 3
    assert sampled_patches((600, 700)) == [(slice(0, 600), slice(0, 700))]
    assert all(0 <= rows.start < rows.stop <= 2000 for rows, _ in patches)
