from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import tifffile

from decrappify.crappify import crappifier_preset, preset_description, preset_names
from decrappify.errors import InputError
from decrappify.movie import Movie
from decrappify.normalization import measure

COLOR = [name for name in preset_names() if crappifier_preset(name).color]
ONE_CHANNEL = [name for name in preset_names() if name not in COLOR]


@pytest.mark.parametrize("name", preset_names())
@pytest.mark.parametrize("frames", [(), (3,)], ids=["still", "window"])
def test_every_preset_runs_on_stills_and_windows(name, frames, rng):
    crappifier = crappifier_preset(name)
    shape = (*frames, 3, 64, 48) if crappifier.color else (*frames, 64, 48)
    image = rng.integers(100, 3000, shape).astype(np.uint16)
    noisy = crappifier(image, rng)
    assert noisy.shape == (*shape[:-2], 64 // crappifier.scale, 48 // crappifier.scale)
    assert crappifier.name == name
    assert 20 < len(preset_description(name)) < 120


def test_color_preset_names_have_one_prefix():
    assert [name for name in preset_names() if name.startswith("colour-")] == COLOR


@pytest.mark.parametrize("name", ONE_CHANNEL)
def test_every_preset_keeps_structure_and_level_of_a_real_image(name, real_data, rng):
    gray = tifffile.imread(real_data / "highres" / "BPAE_actin.tif")[:512, :512]
    image = measure(Movie.from_array(gray)).apply(gray)
    crappifier = crappifier_preset(name)
    scale = crappifier.scale
    noisy = np.kron(crappifier(image, rng).astype(float), np.ones((scale, scale)))
    assert np.corrcoef(noisy.ravel(), image.ravel())[0, 1] > 0.3
    assert noisy.mean() == pytest.approx(image.mean(), abs=0.05 if name == "fastai" else 0.01)


@pytest.mark.parametrize(("name", "scale"), [("confocal", 1), ("widefield-x2", 2), ("confocal-x2", 2), ("em-x4", 4)])
def test_preset_name_contains_the_scale(name, scale):
    assert crappifier_preset(name).scale == scale


def test_unknown_preset_raises_with_the_nearest_name():
    with pytest.raises(InputError, match="unknown crappifier preset 'confocl'; did you mean 'confocal'"):
        crappifier_preset("confocl")
    with pytest.raises(InputError, match="expected one of confocal, "):
        preset_description("zzzz")


def test_crappify_imports_no_torch_and_no_image_library():
    check = "import sys, decrappify.crappify; sys.exit(any(m in sys.modules for m in ('torch', 'skimage', 'PIL')))"
    assert subprocess.run([sys.executable, "-c", check], check=False).returncode == 0
