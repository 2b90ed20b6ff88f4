from __future__ import annotations

import warnings

import numpy as np
import pytest

from decrappify.io import open_movie, save_movie
from decrappify.io.store.planes.journal import Journal
from decrappify.movie import Movie


@pytest.mark.parametrize("suffix", [".ome.tif", ".ome.zarr"])
@pytest.mark.parametrize("source", ["uint16", "float32"])
def test_saving_in_a_narrower_dtype_warns_with_the_share_of_clipped_pixels(tmp_path, suffix, source):
    pixels = np.arange(400, dtype=source).reshape(1, 20, 20)
    with pytest.warns(
        UserWarning, match=r"36 % of the pixels of movie were clipped to the limits of uint8 \(144 of 400"
    ):
        save_movie(Movie.from_array(pixels), tmp_path / f"narrow{suffix}", dtype="uint8")
    with open_movie(tmp_path / f"narrow{suffix}") as saved:
        assert saved.frame(0).max() == 255
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        save_movie(Movie.from_array(pixels), tmp_path / f"wide{suffix}", dtype="uint16")


def test_journal_keeps_the_latest_note_of_each_plane(tmp_path):
    journal = Journal(tmp_path / "journal")
    journal.start()
    journal.record_note(0, 0, 0, {"clipped": [1, 2]})
    journal.record_note(1, 0, 0, {"outliers": 3})
    journal.record_note(0, 0, 0, {"clipped": [3, 4]})
    journal.close()
    assert Journal(tmp_path / "journal").notes == {(0, 0, 0): {"clipped": [3, 4]}, (1, 0, 0): {"outliers": 3}}
