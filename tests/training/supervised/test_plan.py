from __future__ import annotations

import logging
import threading
import time
from dataclasses import replace

import pytest
import torch
from tests.training.tiny_run import CONFIG, NOISE, cells, tiny_train
from torch.nn.modules.module import register_module_forward_pre_hook
from torch.optim.optimizer import register_optimizer_step_post_hook

from decrappify.errors import Cancelled, InputError
from decrappify.model import load_model
from decrappify.networks.spec import RestorationNetwork
from decrappify.training import RunOptions, TrainingConfig, train
from decrappify.training.supervised.plan import Speed, plan_steps

pytestmark = pytest.mark.usefixtures("undrawn_training")
TIMED = replace(CONFIG, max_steps=None, validate_every=None, minutes=0.05)
REPORT = "decrappify.training.supervised.report"
NOTHING = "^the run was stopped before its first step; nothing was saved, so start it again$"


@pytest.mark.parametrize("every", [None, 100])
def test_planned_steps_use_the_training_time(every):
    speed = Speed(step=0.5, validation=2.0)
    for seconds in (120, 600, 6000, 60_000):
        steps, between = plan_steps(TrainingConfig(minutes=1, validate_every=every), speed, seconds)
        n_validations = -(-steps // between)
        assert 0.9 * seconds < steps * speed.step + n_validations * speed.validation <= 1.02 * seconds
        assert between <= 500
        assert every in (None, between)


def test_run_of_three_minutes_is_validated_often():
    steps, between = plan_steps(TrainingConfig(minutes=3), Speed(step=0.1, validation=0.5), 180)
    assert steps // between >= 8
    assert plan_steps(TrainingConfig(minutes=3), Speed(step=60, validation=100), 180) == (10, 10)


@pytest.mark.slow
def test_timed_run_meets_its_time_and_equals_a_run_of_its_steps(tmp_path, caplog):
    with caplog.at_level(logging.INFO, REPORT):
        started = time.process_time()
        model = tiny_train(tmp_path, TIMED)
        assert time.process_time() - started < 30
    (line,) = [record.getMessage() for record in caplog.records if " steps in " in record.getMessage()]
    settings = model.card["settings"]
    assert line.startswith(f"about {settings['max_steps']:,} steps in 0.05 minutes (")
    assert (model.card["minutes"], settings["minutes"]) == (0.05, None)
    again = tiny_train(None, TrainingConfig.from_dict(settings | {"network_settings": CONFIG.network_settings}))
    assert again.sha256 == model.sha256


@pytest.mark.slow
def test_resumed_timed_run_keeps_its_plan_and_refuses_another_time(tmp_path):
    stop = threading.Event()
    planned = tiny_train(tmp_path, TIMED, cancel=stop, on_validation=lambda *_: stop.set()).card
    assert planned["unfinished"] == f"stopped at step 1 of {planned['settings']['max_steps']}"
    with pytest.raises(InputError, match=r"cannot resume .*: minutes is 0.1 now and was 0.05; keep the settings"):
        tiny_train(tmp_path, replace(TIMED, minutes=0.1), resume=True)
    with pytest.raises(InputError, match=r"cannot resume .*: minutes is None now and was 0.05"):
        tiny_train(tmp_path, replace(TIMED, minutes=None, max_steps=planned["settings"]["max_steps"]), resume=True)
    model = tiny_train(tmp_path, TIMED, resume=True)
    assert model.card["settings"] == planned["settings"]
    assert model.card["steps"] == planned["settings"]["max_steps"]
    assert load_model(tmp_path / "model.safetensors").sha256 == model.sha256


class SetAtLine(logging.Handler):
    """Handler that sets an event at the first line of a report: that on the patches, before the speed is measured."""

    def __init__(self, event):
        super().__init__()
        self.event = event

    def emit(self, record):
        self.event.set()


@pytest.fixture
def stop_at_report(caplog):
    caplog.set_level(logging.INFO, REPORT)
    handler = SetAtLine(threading.Event())
    logging.getLogger(REPORT).addHandler(handler)
    yield handler.event
    logging.getLogger(REPORT).removeHandler(handler)


def test_stop_during_the_measurement_of_the_speed_ends_within_one_step_without_a_trace(tmp_path, stop_at_report):
    steps, folder = [], tmp_path / "run"
    hook = register_optimizer_step_post_hook(lambda *_: steps.append(1))
    with pytest.raises(Cancelled, match=NOTHING):
        tiny_train(folder, TIMED, cancel=stop_at_report)
    hook.remove()
    assert len(steps) == 1
    assert not folder.exists()
    assert tiny_train(folder, replace(CONFIG, max_steps=1, validate_every=1)).card["steps"] == 1


@pytest.mark.parametrize("config", [TIMED, CONFIG], ids=["in the measurement", "before the first step"])
def test_stop_during_the_first_validation_ends_after_its_batch_without_a_trace(tmp_path, config):
    stop, forward = threading.Event(), []

    def validated(network, *_):
        if isinstance(network, RestorationNetwork) and not torch.is_grad_enabled():
            forward.append(1)
            stop.set()

    hook = register_module_forward_pre_hook(validated)
    with pytest.raises(Cancelled, match=NOTHING):
        tiny_train(tmp_path, config, cancel=stop)
    hook.remove()
    assert len(forward) == 2  # both noise draws of one batch, of four
    assert list(tmp_path.iterdir()) == []
    assert tiny_train(tmp_path, replace(CONFIG, max_steps=1, validate_every=1)).card["steps"] == 1


def test_stop_while_the_data_are_read_ends_the_run_without_a_trace(tmp_path):
    stop, reads = threading.Event(), []
    movie = cells()

    def region(t, c, z, rows, columns):
        reads.append(t)
        stop.set()
        return movie.region(t, c, z, rows, columns)

    with pytest.raises(Cancelled, match=NOTHING):
        train(movie.map_regions(region), NOISE, config=TIMED, output=tmp_path / "run", run=RunOptions(cancel=stop))
    assert len(reads) == len(set(reads))  # for the normalization; the frames are not read again into memory
    assert not (tmp_path / "run").exists()


def test_run_of_an_earlier_version_is_refused_in_one_line(tmp_path):
    stop = threading.Event()
    tiny_train(tmp_path, CONFIG, cancel=stop, on_validation=lambda *_: stop.set())
    state = torch.load(tmp_path / "checkpoint.pt", weights_only=True)
    state["stateful"]["best"]["score"] = {"step": 0, "psnr": 1.0, "psnr_source": 0.0, "noise_draw": 0.0}
    del state["history"]["curve"], state["settings"]["minutes"]
    torch.save(state, tmp_path / "checkpoint.pt")
    (tmp_path / "log.csv").write_text("step,learning_rate,loss,val_psnr,seconds\r\n1,0.001,0.1,20,1\r\n")
    with pytest.raises(InputError, match=r"begun by an earlier version .*, so start it again with overwrite=True") as e:
        tiny_train(tmp_path, CONFIG, resume=True)
    assert "\n" not in str(e.value)
