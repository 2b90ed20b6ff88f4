from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from decrappify.errors import InputError, ModelFileError
from decrappify.inference.folding import fold_norms
from decrappify.model import Model, has_fidelity, load_model, read_card
from decrappify.model.card import card_text
from decrappify.model.fidelity import StoredWeights
from decrappify.model.interpolation import interpolate_weights
from decrappify.networks import create

SOURCE = torch.rand(1, 1, 16, 16, generator=torch.Generator().manual_seed(0))


def network(seed, name="small", **settings):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return create(name, **({"n_frames": 1, "base_channels": 16, "depth": 1} if name == "small" else settings))


def changed(network, seed=1):
    """Return the weights of a network after a short, random further training."""
    generator = torch.Generator().manual_seed(seed)
    weights = {key: value.clone() for key, value in network.state_dict().items()}
    for value in weights.values():
        if value.is_floating_point():
            value += 0.05 * value.abs().mean() * torch.rand(value.shape, generator=generator)
    return weights


@pytest.fixture
def both():
    """A model with two sets of weights, of which all differ but those of the first layer."""
    before = network(0)
    torch.nn.init.ones_(before.tail.weight)
    weights = changed(before)
    first = next(iter(weights))
    weights[first] = before.state_dict()[first]
    after = network(0)
    after.load_state_dict(weights)
    return Model(after, card={"name": "gan"}, pretrained=before.state_dict())


def predicted(model):
    with torch.inference_mode():
        return model.network(SOURCE)


def test_interpolate_weights_returns_either_network_at_the_ends():
    one, two = network(0).state_dict(), network(1).state_dict()
    for fidelity, like in ((0, one), (1, two)):
        assert all(torch.equal(value, like[key]) for key, value in interpolate_weights(one, two, fidelity).items())


@pytest.mark.parametrize("norm", [pytest.param("spectral", marks=pytest.mark.slow), "weight"])
@pytest.mark.slow
def test_interpolate_weights_is_linear_in_the_folded_weights(norm):
    settings = {"encoder": "resnet18", "width_factor": 0.125, "norm": norm}
    before = network(0, "dynamic-unet", **settings)
    after = network(0, "dynamic-unet", **settings)
    after.load_state_dict(changed(before))
    mixed = network(0, "dynamic-unet", **settings)
    mixed.load_state_dict(interpolate_weights(after.state_dict(), before.state_dict(), 0.25))
    folded = [dict(fold_norms(each).named_modules()) for each in (after, before, mixed)]
    convs = [name for name, module in folded[0].items() if name.startswith("layers.3") and hasattr(module, "weight")]
    assert convs
    for name in convs:
        gan, pretrained, found = (each[name].weight for each in folded)
        torch.testing.assert_close(found, gan.lerp(pretrained, 0.25), rtol=1e-4, atol=1e-6)
        assert not torch.allclose(gan, pretrained, rtol=1e-4)


def test_interpolate_weights_interpolates_standard_deviations_and_keeps_counters():
    selected = {"bn.running_var": torch.tensor([1.0]), "bn.num_batches_tracked": torch.tensor(9)}
    pretrained = {"bn.running_var": torch.tensor([9.0]), "bn.num_batches_tracked": torch.tensor(3)}
    mixed = interpolate_weights(selected, pretrained, 0.5)
    assert mixed == {"bn.running_var": torch.tensor([4.0]), "bn.num_batches_tracked": torch.tensor(3)}


def test_interpolate_weights_rejects_different_networks():
    with pytest.raises(InputError, match=r"fidelity is 1\.5, expected a number from 0 \(GAN phase\) to 1"):
        interpolate_weights({}, {}, 1.5)
    with pytest.raises(InputError, match=r"different networks \(first difference: a\), expected two of one network"):
        interpolate_weights({"a": torch.zeros(1)}, {"b": torch.zeros(1)}, 0.5)
    with pytest.raises(InputError, match=r"first difference: a"):
        interpolate_weights({"a": torch.zeros(1)}, {"a": torch.zeros(2)}, 0.5)


@pytest.mark.parametrize("is_stored", [False, True])
def test_with_fidelity_moves_from_the_selected_to_the_pretrained_weights(both, tmp_path, is_stored):
    model = load_model(both.save(tmp_path / "m.safetensors")) if is_stored else both
    before, middle, after = (model.with_fidelity(fidelity) for fidelity in (1, 0.5, 0))
    assert after is model
    assert all(torch.equal(value, both.pretrained[key]) for key, value in before.network.state_dict().items())
    distances = [float((predicted(each) - predicted(model)).abs().mean()) for each in (before, middle)]
    assert 0.3 * distances[0] < distances[1] < 0.7 * distances[0]
    assert (model.fidelity, middle.fidelity, middle.card["fidelity"], before.fidelity) == (0.0, 0.5, 0.5, 1.0)
    assert middle.with_fidelity(0.5) is middle
    assert middle.normalization == model.normalization


def test_save_keeps_both_sets_and_stores_equal_weights_once(both, tmp_path):
    path = both.save(tmp_path / "m.safetensors")
    header = read_card(path)
    assert (header["format_version"], has_fidelity(header), header["sha256"]) == (2, True, both.sha256)
    keys = list(both.network.state_dict())
    assert sorted(load_file(path)) == sorted([*keys, *(f"pretrained.{key}" for key in keys[1:])])
    again = load_model(path).save(tmp_path / "again.safetensors")
    assert again.read_bytes() == path.read_bytes()
    one = load_model(path).with_fidelity(0.5)
    saved = load_model(one.save(tmp_path / "half_way.safetensors"))
    assert (saved.sha256, saved.fidelity, saved.pretrained) == (one.sha256, 0.5, None)
    assert read_card(tmp_path / "half_way.safetensors")["format_version"] == 1


def test_save_in_half_precision_applies_to_both_sets(both, tmp_path):
    paths = both.save(tmp_path / "m.safetensors"), both.save(tmp_path / "half.safetensors", half_precision=True)
    assert paths[1].stat().st_size < 0.55 * paths[0].stat().st_size
    models = [load_model(path).with_fidelity(1) for path in paths]
    torch.testing.assert_close(predicted(models[1]), predicted(models[0]), rtol=2e-3, atol=2e-3)


def test_load_model_does_not_read_the_pretrained_weights(both, tmp_path, monkeypatch):
    path = both.save(tmp_path / "m.safetensors")
    read = []
    monkeypatch.setattr(StoredWeights, "__getitem__", lambda self, key: read.append(key))
    model = load_model(path)
    assert predicted(model).shape == (1, 1, 16, 16)
    assert isinstance(model.pretrained, StoredWeights)
    assert read == []


def test_with_fidelity_rejects_damaged_or_removed_pretrained_weights(both, tmp_path):
    path = both.save(tmp_path / "m.safetensors")
    weights, header = load_file(path), {"decrappify": _header_text(path)}
    weights["pretrained.tail.weight"][0, 0, 0, 0] += 1
    save_file(weights, path, header)
    model = load_model(path)
    with pytest.raises(ModelFileError, match=r"m\.safetensors does not match its checksum"):
        model.with_fidelity(1)
    path.unlink()
    with pytest.raises(ModelFileError, match=r"m\.safetensors has been removed or changed since the model was loaded"):
        model.with_fidelity(1)


def test_load_model_rejects_pretrained_weights_of_another_shape(both, tmp_path):
    path = both.save(tmp_path / "m.safetensors")
    weights, header = load_file(path), {"decrappify": _header_text(path)}
    weights["pretrained.tail.weight"] = torch.zeros(3)
    save_file(weights, path, header)
    with pytest.raises(ModelFileError, match=r"weights that do not fit its architecture"):
        load_model(path)


@pytest.mark.parametrize(
    ("card", "message"),
    [
        ({"name": "plain"}, r"model 'plain' has one set of weights, so fidelity=0\.5 does not apply; omit it, or use"),
        ({"verdict": "no useful GAN phase"}, r"one set of weights \(no useful GAN phase\), so"),
        ({"fidelity": 0.3}, r"one set of weights of fidelity 0\.3, so"),
    ],
)
def test_with_fidelity_of_a_model_with_one_set_of_weights_raises(card, message):
    with pytest.raises(InputError, match=message) as caught:
        Model(network(0), card=card).with_fidelity(0.5)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("value", [-0.1, 2, float("nan"), True, "1"])
def test_with_fidelity_rejects_invalid_values(both, value):
    with pytest.raises(InputError, match=r"fidelity is .*, expected a number from 0 \(GAN phase\) to 1 \(pretrained\)"):
        both.with_fidelity(value)


def test_card_text_states_the_fidelity(both, tmp_path):
    text = card_text(str(both.save(tmp_path / "m.safetensors")))
    assert "fidelity: any from 0 (the selected checkpoint of the GAN phase, the default) to 1 (the pretrained" in text
    one = both.with_fidelity(0.3).save(tmp_path / "one.safetensors")
    assert "fidelity: 0.3" in card_text(str(one)).splitlines()


def _header_text(path: Path) -> str:
    with safe_open(path, framework="pt") as file:
        return file.metadata()["decrappify"]
