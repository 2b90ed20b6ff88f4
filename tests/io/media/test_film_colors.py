from __future__ import annotations

import av
import numpy as np
import pytest

from decrappify.io.media.film_colors import FilmColors


def test_matrix_of_a_film_without_tags_depends_on_its_size(tmp_path):
    frames = {
        height: av.VideoFrame(width, height, "yuv420p") for height, width in ((576, 720), (720, 960), (480, 1280))
    }
    guessed = {height: FilmColors.of_frame(frame, (2, 2, 2)).converts_by for height, frame in frames.items()}
    assert guessed == {576: 6, 720: 1, 480: 1}
    tagged = FilmColors.of_frame(frames[720], (5, 5, 6))
    assert (tagged.matrix, tagged.converts_by, tagged.primaries, tagged.transfer) == (5, 5, 5, 6)
    unknown = FilmColors.of_frame(frames[720], (8, 2, 2))  # YCgCo, which is written as BT.709
    assert (unknown.matrix, unknown.converts_by) == (1, 1)


@pytest.mark.parametrize("color_range", [1, 2])
@pytest.mark.parametrize("matrix", [1, 5, 6, 7, 9])
def test_pixels_are_converted_to_frames_and_back(rng, matrix, color_range):
    colors = FilmColors(matrix, 2, 2, color_range, matrix, color_range)
    blocks = rng.integers(60, 190, (6, 8, 3))
    pixels = np.kron(blocks, np.ones((8, 8, 1))).astype(np.uint8)
    again = colors.to_rgb(colors.to_frame(pixels), 48, 64)
    inside = np.zeros((48, 64), bool)
    inside[:] = (np.abs(np.mgrid[:48, :64] % 8 - 3.5) < 1).all(axis=0)
    assert np.abs(again.astype(int) - pixels)[inside].max() <= 3
    gray = np.tile(np.arange(16, 236, 2, dtype=np.uint8)[:, None, None], (1, 64, 3))
    assert np.abs(colors.to_rgb(colors.to_frame(gray), 110, 64).astype(int) - gray).max() <= 1
