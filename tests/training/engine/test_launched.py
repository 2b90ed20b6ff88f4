from __future__ import annotations

import pytest

from decrappify import TrainingConfig
from decrappify._common.processes.launch import Launch, present_launch
from decrappify.errors import InputError, ProcessLostError
from decrappify.training import AdaptationConfig, RunOptions, adapt
from decrappify.training.engine.launched import (
    process_errors,
    process_settings,
    record_launch,
    restarted,
    with_processes,
)

TORCHRUN = {
    "TORCHELASTIC_RUN_ID": "none",
    "RANK": "5",
    "WORLD_SIZE": "6",
    "LOCAL_WORLD_SIZE": "3",
    "TORCHELASTIC_RESTART_COUNT": "2",
}


@pytest.fixture
def torchrun(monkeypatch):
    for name, value in TORCHRUN.items():
        monkeypatch.setenv(name, value)


def test_processes_of_torchrun_determine_devices_and_nodes(torchrun):
    assert present_launch() == Launch(rank=5, n_processes=6, n_local=3, restarts=2, name="")
    assert with_processes(TrainingConfig()).n_devices == 6
    assert process_settings(6) == {"devices": 3, "num_nodes": 2}
    with pytest.raises(InputError, match="n_devices is 4, but torchrun started 6 processes; omit n_devices"):
        with_processes(TrainingConfig(n_devices=4))


def test_without_torchrun_the_settings_determine_the_processes():
    assert process_settings(3) == {"devices": 3}
    assert with_processes(TrainingConfig(n_devices=3)) == TrainingConfig(n_devices=3)


def test_restarted_run_is_resumed_if_it_has_a_checkpoint(tmp_path, torchrun):
    run = RunOptions(overwrite=True)
    assert restarted(run, tmp_path) == run
    (tmp_path / "checkpoint.pt").touch()
    assert restarted(run, tmp_path) == RunOptions(resume=True)
    assert restarted(run, tmp_path, Launch(n_processes=6)) == run
    assert restarted(run, None) == run


def test_launch_that_began_the_run_resumes_it_on_nodes_that_count_no_restart(tmp_path, torchrun, monkeypatch):
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "job 7")
    monkeypatch.setenv("TORCHELASTIC_RESTART_COUNT", "0")
    run = RunOptions()
    (tmp_path / "checkpoint.pt").touch()
    record_launch(tmp_path)
    assert restarted(run, tmp_path) == run, "only the first process records the launch"
    monkeypatch.setenv("RANK", "0")
    record_launch(tmp_path)
    assert restarted(run, tmp_path) == RunOptions(resume=True)
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "job 8")
    assert restarted(run, tmp_path) == run


def test_launch_that_was_killed_before_its_first_checkpoint_begins_again(tmp_path, torchrun, monkeypatch):
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "job 7")
    monkeypatch.setenv("RANK", "0")
    (tmp_path / "log.csv").write_text("step,seconds\n0,1\n1,2\n")
    assert restarted(RunOptions(), tmp_path) == RunOptions(), "the files may be those of another run"
    record_launch(tmp_path)
    assert restarted(RunOptions(), tmp_path) == RunOptions(overwrite=True)
    (tmp_path / "pretrained.safetensors").touch()
    assert restarted(RunOptions(), tmp_path) == RunOptions()


def test_lost_process_is_reported_in_one_line():
    lost = RuntimeError("[gloo/transport/tcp/pair.cc:553] Connection closed by peer [127.0.0.1]:8632")
    expected = "another process of the run has ended, see its message; the last checkpoint"
    with pytest.raises(ProcessLostError, match=expected), process_errors(2):
        raise lost
    for n_processes, error in ((1, lost), (2, RuntimeError("sizes of tensors must match"))):
        with pytest.raises(RuntimeError) as caught, process_errors(n_processes):
            raise error
        assert caught.value is error


def test_adaptation_refuses_several_processes(torchrun):
    with pytest.raises(
        InputError, match="adapt runs in one process, but torchrun started 6; start it without torchrun"
    ):
        adapt("fluorescence-still", None, config=AdaptationConfig())
