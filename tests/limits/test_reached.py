from __future__ import annotations

import errno

import numpy as np
import pytest
from click.testing import CliRunner

from decrappify.cli import main
from decrappify.errors import DeviceMemoryError, FormatError, ThreadLimitError
from decrappify.io import save_movie
from decrappify.limits.reached import is_out_of_memory, limit_errors
from decrappify.movie import Movie

OUT_OF_MEMORY = [
    MemoryError(),
    np._core._exceptions._ArrayMemoryError((10**9,), np.dtype(float)),
    RuntimeError("could not create a primitive descriptor for a convolution forward propagation primitive"),
    RuntimeError("[enforce fail at alloc_cpu.cpp:127] err == 0. DefaultCPUAllocator: can't allocate memory"),
    RuntimeError("std::bad_alloc"),
    RuntimeError("Exception from src/inference: Failed to allocate 4294967296 bytes"),
    OSError(errno.ENOMEM, "Cannot allocate memory"),
    ImportError("libtorch_cpu.so: failed to map segment from shared object"),
]
OTHERS = [
    RuntimeError("shapes do not match"),
    FormatError("cells.tif is damaged"),
    OSError(errno.ENOENT, "No such file"),
    DeviceMemoryError("reported already"),
    ImportError("No module named 'openvino'"),
]


@pytest.mark.parametrize("error", OUT_OF_MEMORY, ids=lambda error: f"{type(error).__name__} {error}"[:40])
def test_is_out_of_memory_recognizes_errors_of_libraries(error):
    assert is_out_of_memory(error)


@pytest.mark.parametrize("error", OTHERS, ids=lambda error: f"{type(error).__name__} {error}"[:40])
def test_is_out_of_memory_is_false_for_other_errors(error):
    assert not is_out_of_memory(error)
    with pytest.raises(type(error)) as caught, limit_errors("reading cells.tif"):
        raise error
    assert caught.value is error


def test_is_out_of_memory_recognizes_errors_of_onnxruntime():
    state = pytest.importorskip("onnxruntime.capi.onnxruntime_pybind11_state")
    assert is_out_of_memory(state.RuntimeException("Failed to allocate memory for requested buffer of size 4"))
    assert not is_out_of_memory(state.RuntimeException("Invalid rank for input"))


def test_limit_errors_names_the_work_and_the_free_memory():
    with (
        pytest.raises(DeviceMemoryError, match=r"memory ran out while reading a\.tif \([\d.]+ [GMk]B are free\)"),
        limit_errors("reading a.tif"),
    ):
        raise MemoryError
    with (
        pytest.raises(ThreadLimitError, match=r"a thread could not be started while reading a\.tif"),
        limit_errors("reading a.tif"),
    ):
        raise RuntimeError("can't start new thread")


def test_command_line_reports_a_memory_error_in_one_line(tmp_path, monkeypatch):
    path = save_movie(Movie.from_array(np.ones((2, 8, 8), np.uint16)), tmp_path / "cells.ome.zarr")

    def fails(self, *_, **__):
        raise MemoryError

    monkeypatch.setattr(Movie, "__init__", fails)
    result = CliRunner().invoke(main, ["info", str(path)])
    assert result.exit_code == 2
    assert result.stderr.startswith("decrappify: memory ran out while ")
    assert len(result.stderr.splitlines()) == 1
