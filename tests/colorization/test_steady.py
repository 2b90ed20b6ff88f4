from __future__ import annotations

import numpy as np
import pytest

from decrappify.colorization import ColorizationOptions
from decrappify.colorization.colorizer import Colorizer
from decrappify.colorization.film import colorize_film
from decrappify.colorization.steady import Steadier
from decrappify.inference.options import InferenceOptions
from decrappify.metrics.chroma import chroma_flicker

from .films import decoded, gray_film, tiny_model, write_film


def test_steady_reduces_chroma_flicker(tmp_path):
    noise = np.random.default_rng(0).normal(0, 25, (30, 48, 64, 1))
    frames = np.clip(gray_film(30) + noise, 0, 255).astype(np.uint8)
    source = write_film(tmp_path / "film.mkv", frames, codec="ffv1", pixel_format="yuv444p")
    colorizer = Colorizer(tiny_model(), render_factor=4, inference=InferenceOptions(device="cpu"))
    plain = chroma_flicker(decoded(colorize_film(source, tmp_path / "plain.mkv", colorizer)))
    steady = chroma_flicker(
        decoded(colorize_film(source, tmp_path / "steady.mkv", colorizer, options=ColorizationOptions(steady=0.8)))
    )
    assert steady["chroma"] < 0.8 * plain["chroma"]
    assert steady["luma"] == pytest.approx(plain["luma"], rel=0.1)


def test_steadier_restarts_at_a_cut():
    red, blue = (np.tile(np.array(color, np.uint8), (4, 4, 1)) for color in ((200, 0, 0), (0, 0, 200)))
    dark, bright = np.zeros((40, 40, 3), np.uint8), np.full((40, 40, 3), 150, np.uint8)
    same = Steadier(0.75)([dark, dark], [red, blue])
    np.testing.assert_array_equal(same[1][0, 0], [150, 0, 50])
    cut = Steadier(0.75)([dark, bright], [red, blue])
    np.testing.assert_array_equal(cut[1], blue)
    np.testing.assert_array_equal(Steadier(0)([dark, dark], [red, blue])[1], blue)
