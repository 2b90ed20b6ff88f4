"""OpenVINO and ONNX Runtime: threads, errors, imports and signal handlers."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from importlib import import_module

import pytest
import torch
from tests.inference.test_backends import installed
from torch import nn

from decrappify.inference import runtimes


@pytest.mark.parametrize(("threads", "expected"), [pytest.param(1, 1, marks=pytest.mark.slow), (2, 2)])
def test_openvino_uses_as_many_threads_as_torch(monkeypatch, threads, expected):
    installed("openvino")
    openvino = runtimes._quietly_imported_openvino()
    seen = []
    compile_model = openvino.Core.compile_model

    def watched(core, *arguments):
        model = compile_model(core, *arguments)
        seen.append((model.get_property("INFERENCE_NUM_THREADS"), model.get_property("ENABLE_CPU_PINNING")))
        return model

    monkeypatch.setattr(openvino.Core, "compile_model", watched)
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        runtimes.for_openvino(nn.Conv2d(1, 1, 3).eval().requires_grad_(False), torch.rand(1, 1, 8, 8), "float32")
    finally:
        torch.set_num_threads(before)
    assert seen == [(expected, False)]


def test_onnxruntime_uses_as_many_threads_as_torch(monkeypatch):
    onnxruntime = import_module(installed("onnxruntime"))
    seen = []
    session = onnxruntime.InferenceSession

    def watched(model, options, **settings):
        seen.append(options.intra_op_num_threads)
        return session(model, options, **settings)

    monkeypatch.setattr(onnxruntime, "InferenceSession", watched)
    runtimes.for_onnxruntime(nn.Conv2d(1, 1, 3).eval().requires_grad_(False), torch.rand(1, 1, 8, 8), "float32")
    assert seen == [torch.get_num_threads()]


@pytest.mark.parametrize("message", ["std::bad_alloc", "Failed to allocate memory for requested buffer of size 99"])
def test_memory_errors_of_runtimes_become_memory_error(message):
    class Failure(RuntimeError):
        pass

    def fails():
        raise Failure(message)

    with pytest.raises(MemoryError, match=message):
        runtimes._with_memory_errors(fails)


def test_openvino_sends_no_usage_reports_and_keeps_signal_handlers():
    installed("openvino")
    handled = []
    before = signal.signal(signal.SIGINT, lambda *_: handled.append(True))
    try:
        sources = (torch.rand(1, 1, side, side) for side in (8, 16))
        predictors = [runtimes.for_openvino(nn.ReLU().eval(), source, "float32") for source in sources]
        assert predictors[0](-torch.ones(1, 1, 8, 8)).sum() == 0
        while predictors:
            del predictors[0]  # in the order of their creation
        signal.raise_signal(signal.SIGINT)
    finally:
        signal.signal(signal.SIGINT, before)
    assert handled == [True]
    assert not [name for name in sys.modules if name.startswith("openvino_telemetry")]


@pytest.fixture(scope="module")
def openvino_process(tmp_path_factory):
    """Home folder and result of a process that uses OpenVINO for two sizes, frees both and receives a signal."""
    installed("openvino")
    home = tmp_path_factory.mktemp("home")
    script = (
        "import signal, sys, torch\n"
        "from decrappify.inference.runtimes import for_openvino\n"
        "def prepare(side):\n"
        "    return for_openvino(torch.nn.ReLU().eval(), torch.rand(1, 1, side, side), 'float32')\n"
        "first, second = prepare(8), prepare(16)\n"
        "assert first(-torch.ones(1, 1, 8, 8)).sum() == 0\n"
        "print([name for name in sys.modules if name.startswith('openvino_telemetry')])\n"
        "del first\n"
        "del second\n"
        "signal.signal(signal.SIGINT, lambda *_: print('handled'))\n"
        "signal.raise_signal(signal.SIGINT)\n"
    )
    environment = {"HOME": str(home), "PATH": "", "OMP_NUM_THREADS": "1", "PYTHONFAULTHANDLER": "1"}
    environment["PYTHONPATH"] = os.environ.get("PYTHONPATH", "")
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, check=False, capture_output=True, text=True, env=environment, timeout=120)
    return home, done


@pytest.mark.slow  # tested in this process above
def test_openvino_is_imported_without_usage_reports(openvino_process):
    home, done = openvino_process
    assert done.stdout.splitlines()[:1] == ["[]"], done.stderr
    assert not list(home.iterdir())


@pytest.mark.slow
def test_signal_after_several_sizes_reaches_its_handler(openvino_process):
    _, done = openvino_process
    assert (done.returncode, done.stdout.splitlines()[1:]) == (0, ["handled"]), done.stderr
