from __future__ import annotations

import re
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tifffile
import torch
from PIL import Image
from tests.narrow import use_narrow_vgg16
from tests.training.runs import log_rows
from tests.training.tiny_nogan import CONFIG, NOISE, spots, tiny_nogan

from decrappify.errors import InputError, MissingFileError, OutputError, OutputExistsError
from decrappify.model import load_model
from decrappify.movie import Movie
from decrappify.training import NoganConfig, RunOptions, train_nogan
from decrappify.training.engine.run_folder import describe_run
from decrappify.training.engine.training_log import TrainingLog
from decrappify.training.monitors.inflection import Verdict
from decrappify.training.nogan import selection
from decrappify.training.nogan.report import report_lines
from decrappify.training.nogan.schedule import plan

WIDER = {"base_channels": 32, "depth": 1, "stem": 1}


undrawn_run = pytest.mark.usefixtures("undrawn_training")


def test_train_nogan_completes_its_phases_and_writes_images_and_plots(straight):
    folder, _ = straight
    phases = list(dict.fromkeys(row["phase"] for row in log_rows(folder)))
    assert phases == ["pretrain", "cycle 1: critic", "cycle 1: GAN"]
    for name in ("monitors.png", "checkpoints.png", "log.png"):
        with Image.open(folder / name) as image:
            assert min(image.size) > 100
    assert {path.name for path in folder.glob("*.safetensors")} == {
        "critic.safetensors",
        "model.safetensors",
        "pretrained.safetensors",
        "pretrained_critic.safetensors",
    }


def test_generated_images_are_stored_with_their_real_counterparts(straight):
    folder, _ = straight
    generated, real = (sorted((folder / "images" / "cycle_1" / kind).iterdir()) for kind in ("generated", "real"))
    assert [path.name for path in generated] == [path.name for path in real]
    assert len(generated) == 24
    pairs = [(tifffile.imread(a), tifffile.imread(b)) for a, b in zip(generated, real, strict=True)]
    assert pairs[0][0].dtype == np.float32
    errors = [[np.square(a - b).mean() for _, b in pairs] for a, _ in pairs]
    assert np.mean(np.argmin(errors, axis=1) == np.arange(len(pairs))) > 0.5


def test_gan_phase_saves_a_model_per_checkpoint_and_alternates_the_networks(straight):
    folder, model = straight
    rows = [row for row in log_rows(folder) if row["phase"].endswith("GAN")]
    assert [int(row["step"]) for row in rows] == [3, 6, 9, 12]  # every 5 % of 240 items, with 4 items per step
    assert all(0 < int(row["generator_steps"]) <= int(row["step"]) / 2 for row in rows)
    files = sorted((folder / "checkpoints").iterdir())
    assert [path.stem for path in files] == [f"step_{int(row['step']):06d}" for row in rows]
    weights = [load_model(path).network.state_dict() for path in (folder / "pretrained.safetensors", files[-1])]
    assert any(not torch.equal(weights[0][key], weights[1][key]) for key in weights[0])
    assert load_model(files[0]).card["note"].startswith("checkpoint of the GAN phase after 12 images")
    assert model.card["verdict"]


def test_model_is_the_chosen_checkpoint(straight):
    folder, model = straight
    candidates = [folder / "pretrained.safetensors", *(folder / "checkpoints").iterdir()]
    same = [path.stem for path in candidates if load_model(path).sha256 == model.sha256]
    kept = model.card["verdict"].startswith("no useful GAN phase")
    assert same == (["pretrained"] if kept else [f"step_{int(model.card['verdict'].split()[1]):06d}"])
    assert load_model(folder / "model.safetensors").sha256 == model.sha256
    assert re.search(
        r": finished NoGAN training run, last logged at step \d+ of phase 'cycle 1: GAN';", describe_run(folder)
    )


@pytest.mark.slow
def test_generator_is_not_trained_while_the_critic_is_above_the_threshold(critic_alone):
    folder, _, model = critic_alone
    assert {row["generator_steps"] for row in log_rows(folder) if row["phase"].endswith("GAN")} == {"0"}
    assert model.card["verdict"].startswith("no useful GAN phase")
    assert model.sha256 == load_model(folder / "pretrained.safetensors").sha256


@pytest.mark.slow
def test_critic_training_stops_early_at_the_requested_accuracy(critic_alone):
    folder, _, _ = critic_alone
    critic = [row for row in log_rows(folder) if row["phase"].endswith("critic")]
    assert len(critic) < 50
    assert float(critic[-1]["val_accuracy"]) >= 0.5


@undrawn_run
def test_train_nogan_without_pretraining_starts_from_a_model_and_a_critic(straight, tmp_path):
    folder, _ = straight
    config = replace(CONFIG, items=80, checkpoint_share=0.1, pretrain=(), critic_steps=())
    tiny_nogan(
        tmp_path, config, start_from=folder / "pretrained.safetensors", critic_from=folder / "critic.safetensors"
    )
    first, second = (load_model(run / "pretrained.safetensors").sha256 for run in (folder, tmp_path))
    assert first == second
    assert {row["phase"] for row in log_rows(tmp_path)} == {"cycle 1: GAN"}


@undrawn_run
def test_model_of_a_selected_checkpoint_also_has_the_pretrained_weights(straight, tmp_path, monkeypatch):
    folder, _ = straight
    monkeypatch.setattr(selection, "choose", lambda _, rows: Verdict(0, rows[0], "the first", (True,) * len(rows)))
    config = replace(CONFIG, items=80, checkpoint_share=0.1, pretrain=(), critic_steps=())
    model = tiny_nogan(
        tmp_path, config, start_from=folder / "pretrained.safetensors", critic_from=folder / "critic.safetensors"
    )
    loaded = load_model(tmp_path / "model.safetensors")
    checkpoint = load_model(min((tmp_path / "checkpoints").iterdir()))
    assert loaded.sha256 == model.sha256 == checkpoint.sha256
    pretrained = load_model(tmp_path / "pretrained.safetensors")
    assert loaded.with_fidelity(1).sha256 == model.with_fidelity(1).sha256 == pretrained.sha256 != loaded.sha256
    path = model.card["fidelity_path"]
    assert [entry["fidelity"] for entry in path] == [1.0, 0.75, 0.5, 0.25, 0.0]
    assert path[0]["noise_dependence"] == 1
    rows = torch.load(tmp_path / "checkpoint.pt", weights_only=True)["history"]["rows"]
    assert path[-1]["psnr_db"] == round(rows[0]["psnr"], 2)
    assert (tmp_path / "fidelity.png").exists()
    assert "fidelity_path" not in checkpoint.card
    assert "fidelity_path" not in pretrained.card


def test_nogan_runs_are_validated_on_patches_with_content_in_all_phases(straight):
    folder, model = straight
    rows = {row["phase"]: row for row in log_rows(folder) if row["val_psnr"]}
    assert list(rows) == ["pretrain", "cycle 1: GAN"]
    for row in rows.values():
        assert float(row["val_psnr_gaussian"]) > float(row["val_psnr_source"])
        assert float(row["val_psnr"]) == pytest.approx(
            float(row["val_psnr_source"]) + float(row["val_gain_content"]), abs=0.2
        )
    entry = model.card["validation"]
    assert (entry["patches"], entry["patches_with_content"], entry["movies"]) == (8, 8, 1)
    pretrained = load_model(folder / "pretrained.safetensors").card
    assert pretrained["validation"]["psnr_db"] == round(pretrained["pretrained_psnr"], 2)
    checkpoint = load_model(min((folder / "checkpoints").iterdir())).card["validation"]
    assert (checkpoint["noise_draw"], entry["noise_draw"] > 0) == (None, True)
    lines = report_lines(model.card)
    assert lines[0] == model.card["verdict"]
    assert lines[1].startswith("validation: source 13.3, best Gaussian ")
    with Image.open(folder / "pretrained.png") as image:
        assert min(image.size) > 100


@undrawn_run
@pytest.mark.slow
def test_pretraining_without_use_is_reported(tmp_path, caplog):
    config = replace(CONFIG, items=80, pretrain=(replace(CONFIG.pretrain[0], share=0.05),), checkpoint_share=1.0)
    with caplog.at_level("INFO", "decrappify.training.supervised.report"):
        tiny_nogan(tmp_path, config)
    assert "8 validation patches, 8 with content, from 1 movie" in caplog.text
    assert re.search(r"pretraining: the model (does not improve its input|is below the best Gaussian)", caplog.text)


@undrawn_run
@pytest.mark.slow
def test_train_nogan_accepts_measured_pairs_and_three_frames(tmp_path):
    rng = np.random.default_rng(1)
    target = np.asarray(spots())[:, 0, 0]
    source = target + rng.normal(0, 0.05, target.shape).astype(np.float32)
    pairs = [(source, target), (source[::-1].copy(), target[::-1].copy())]
    pretrain = (replace(CONFIG.pretrain[0], share=0.05),)
    config = replace(CONFIG, n_frames=3, items=80, checkpoint_share=0.1, pretrain=pretrain)
    model = train_nogan(pairs=pairs, config=config, output=tmp_path)
    assert (model.n_frames, model.crappifier) == (3, None)


@undrawn_run
def test_gan_phase_that_exceeds_the_free_disk_space_raises_before_it_starts(tmp_path, monkeypatch):
    full = shutil.disk_usage(tmp_path)._replace(free=1000)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: full)
    with pytest.raises(OutputError, match=r"writes 4 checkpoints \(0\.\d GB in total\) to .* where 0\.0 GB are free"):
        tiny_nogan(tmp_path, replace(CONFIG, pretrain=(replace(CONFIG.pretrain[0], share=0.02),)))
    assert not (tmp_path / "checkpoints").exists()


@pytest.mark.slow
@undrawn_run
def test_content_loss_can_be_a_feature_loss(tmp_path, caplog, monkeypatch):
    use_narrow_vgg16(monkeypatch)
    step = replace(CONFIG.pretrain[0], share=0.02, size=16)  # the smallest size for VGG
    gan = replace(CONFIG.gan, share=0.05, threshold=10.0, size=16)
    config = replace(CONFIG, content_loss="feature-deoldify", vgg_weights="random", pretrain=(step,), gan=gan)
    tiny_nogan(tmp_path, config)
    assert "random weights: the feature loss is not perceptual" in caplog.text
    content = [float(row["content"]) for row in log_rows(tmp_path) if row["content"]]
    assert len(content) > 1
    assert all(np.isfinite(content))
    assert max(content) > 0


def test_plan_lists_two_cycles_in_order():
    names = [str(phase) for phase in plan(replace(CONFIG, cycles=2))]
    assert names[1:] == [f"cycle {cycle}: {kind}" for cycle in (1, 2) for kind in ("save images", "critic", "GAN")]


def test_train_nogan_rejects_unsuitable_settings_and_data(straight, tmp_path):
    folder, _ = straight
    with pytest.raises(InputError, match="no pretrain steps; pass start_from"):
        tiny_nogan(tmp_path, replace(CONFIG, pretrain=()))
    with pytest.raises(OutputExistsError, match="already contains a run"):
        tiny_nogan(folder)
    with pytest.raises(InputError, match="does not fit: base_channels is 16, expected 32"):
        tiny_nogan(tmp_path, replace(CONFIG, generator_settings=WIDER), start_from=folder / "model.safetensors")
    with pytest.raises(InputError, match="critic needs images of at least 64 pixels, the schedule has 32"):
        tiny_nogan(tmp_path, replace(CONFIG, critic_settings={"width": 8, "blocks": 3, "attention": False}))
    with pytest.raises(InputError, match="does not contain a critic with the settings of the schedule"):
        tiny_nogan(tmp_path, critic_from=folder / "model.safetensors")
    with pytest.raises(MissingFileError, match=r"none\.safetensors does not exist"):
        tiny_nogan(tmp_path, critic_from=tmp_path / "none.safetensors")
    with pytest.raises(InputError, match=r"cannot resume .*gan\.share is 0.3 now and was 0.2"):
        tiny_nogan(folder, replace(CONFIG, gan=replace(CONFIG.gan, share=0.3)), resume=True)
    other = Movie.from_array(1 - np.asarray(spots()), name="spots")
    with pytest.raises(InputError, match=r"cannot resume .*: spots is .* now and was .*; train on the data"):
        train_nogan(other, NOISE, config=CONFIG, output=folder, run=RunOptions(resume=True))
    with pytest.raises(InputError, match="colorization needs high_res photographs"):
        train_nogan(pairs=[(1, 2)], config=NoganConfig(task="colorization"), output=tmp_path)


def test_train_nogan_trains_a_colorizer_on_photographs(tmp_path, monkeypatch):
    monkeypatch.setattr(TrainingLog, "plot", lambda self, *, final=True: None)
    monkeypatch.setattr(selection, "plot_monitors", lambda *arguments, **settings: None)
    rng = np.random.default_rng(0)
    photographs = [rng.integers(0, 255, (40, 50, 3), dtype=np.uint8) for _ in range(6)]
    config = replace(
        CONFIG,
        task="colorization",
        generator="dynamic-unet",
        generator_settings={
            "encoder": "narrow-resnet",
            "width_factor": 0.25,
            "attention": True,
            "y_range": (-3.0, 3.0),
        },
        content_loss="l1",
        items=None,
        pretrain=(replace(CONFIG.pretrain[0], share=1.0, frozen=True),),
        gan=replace(CONFIG.gan, share=1.0),
        checkpoint_share=0.8,
        generated_share=1.0,
    )
    model = train_nogan(photographs, config=config, output=tmp_path)
    assert (model.card["task"], model.card["preset"], model.in_channels) == ("colorization", "own", 3)
    assert model.card["patch_size"] == max(CONFIG.pretrain[0].size, CONFIG.gan.size)
    assert model.normalization == load_model(tmp_path / "model.safetensors").normalization
    with Image.open(next((tmp_path / "images" / "cycle_1" / "generated").iterdir())) as image:
        assert image.mode == "RGB"
    assert Path(tmp_path / "checkpoints.png").stat().st_size > 0
