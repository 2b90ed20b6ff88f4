"""Shared fixtures: seeded randomness, and real files and reference outputs if available."""

from __future__ import annotations

import gc
import importlib.util
import logging
import os
import sys
import threading
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

# Read when torch and numpy are imported. By default, idle threads of OpenMP and OpenBLAS wait in a loop. With the tiny
# arrays of these tests, this is nearly all of their CPU time; if other programs use the same cores, it slows down a
# convolution or a dot product by a factor of up to a hundred. Sharing tiny arrays among threads takes a fifth of their
# time: torch uses one thread, unless a test or OMP_NUM_THREADS sets more; tests/processors.py runs tests on 1 and 2.
os.environ["OMP_WAIT_POLICY"] = os.environ.get("OMP_WAIT_POLICY", "PASSIVE")
os.environ["OPENBLAS_NUM_THREADS"] = os.environ.get("OPENBLAS_NUM_THREADS", "1")
os.environ["OMP_NUM_THREADS"] = os.environ.get("OMP_NUM_THREADS", "1")

import numpy as np
import pytest
from click.testing import CliRunner, Result
from hypothesis import settings

from decrappify.cli import main

from .cpu_time import CpuTime

# The same examples in every run; --hypothesis-profile=default draws others.
settings.register_profile("fixed", derandomize=True, deadline=None, database=None)
settings.load_profile("fixed")


def pytest_configure(config: pytest.Config) -> None:
    # By default, garbage collection takes 5 % of the CPU time: imports and collected tests are objects that remain.
    gc.set_threshold(10_000, 10, 10)
    config.pluginmanager.register(CpuTime())


def pytest_collection_finish() -> None:
    """Configure torch's loggers to propagate, and exclude imported objects from later garbage collections.

    In every phase of every test, pytest adds its handlers to each logger that does not propagate, and removes them
    again; torch has forty such loggers.
    """
    gc.collect()
    gc.freeze()
    for name, logger in logging.root.manager.loggerDict.items():
        if name.startswith("torch") and isinstance(logger, logging.Logger):
            logger.propagate = True


@pytest.fixture(autouse=True)
def seeded_torch() -> None:
    """Start every test with the same state of torch's global generator."""
    if "torch" not in sys.modules:
        return
    torch = sys.modules["torch"]
    # torch.manual_seed also formats the stack, to seed devices when they are first used: a millisecond per test.
    torch.default_generator.manual_seed(20261121)
    if torch.cuda.is_initialized():
        torch.cuda.manual_seed_all(20261121)


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(20261121)


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Folder of real microscopy files; skips the test if it is not set."""
    folder = os.environ.get("DECRAPPIFY_TEST_DATA")
    if not folder:
        pytest.skip("DECRAPPIFY_TEST_DATA is not set: real-file tests need the folder of real movies")
    return Path(folder)


@pytest.fixture(scope="session")
def parity() -> Path:
    """Folder of reference outputs of the original engines; skips the test if it is not set."""
    folder = os.environ.get("DECRAPPIFY_PARITY")
    if not folder:
        pytest.skip("DECRAPPIFY_PARITY is not set: parity tests need the folder of reference outputs")
    return Path(folder)


@pytest.fixture(scope="session")
def recipe(parity: Path) -> Any:
    """Module that computes the reference weights and inputs."""
    spec = importlib.util.spec_from_file_location("parity_recipe", parity / "recipe.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def tiny_models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Files of tiny untrained models, which return the middle frame: still, movie (3 frames) and movie-x2."""
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


@pytest.fixture(scope="session")
def nogan_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """File of a tiny model with a fidelity: at 1 it returns the input, at 0 also a part of random features."""
    import torch

    from decrappify.model import Model
    from decrappify.networks import create

    network = create("small", base_channels=16, depth=1, n_frames=1)
    pretrained = {key: value.clone() for key, value in network.state_dict().items()}
    torch.nn.init.constant_(network.tail.weight, 0.02)
    path = tmp_path_factory.mktemp("nogan") / "nogan.safetensors"
    return Model(network, card={"name": "tiny-nogan"}, pretrained=pretrained).save(path)


@pytest.fixture
def command() -> Callable[..., Result]:
    """Run `decrappify` with arguments; an unexpected exit code or an exception fails the test."""

    def run(*arguments: Any, exit_code: int = 0) -> Result:
        result = CliRunner().invoke(main, [str(argument) for argument in arguments])
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        assert result.exit_code == exit_code, result.output
        return result

    return run


class Bar:
    """A progress bar that records the calls of its latest run."""

    def __init__(self) -> None:
        self._cancel, self._last = threading.Event(), float("inf")

    def __call__(self, **settings: Any) -> Bar:
        self.settings, self.updates, self.text, self.closed = settings, [], "", False
        return self

    @property
    def n(self) -> int:
        return sum(self.updates) + self.settings.get("initial", 0)

    def cancel_at(self, n: int) -> threading.Event:
        """Return an event that is set when `n` units are done."""
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
    """A value for `progress` that records its calls."""
    return Bar()


@pytest.fixture
def no_compiler(tmp_path, monkeypatch):
    """An environment in which torch.compile finds neither a C++ compiler nor kernels compiled by earlier tests."""
    import torch
    from torch._inductor import config

    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path))
    torch._dynamo.reset()
    with config.patch({"cpp.cxx": ("no-such-compiler",)}):
        yield


@pytest.fixture(scope="session")
def cached_operator_tables():
    """Cache two tables of operators, which exporters create for every export: most of the time of a small export."""
    if importlib.util.find_spec("onnxscript") is None:
        yield
        return
    exports = importlib.import_module("torch._export.utils")
    registry = importlib.import_module("torch.onnx._internal.exporter._registration").ONNXRegistry
    with pytest.MonkeyPatch.context() as patch:
        if hasattr(exports, "_materialize_cpp_cia_ops"):  # internal to torch: absent from some versions
            patch.setattr(exports, "_materialize_cpp_cia_ops", cache(exports._materialize_cpp_cia_ops))
        patch.setattr(registry, "from_torchlib", staticmethod(cache(registry.from_torchlib)))
        yield


@pytest.fixture
def undrawn_reports(monkeypatch):
    """Skip the plots, images and page of `benchmark` reports, most of their time.

    benchmarking/report/test_report.py tests complete reports.
    """
    from decrappify.benchmarking.report import files, html

    monkeypatch.setattr(files, "png_files", lambda report: ())
    monkeypatch.setattr(html, "page", lambda report: "<!doctype html>")


@pytest.fixture
def few_validation_patches(monkeypatch):
    """Validate training runs on 8 patches, not on 32, whose best Gaussian filters are half of the time of a tiny run.

    Adaptations are validated on 16, not on 64. Two tests of the command line, of train and of adapt, use all patches.
    """
    from decrappify.training.adaptation import validation
    from decrappify.training.engine import validation_patches

    monkeypatch.setattr(validation_patches, "PATCHES", 8)
    monkeypatch.setattr(validation, "PATCHES", 16)


@pytest.fixture
def undrawn_training(monkeypatch):
    """Skip the plots of training runs, half of the time of a tiny run.

    training/supervised, training/nogan and training/monitors test the plots.
    """
    from decrappify.training.engine.training_log import TrainingLog
    from decrappify.training.nogan import selection

    monkeypatch.setattr(TrainingLog, "plot", lambda self, *, final=True: None)
    for plot in ("plot_monitors", "contact_sheet"):
        monkeypatch.setattr(selection, plot, lambda *arguments, **settings: None)
