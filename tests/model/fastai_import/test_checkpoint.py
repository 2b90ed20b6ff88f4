from __future__ import annotations

import pytest
import torch

from decrappify.errors import InputError, ModelFileError
from decrappify.model.fastai_import import read_checkpoint
from decrappify.networks import create
from decrappify.networks.shapes import shapes_only
from decrappify.normalization import IMAGENET

from .conftest import NETWORKS

ALIKE = ("none", "gray", "segmentation", "weight-attention")  # read by the same code as "batch", "frames", "deep"


@pytest.fixture
def published(saved):
    """Save a file of a few kilobytes with the keys and shapes of a published network; all weights are zero."""

    def save(name, **settings):
        with shapes_only():
            state = create(name, **settings).state_dict()
        zero = {torch.float32: torch.zeros(()), torch.int64: torch.tensor(0)}
        content = {key: zero[value.dtype].expand(value.shape) for key, value in state.items()}
        return saved({"model": content, "opt": {"lr": slice(3e-3)}}, f"{name}.pth", legacy=True)

    return save


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow) if name in ALIKE else name for name in NETWORKS]
)
@pytest.mark.slow
def test_read_checkpoint_rebuilds_every_kind_of_network(name, made, saved, same_outputs):
    expected = made(name)
    found = read_checkpoint(saved(expected.state_dict()))
    same_outputs(found.network, expected)
    assert not found.network.training
    assert all(parameter.requires_grad for parameter in found.network.parameters())
    assert (found.preset, found.task) == ("own", "colorization" if name in ("deep", "wide") else "restoration")
    has_colors = expected.in_channels == 3
    assert found.statistics == (IMAGENET if has_colors else None)
    assert any("none of the published networks" in note for note in found.notes)
    assert any("does not contain the mean and standard deviation" in note for note in found.notes) != has_colors


@pytest.mark.parametrize(("half", "legacy"), [(False, False), (True, True)], ids=["zip", "legacy-float16"])
def test_read_checkpoint_reads_both_formats_and_half_precision(half, legacy, made, saved, same_outputs):
    state = {f"module.{key}": value for key, value in made("deep").state_dict().items()}
    if half:
        state = {key: value.half() if value.is_floating_point() else value for key, value in state.items()}
    found = read_checkpoint(saved({"model": state, "opt": {"lr": slice(1)}}, legacy=legacy))
    same_outputs(found.network, made("deep"), atol=0.02 if half else 0)
    assert {parameter.dtype for parameter in found.network.parameters()} == {torch.float32}


def test_read_checkpoint_reads_weights_from_before_torch_1(made, saved, same_outputs):
    network, old = made("deep"), {}
    modules = dict(network.named_modules())
    for key, value in network.state_dict().items():
        module, leaf = key.rpartition(".")[::2]
        if leaf == "weight_v" and value.ndim == 1:
            old[f"{module}.weight"] = modules[module].effective_weight().detach()
        elif leaf != "num_batches_tracked":
            old[key] = value
    same_outputs(read_checkpoint(saved(old, legacy=True)).network, network, atol=2e-5)


@pytest.mark.parametrize(
    ("name", "preset", "expected", "task"),
    [
        ("deoldify-artistic", None, "artistic", "colorization"),
        pytest.param("deoldify-artistic", "artistic", "artistic", "colorization", marks=pytest.mark.slow),
        ("deoldify-stable", None, "stable", "colorization"),
        ("deoldify-stable", "video", "video", "colorization"),
        ("lesson7-superres", None, "lesson7-superres", "restoration"),
        ("lesson7-superres-gan", None, "lesson7-superres-gan", "restoration"),
        ("pssr", None, "pssr", "restoration"),
    ],
)
def test_read_checkpoint_recognizes_published_networks(name, preset, expected, task, published):
    found = read_checkpoint(published(name), preset=preset)
    assert (found.preset, found.task) == (expected, task)
    with shapes_only():
        assert found.network.architecture == create(name).architecture
    assert found.statistics == (None if expected == "pssr" else IMAGENET)
    assert f"the network of preset {expected!r}" in found.notes[0]
    assert any("'stable' and 'video' have one architecture" in note for note in found.notes) == (expected == "stable")
    blur_note = next(note for note in found.notes if "does not contain the blur" in note)
    assert ("output range -3 to 3" in blur_note) == (found.network.architecture["y_range"] is not None)


@pytest.mark.parametrize("n_frames", [*(pytest.param(n, marks=pytest.mark.slow) for n in (1, 5)), 3])
def test_read_checkpoint_recognizes_pssr_for_movies(n_frames, published):
    found = read_checkpoint(published("pssr", n_frames=n_frames))
    assert (found.preset, found.network.n_frames, found.network.scale) == ("pssr", n_frames, 4)
    assert any("upsampling by 4" in note for note in found.notes)


def test_preset_adds_settings_that_weights_do_not_determine(made, saved):
    path = saved(made("weight").state_dict())
    plain, ranged = read_checkpoint(path), read_checkpoint(path, preset="artistic")
    assert (plain.preset, plain.task, plain.network.y_range) == ("own", "restoration", None)
    assert (ranged.preset, ranged.task, ranged.network.y_range) == ("own", "colorization", [-3, 3])
    assert ranged.network.architecture["norm"] == "weight"


@pytest.mark.parametrize(
    ("name", "preset", "message"),
    [
        (
            "deoldify-artistic",
            "video",
            r"contains the network of 'artistic', not that of preset 'video'; pass .*artistic",
        ),
        ("deoldify-video", "artistic", r"contains the network of 'stable' or 'video', not that of preset 'artistic'"),
        ("pssr", "lesson7-superres", r"contains the network of 'pssr', not that of preset 'lesson7-superres'"),
    ],
)
def test_read_checkpoint_rejects_the_preset_of_another_network(name, preset, message, published):
    with pytest.raises(ModelFileError, match=message):
        read_checkpoint(published(name), preset=preset)


@pytest.mark.parametrize(
    ("name", "preset", "message"),
    [
        ("weight", "pssr", "contains a network that does not enlarge its source, unlike that of preset 'pssr'; omit"),
        ("pssr-small", "stable", "contains a network that enlarges its source, unlike that of preset 'stable'; omit"),
    ],
)
def test_read_checkpoint_rejects_a_preset_of_another_kind(name, preset, message, made, saved):
    with pytest.raises(ModelFileError, match=message):
        read_checkpoint(saved(made(name).state_dict()), preset=preset)


def test_read_checkpoint_rejects_an_unknown_preset(tmp_path):
    with pytest.raises(
        InputError, match=r"preset is 'vivid', expected one of artistic, stable, video, lesson7-superres"
    ):
        read_checkpoint(tmp_path / "net.pth", preset="vivid")


def test_read_checkpoint_rejects_other_fastai_models(parity):
    for name in ("mini_fastai_v1_checkpoint.pth", "mini_fastai_v1_checkpoint_legacy.pth"):
        with pytest.raises(ModelFileError, match=r"another model .*'0.0.weight_orig' \(4, 3, 3, 3\)") as caught:
            read_checkpoint(parity / name)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("form", "origin"), [("plain", "DeOldify"), ("dense", "fastai")])
def test_read_checkpoint_rejects_a_critic(form, origin, saved):
    path = saved({"model": create("critic", width=8, form=form).state_dict()})
    with pytest.raises(
        ModelFileError, match=rf"is a critic of {origin}, which is used only in training, not a generator; use"
    ):
        read_checkpoint(path)


WIDE = torch.zeros(7, 3, 7, 7)
CONV = "layers.5.conv1.0.weight_v"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda state: state.update({CONV: torch.zeros(9, 9, 3, 3)}),
            rf"its {CONV!r} is \(9, 9, 3, 3\), expected \(\d",
        ),
        (
            lambda state: state.update({"layers.0.0.weight": WIDE}),
            r"'layers.0.0.weight' is \(7, 3, 7, 7\), expected",
        ),
        (lambda state: state.pop("layers.7.bn.bias"), r"has no 'layers.7.bn.bias' \(64,\); it is damaged or from a"),
        (lambda state: state.update(extra=WIDE), r"has 'extra', which that network does not have"),
        (lambda state: state[CONV].fill_(torch.nan), rf"contains NaN or infinity in {CONV!r}; it is damaged"),
    ],
)
def test_read_checkpoint_names_the_first_unsuitable_key(change, message, made, saved):
    state = {key: value.clone() for key, value in made("weight").state_dict().items()}
    change(state)
    with pytest.raises(ModelFileError, match=message) as caught:
        read_checkpoint(saved(state))
    assert "\n" not in str(caught.value)
