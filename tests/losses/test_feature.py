from __future__ import annotations

import copy
import json
import logging
import urllib.error

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from tests.narrow import use_narrow_vgg16
from torch import nn
from torchvision.models import VGG16_BN_Weights, vgg

from decrappify.errors import InputError, MissingFileError, ModelFileError
from decrappify.losses import FeatureLoss, content_loss, list_losses, pixel_loss

FORMS = {"deoldify": ((20, 70, 10), 0), "lesson7": ((5, 15, 2), 5e3)}
PARTS = ["pixel", "feat_0", "feat_1", "feat_2", "gram_0", "gram_1", "gram_2"]


FULL = vgg.cfgs["D"]


@pytest.fixture(autouse=True, scope="module")
def narrow():
    """Use an eighth of the channels in all tests that do not depend on the rounding errors of wide convolutions."""
    with pytest.MonkeyPatch.context() as patch:
        use_narrow_vgg16(patch)
        yield


@pytest.fixture
def full_width(monkeypatch):
    monkeypatch.setitem(vgg.cfgs, "D", FULL)


@pytest.fixture(scope="module")
def losses():
    return {form: FeatureLoss(form, "random") for form in FORMS}


@pytest.fixture(scope="module")
def state(losses):
    """Weights with torchvision's names and random running statistics."""
    weights = {f"features.{key}": value.clone() for key, value in losses["deoldify"].features.state_dict().items()}
    generator = torch.Generator().manual_seed(9)
    for key, value in weights.items():
        if key.endswith(("bias", "running_mean")):
            value.normal_(0, 0.1, generator=generator)
        elif key.endswith("running_var"):
            value.uniform_(0.5, 1.5, generator=generator)
    return weights


@pytest.fixture
def images():
    return make_images()


def make_images(channels=3, seed=0, shape=(2, 32, 40)):
    generator = torch.Generator().manual_seed(seed)
    n_images, height, width = shape
    return [torch.randn(n_images, channels, height, width, generator=generator) for _ in range(2)]


def taps_of(state, x):
    """Return the tapped features, computed layer by layer in float64 without in-place operations."""
    taps, index = [], 0
    x, state = x.double(), {key: value.double() for key, value in state.items()}
    for count in (2, 2, 3, 3, 3):
        for _ in range(count):
            conv, norm = f"features.{index}.", f"features.{index + 1}."
            x = F.conv2d(x, state[conv + "weight"], state[conv + "bias"], padding=1)
            mean, variance = state[norm + "running_mean"], state[norm + "running_var"]
            x = F.batch_norm(x, mean, variance, state[norm + "weight"], state[norm + "bias"]).relu()
            index += 3
        taps.append(x)
        x = F.max_pool2d(x, 2)
        index += 1
    return taps[2:]


def parts_of(state, form, prediction, target):
    weights, gram = FORMS[form]
    parts = [(prediction - target).abs().mean()]
    pairs = list(zip(weights, taps_of(state, prediction), taps_of(state, target), strict=True))
    parts += [weight * (one - other).abs().mean() for weight, one, other in pairs]
    if gram:
        for weight, one, other in pairs:
            products = [torch.einsum("nchw,ndhw->ncd", x, x) / x[0].numel() for x in (one, other)]
            parts.append(weight**2 * gram * (products[0] - products[1]).abs().mean())
    return [part.item() for part in parts]


def save(state, path):
    save_file(state, path) if path.suffix == ".safetensors" else torch.save(state, path)
    return path


@pytest.mark.parametrize("form", FORMS)
def test_feature_loss_parts_equal_a_direct_computation(form, state, images, tmp_path):
    loss = FeatureLoss(form, save(state, tmp_path / "vgg.pth"))
    found = loss.parts(*images)
    expected = parts_of(state, form, *images)
    assert list(found) == PARTS[: len(expected)]
    np.testing.assert_allclose([part.item() for part in found.values()], expected, rtol=1e-5)
    assert loss(*images).item() == pytest.approx(sum(expected), rel=1e-5)


@pytest.mark.parametrize("name", ["complete.pth", "trunk.pth", "half.pth", "complete.safetensors"])
def test_feature_loss_loads_the_complete_network_or_its_convolutions(name, state, images, tmp_path):
    expected = parts_of(state, "deoldify", *images)
    if name == "trunk.pth":
        state = {key.removeprefix("features."): value for key, value in state.items()}
    elif name == "half.pth":
        state = {key: value.half() for key, value in state.items() if "num_batches" not in key}
    else:
        state = state | {"classifier.0.weight": torch.zeros(2, 2)}
    loss = FeatureLoss(weights=str(save(state, tmp_path / name)))
    assert loss(*images).item() == pytest.approx(sum(expected), rel=1e-3 if name == "half.pth" else 1e-5)


def test_feature_loss_loads_torchvision_weights_from_the_torch_hub_cache(state, images, tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    folder = tmp_path / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    save(state, folder / "vgg16_bn-6c64b313.pth")
    assert FeatureLoss()(*images).item() == pytest.approx(sum(parts_of(state, "deoldify", *images)), rel=1e-5)


@pytest.mark.parametrize("failure", [urllib.error.URLError("no\nnetwork"), RuntimeError("invalid hash value")])
def test_feature_loss_without_cache_and_network_names_the_file_to_copy(failure, tmp_path, monkeypatch):
    def fail(*_, **__):
        raise failure

    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr(torch.hub, "download_url_to_file", fail)
    with pytest.raises(MissingFileError) as caught:
        FeatureLoss()
    message = str(caught.value)
    path = tmp_path / "hub" / "checkpoints" / "vgg16_bn-6c64b313.pth"
    assert "\n" not in message
    assert VGG16_BN_Weights.IMAGENET1K_V1.url in message
    assert f"download vgg16_bn-6c64b313.pth elsewhere and copy it to {path}" in message
    assert "weights='random' needs no file but is not perceptual" in message


def test_random_weights_are_reproducible_and_keep_the_global_generator(losses, caplog):
    before = torch.get_rng_state()
    with caplog.at_level(logging.WARNING, "decrappify"):
        again = FeatureLoss(weights="random")
    assert torch.equal(torch.get_rng_state(), before)
    assert [record.getMessage() for record in caplog.records] == [
        "VGG16-BN with random weights: the feature loss is not perceptual; pass weights='imagenet'"
    ]
    expected = losses["deoldify"].features.state_dict()
    assert all(torch.equal(value, expected[key]) for key, value in again.features.state_dict().items())


def test_feature_network_is_not_trained_with_its_parent_module(images):
    training = nn.ModuleDict({"generator": nn.Conv2d(3, 3, 1), "loss": FeatureLoss(weights="random")})
    features = training["loss"].features
    before = copy.deepcopy(features.state_dict())
    assert list(training.state_dict()) == [name for name, _ in training.named_parameters()]
    assert list(training.state_dict()) == ["generator.weight", "generator.bias"]
    training.train()
    training["loss"](training["generator"](images[0]), images[1]).backward()
    assert not any(module.training for module in features.modules())
    assert not any(parameter.requires_grad for parameter in features.parameters())
    assert all(torch.equal(value, before[key]) for key, value in features.state_dict().items())
    assert training["generator"].weight.grad.abs().sum() > 0
    assert len(features) == 43


def test_feature_loss_can_be_copied_and_saved(losses, images, tmp_path):
    torch.save(losses["deoldify"], tmp_path / "loss.pt")
    for other in (copy.deepcopy(losses["deoldify"]), torch.load(tmp_path / "loss.pt", weights_only=False)):
        assert torch.equal(other(*images), losses["deoldify"](*images))


@pytest.mark.usefixtures("full_width")
@pytest.mark.parametrize("form", ["deoldify", pytest.param("lesson7", marks=pytest.mark.slow)])
def test_feature_loss_gradient_matches_float64(form, images):
    gradients, loss = [], FeatureLoss(form, "random")
    for dtype in (torch.float32, torch.float64):
        prediction, target = (image.clone().to(dtype) for image in images)
        (gradient,) = torch.autograd.grad(loss(prediction.requires_grad_(), target), prediction)
        assert gradient.dtype == dtype
        gradients.append(gradient.double())
    assert (gradients[0] - gradients[1]).norm() < 1e-3 * gradients[1].norm()


def test_feature_loss_builds_a_graph_only_if_a_gradient_is_required(losses, images):
    one, other = (image.clone().requires_grad_() for image in images)
    losses["deoldify"](one, other).backward()
    swapped = images[1].clone().requires_grad_()
    losses["deoldify"](swapped, images[0]).backward()  # the loss is symmetric
    torch.testing.assert_close(other.grad, swapped.grad)
    assert not losses["deoldify"](*images).requires_grad


def test_feature_loss_trains_after_a_validation_in_inference_mode(images):
    loss = FeatureLoss(weights="random")
    with torch.inference_mode():
        expected = loss(images[0].double(), images[1].double()).item()
    prediction = images[0].clone().requires_grad_()
    value = loss(prediction, images[1])
    value.backward()
    assert value.item() == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_feature_loss_compares_half_precision_in_float32(form, dtype, losses, images):
    halves = [image.to(dtype) for image in images]
    found = losses[form](*halves)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, losses[form](*(half.float() for half in halves)))


def test_feature_loss_under_autocast_is_close(losses, images):
    expected = losses["lesson7"].parts(*images)
    with torch.autocast("cpu", torch.bfloat16):
        found = losses["lesson7"].parts(*images)
    for name, part in found.items():
        assert part.dtype == torch.float32
        assert part.item() == pytest.approx(expected[name].item(), rel=0.03)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("channels", [1, 2, 5])
def test_feature_loss_averages_channels_as_gray_images(channels, form, losses):
    prediction, target = make_images(channels, shape=(1, 16, 24))
    gray = [
        losses[form](prediction[:, c : c + 1].repeat(1, 3, 1, 1), target[:, c : c + 1].repeat(1, 3, 1, 1))
        for c in range(channels)
    ]
    torch.testing.assert_close(losses[form](prediction, target), torch.stack(gray).mean())


@pytest.mark.parametrize("channels", [1, 3])
def test_feature_loss_normalizes_unit_data(channels, losses):
    prediction, target = (image.sigmoid() for image in make_images(channels))
    unit = FeatureLoss("lesson7", "random", data="unit")
    mean, std = (torch.tensor(x).view(1, 3, 1, 1) for x in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))
    normalized = [(image - mean) / std for image in (prediction, target)]
    torch.testing.assert_close(unit(prediction, target), losses["lesson7"](*normalized))


@pytest.mark.parametrize("size", [(16, 16), (17, 50), (64, 31)])
def test_feature_loss_accepts_sizes_from_16_pixels(size, losses):
    prediction, target = make_images(shape=(1, *size))
    assert losses["deoldify"](prediction, target).item() > 0
    assert losses["lesson7"](target, target).item() == 0


@pytest.mark.parametrize("name", ["feature-deoldify", "feature-lesson7", *(loss.name for loss in list_losses())])
def test_content_loss_returns_the_named_loss(name, losses):
    images = [image.sigmoid() for image in make_images(1)]
    found = content_loss(name, vgg_weights="random", data="normalized")(*images)
    form = name.removeprefix("feature-")
    torch.testing.assert_close(found, (losses[form] if form in losses else pixel_loss(name))(*images))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: FeatureLoss("vgg"), "form is 'vgg', expected one of 'deoldify', 'lesson7'"),
        (lambda: FeatureLoss(data="uint8"), "data is 'uint8', expected 'normalized' or 'unit'"),
        (
            lambda: content_loss("perceptual"),
            "unknown content loss 'perceptual', expected one of feature-deoldify, feature-lesson7, l1, l2, charbonnier",
        ),
    ],
)
def test_unknown_names_raise(make, message):
    with pytest.raises(InputError, match=message):
        make()


@pytest.mark.parametrize(
    ("shapes", "message"),
    [
        (((1, 3, 16, 16), (1, 1, 16, 16)), r"of equal shape, found \(1, 3, 16, 16\) and \(1, 1, 16, 16\)"),
        (((3, 16, 16), (3, 16, 16)), r"two images \(N, C, H, W\) of equal shape, found \(3, 16, 16\)"),
        (((1, 3, 15, 40), (1, 3, 15, 40)), "at least 16 x 16 pixels, found 15 x 40"),
    ],
)
def test_feature_loss_rejects_unsuitable_images(shapes, message, losses):
    with pytest.raises(InputError, match=message):
        losses["deoldify"](*(torch.zeros(shape) for shape in shapes))


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        (
            "page.pth",
            b"<html>",
            r"page.pth cannot be read as weights; copy or download it again",
        ),
        ("page.safetensors", b"<html>", "page.safetensors cannot be read as weights"),
        ("list.pth", [1, 2], "list.pth cannot be read as weights"),
        ("nested.pth", {"model": {}}, "nested.pth is not a state dictionary of tensors"),
        ("other.pth", {"conv1.weight": torch.zeros(1)}, r"other.pth does not contain torchvision's VGG16-BN"),
    ],
)
def test_feature_loss_rejects_unsuitable_files_in_one_line(name, content, message, tmp_path):
    path = tmp_path / name
    path.write_bytes(content) if isinstance(content, bytes) else torch.save(content, path)
    with pytest.raises(ModelFileError, match=message) as caught:
        FeatureLoss(weights=path)
    assert "\n" not in str(caught.value)


def test_feature_loss_rejects_a_missing_file(tmp_path):
    with pytest.raises(MissingFileError, match=r"no\.pth is not a file, expected 'imagenet', 'random' or a file"):
        FeatureLoss(weights=tmp_path / "no.pth")


@pytest.fixture(scope="module")
def parity_file(recipe, tmp_path_factory):
    state = {key: torch.from_numpy(value) for key, value in recipe.load_state("vgg16_bn_features").items()}
    return save(state, tmp_path_factory.mktemp("parity") / "vgg16_bn_features.pth")


@pytest.mark.cpu_sensitive
@pytest.mark.usefixtures("full_width")
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.slow
def test_feature_loss_matches_the_original(form, parity_file, parity, recipe):
    loss = FeatureLoss(form, parity_file)
    info = json.loads((parity / "featureloss_info.json").read_text())[f"{form}_FeatureLoss"]
    prediction, target = (torch.from_numpy(recipe.make_input((2, 3, 64, 64), seed)) for seed in (4001, 4002))
    prediction.requires_grad_()
    total = loss(prediction, target)
    assert total.item() == pytest.approx(info["total"], rel=1e-5)
    for name, part in loss.parts(prediction, target).items():
        assert part.item() == pytest.approx(info["parts"][name], rel=1e-5)
    if form == "deoldify":
        total.backward()
        expected = np.load(parity / "featureloss_gradin.npy")
        assert np.linalg.norm(prediction.grad.numpy() - expected) < 1e-3 * np.linalg.norm(expected)
