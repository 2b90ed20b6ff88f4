from __future__ import annotations

import pytest
import torch

from decrappify.model.fastai_import.recognizing import critic_name, unet_settings
from decrappify.networks import create

PUBLISHED = {
    "deoldify-artistic": [{}],
    "deoldify-stable": [{}],
    "deoldify-video": [{}],
    "lesson7-superres": [{}, {"encoder": "resnet18"}, {"encoder": "resnet50"}, {"encoder": "resnet101"}],
    "lesson7-superres-gan": [{}, {"norm": "none"}, {"norm": "batch", "bottleneck": True}, {"last_cross": False}],
    "pssr": [{}, {"n_frames": 3}, {"n_frames": 5}, {"in_channels": 2}, {"encoder": "wn-resnet18"}],
}
ALIKE = ({"encoder": "resnet101"}, {"n_frames": 5}, {"in_channels": 2})  # to others above


def shapes_of(name, **settings):
    with torch.device("meta"):
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
def test_all_that_shapes_show_is_seen(name, changes):
    network, shapes = shapes_of(name, **changes)
    seen = unet_settings(shapes)
    assert seen == {key: network.architecture[key] for key in seen}
    unseen = set(network.architecture) - set(seen)
    assert unseen == {"scale", "blur", "blur_final", "y_range"}


@pytest.mark.parametrize(
    ("form", "factor"),
    [
        *(("deep", factor) for factor in (0.07, 0.9, 1.25)),
        *(("wide", factor) for factor in (1 / 3, 1.1, 3.33)),
        *(pytest.param("wide", factor, marks=pytest.mark.slow) for factor in (0.07, 0.9, 1.25)),
        *(pytest.param("deep", factor, marks=pytest.mark.slow) for factor in (1 / 3, 1.1, 3.33)),
    ],
)
def test_any_width_is_met(form, factor):
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
def test_channels_are_split_into_frames_by_the_output(encoder, n_in, n_out, expected):
    _, shapes = shapes_of("dynamic-unet", encoder=encoder, in_channels=n_in, out_channels=n_out)
    seen = unet_settings(shapes)
    assert (seen["n_frames"], seen["in_channels"]) == expected


@pytest.mark.parametrize(("name", "whose"), [("deoldify-critic", "DeOldify"), ("fastai-critic", "fastai")])
def test_critics_are_distinguished_from_generators(name, whose):
    _, shapes = shapes_of(name)
    assert (unet_settings(shapes), critic_name(shapes)) == (None, whose)


@pytest.mark.parametrize("shapes", [{}, {"weight": (3, 3)}, {"layers.0.0.weight": (64, 3, 7, 7)}])
def test_other_networks_are_not(shapes):
    assert (unet_settings(shapes), critic_name(shapes)) == (None, None)


def test_torchvision_and_own_networks_are_not():
    import torchvision

    for network in (torchvision.models.resnet18(), create("small", base_channels=16)):
        shapes = {key: tuple(value.shape) for key, value in network.state_dict().items()}
        assert (unet_settings(shapes), critic_name(shapes)) == (None, None)
