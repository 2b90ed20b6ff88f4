from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter
from scipy.ndimage import shift as shifted

from decrappify.errors import InputError
from decrappify.metrics.alignment.registration import register


@pytest.fixture(scope="module")
def scene() -> np.ndarray:
    """Spots and blobs (160, 192), 0 to 1."""
    rng = np.random.default_rng(3)
    points = np.zeros((160, 192))
    points[rng.integers(0, 160, 250), rng.integers(0, 192, 250)] = rng.random(250)
    scene = gaussian_filter(points, 1.5) + gaussian_filter(points, 5)
    return scene / scene.max()


@pytest.mark.parametrize("move", [(0.0, 0.0), (0.4, -0.3), (2.6, -7.3), (-30.0, 12.0)])
def test_register_finds_the_shift(scene, rng, move):
    moved = shifted(scene, move, mode="nearest") * 40 + 100
    found = register(rng.poisson(moved), scene)
    assert found.is_related
    assert found.shift_px == pytest.approx((-move[0], -move[1]), abs=0.25)
    assert found.error_px < 0.1
    assert found.is_shifted() == (np.hypot(*move) > 0.5)


@pytest.mark.parametrize("photons", [2, 5, 20])
def test_register_finds_related_pairs_of_few_photons(scene, rng, photons):
    for _ in range(5):
        found = register(rng.poisson(photons * scene) + rng.normal(0, 0.5, scene.shape), scene)
        assert (found.is_unrelated, found.is_shifted()) == (False, False)
    assert photons < 5 or found.is_related


@pytest.mark.parametrize("other", [np.flipud, np.fliplr, lambda image: np.roll(image[::-1, ::-1], 40, axis=0)])
def test_register_finds_unrelated_pairs(scene, rng, other):
    found = register(rng.poisson(200 * scene), other(scene))
    assert (found.is_unrelated, found.is_related) == (True, False)
    assert not found.is_shifted()
    assert abs(found.correlation) < 0.4


def test_register_leaves_images_of_noise_undecided(scene, rng):
    found = register(rng.poisson(np.full(scene.shape, 3.0)), scene)
    assert (found.is_unrelated, found.is_related) == (False, False)


def test_register_uses_all_frames(scene, rng):
    movie = rng.poisson(np.repeat(0.3 * scene[None], 12, axis=0))
    single, several = register(movie[0], scene), register(movie, np.repeat(scene[None], 12, axis=0))
    assert several.peak > 1.2 * single.peak


def test_register_needs_contrast_and_equal_shapes(scene):
    assert register(np.zeros((40, 40)), scene[:40, :40]) is None
    assert register(scene[:20, :20], scene[:20, :20]) is None
    with pytest.raises(InputError, match="source has shape"):
        register(scene, scene[:, :-1])


def test_register_of_real_pairs(real_data):
    from decrappify.io import open_movie

    confocal = np.asarray(open_movie(real_data / "pairs" / "confocal_widefield_dna_zstack.tif"))[0, :, 22]
    found = register(confocal[1], confocal[0])
    assert found.shift_px == pytest.approx((0.1, -3.1), abs=0.3)
    for name in ("WideField_BPAE_R_1", "WideField_BPAE_G_3"):
        low, high = (
            np.asarray(open_movie(real_data / "pairs" / "fmd_widefield" / side / f"{name}.png"))[0, 0, 0]
            for side in ("low", "high")
        )
        found, other = register(low, high), register(low, high[::-1])
        assert (found.is_related, found.is_shifted(), other.is_unrelated) == (True, False, True)
