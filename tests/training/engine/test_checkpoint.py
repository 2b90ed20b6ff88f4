from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from tests.training.tiny_run import CONFIG, tiny_train

from decrappify.errors import InputError, MissingFileError, ModelFileError, OutputError, OutputExistsError
from decrappify.losses import register_loss, unregister_loss
from decrappify.training import RunOptions, train
from decrappify.training.engine import checkpoint
from decrappify.training.engine.checkpoint import load_checkpoint, save_checkpoint
from decrappify.training.engine.run_folder import holds_run_folder, prepare_run_folder

SETTINGS = {"seed": 3, "architecture": {"name": "small", "depth": 2}, "crappifier": {"steps": [{"sigma": (0.0, 0.1)}]}}
STATE = {"settings": SETTINGS, "step": 7, "weights": {"a": torch.arange(4.0)}, "rng": torch.get_rng_state()}


def test_load_checkpoint_returns_the_saved_state(tmp_path):
    save_checkpoint(tmp_path / "c.pt", STATE)
    state = load_checkpoint(tmp_path / "c.pt", SETTINGS)
    assert (state["step"], state["settings"]) == (7, SETTINGS)
    assert torch.equal(state["weights"]["a"], STATE["weights"]["a"])
    assert [path.name for path in tmp_path.iterdir()] == ["c.pt"]


def test_load_checkpoint_accepts_former_precision_names(tmp_path):
    save_checkpoint(tmp_path / "c.pt", STATE | {"settings": SETTINGS | {"precision": "32-true"}})
    assert load_checkpoint(tmp_path / "c.pt", SETTINGS | {"precision": "float32"})["step"] == 7
    with pytest.raises(InputError, match="precision is 'bfloat16' now and was 'float32'"):
        load_checkpoint(tmp_path / "c.pt", SETTINGS | {"precision": "bfloat16"})


def test_save_checkpoint_keeps_the_old_file_if_writing_fails(tmp_path, monkeypatch):
    path = tmp_path / "c.pt"
    save_checkpoint(path, STATE)

    def full_disk(state, file):
        file.write(b"half of it")
        raise RuntimeError("PytorchStreamWriter failed writing file: file write failed")

    monkeypatch.setattr(checkpoint.torch, "save", full_disk)
    with pytest.raises(OutputError, match=r"cannot write the checkpoint .*c.pt: .* free some space and resume"):
        save_checkpoint(path, STATE | {"step": 8})
    assert load_checkpoint(path, SETTINGS)["step"] == 7
    assert [path.name for path in tmp_path.iterdir()] == ["c.pt"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"seed": 4}, "seed is 4 now and was 3; keep the settings, or start a new run"),
        ({"architecture": {"name": "small", "depth": 3}}, "architecture.depth is 3 now and was 2"),
        ({"crappifier": {"steps": [{"sigma": (0.0, 0.2)}]}}, "crappifier.steps.0.sigma.1 is 0.2 now and was 0.1"),
        ({"content": {"a.tif": "24 bytes"}}, "a.tif is 24 bytes now and was absent; train on the data with"),
        ({"crappifier": {"steps": []}}, "crappifier.steps.0.sigma.0 is None now and was 0.0"),
        (
            {"seed": 4, "content": {"a.tif": "24 bytes"}},
            "seed is 4 now and was 3, a.tif is 24 bytes now and was absent; keep the settings, or",
        ),
        (dict.fromkeys("abcdefgh", 1), ".*f is 1 now and was None and 2 more differences; keep the settings, or"),
    ],
)
def test_load_checkpoint_rejects_different_settings(tmp_path, changes, message):
    save_checkpoint(tmp_path / "c.pt", STATE)
    with pytest.raises(InputError, match=rf"cannot resume .*c.pt: {message}"):
        load_checkpoint(tmp_path / "c.pt", SETTINGS | changes)


@pytest.mark.parametrize("kept", [0, 10, 0.5, 0.98])
def test_load_checkpoint_rejects_a_truncated_file(tmp_path, kept):
    path = tmp_path / "c.pt"
    save_checkpoint(path, STATE)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(kept * len(whole)) if isinstance(kept, float) else kept])
    with pytest.raises(ModelFileError, match=r"cannot be read: it is damaged or not a checkpoint"):
        load_checkpoint(path, SETTINGS)


def test_load_checkpoint_rejects_missing_and_other_files(tmp_path):
    with pytest.raises(MissingFileError, match=r"no checkpoint .*c.pt to resume from; start the run without resume"):
        load_checkpoint(tmp_path / "c.pt", SETTINGS)
    torch.save({"weights": torch.zeros(2)}, tmp_path / "c.pt")
    with pytest.raises(ModelFileError, match=r"c.pt is not a checkpoint of a training run"):
        load_checkpoint(tmp_path / "c.pt", SETTINGS)
    (tmp_path / "evil.pt").write_bytes(b"cos\nsystem\n(S'true'\ntR.")
    with pytest.raises(ModelFileError, match=r"damaged or not a checkpoint"):
        load_checkpoint(tmp_path / "evil.pt", SETTINGS)


def test_load_checkpoint_sets_a_damaged_file_aside_and_loads_the_previous_one(tmp_path):
    path = tmp_path / "c.pt"
    for step in (7, 8):
        save_checkpoint(path, STATE | {"step": step})
    path.write_bytes(path.read_bytes()[:-1])
    assert load_checkpoint(path, SETTINGS)["step"] == 7
    save_checkpoint(path, STATE | {"step": 9})
    assert sorted(file.name for file in tmp_path.iterdir()) == ["c.damaged.pt", "c.previous.pt", "c.pt"]
    path.unlink()
    assert load_checkpoint(path, SETTINGS)["step"] == 7


@pytest.mark.parametrize("seed", range(8))
def test_load_checkpoint_rejects_a_flipped_bit(tmp_path, seed):
    path = tmp_path / "c.pt"
    save_checkpoint(path, STATE | {"weights": torch.arange(5000.0)})
    content = bytearray(path.read_bytes())
    at = content.index(torch.arange(5000.0).numpy().tobytes()) + 4 * (600 * seed)
    content[at] ^= 1 << seed
    path.write_bytes(content)
    with pytest.raises(ModelFileError, match=r"cannot be read: it is damaged"):
        load_checkpoint(path, SETTINGS)


def test_save_checkpoint_on_a_full_disk_keeps_both_files_and_raises_one_line(tmp_path):
    resource = pytest.importorskip("resource", reason="the file size is limited with it")
    path = tmp_path / "c.pt"
    for step in (7, 8):
        save_checkpoint(path, STATE | {"step": step})
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))
    try:
        with pytest.raises(OutputError, match=r"c.pt: File too large \(.*resume from the last") as caught:
            save_checkpoint(path, STATE | {"step": 9})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert "\n" not in str(caught.value)
    assert (load_checkpoint(path, SETTINGS)["step"], len(list(tmp_path.iterdir()))) == (8, 2)


@pytest.mark.parametrize("name", ["model.safetensors", "preview_1.png", "log.csv"])
def test_run_folder_keeps_existing_files_unless_overwrite(tmp_path, name):
    (tmp_path / name).write_text("of another program", encoding="utf-8")
    with pytest.raises(OutputExistsError, match=rf"contains {name}, which a run would replace; .*overwrite=True"):
        prepare_run_folder(tmp_path, resume=False, overwrite=False)
    assert (tmp_path / name).read_text(encoding="utf-8") == "of another program"
    prepare_run_folder(tmp_path, resume=False, overwrite=True)
    assert not list(tmp_path.iterdir())


def test_run_folder_without_checkpoint_states_how_to_restart(tmp_path):
    (tmp_path / "log.csv").write_text("")
    with pytest.raises(MissingFileError, match=r"ended before its first one; start it again with overwrite=True"):
        prepare_run_folder(tmp_path, resume=True, overwrite=False)


def test_run_without_a_checkpoint_is_not_resumed_before_its_data_are_read(tmp_path):
    with pytest.raises(MissingFileError, match=r"no checkpoint .*checkpoint.pt to resume from; start the run without"):
        prepare_run_folder(tmp_path / "new", resume=True, overwrite=False)
    assert not (tmp_path / "new").exists()


@pytest.mark.slow
def test_run_folder_is_reused_after_a_failure_in_the_first_step(tmp_path):
    @register_loss("untouchable", meaning="a loss")
    def untouchable(prediction, target):
        raise ValueError("no")

    try:
        for _ in range(2):
            with pytest.raises(InputError, match="loss 'untouchable' failed"):
                tiny_train(tmp_path, replace(CONFIG, loss="untouchable"))
    finally:
        unregister_loss("untouchable")
    assert (tmp_path / "log.csv").exists()
    with pytest.raises(MissingFileError, match="start the run without resume"):
        tiny_train(tmp_path, replace(CONFIG, max_steps=2), resume=True)
    tiny_train(tmp_path, replace(CONFIG, max_steps=2))


@pytest.mark.parametrize("other", ["preview_1.png", "checkpoints/7.safetensors"])
def test_run_folder_with_results_beside_an_empty_log_is_kept(tmp_path, other):
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "log.csv").write_text("step,seconds\n")
    (tmp_path / other).write_text("mine")
    with pytest.raises(OutputExistsError, match="which a run would replace"):
        prepare_run_folder(tmp_path, resume=False, overwrite=False)


@pytest.mark.parametrize("name", ["", "checkpoint.pt"])
def test_interrupted_run_reports_whether_it_can_be_resumed(tmp_path, name):
    @holds_run_folder
    def interrupted(*, output):
        if name:
            (output / name).write_text("")
        raise KeyboardInterrupt

    expected = (
        "the last checkpoint is kept; resume" if name else "no checkpoint was saved, so the run cannot be resumed"
    )
    with pytest.raises(KeyboardInterrupt, match=expected):
        interrupted(output=tmp_path / "run")
    assert (tmp_path / "run").exists() is bool(name)


def test_run_folder_is_removed_if_empty(tmp_path):
    with pytest.raises(MissingFileError):
        train("missing.tif", "confocal", output=tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("run", ["", "0/run"])
def test_run_folder_must_not_be_the_data_or_inside_it(tmp_path, run):
    (tmp_path / "zarr.json").write_text("{}")
    (tmp_path / "log.csv").write_text("mine")
    with pytest.raises(InputError, match=r"is the data .*, or is inside it"):
        train(tmp_path, "confocal", output=tmp_path / run, run=RunOptions(overwrite=True))
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_file()) == ["log.csv", "zarr.json"]
