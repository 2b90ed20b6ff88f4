"""The published networks compared with the original code, for weights computed from their names."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from decrappify.inference.folding import fold_norms
from decrappify.networks import create
from decrappify.networks.shapes import shapes_only

pytestmark = pytest.mark.cpu_sensitive

NAMES = {
    "deoldify-artistic": "artistic",
    "deoldify-stable": "stable",
    "deoldify-video": "stable",
    "deoldify-critic": "critic_nf256",
    "fastai-critic": "fastai_gan_critic_nf128",
}
OUTPUTS = {"64": ((1, 3, 64, 64), 1001), "64x96": ((2, 3, 64, 96), 1003)}
CRITIC_OUTPUTS = {"64": ((2, 3, 64, 64), 3001, 1), "64x50": ((2, 3, 64, 64), 3001, 50)}
LARGE_OUTPUTS = {"deoldify-critic": ("192", 192), "fastai-critic": ("128", 128)}


@pytest.fixture(scope="module")
def load(recipe):
    loaded = {}

    def network(name):
        if name not in loaded:
            loaded.clear()  # together, the large networks would exceed the memory
            with shapes_only():
                built = create(name)
            state = {key: torch.from_numpy(value) for key, value in recipe.load_state(NAMES[name]).items()}
            built.load_state_dict(state, assign=True)
            loaded[name] = built.eval()
        return loaded[name]

    return network


@pytest.mark.parametrize("name", NAMES)
def test_keys_and_shapes_match_the_published_checkpoints(name, recipe):
    with shapes_only():
        state = create(name).state_dict()
    assert [(key, tuple(value.shape)) for key, value in state.items()] == recipe.read_keys(NAMES[name])


@pytest.mark.parametrize(
    ("name", "entries", "parameters"),
    [
        ("deoldify-artistic", 378, 63_646_881),
        ("deoldify-stable", 754, 218_222_197),
        ("deoldify-video", 754, 218_222_197),
        ("lesson7-superres", 295, 41_229_213),
        ("lesson7-superres-gan", 305, 41_413_534),
        ("pssr", 179, 48_945_614),
        ("deoldify-critic", 45, 94_555_649),
        ("fastai-critic", 37, 44_705_665),
    ],
)
def test_numbers_of_entries_and_parameters_match_the_originals(name, entries, parameters):
    with shapes_only():
        network = create(name)
    assert (len(network.state_dict()), sum(map(torch.numel, network.parameters()))) == (entries, parameters)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["deoldify-artistic", "deoldify-stable"])
class TestGenerators:
    @pytest.mark.parametrize("tag", OUTPUTS)
    def test_outputs_match_the_originals(self, name, tag, load, recipe, parity):
        source = torch.from_numpy(recipe.make_input(*OUTPUTS[tag]))
        with torch.inference_mode():
            prediction = load(name)(source).numpy()
        assert np.abs(prediction - np.load(parity / f"{NAMES[name]}_out_{tag}.npy")).max() < 2e-5

    def test_input_gradients_match_the_originals(self, name, load, recipe, parity):
        source = torch.from_numpy(recipe.make_input(*OUTPUTS["64"])).requires_grad_()
        prediction = load(name)(source)
        weight = np.random.RandomState(2001).standard_normal(prediction.shape).astype("f4")
        (found,) = torch.autograd.grad((prediction * torch.from_numpy(weight)).sum(), source)
        found, expected = found.numpy().ravel(), np.load(parity / f"{NAMES[name]}_gradin_64.npy").ravel()
        assert np.linalg.norm(found - expected) < 1e-2 * np.linalg.norm(expected)
        assert found @ expected > 0.9999 * np.linalg.norm(found) * np.linalg.norm(expected)

    def test_folded_network_is_equivalent(self, name, load, recipe):
        source = torch.from_numpy(recipe.make_input(*OUTPUTS["64"]))
        with torch.inference_mode():
            torch.testing.assert_close(fold_norms(load(name))(source), load(name)(source), atol=1e-5, rtol=0)


@pytest.mark.slow
@pytest.mark.parametrize("name", LARGE_OUTPUTS)
class TestCritics:
    @pytest.mark.parametrize("tag", CRITIC_OUTPUTS)
    def test_outputs_match_the_originals(self, name, tag, load, recipe, parity):
        shape, seed, gain = CRITIC_OUTPUTS[tag]
        with torch.inference_mode():
            found = load(name)(torch.from_numpy(gain * recipe.make_input(shape, seed))).numpy()
        assert np.abs(found - np.load(parity / f"{NAMES[name]}_out_{tag}.npy")).max() < 1e-5

    def test_large_image_has_many_patches(self, name, load, recipe, parity):
        tag, side = LARGE_OUTPUTS[name]
        with torch.inference_mode():
            found = load(name)(torch.from_numpy(recipe.make_input((1, 3, side, side), 3002))).numpy()
        expected = np.load(parity / f"{NAMES[name]}_out_{tag}.npy")
        assert found.shape == expected.shape == (1, (side // 16 - 3) ** 2)
        assert np.abs(found - expected).max() < 1e-5
