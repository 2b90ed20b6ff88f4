from __future__ import annotations

import numpy as np
import pytest
import tifffile
from tests.restoration.conftest import FAST, ON_CPU

from decrappify.errors import InputError, OutputExistsError
from decrappify.io import partial_path
from decrappify.model import load_model
from decrappify.movie import Movie
from decrappify.restoration import Preview, RestorationOptions, restore, restore_array
from decrappify.restoration.scenes import restore_scenes

HALF = RestorationOptions(fidelity=0.5)


@pytest.fixture
def pixels(rng):
    return rng.integers(90, 4000, (3, 32, 40), dtype=np.uint16)


@pytest.mark.parametrize("value", [-1, 1.01, "0.5", float("nan")])
def test_restoration_options_reject_an_invalid_fidelity(value):
    with pytest.raises(InputError, match=r"fidelity is .*, expected a number from 0"):
        RestorationOptions(fidelity=value)


def test_fidelity_moves_the_result_and_is_recorded(pixels, nogan_model):
    model = load_model(nogan_model)
    found = {}
    for fidelity in (None, 0, 0.5, 1):
        restored = restore(pixels, nogan_model, options=RestorationOptions(fidelity=fidelity), **FAST)
        entry = restored.provenance["restoration"]
        assert entry["fidelity"] == (fidelity or 0)
        assert entry["model_sha256"] == model.with_fidelity(fidelity or 0).sha256
        found[fidelity] = np.asarray(restored, np.float32)
    assert np.array_equal(found[None], found[0])
    moved = [np.abs(found[fidelity] - found[1]).mean() for fidelity in (0, 0.5)]
    assert 0.2 * moved[0] < moved[1] < 0.8 * moved[0]


def test_fidelity_applies_to_arrays_previews_and_scenes(pixels, nogan_model, tmp_path):
    expected = np.asarray(restore(pixels, nogan_model, options=HALF, **FAST))
    array = restore_array(pixels, nogan_model, options=HALF, **FAST)
    np.testing.assert_array_equal(array, expected[:, 0, 0])
    movie = Movie.from_array(pixels)
    preview = Preview(movie, load_model(nogan_model), options=HALF, inference=ON_CPU)
    np.testing.assert_array_equal(preview.region(1, 0, 0, slice(0, 32), slice(0, 40))[0], expected[1, 0, 0])
    with pytest.raises(
        InputError, match=r"has no argument fidelity; pass options=RestorationOptions\(fidelity=\.\.\.\)"
    ):
        restore(pixels, nogan_model, fidelity=0.5)


def test_restore_scenes_uses_the_fidelity(pixels, nogan_model, tmp_path):
    tifffile.imwrite(tmp_path / "cells.tif", pixels, photometric="minisblack")
    (outcome,) = restore_scenes(tmp_path / "cells.tif", nogan_model, tmp_path / "out.ome.zarr", options=HALF, **FAST)
    assert outcome.movie.provenance["restoration"]["fidelity"] == 0.5


def test_models_with_one_set_of_weights_have_no_fidelity(pixels, tiny_models):
    assert "fidelity" not in restore(pixels, tiny_models["still"], **FAST).provenance["restoration"]
    with pytest.raises(InputError, match=r"model 'tiny-still' has one set of weights, so fidelity=0\.5 does not apply"):
        restore(pixels, tiny_models["still"], options=HALF, **FAST)


def test_restore_does_not_resume_with_another_fidelity(pixels, nogan_model, tmp_path):
    output = tmp_path / "out.ome.zarr"

    def stop(t, c, z):
        raise ValueError("stopped")

    with pytest.raises(ValueError, match="stopped"):
        restore(pixels, nogan_model, output, options=HALF, on_plane=stop, **FAST)
    assert partial_path(output).exists()
    other = RestorationOptions(fidelity=0.7)
    with pytest.raises(OutputExistsError, match=r"another run: fidelity was 0\.5 and is 0\.7 now; model was") as caught:
        restore(pixels, nogan_model, output, options=other, **FAST)
    assert "\n" not in str(caught.value)
    restored = restore(pixels, nogan_model, output, options=HALF, **FAST)
    np.testing.assert_array_equal(np.asarray(restored), np.asarray(restore(pixels, nogan_model, options=HALF, **FAST)))
