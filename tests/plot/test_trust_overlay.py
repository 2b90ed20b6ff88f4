from __future__ import annotations

import numpy as np
import pytest

from decrappify import save_movie
from decrappify.errors import InputError
from decrappify.movie import Movie
from decrappify.plot import trust_overlay
from decrappify.trust import Label, TrustMap
from decrappify.trust.palette import label_rgb
from decrappify.trust.report.frames import OPACITIES


@pytest.fixture
def restored():
    array = np.tile(np.arange(40.0), (2, 2, 1, 30, 1))
    return Movie.from_array(array, channel_names=["a", "b"], pixel_size_um=(None, 0.1, 0.1), name="cells")


@pytest.fixture
def maps():
    array = np.zeros((2, 6, 1, 30, 40), np.float32)
    array[:, 0] = Label.CONFIRMED
    array[1, 3] = Label.CONFIRMED
    array[1, 3, 0, :3] = Label.CONTRADICTED
    array[1, 3, 0, 3:6] = Label.UNTESTABLE
    return Movie.from_array(array, name="cells-trust")


def legend(figure):
    return [text.get_text() for text in figure.axes[0].get_legend().get_texts()]


def test_trust_overlay_draws_the_labels_of_the_channel_in_the_colors_of_the_report(restored, maps):
    figure = trust_overlay(restored, maps, t=1, c="b", contrast=(0, 255), title="labels")
    shown = figure.axes[0].images[0].get_array()
    for rows, label in ((np.s_[:3], Label.CONTRADICTED), (np.s_[3:6], Label.UNTESTABLE), (np.s_[6:], Label.CONFIRMED)):
        opacity = OPACITIES[label]
        expected = (1 - opacity) * restored.frame(1, 1)[rows, :, None] + opacity * np.array(label_rgb(label))
        assert np.abs(shown[rows] - expected).max() < 0.51
    assert legend(figure) == ["confirmed (80 %)", "untestable (10 %)", "contradicted (10 %)"]
    assert figure.axes[0].get_title() == "labels"
    assert [text.get_text() for text in figure.axes[0].texts] == ["1 µm"]


def test_trust_overlay_accepts_results_and_files_and_a_crop(restored, maps, tmp_path):
    save_movie(maps, tmp_path / "cells_trust.ome.tif")
    result = TrustMap(maps, {}, "", (None, None))
    for trust in (result, tmp_path / "cells_trust.ome.tif"):
        figure = trust_overlay(restored, trust, t=1, c=1, crop=(0, 0, 3, 20))
        assert figure.axes[0].images[0].get_array().shape == (3, 20, 3)
        assert legend(figure)[2] == "contradicted (100 %)"


def test_trust_overlay_states_that_a_map_does_not_fit(restored, maps):
    with pytest.raises(InputError, match=r"cells-trust has shape .*, expected \(2, 3, 1, 30, 40\)"):
        trust_overlay(restored.select(channels=0), maps)
