"""Shared fixtures: seeded randomness, and real files and reference outputs where the machine has them."""

from __future__ import annotations

import gc
import importlib.util
import logging
import os
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

# Read when torch and numpy are loaded. By default the threads of OpenMP and OpenBLAS wait in a loop for their next
# share of work: with the tiny arrays of these tests that is nearly all of their CPU time, and where other programs want
# the cores too, it makes a convolution or a dot product take up to a hundred times as long.
os.environ["OMP_WAIT_POLICY"] = os.environ.get("OMP_WAIT_POLICY", "PASSIVE")
os.environ["OPENBLAS_NUM_THREADS"] = os.environ.get("OPENBLAS_NUM_THREADS", "1")

import numpy as np
import pytest
from click.testing import CliRunner, Result

from decrappify.cli import main

from .cpu_time import CpuTime


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(CpuTime())


def pytest_collection_finish() -> None:
    """Let torch's loggers propagate, and keep what the imports made out of later garbage collections.

    For every phase of every test, pytest adds its handlers to each logger that does not propagate, and removes them
    again; torch has forty of those.
    """
    gc.collect()
    gc.freeze()
    for name, logger in logging.root.manager.loggerDict.items():
        if name.startswith("torch") and isinstance(logger, logging.Logger):
            logger.propagate = True


@pytest.fixture(autouse=True)
def seeded_torch() -> None:
    """Start every test with the same state of torch's global generator, whatever ran before it."""
    if "torch" in sys.modules:
        sys.modules["torch"].manual_seed(20261121)


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(20261121)


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real microscopy files, or a skip that says how to get one."""
    folder = os.environ.get("DECRAPPIFY_TEST_DATA")
    if not folder:
        pytest.skip("DECRAPPIFY_TEST_DATA is not set: real-file tests need the folder of real movies")
    return Path(folder)


@pytest.fixture(scope="session")
def parity() -> Path:
    """The folder of the original engines' reference outputs, or a skip that says how to get one."""
    folder = os.environ.get("DECRAPPIFY_PARITY")
    if not folder:
        pytest.skip("DECRAPPIFY_PARITY is not set: parity tests need the folder of reference outputs")
    return Path(folder)


@pytest.fixture(scope="session")
def recipe(parity: Path) -> Any:
    """The module that makes the reference weights and inputs."""
    spec = importlib.util.spec_from_file_location("parity_recipe", parity / "recipe.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def tiny_models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Files of tiny untrained models, which give back the middle frame: still, movie (3 frames) and movie-x2."""
    from decrappify.model import Model
    from decrappify.networks import create

    folder = tmp_path_factory.mktemp("models")
    sizes = {"still": (1, 1), "movie": (3, 1), "movie-x2": (3, 2)}
    return {
        name: Model(
            create("small", base_channels=16, depth=1, n_frames=n_frames, scale=scale), card={"name": f"tiny-{name}"}
        ).save(folder / f"{name}.safetensors")
        for name, (n_frames, scale) in sizes.items()
    }


@pytest.fixture
def command() -> Callable[..., Result]:
    """Run `decrappify` with these arguments; another exit code than the one expected, or a traceback, fails."""

    def run(*arguments: Any, exit_code: int = 0) -> Result:
        result = CliRunner().invoke(main, [str(argument) for argument in arguments])
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        assert result.exit_code == exit_code, result.output
        return result

    return run


class Bar:
    """Remembers what a progress bar is told in the latest run."""

    def __init__(self) -> None:
        self._cancel, self._last = threading.Event(), float("inf")

    def __call__(self, **settings: Any) -> Bar:
        self.settings, self.updates, self.text, self.closed = settings, [], "", False
        return self

    @property
    def n(self) -> int:
        return sum(self.updates) + self.settings.get("initial", 0)

    def cancel_at(self, n: int) -> threading.Event:
        """An event that is set when `n` units are done."""
        self._last = n
        return self._cancel

    def update(self, n: int) -> None:
        self.updates.append(n)
        if self.n >= self._last:
            self._cancel.set()

    def set_postfix_str(self, text: str) -> None:
        self.text = text

    def close(self) -> None:
        self.closed = True


@pytest.fixture
def bar() -> Bar:
    """To be passed as `progress`."""
    return Bar()


@pytest.fixture
def no_compiler(tmp_path, monkeypatch):
    """A machine where torch.compile finds no C++ compiler, and no kernel that an earlier test compiled."""
    import torch
    from torch._inductor import config

    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path))
    torch._dynamo.reset()
    with config.patch({"cpp.cxx": ("no-such-compiler",)}):
        yield


@pytest.fixture
def undrawn_reports(monkeypatch):
    """Reports of `benchmark` without plots, images and page, for tests of what is around them: most of their time.

    What a whole report holds is tested in benchmarking/test_report.py.
    """
    from decrappify.benchmarking.report import files, html

    monkeypatch.setattr(files, "png_files", lambda report: ())
    monkeypatch.setattr(html, "page", lambda report: "<!doctype html>")


@pytest.fixture
def undrawn_training(monkeypatch):
    """Training runs without their plots, for tests that look at something else: half of the time of a tiny run.

    The plots are tested in training/supervised, training/nogan and training/monitors.
    """
    from decrappify.training.engine.training_log import TrainingLog
    from decrappify.training.nogan import selection

    monkeypatch.setattr(TrainingLog, "plot", lambda self, *, final=True: None)
    for plot in ("plot_monitors", "contact_sheet"):
        monkeypatch.setattr(selection, plot, lambda *arguments, **settings: None)
