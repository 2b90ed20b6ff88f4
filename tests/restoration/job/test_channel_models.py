from __future__ import annotations

import numpy as np
import pytest
from tests.restoration.conftest import FAST, PoolingNetwork, as_model, files_of

import decrappify as dc
from decrappify.errors import Cancelled, InputError, OutputExistsError
from decrappify.model import Model, load_model
from decrappify.restoration.job.channel_models import chosen_models


@pytest.fixture
def models() -> dict[str, Model]:
    """Models with different weights: 3 frames for actin, 1 frame for nuclei."""
    return {"actin": as_model(PoolingNetwork(3, seed=1)), "nuclei": as_model(PoolingNetwork(1, seed=2))}


def test_each_channel_is_restored_with_its_model(movie, models, tmp_path):
    restored = dc.restore(movie, models, tmp_path / "out.ome.zarr", **FAST)
    assert restored.channel_names == ("actin", "nuclei")
    assert restored.shape == movie.shape
    for c, model in enumerate(models.values()):
        alone = dc.restore(movie.select(channels=c), model, **FAST)
        np.testing.assert_array_equal(np.asarray(restored)[:, c], np.asarray(alone)[:, 0])
    record = restored.provenance["restoration"]
    assert record["model"] == "actin=pooling, nuclei=pooling"
    assert {name: entry["n_frames"] for name, entry in record["models"].items()} == {"actin": 3, "nuclei": 1}
    assert record["models"]["nuclei"]["model_sha256"] == models["nuclei"].sha256


def test_run_with_a_model_per_channel_is_resumed(movie, models, tmp_path, bar):
    whole, parts = tmp_path / "whole.ome.zarr", tmp_path / "parts.ome.zarr"
    dc.restore(movie, models, whole, **FAST)
    with pytest.raises(Cancelled):
        dc.restore(movie, models, parts, progress=bar, cancel=bar.cancel_at(8), **FAST)
    exchanged = {"nuclei": models["nuclei"], "actin": models["nuclei"]}
    with pytest.raises(OutputExistsError, match="model was 'actin=pooling, nuclei=pooling"):
        dc.restore(movie, exchanged, parts, **FAST)
    dc.restore(movie, models, parts, progress=bar, **FAST)
    assert bar.settings["initial"] >= 7
    assert files_of(whole) == files_of(parts)


def test_model_of_other_channels_and_of_names_in_another_case(movie, models):
    others = dc.restore(movie, {"NUCLEI": models["nuclei"], "*": models["actin"]}, **FAST)
    named = dc.restore(movie, models, **FAST)
    np.testing.assert_array_equal(np.asarray(others), np.asarray(named))
    assert others.provenance == named.provenance


def test_list_of_models_uses_the_longest_window_that_fits(movie, models):
    candidates = [models["nuclei"], models["actin"]]
    for part, expected in ((movie, "actin"), (movie[2], "nuclei")):
        found, alone = (dc.restore(part, model, **FAST) for model in (candidates, models[expected]))
        np.testing.assert_array_equal(np.asarray(found), np.asarray(alone))
        assert found.provenance == alone.provenance


def test_names_of_shipped_models_are_loaded(movie):
    with pytest.raises(InputError, match="one still image, expected windows of 3 for model 'fluorescence-movie'"):
        dc.restore(movie[0], {"actin": "fluorescence-movie", "nuclei": "fluorescence-still"}, **FAST)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"nuclei": None}, "channel 'nuclei' of cells has no model, models are set for actin; add a model for it"),
        ({"nuclei": PoolingNetwork(1, scale=2)}, "'pooling' of channel 'nuclei' has scale 2, 'pooling' has scale 1"),
        ({"nuclei": PoolingNetwork(1, in_channels=2)}, "has 2 input channels, expected one for the single channel"),
    ],
)
def test_models_that_do_not_fit_together_are_an_error(movie, models, change, message):
    given = models | {name: network and as_model(network) for name, network in change.items()}
    with pytest.raises(InputError, match=message):
        dc.restore(movie, {name: model for name, model in given.items() if model}, **FAST)


def test_file_without_any_channel_of_the_models_states_it(movie, models):
    choice = chosen_models({"Cy5": models["actin"]}, load_model).matching(movie.channel_names)
    with pytest.raises(InputError, match="has no model, models are set for other channels; add a model for it"):
        choice.for_movie(movie, "T")


def test_model_of_a_channel_that_does_not_exist_is_an_error(movie, models):
    with pytest.raises(InputError, match="cells has no channel 'nucleus' for which a model is set, expected one of"):
        dc.restore(movie, {"nucleus": models["nuclei"], "*": models["actin"]}, **FAST)


@pytest.mark.parametrize("empty", [{}, []])
def test_no_model_is_an_error(movie, empty):
    with pytest.raises(InputError, match="no model is set; pass at least one"):
        dc.restore(movie, empty, **FAST)
