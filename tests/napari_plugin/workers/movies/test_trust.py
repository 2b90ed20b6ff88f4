from __future__ import annotations

import numpy as np
import pytest

from decrappify import open_movie
from decrappify.errors import InputError
from napari_decrappify.layers.image import LayerImage
from napari_decrappify.workers.movies.restore import RestoreSettings, restore_layer
from napari_decrappify.workers.movies.trust import TrustSettings, map_trust, with_trust
from napari_decrappify.workers.running.task import Task


@pytest.fixture
def image():
    expected = np.stack([np.roll(np.tile(np.linspace(20, 400, 96), (96, 1)), t, axis=1) for t in range(6)])
    pixels = (100 + 2 * np.random.default_rng(0).poisson(expected)).astype(np.uint16)
    return LayerImage.from_tuple(pixels, {"name": "cells"})


def test_cancelled_map_leaves_the_restored_movie_and_is_resumed(image, tiny_models, tmp_path):
    settings = RestoreSettings(image=image, model=tiny_models["still"], folder=tmp_path, first=1, stop=5)

    def then_cancel(settings, task):
        restored = restore_layer(settings, task)
        task.cancel.set()
        return restored

    result = with_trust(then_cancel)(settings, Task())
    assert result.trust is None
    assert result.note == "the trust map was cancelled; the widget Trust computes it from the result"
    output = result.store.output
    with open_movie(output) as movie:
        assert movie.shape[0] == 4
    trusted = map_trust(TrustSettings(measured=(image,), restored=output), Task())
    assert trusted.record.path.name == "cells-still_trust.ome.zarr"
    assert sum(trusted.record.shares.values()) == pytest.approx(1)


def test_model_that_upscales_is_refused_before_the_run(image, tiny_models, tmp_path):
    settings = RestoreSettings(image=image, model=tiny_models["movie-x2"], folder=tmp_path / "out", first=0, stop=6)
    with pytest.raises(InputError, match="movie-x2 has scale 2, and trust maps need a model of scale 1; untick Trust"):
        with_trust(restore_layer)(settings, Task())
    assert not (tmp_path / "out").exists()
