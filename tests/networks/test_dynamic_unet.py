from __future__ import annotations

import warnings

import numpy as np
import pytest
import torch
import torchvision
from tests import narrow  # noqa: F401  # makes its encoder known
from torch import nn

from decrappify.errors import InputError, ModelFileError
from decrappify.inference.folding import fold_norms
from decrappify.inference.network import InferenceNetwork
from decrappify.networks import create
from decrappify.networks.blocks import PixelShuffle
from decrappify.networks.encoder import build_encoder, inflate
from decrappify.networks.shapes import shapes_only

TINY = {"encoder": "narrow-resnet", "width_factor": 0.25}


@pytest.fixture(scope="module")
def unet():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return create("deoldify-artistic", **TINY).eval()


@pytest.mark.parametrize(("height", "width"), [(34, 34), (66, 98), (70, 70), (80, 80), (2, 4)])
def test_unet_keeps_even_sizes_and_the_output_range(height, width, unet):
    with torch.inference_mode():
        prediction = unet(10 * torch.randn(1, 3, height, width))
    assert prediction.shape == (1, 3, height, width)
    assert prediction.abs().max() <= 3


@pytest.mark.parametrize(
    ("name", "layer"),
    [("deoldify-artistic", "conv2.3"), ("deoldify-stable", "conv.3"), ("lesson7-superres-gan", "conv2.2")],
)
def test_attention_has_the_key_of_the_published_checkpoints(name, layer):
    with shapes_only():
        keys = create(name).state_dict()
    assert [key for key in keys if key.endswith("gamma")] == [f"layers.5.{layer}.gamma"]


@pytest.mark.parametrize(
    ("settings", "blurred"),
    [
        ({}, [True] * 5),
        ({"blur": "as_flagged"}, [True] * 4 + [False]),
        ({"blur": "as_flagged", "blur_final": False}, [True] * 3 + [False] * 2),
        ({"blur": "off"}, [False] * 5),
    ],
)
def test_blur_setting_selects_the_blurred_upsamplings(settings, blurred):
    with shapes_only():
        network = create("lesson7-superres", **settings)
    assert [module.blur for module in network.modules() if isinstance(module, PixelShuffle)] == blurred


@pytest.mark.parametrize("norm", ["spectral", "weight", "batch", "none"])
def test_untrained_pixel_shuffle_is_nearest_neighbor_upsampling(norm):
    shuffle = PixelShuffle(8, 4, norm=norm, batch_norm=False, blur=False).eval()
    prediction = shuffle(torch.randn(1, 8, 3, 3))
    nearest = nn.functional.interpolate(prediction[..., ::2, ::2], scale_factor=2)
    torch.testing.assert_close(prediction, nearest, atol=1e-6, rtol=0)


def test_blur_averages_with_the_upper_left_neighbors():
    shuffle = PixelShuffle(8, 1, norm="none", blur=False).eval()
    x = torch.randn(1, 8, 4, 4)
    sharp = shuffle(x)
    shuffle.blur = True
    assert shuffle(x).shape == sharp.shape
    torch.testing.assert_close(shuffle(x)[..., 0, 0], sharp[..., 0, 0])
    torch.testing.assert_close(shuffle(x)[..., 3, 2], sharp[..., 2:4, 1:3].mean((-1, -2)))


def test_last_convolution_follows_the_upsampling_without_last_cross():
    with shapes_only():
        keys = create("lesson7-superres", last_cross=False).state_dict()
    assert "layers.9.0.weight_g" in keys
    assert not any(key.startswith("layers.10") for key in keys)


def test_inflate_keeps_the_response_to_a_gray_image():
    weight, gray = torch.randn(4, 3, 7, 7), torch.randn(1, 1, 16, 16)
    expected = nn.functional.conv2d(gray.expand(-1, 3, -1, -1), weight)
    for n_frames, channels in ((1, 1), (3, 1), (1, 4), (3, 3)):
        found = nn.functional.conv2d(gray.expand(-1, n_frames * channels, -1, -1), inflate(weight, n_frames, channels))
        torch.testing.assert_close(found, expected, atol=1e-4, rtol=0)
    assert torch.equal(inflate(weight, 1, 3), weight)


def test_build_encoder_loads_weights_from_a_local_file(tmp_path):
    network = torchvision.models.resnet18(weights=None)
    torch.save(network.state_dict(), tmp_path / "resnet18.pth")
    body = build_encoder("resnet18", in_channels=1, weights=tmp_path / "resnet18.pth").body
    torch.testing.assert_close(body[0].weight, network.conv1.weight.sum(1, keepdim=True))
    assert torch.equal(body[7][1].conv2.weight, network.layer4[1].conv2.weight)
    (tmp_path / "page.pth").write_text("<html>")
    with pytest.raises(ModelFileError, match=r"page.pth cannot be read as weights; copy or download it again"):
        build_encoder("resnet18", weights=tmp_path / "page.pth")
    with pytest.raises(ModelFileError, match=r"does not contain the weights of resnet34; pass a file of torchvision's"):
        build_encoder("resnet34", weights=tmp_path / "resnet18.pth")


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        ("dynamic-unet", {"encoder": "vgg"}, "encoder is 'vgg', expected one of resnet18, resnet34, .*"),
        ("dynamic-unet", {"norm": "group"}, "norm is 'group', expected one of 'spectral', 'weight', 'batch', 'none'"),
        ("dynamic-unet", {"form": "thin"}, "form is 'thin', expected one of 'deep', 'wide'"),
        ("dynamic-unet", {"blur": True}, "blur is True, expected one of 'always', 'as_flagged', 'off'"),
        (
            "dynamic-unet",
            {"scale": 2},
            "scale is 2, expected 1 for a dynamic U-Net; use 'upsampled-unet' or 'pssr' to enlarge",
        ),
        ("dynamic-unet", {"in_channels": 0}, "in_channels is 0, expected an integer of at least 1"),
        ("dynamic-unet", {"n_frames": 2}, "n_frames is 2, expected an odd integer"),
        ("dynamic-unet", {"y_range": (3, -3)}, r"y_range is \(3, -3\), expected two numbers, the lower first"),
        ("dynamic-unet", {"width_factor": 0}, "width_factor is 0, expected a number above 0, such as 1.5"),
        (
            "dynamic-unet",
            {"encoder_weights": "BEST"},
            "encoder_weights is 'BEST', neither a file nor weights of resnet34",
        ),
        ("pssr", {"scale": 0}, "scale is 0, expected an integer of at least 1"),
        ("pssr", {"encoder_weights": "DEFAULT"}, "encoder 'wn-resnet34' has no pretrained weights, found 'DEFAULT'"),
        ("deoldify-artistik", {}, "unknown network 'deoldify-artistik'; did you mean 'deoldify-artistic'"),
    ],
)
def test_create_rejects_invalid_unet_settings(name, settings, message):
    with pytest.raises(InputError, match=message), shapes_only():
        create(name, **settings)


def test_inference_network_runs_a_unet_in_float32_and_bfloat16(unet):
    source = torch.rand(1, 3, 64, 64)
    with torch.inference_mode():
        expected = unet(source)
    exact = InferenceNetwork(unet, device="cpu", precision="float32")(source)
    rough = InferenceNetwork(unet, device="cpu", precision="bfloat16")(source)
    torch.testing.assert_close(exact, expected, atol=1e-5, rtol=0)
    torch.testing.assert_close(rough, expected, atol=0.2, rtol=0)


def test_tiles_agree_beyond_the_margin_only_if_aligned_to_the_coarsest_grid():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network, source = create("lesson7-superres", **TINY).eval(), torch.randn(1, 3, 32, 288)
    assert (
        network.spec.tile_multiple == InferenceNetwork(network, device="cpu", precision="float32").size_multiple == 32
    )
    with torch.inference_mode():
        whole = network(source)
        aligned, shifted = (
            (network(source[..., start:]) - whole[..., start:])[..., network.spec.margin :].std() / whole.std()
            for start in (64, 34)
        )
    assert aligned < 1e-3
    assert shifted > 1e-2


@pytest.mark.slow  # the export takes half a minute
@pytest.mark.parametrize("name", ["deoldify-artistic", "lesson7-superres"])
def test_folded_generator_runs_in_onnxruntime(name, tmp_path):
    pytest.importorskip("onnxscript", reason="onnxscript is not installed: the export needs it")
    onnxruntime = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed: the export cannot be run")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network, source = create(name, **TINY).eval(), torch.randn(1, 3, 48, 34)
    for module in network.modules():
        if hasattr(module, "gamma"):  # at its initial value, 0, attention has no effect
            nn.init.constant_(module.gamma, 0.5)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # warnings of torch's exporter about its own code
        torch.onnx.export(
            fold_norms(network), (source,), tmp_path / "unet.onnx", input_names=["source"], dynamo=True, verbose=False
        )
    session = onnxruntime.InferenceSession(tmp_path / "unet.onnx", providers=["CPUExecutionProvider"])
    (found,) = session.run(None, {"source": source.numpy()})
    with torch.inference_mode():
        assert np.abs(found - network(source).numpy()).max() < 1e-4
