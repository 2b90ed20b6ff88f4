"""Tests of every network and size; a new network needs only a line in `NETWORKS`."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from tests import narrow  # noqa: F401  # makes its encoder known
from tests.registries import isolated

from decrappify.errors import InputError
from decrappify.inference.folding import fold_norms
from decrappify.model import Model, load_model
from decrappify.networks import DEFAULT_NETWORK, create, network_names, register_network, unregister_network
from decrappify.networks.blocks import NormedConv
from decrappify.networks.critic import Critic
from decrappify.training import NoganConfig, TrainingConfig

TINY = {"base_channels": 16, "depth": 1}
UNET = {"encoder": "resnet18", "width_factor": 0.25}
NETWORKS = [
    pytest.param("small", {}, id="small"),
    pytest.param("base", {"base_channels": 16, "blocks": 1}, id="base"),
    pytest.param("large", {"base_channels": 16, "blocks": 1}, id="large", marks=pytest.mark.slow),  # as "base"
    pytest.param("residual-unet", TINY | {"n_frames": 1}, id="one-frame"),
    pytest.param("residual-unet", TINY | {"n_frames": 5, "scale": 2}, id="five-frames-x2"),
    pytest.param(
        "residual-unet", TINY | {"n_frames": 1, "scale": 4, "in_channels": 2, "out_channels": 2}, id="two-channels-x4"
    ),
    pytest.param("residual-unet", TINY | {"stem": 2, "scale": 2}, id="stem-x2"),
    pytest.param("residual-unet", TINY | {"in_channels": 3, "out_channels": 1, "bias": True}, id="biases"),
]


UNETS = [
    pytest.param("deoldify-artistic", UNET | {"encoder": "narrow-resnet"}, id="artistic"),
    pytest.param("pssr", UNET | {"encoder": "narrow-wn-resnet", "n_frames": 3}, id="narrow-pssr"),
    *(
        pytest.param(name, UNET | settings, id=name, marks=pytest.mark.slow)
        for name, settings in (
            ("deoldify-artistic", {}),
            ("deoldify-stable", {}),
            ("deoldify-video", {"n_frames": 3, "in_channels": 1, "out_channels": 1}),
            ("lesson7-superres", {"in_channels": 2, "out_channels": 4, "norm": "batch"}),
            ("lesson7-superres-gan", {"norm": "none", "blur": "off", "last_cross": False}),
            ("dynamic-unet", {"form": "wide", "blur": "as_flagged", "y_range": (0, 1)}),
            ("upsampled-unet", {"scale": 3, "in_channels": 1, "out_channels": 1}),
            ("pssr", {"encoder": "wn-resnet18"}),
        )
    ),
]
CRITICS = [
    pytest.param("deoldify-critic", {"width": 8}, id="deoldify-critic"),
    pytest.param("fastai-critic", {"width": 8}, id="fastai-critic"),
    pytest.param("small-critic", {"width": 8}, id="small-critic"),
    pytest.param("critic", {"width": 8, "blocks": 1, "attention": False, "dropout": 0.0}, id="bare-critic"),
]


class Networks:
    """Creation of networks and of suitable sources."""

    @pytest.fixture(autouse=True)
    def _seeded(self):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            yield

    def make(self, name, settings, *, trained=True):
        network = create(name, **settings)
        if trained and hasattr(network, "tail"):  # initially, the prediction is the middle frame
            torch.nn.init.normal_(network.tail.weight, std=0.05)
        for module in network.modules():
            if hasattr(module, "gamma"):  # at its initial value, 0, attention has no effect
                torch.nn.init.constant_(module.gamma, 0.5)
        return network

    def source(self, network, rows=2, columns=3):
        half = self.smallest(network) // 2
        return torch.rand(2, self.channels(network), rows * half, columns * half)

    def channels(self, network):
        return getattr(network, "n_frames", 1) * network.in_channels

    def smallest(self, network):
        """Return the side of a source that has more than one pixel on the coarsest grid."""
        return network.smallest if isinstance(network, Critic) else 8 * network.spec.size_multiple


@pytest.mark.parametrize(("name", "settings"), NETWORKS + UNETS + CRITICS)
class TestEveryNetwork(Networks):
    def test_output_has_the_expected_shape(self, name, settings):
        network = self.make(name, settings)
        source = self.source(network)
        if isinstance(network, Critic):
            assert network(source).shape == (2, 1 * 3)
            return
        height, width = (side * network.scale for side in source.shape[-2:])
        assert network(source).shape == (2, network.out_channels, height, width)

    def test_unsuitable_size_raises_and_names_a_suitable_size(self, name, settings):
        network = self.make(name, settings).eval()
        if isinstance(network, Critic):
            height, width, least = network.smallest - 1, network.smallest, network.smallest
            message = f"{height} x {width} pixels is too small for the critic, expected at least {least} x {least}$"
        elif network.spec.size_multiple > 1:
            multiple = network.spec.size_multiple
            height, width = multiple * 3 - 1, multiple * 2
            message = f"expected multiples of {multiple}; pad it to {multiple * 3} x {multiple * 2}$"
        else:
            odd = torch.rand(1, self.channels(network), 17, 19)
            assert network(odd).shape[-2:] == (17 * network.scale, 19 * network.scale)
            return
        with pytest.raises(InputError, match=message):
            network(torch.zeros(1, self.channels(network), height, width))

    def test_every_weight_has_a_gradient(self, name, settings):
        network = self.make(name, settings)
        source = torch.rand(6, *self.source(network).shape[1:])  # two pixels are too few for a batch norm
        network(source).square().mean().backward()
        assert all(weight.grad is not None and weight.grad.abs().max() > 0 for weight in network.parameters())

    def test_network_is_restored_from_architecture_and_state(self, name, settings, tmp_path):
        network = self.make(name, settings).eval()
        source = self.source(network, 2, 2)
        if isinstance(network, Critic):  # saved in training checkpoints, not in model files
            loaded = create(**network.architecture).eval()
            loaded.load_state_dict(network.state_dict())
        else:
            model = Model(network, card={"name": "tiny"})
            read = load_model(model.save(tmp_path / "model.safetensors"))
            loaded = read.network
            assert read.sha256 == model.sha256
        assert torch.equal(loaded(source), network(source))
        assert loaded.architecture == network.architecture

    def test_folded_network_is_equivalent(self, name, settings):
        network = self.make(name, settings).eval()
        source, folded = self.source(network), fold_norms(network)
        assert not any(isinstance(module, NormedConv) for module in folded.modules())
        torch.testing.assert_close(folded(source), network(source), atol=1e-5, rtol=1e-5)

    def test_bfloat16_is_close(self, name, settings):
        network = self.make(name, settings).eval()
        source = self.source(network, 2, 2)
        exact = network(source)
        rough = network.to(torch.bfloat16)(source.to(torch.bfloat16)).float()
        assert rough.shape == exact.shape
        assert (rough - exact).abs().mean() < (0.02 if hasattr(network, "tail") else 0.1) * exact.abs().mean()

    @pytest.mark.slow
    def test_torch_compile_captures_the_complete_network(self, name, settings):
        network = fold_norms(self.make(name, settings))
        source = self.source(network, 2, 2)
        torch._dynamo.reset()
        with torch.inference_mode():  # without the code generator, which takes minutes: test_compiling.py
            captured = torch.compile(network, backend="eager", fullgraph=True, dynamic=False)(source)
            torch.testing.assert_close(captured, network(source), atol=1e-5, rtol=1e-5)


def test_all_registered_networks_are_tested():
    assert {case.values[0] for case in NETWORKS + UNETS + CRITICS} == set(network_names())


@pytest.mark.parametrize(("name", "settings"), NETWORKS)
class TestResidualUNet(Networks):
    def middle(self, network, source):
        start = network.n_frames // 2 * network.in_channels
        return source[:, start : start + network.out_channels]

    def test_margin_covers_the_pixels_that_a_border_changes(self, name, settings):
        network = self.make(name, settings).eval()
        side = 2 * network.spec.margin + 4 * network.spec.size_multiple
        source = torch.rand(1, network.n_frames * network.in_channels, side, side)
        changed = source.clone()
        changed[..., :, 0] += 0.1
        difference = (network(source) - network(changed)).abs()[..., network.spec.margin * network.scale :]
        assert difference.max() < 1e-3

    def test_untrained_network_returns_the_middle_frame(self, name, settings):
        network = self.make(name, settings, trained=False)
        source = self.source(network)
        expected = self.middle(network, source)
        if network.scale > 1:
            expected = F.interpolate(expected, scale_factor=network.scale, mode="bilinear", align_corners=False)
        torch.testing.assert_close(network(source), expected, atol=0, rtol=0)

    def test_network_ignores_neighboring_frames_initially(self, name, settings):
        network = self.make(name, settings)
        source, start = self.source(network), network.n_frames // 2 * network.in_channels
        other = torch.rand_like(source)
        other[:, start : start + network.in_channels] = source[:, start : start + network.in_channels]
        torch.testing.assert_close(network(source), network(other), atol=1e-6, rtol=0)

    def test_network_is_homogeneous_without_biases(self, name, settings):
        network = self.make(name, settings)
        source = self.source(network)
        same = torch.allclose(network(3 * source), 3 * network(source), atol=1e-4)
        if settings.get("bias"):
            torch.nn.init.ones_(network.head.bias)
            same = torch.allclose(network(3 * source), 3 * network(source), atol=1e-4)
        assert same != settings.get("bias", False)


@pytest.mark.parametrize(("stem", "scale"), [(1, 1), (1, 2), (2, 2)])
def test_widened_network_predicts_like_the_one_frame_network(stem, scale):
    settings = TINY | {"stem": stem, "scale": scale}
    few, wide = create("small", n_frames=1, **settings), create("small", n_frames=3, **settings)
    torch.nn.init.normal_(few.tail.weight, std=0.05)
    wide.load_state_dict(wide.widened(few.state_dict(), 1))
    source = torch.rand(1, 3, 16, 16)
    torch.testing.assert_close(wide(source), few(source[:, 1:2]), atol=1e-6, rtol=0)


def test_small_has_at_most_a_million_parameters_and_sizes_grow():
    counts = [Model(create(name)).n_parameters for name in ("small", "base", "large")]
    assert counts[0] <= 1e6
    assert counts == sorted(counts)
    assert network_names()[:3] == ["small", "base", "large"]


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        ("smal", {}, "unknown network 'smal'; did you mean 'small'"),
        ("small", {"widht": 3}, "network 'small' does not take these settings: .*widht"),
        ("small", {"x" * 5000: 3}, r"^network .small. does not take these settings: .{,250}$"),
        ("small", {"scale": 3}, "scale is 3, expected 1, 2 or 4"),
        ("small", {"stem": 4}, "stem is 4, expected 1 or 2"),
        ("small", {"n_frames": 2}, "n_frames is 2, expected an odd integer"),
        (
            "small",
            {"in_channels": 3, "out_channels": 2},
            "out_channels is 2, expected 3 like in_channels, or a divisor",
        ),
    ],
)
def test_create_rejects_invalid_settings(name, settings, message):
    with pytest.raises(InputError, match=message):
        create(name, **settings)


CHECKED = {
    "residual-unet": ("n_frames", "scale", "stem", "growth", "depth", "base_channels", "blocks"),
    "critic": ("form", "width", "blocks", "dropout"),
    "dynamic-unet": ("encoder", "form", "norm", "blur", "width_factor", "y_range", "encoder_weights"),
}


@pytest.mark.parametrize("value", ["x" * 5000, [1] * 3000, {"a": "x" * 5000}], ids=["string", "list", "table"])
@pytest.mark.parametrize(("name", "setting"), [(name, key) for name, keys in CHECKED.items() for key in keys])
def test_create_shortens_long_values_in_its_messages(name, setting, value):
    with pytest.raises(InputError) as raised:
        create(name, **{setting: value})
    assert len(str(raised.value)) < 300


@pytest.mark.parametrize("setting", ["depth", "base_channels", "blocks"])
def test_create_shortens_long_integers_in_its_messages(setting):
    with pytest.raises(InputError) as raised:
        create("residual-unet", **{setting: 10**300})
    assert len(str(raised.value)) < 300


def test_widened_rejects_a_narrower_window():
    wide, few = create("small", n_frames=3, **TINY), create("small", n_frames=1, **TINY)
    with pytest.raises(InputError, match="cannot start a network of 1 frame from one of 3, expected at most as many"):
        few.widened(wide.state_dict(), 3)


@pytest.mark.parametrize("name", ["small", "residual-unet", "critic", "small critic"])
def test_register_network_rejects_taken_and_invalid_names(name):
    problem = "name 'small critic' is not valid" if " " in name else f"'{name}' is registered already; choose another"
    with pytest.raises(InputError, match=f"network {problem}"):
        register_network(name)(torch.nn.Identity)


def test_create_rejects_a_network_whose_model_file_could_not_be_loaded():
    with isolated():
        register_network("nameless")(torch.nn.Identity)
        with pytest.raises(InputError, match="'nameless' has architecture None, expected a dictionary"):
            create("nameless")


def test_default_network_is_used_by_all_training_configs():
    assert {TrainingConfig().network, NoganConfig().generator} == {DEFAULT_NETWORK}


def test_unregister_network_removes_a_registered_class_only():
    register_network("fleeting")(torch.nn.Identity)
    unregister_network("fleeting")
    assert "fleeting" not in network_names()
    with pytest.raises(InputError, match="unknown network 'fleeting'"):
        unregister_network("fleeting")
    with pytest.raises(InputError, match="network 'small' is a preset"):
        unregister_network("small")
