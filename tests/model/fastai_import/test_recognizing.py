from __future__ import annotations

import pytest

from decrappify.model.fastai_import.recognizing import critic_name, unet_settings
from decrappify.networks import create
from decrappify.networks.shapes import shapes_only

PUBLISHED = {
    "deoldify-artistic": [{}],
    "deoldify-stable": [{}],
    "deoldify-video": [{}],
    "lesson7-superres": [{}, {"encoder": "resnet18"}, {"encoder": "resnet50"}, {"encoder": "resnet101"}],
    "lesson7-superres-gan": [{}, {"norm": "none"}, {"norm": "batch", "bottleneck": True}, {"last_cross": False}],
    "pssr": [{}, {"n_frames": 3}, {"n_frames": 5}, {"in_channels": 2}, {"encoder": "wn-resnet18"}],
}
ALIKE = ({"encoder": "resnet101"}, {"n_frames": 5}, {"in_channels": 2})  # to other settings above


def shapes_of(name, **settings):
    with shapes_only():
        network = create(name, **settings)
    return network, {key: tuple(value.shape) for key, value in network.state_dict().items()}


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        (name, changes) if changes not in ALIKE else pytest.param(name, changes, marks=pytest.mark.slow)
        for name in PUBLISHED
        for changes in PUBLISHED[name]
    ],
)
def test_unet_settings_finds_all_settings_that_shapes_determine(name, changes):
    network, shapes = shapes_of(name, **changes)
    found = unet_settings(shapes)
    assert found == {key: network.architecture[key] for key in found}
    undetermined = set(network.architecture) - set(found)
    assert undetermined == {"scale", "blur", "blur_final", "y_range"}


@pytest.mark.parametrize(
    ("form", "factor"),
    [
        *(("deep", factor) for factor in (0.07, 0.9, 1.25)),
        *(("wide", factor) for factor in (1 / 3, 1.1, 3.33)),
        *(pytest.param("wide", factor, marks=pytest.mark.slow) for factor in (0.07, 0.9, 1.25)),
        *(pytest.param("deep", factor, marks=pytest.mark.slow) for factor in (1 / 3, 1.1, 3.33)),
    ],
)
def test_unet_settings_finds_any_width(form, factor):
    _, shapes = shapes_of("dynamic-unet", encoder="resnet18", form=form, width_factor=factor)
    _, again = shapes_of(**unet_settings(shapes))
    assert again == shapes


@pytest.mark.parametrize(
    ("encoder", "n_in", "n_out", "expected"),
    [
        ("resnet18", 3, 3, (1, 3)),
        ("resnet18", 9, 3, (3, 3)),
        ("resnet18", 3, 1, (1, 3)),
        ("resnet18", 5, 1, (5, 1)),
        ("resnet18", 4, 1, (1, 4)),
        ("resnet18", 4, 3, (1, 4)),
        ("wn-resnet18", 3, 1, (3, 1)),
        ("wn-resnet18", 2, 2, (1, 2)),
    ],
)
def test_unet_settings_splits_channels_into_frames_by_the_output(encoder, n_in, n_out, expected):
    _, shapes = shapes_of("dynamic-unet", encoder=encoder, in_channels=n_in, out_channels=n_out)
    found = unet_settings(shapes)
    assert (found["n_frames"], found["in_channels"]) == expected


@pytest.mark.parametrize(("name", "origin"), [("deoldify-critic", "DeOldify"), ("fastai-critic", "fastai")])
def test_critic_name_distinguishes_critics_from_generators(name, origin):
    _, shapes = shapes_of(name)
    assert (unet_settings(shapes), critic_name(shapes)) == (None, origin)


@pytest.mark.parametrize("shapes", [{}, {"weight": (3, 3)}, {"layers.0.0.weight": (64, 3, 7, 7)}])
def test_other_shapes_are_not_recognized(shapes):
    assert (unet_settings(shapes), critic_name(shapes)) == (None, None)


def test_torchvision_and_decrappify_networks_are_not_recognized():
    import torchvision

    for network in (torchvision.models.resnet18(), create("small", base_channels=16)):
        shapes = {key: tuple(value.shape) for key, value in network.state_dict().items()}
        assert (unet_settings(shapes), critic_name(shapes)) == (None, None)
