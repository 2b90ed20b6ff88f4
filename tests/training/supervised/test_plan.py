from __future__ import annotations

import logging
import threading
import time
from dataclasses import replace

import pytest
import torch
from tests.training.tiny_run import CONFIG, tiny_train

from decrappify.errors import InputError
from decrappify.model import load_model
from decrappify.training import TrainingConfig
from decrappify.training.supervised.plan import Speed, plan_steps

pytestmark = pytest.mark.usefixtures("undrawn_training")
TIMED = replace(CONFIG, max_steps=None, validate_every=None, minutes=0.05)
REPORT = "decrappify.training.supervised.report"


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
    stop.set()
    planned = tiny_train(tmp_path, TIMED, cancel=stop).card
    assert planned["unfinished"] == f"stopped at step 1 of {planned['settings']['max_steps']}"
    with pytest.raises(InputError, match=r"cannot resume .*: minutes is 0.1 now and was 0.05; keep the settings"):
        tiny_train(tmp_path, replace(TIMED, minutes=0.1), resume=True)
    with pytest.raises(InputError, match=r"cannot resume .*: minutes is None now and was 0.05"):
        tiny_train(tmp_path, replace(TIMED, minutes=None, max_steps=planned["settings"]["max_steps"]), resume=True)
    model = tiny_train(tmp_path, TIMED, resume=True)
    assert model.card["settings"] == planned["settings"]
    assert model.card["steps"] == planned["settings"]["max_steps"]
    assert load_model(tmp_path / "model.safetensors").sha256 == model.sha256


def test_run_of_an_earlier_version_is_refused_in_one_line(tmp_path):
    stop = threading.Event()
    stop.set()
    tiny_train(tmp_path, CONFIG, cancel=stop)
    state = torch.load(tmp_path / "checkpoint.pt", weights_only=True)
    state["stateful"]["best"]["score"] = {"step": 0, "psnr": 1.0, "psnr_source": 0.0, "noise_draw": 0.0}
    del state["history"]["curve"], state["settings"]["minutes"]
    torch.save(state, tmp_path / "checkpoint.pt")
    (tmp_path / "log.csv").write_text("step,learning_rate,loss,val_psnr,seconds\r\n1,0.001,0.1,20,1\r\n")
    with pytest.raises(InputError, match=r"begun by an earlier version .*, so start it again with overwrite=True") as e:
        tiny_train(tmp_path, CONFIG, resume=True)
    assert "\n" not in str(e.value)
