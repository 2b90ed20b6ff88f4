from __future__ import annotations

import dataclasses

import pytest

from decrappify.colorization.presets import (
    PRESETS,
    RENDER_FACTORS,
    automatic_render_factor,
    check_render_factor,
    colorization_preset,
)
from decrappify.errors import InputError


@pytest.mark.parametrize(("name", "render_factor"), [("artistic", 35), ("stable", 35), ("video", 21)])
def test_colorization_preset_returns_the_published_settings(name, render_factor):
    preset = colorization_preset(name)
    assert (preset.name, preset.render_factor) == (name, render_factor)
    assert preset.weights == f"Colorize{name.capitalize()}_gen.pth"


@pytest.mark.parametrize("preset", PRESETS.values(), ids=list(PRESETS))
def test_presets_have_valid_ranges_and_are_frozen(preset):
    low, high = preset.automatic
    assert RENDER_FACTORS.start <= low <= high < RENDER_FACTORS.stop
    with pytest.raises(dataclasses.FrozenInstanceError):
        preset.render_factor = 1


def test_colorization_preset_rejects_unknown_names():
    with pytest.raises(InputError, match=r"preset='artistc' is not known, expected one of .*did you mean 'artistic'\?"):
        colorization_preset("artistc")


@pytest.mark.parametrize("render_factor", ["auto", 2, 35, 200])
def test_check_render_factor_accepts_valid_values(render_factor):
    assert check_render_factor(render_factor) == render_factor


@pytest.mark.parametrize("render_factor", [0, -3, 1, 201, 3.5, True, "35", "large", None])
def test_check_render_factor_rejects_invalid_values(render_factor):
    with pytest.raises(InputError, match="expected an integer from 2 to 200, such as 35, or 'auto'"):
        check_render_factor(render_factor)


@pytest.mark.parametrize(
    ("frame_shape", "name", "expected"),
    [
        ((480, 640), "artistic", 30),
        ((640, 480), "artistic", 30),
        ((10, 5000), "stable", 12),
        ((8000, 9000), "stable", 40),
        ((1080, 1920), "video", 21),
        ((240, 320), "video", 15),
    ],
)
def test_automatic_render_factor_follows_the_shorter_side(frame_shape, name, expected):
    assert automatic_render_factor(frame_shape, colorization_preset(name)) == expected
