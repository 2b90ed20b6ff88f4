from __future__ import annotations

import numpy as np
import pytest

from decrappify.crappify import crappifier_preset, preset_names
from napari_decrappify.widgets.training.degradations import POSITIONS, changed, parameters, presets, with_scale

FRAMES = np.random.default_rng(0).random((2, 48, 48), np.float32)


def test_presets_omits_color_presets():
    assert {name for name in preset_names() if name not in presets()} == {
        "colour-grey",
        "colour-old-photo",
        "colour-old-film",
    }


@pytest.mark.parametrize("name", presets())
def test_slider_ends_are_valid(name, rng):
    preset = crappifier_preset(name)
    for parameter in parameters(preset):
        low, high = parameter.ends
        assert parameter.lowest <= low <= high <= parameter.highest
        for end in (low, high):
            assert parameter.value(parameter.position(end)) == pytest.approx(end, rel=0.2, abs=0.02 * parameter.highest)
        for position in (0, POSITIONS):
            value = parameter.value(position)
            other = changed(preset, {(parameter.step, parameter.key): (value, value)})
            assert np.isfinite(other(FRAMES, rng)).all()


@pytest.mark.parametrize("name", presets())
@pytest.mark.parametrize("scale", [1, 2, 3, 4])
def test_with_scale_supports_all_presets(name, scale, rng):
    crappifier = with_scale(crappifier_preset(name), scale)
    assert crappifier.scale == scale
    assert crappifier(FRAMES, rng).shape == (2, 48 // scale, 48 // scale)


def test_unchanged_preset_is_equal():
    for name in presets():
        preset = crappifier_preset(name)
        assert with_scale(changed(preset, {}), preset.scale) == preset
