from __future__ import annotations

import numpy as np
import pytest
import tifffile
from tests.training.tiny_run import NOISE, cells

from decrappify.crappify import Gaussian
from decrappify.errors import DecrappifyError, InputError, MissingFileError
from decrappify.model import load_model
from decrappify.networks import create
from decrappify.noise import Estimate, NoiseModel
from decrappify.training import nogan_preset
from decrappify.training.config.run_file import data_from_file, train_from_file
from decrappify.training.nogan.critic_files import save_critic

pytestmark = pytest.mark.usefixtures("undrawn_training")

SETTINGS = """
[training]
network = "small"
n_frames = 1
max_steps = 2
batch_size = 2
patch_size = 16
stability_weight = 1  # an integer for a float
device = "cpu"

[network]
base_channels = 16
depth = 1
"""
TRAINED = """
crappifier = "confocal"
output = "out"

[data]
high_res = "cells.tif"
"""


@pytest.fixture
def folder(tmp_path):
    tifffile.imwrite(tmp_path / "cells.tif", np.asarray(cells())[:, 0, 0])
    return tmp_path


def write(folder, text):
    path = folder / "run.toml"
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    ("line", "option", "used"),
    [
        ("", "images", ["t1.tif", "t2.tif"]),
        ('folder_as = "images"', "movie", ["frames"]),
    ],
)
@pytest.mark.slow
def test_train_from_file_reads_a_folder_as_requested(folder, line, option, used):
    (folder / "frames").mkdir()
    for t in (1, 2):
        tifffile.imwrite(folder / "frames" / f"t{t}.tif", np.asarray(cells())[t, 0, 0])
    text = TRAINED.replace('"cells.tif"', f'"frames"\nvalidation = "cells.tif"\n{line}') + SETTINGS
    model, _ = train_from_file(write(folder, text), folder_as=option)
    assert model.card["trained_on"] == used


def test_train_from_file_rejects_unknown_folder_as(folder):
    (folder / "frames").mkdir()
    text = TRAINED.replace('"cells.tif"', '"frames"\nfolder_as = "stills"')
    with pytest.raises(InputError, match="folder_as is 'stills', expected one of auto, movie, images"):
        train_from_file(write(folder, text + SETTINGS))


def test_train_from_file_trains_saves_and_resumes(folder):
    card = '\n[card]\nname = "mine"\nlicence = "CC0"\n'
    model, run_folder = train_from_file(write(folder, TRAINED + SETTINGS + card))
    assert run_folder == folder / "out"
    saved = load_model(run_folder / "model.safetensors")
    assert (saved.sha256, saved.name, saved.card["licence"]) == (model.sha256, "mine", "CC0")
    assert (saved.crappifier["name"], saved.network.architecture["base_channels"]) == ("confocal", 16)
    resumed, _ = train_from_file(folder / "run.toml", resume=True)
    assert resumed.sha256 == model.sha256


def test_train_from_file_resumes_on_moved_but_not_on_changed_data(folder):
    model, _ = train_from_file(write(folder, TRAINED + SETTINGS))
    (folder / "moved").mkdir()
    moved = (folder / "cells.tif").rename(folder / "moved" / "cells.tif")
    write(folder, TRAINED.replace("cells.tif", "moved/cells.tif") + SETTINGS)
    assert train_from_file(folder / "run.toml", resume=True)[0].sha256 == model.sha256
    pixels = tifffile.imread(moved)
    pixels[-1, 0, 0] += 1
    tifffile.imwrite(moved, pixels)
    with pytest.raises(InputError, match=r"cannot resume .*: cells.tif is .* now and was .*; train on the data"):
        train_from_file(folder / "run.toml", resume=True)


@pytest.mark.slow
def test_minutes_replace_the_length_of_the_run_file(folder):
    model, _ = train_from_file(write(folder, TRAINED + SETTINGS), minutes=0.01)
    assert (model.card["minutes"], model.card["steps"]) == (0.01, model.card["settings"]["max_steps"])
    write(folder, TRAINED + SETTINGS.replace("max_steps = 2", "max_steps = 2\nminutes = 1"))
    with pytest.raises(InputError, match=r"both minutes \(1\) and max_steps \(2\) are set; remove one of them"):
        train_from_file(folder / "run.toml", overwrite=True)
    with pytest.raises(InputError, match=r"minutes is set for the NoGAN run .*run.toml, whose length is set by items"):
        train_from_file(write(folder, 'crappifier = "confocal"\n' + NOGAN), minutes=1)


def test_data_from_file_reads_data_without_training(folder):
    data = data_from_file(write(folder, TRAINED + SETTINGS))
    assert (data.used, data.crappifier.name, data.scale) == (["cells.tif"], "confocal", 1)
    assert data_from_file(folder / "run.toml", NOISE).crappifier is NOISE
    assert not (folder / "out").exists()


def test_run_file_accepts_a_noise_model_as_crappifier(folder):
    NoiseModel(noise_sd=Estimate(9.0), levels=(0.0, 90.0)).save(folder / "camera.toml")
    with pytest.warns(UserWarning, match="has no photon noise"):
        data = data_from_file(write(folder, TRAINED.replace('"confocal"', '"camera.toml"') + SETTINGS))
    assert data.crappifier.steps == (Gaussian(0.1),)


def test_train_from_file_arguments_override_output_and_device(folder):
    text = (TRAINED + SETTINGS).replace('"cpu"', '"cuda"')
    model, run_folder = train_from_file(write(folder, text), output=folder / "there", device="cpu")
    assert run_folder == folder / "there"
    assert model.card["settings"]["device"] == "cpu"


@pytest.mark.parametrize(
    "given", ['"noise.toml"', '{ name = "noise", steps = [{ part = "gaussian", sigma = [0.1, 0.3] }] }']
)
def test_train_from_file_accepts_a_crappifier_file_or_table(folder, given):
    NOISE.save(folder / "noise.toml")
    if given.startswith("{"):
        steps = NOISE.to_dict()["steps"][0]
        fields = ", ".join(
            f"{key} = {list(value) if isinstance(value, tuple) else repr(value)}" for key, value in steps.items()
        )
        given = f'{{ name = "noise", steps = [{{ {fields} }}] }}'
    model, _ = train_from_file(write(folder, TRAINED.replace('"confocal"', given) + SETTINGS))
    assert model.crappifier["name"] == "noise"


def test_train_from_file_expands_environment_variables_in_the_data_folder(folder, monkeypatch, tmp_path_factory):
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    path = write(elsewhere, TRAINED + 'folder = "$MOVIES"\n' + SETTINGS)
    monkeypatch.delenv("MOVIES", raising=False)
    with pytest.raises(
        InputError, match=r"data.folder of .*run.toml is '\$MOVIES', but that environment variable is not"
    ):
        train_from_file(path)
    monkeypatch.setenv("MOVIES", str(folder))
    train_from_file(path)
    assert (elsewhere / "out" / "model.safetensors").exists()


@pytest.mark.parametrize(
    "pairs", ['"."', '["low", "high"]', '[["low/0.tif", "high/0.tif"], ["low/1.tif", "high/1.tif"]]']
)
@pytest.mark.slow
def test_train_from_file_accepts_every_form_of_pairs(folder, pairs):
    for name, pixels in (("low", np.asarray(cells())), ("high", np.asarray(cells()))):
        (folder / name).mkdir()
        for number in range(2):
            tifffile.imwrite(folder / name / f"{number}.tif", pixels[number:, 0, 0])
    model, _ = train_from_file(write(folder, f"[data]\npairs = {pairs}\n{SETTINGS}"))
    assert model.crappifier is None
    assert model.card["trained_on"] == ["0.tif", "1.tif"]  # the last frames of long movies are the validation set


def test_train_from_file_combines_simulated_movies_with_files(folder):
    simulated = '\n[[data.simulated]]\nkind = "vesicles"\nn_frames = 12\nsize = [48, 48]\n'
    model, _ = train_from_file(write(folder, TRAINED + simulated + SETTINGS))
    assert len(model.card["trained_on"]) == 2
    with pytest.raises(InputError, match=r"unknown key 'knd' in \[\[data.simulated\]\] of .*; did you mean 'kind'"):
        train_from_file(write(folder, TRAINED + simulated.replace("kind", "knd") + SETTINGS), overwrite=True)
    with pytest.raises(InputError, match=r"simulated of .*run.toml is 'cell', expected tables"):
        train_from_file(write(folder, TRAINED + 'simulated = "cell"\n' + SETTINGS), overwrite=True)


NOGAN = """
critic_from = "critic.safetensors"

[data]
high_res = "cells.tif"

[nogan]
preset = "microscopy"
items = 80
generator = "small"
generator_settings = { base_channels = 16, depth = 1, stem = 1 }
critic_settings = { width = 8, blocks = 1, attention = false }
pretrain = [{ size = 32, batch_size = 4, share = 0.1 }]
generated_size = 32
critic_steps = []
validation_patches = 4
checkpoint_share = 0.05
device = "cpu"

[nogan.gan]
size = 32
batch_size = 4
share = 0.1
"""
CRITIC = {"name": "small-critic", "in_channels": 1, "width": 8, "blocks": 1, "attention": False}


@pytest.mark.slow
def test_train_from_file_runs_a_nogan_schedule(folder):
    save_critic(create(**CRITIC), folder / "critic.safetensors")
    card = '\n[card]\nname = "mine"\n'
    model, run_folder = train_from_file(write(folder, 'crappifier = "confocal"\n' + NOGAN + card))
    assert run_folder == folder / "runs" / "run"
    assert load_model(run_folder / "model.safetensors").sha256 == model.sha256
    settings = model.card["settings"]
    assert (model.name, settings["gan"]["share"], settings["pretrain"][0]["size"]) == ("mine", 0.1, 32)
    assert settings["gan"]["learning_rate"] == nogan_preset("microscopy").gan.learning_rate


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            '"microscopy"',
            '"microscope"',
            "unknown NoGAN preset 'microscope', expected one of artistic, stable, video, micro",
        ),
        ('"microscopy"', "3", r"preset of \[nogan\] in .*run.toml is 3, expected a string"),
        ("items", "itmes", "unknown key 'itmes' in the NoGAN settings; did you mean 'items'"),
        (
            "share = 0.1 }",
            "shair = 0.1 }",
            "unknown key 'shair' in pretrain of the NoGAN settings; did you mean 'share'",
        ),
        ("[nogan.gan]", "gan = 3\n[card]", "gan contains 3, expected tables with keys of GanStep"),
        (
            "[nogan.gan]",
            "[training]\n[nogan.gan]",
            r"run.toml has both \[nogan\] and \[training\]; put its settings into",
        ),
        ("critic.safetensors", "critc.safetensors", r"critic .*critc.safetensors does not exist; check critic_from"),
        ("size = 32, batch", "size = 33, batch", "pretrain has patches of 33, the network needs a multiple of 2"),
        ("share = 0.1\n", "adversarial = 'wgan'\n", "adversarial is 'wgan', expected one of bce, hinge, least-squares"),
    ],
)
def test_nogan_run_file_errors_are_one_line(folder, old, new, message):
    save_critic(create(**CRITIC), folder / "critic.safetensors")
    text = 'crappifier = "confocal"\n' + NOGAN
    assert old in text
    with pytest.raises(DecrappifyError, match=message) as caught:
        train_from_file(write(folder, text.replace(old, new, 1)))
    assert "\n" not in str(caught.value)


def test_train_from_file_rejects_critic_from_without_nogan(folder):
    text = 'critic_from = "critic.safetensors"' + TRAINED + SETTINGS
    with pytest.raises(
        InputError, match=r"critic_from of .*run.toml belongs to a NoGAN run, expected a table \[nogan\]"
    ):
        train_from_file(write(folder, text))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("output", "outptu", "unknown key 'outptu' at the top of .*run.toml; did you mean 'output'"),
        ("high_res", "hig_res", r"unknown key 'hig_res' in \[data\] of .*run.toml; did you mean 'high_res'"),
        ("max_steps", "max_step", "unknown key 'max_step' in the training settings; did you mean 'max_steps'"),
        ("depth", "dpeth", "network 'small' does not take these settings: .*dpeth"),
        ("= 2", "= = 2", "run.toml is not valid TOML: .*line"),
        ('"cells.tif"', "5", "data are 5, expected a path or a list of paths"),
        ('"cells.tif"', '"cell.tif"', "cell.tif"),
        (
            '"cells.tif"',
            r'"C:\Users\lab\cells.tif"',
            "not valid TOML: .* in single quotes, .*, or with forward slashes",
        ),
        ('"cells.tif"', r'"D:\new\tiles.tif"', r"it contains the path 'D:\\new\\tiles.tif'; .* in single quotes"),
        ('"cells.tif"', r'["a.tif", "data\new.tif"]', r"are paths, found 'data\\new.tif'; .* or with forward slashes"),
        ("[network]", 'card = "mine"\n[network]', "unknown key 'card' in the training settings"),
        ('crappifier = "confocal"', 'card = "mine"', r"card of .*run.toml is 'mine', expected a table \[card\]"),
        ('"confocal"', '"confocl"', "unknown crappifier preset 'confocl'"),
        ('"confocal"', '"mine.toml"', "crappifier file .*mine.toml does not exist"),
        ('device = "cpu"', 'device = "gpu"', "device is 'gpu', expected one of auto, cpu, cuda, mps"),
    ],
)
def test_run_file_errors_are_one_line(folder, old, new, message):
    text = TRAINED + SETTINGS
    assert old in text
    with pytest.raises(DecrappifyError, match=message) as caught:
        train_from_file(write(folder, text.replace(old, new, 1)))
    assert "\n" not in str(caught.value)
    assert not (folder / "out" / "checkpoint.pt").exists()


@pytest.mark.parametrize(
    ("encoding", "message"), [("utf-8-sig", "cell.tif does not exist"), ("utf-16", "the text is not UTF-8")]
)
def test_train_from_file_reads_utf8_with_bom_and_rejects_utf16(folder, encoding, message):
    path = write(folder, (TRAINED + SETTINGS).replace('"cells.tif"', '"cell.tif"', 1))
    path.write_text(path.read_text(encoding="utf-8"), encoding=encoding)
    with pytest.raises(DecrappifyError, match=message):
        train_from_file(path)


def test_train_from_file_rejects_a_missing_file(tmp_path):
    with pytest.raises(MissingFileError, match=r"run.toml does not exist, expected a TOML file that describes the run"):
        train_from_file(tmp_path / "run.toml")
