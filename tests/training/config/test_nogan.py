from __future__ import annotations

from dataclasses import replace

import pytest

from decrappify.errors import InputError
from decrappify.networks import create
from decrappify.networks.shapes import shapes_only
from decrappify.training import NoganConfig, nogan_preset
from decrappify.training.engine.optimization import group_rates
from decrappify.training.nogan.schedule import plan


@pytest.mark.parametrize(
    ("preset", "rates", "batches", "gan", "cycles"),
    [
        ("artistic", [1e-3, 3e-4, 1e-4, 5e-5], [88, 88, 22, 11], (1e-5, 9, 1.0, 2.0), 6),
        ("stable", [1e-3, 3e-4, 1e-4, 5e-5], [88, 88, 20, 8], (2e-5, 5, 1.0, 1.5), 4),
        ("video", [5e-5], [8], (5e-6, 5, 1.0, 1.5), 1),
    ],
)
def test_nogan_preset_returns_the_published_settings(preset, rates, batches, gan, cycles):
    config = nogan_preset(preset)
    assert [step.learning_rate for step in config.pretrain] == rates
    assert [step.batch_size for step in config.pretrain] == batches
    found = config.gan
    assert (found.learning_rate, found.batch_size, found.adversarial_weight, found.content_weight) == gan
    assert (found.size, found.share, found.critic_factor, found.threshold) == (192, 0.03, 5.0, 0.65)
    assert (config.cycles, config.checkpoint_share, config.weight_decay) == (cycles, 0.001, 1e-3)
    assert config.content_loss == "feature-deoldify"


@pytest.mark.parametrize("preset", ["artistic", "stable", "video", "microscopy"])
def test_nogan_config_round_trips_through_a_dictionary(preset):
    config = nogan_preset(preset)
    assert NoganConfig.from_dict(config.to_dict()) == config
    assert plan(config)[-1].kind == "GAN"


def test_from_dict_changes_only_the_named_settings():
    config = NoganConfig.from_dict({"gan": {"share": 0.5}, "seed": 4}, nogan_preset("stable"))
    assert (config.gan.share, config.gan.batch_size, config.seed, config.cycles) == (0.5, 5, 4, 4)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"cycle": 2}, "unknown key 'cycle' in the NoGAN settings; did you mean 'cycles'"),
        ({"gan": {"treshold": 1}}, "unknown key 'treshold' in gan of the NoGAN settings; did you mean 'threshold'"),
        ({"pretrain": [{"size": 0}]}, "size is 0, expected a number of at least 1"),
        ({"pretrain": 3}, "pretrain is 3, expected a list of tables"),
        ({"pretrain": [3]}, "pretrain contains 3, expected tables with keys of PretrainStep"),
        ({"gan": {"adversarial": "wgan"}}, "adversarial is 'wgan', expected one of bce, hinge, least-squares"),
        ({"critic_steps": [{"accuracy": 0.2}]}, "accuracy is 0.2, expected a number from 0.5 to 1"),
        ({"critic_steps": [{"size": 128}]}, "critic step has size 128, .* at most generated_size 64"),
        ({"task": "segmentation"}, "task is 'segmentation', expected one of restoration, colorization"),
        ({"validation_patches": 2}, "validation_patches is 2, expected a number of at least 4"),
        ({"items": 2.5}, "items is 2.5, expected a value of type int"),
        ({"n_frames": 2}, "n_frames is 2"),
        ({"generator_settings": 1}, "generator_settings is 1, expected a table"),
    ],
)
def test_from_dict_rejects_invalid_settings(values, message):
    with pytest.raises(InputError, match=message):
        NoganConfig.from_dict(values)


def test_nogan_preset_rejects_unknown_names():
    with pytest.raises(InputError, match="unknown NoGAN preset 'fast', expected one of artistic, stable, video"):
        nogan_preset("fast")


def test_parameter_groups_of_the_artistic_generator_match_fastai():
    with shapes_only():
        network = create("deoldify-artistic")
    groups = network.parameter_groups()
    assert [sum(p.numel() for p in group) for group in groups] == [1_347_904, 19_936_768, 42_362_209]
    assert sum(map(len, groups)) == len(list(network.parameters()))


def test_freeze_encoder_freezes_convolutions_but_not_norms():
    network = create("dynamic-unet", encoder="resnet18", width_factor=0.1)
    network.freeze_encoder(True)
    encoder = network.layers[0]
    assert not encoder[0].weight.requires_grad
    assert encoder[1].weight.requires_grad
    assert all(parameter.requires_grad for parameter in network.layers[3].parameters())
    network.freeze_encoder(False)
    assert all(parameter.requires_grad for parameter in network.parameters())


def test_network_without_encoder_has_one_parameter_group_and_freezes_nothing():
    network = create("small", n_frames=1, base_channels=16, depth=1)
    network.freeze_encoder(True)
    assert all(parameter.requires_grad for parameter in network.parameters())
    assert len(network.parameter_groups()) == 1


def test_group_rates_match_fastai_slices():
    assert group_rates(1e-3, None) == pytest.approx((1e-4, 1e-4, 1e-3))
    assert group_rates(1e-4, 1e-6) == pytest.approx((1e-6, 1e-5, 1e-4))
    assert replace(nogan_preset("artistic").pretrain[1]).encoder_rate == 3e-7
