from __future__ import annotations

import importlib.util
import logging
import os
import threading
from pathlib import Path

import pytest
import torch

from decrappify._common.processes import processor as runtime
from decrappify._common.processes.processor import (
    cpu_flags,
    onednn_level,
    present_runtime,
    processor_type,
    take_up_runtime,
    threads_put_back,
)
from decrappify.io.media.encoder import x264_options

SKYLAKE = frozenset({"sse4_1", "avx", "avx2", "avx512f", "avx512bw", "avx512dq", "avx512vl"})
SAPPHIRE = SKYLAKE | {"avx_vnni", "avx512_vnni", "avx512_bf16", "avx512_fp16", "amx_tile", "amx_bf16", "amx_int8"}


reports_flags = pytest.mark.skipif(
    not hasattr(torch.cpu, "get_capabilities"), reason="torch before 2.10 does not report instruction sets"
)


@pytest.fixture(autouse=True)
def _restored_threads():
    with threads_put_back():
        yield


def test_present_runtime_returns_threads_and_processor():
    torch.set_num_threads(2)
    assert present_runtime() == {"threads": 2, "processor": processor_type("cpu")}
    assert "\n" not in processor_type()
    assert torch.backends.cpu.get_cpu_capability() in processor_type()


@pytest.mark.parametrize(
    ("flags", "limit", "level"),
    [
        (SAPPHIRE, "", "AVX512_CORE_AMX"),
        (SAPPHIRE, "ALL", "AVX512_CORE_AMX"),
        (SAPPHIRE, "AVX512_CORE", "AVX512_CORE"),
        (SAPPHIRE, "avx2", "AVX2"),
        (SAPPHIRE, "AVX10_1_512", "AVX512_CORE_FP16"),
        (SKYLAKE, "", "AVX512_CORE"),
        (SKYLAKE, "AVX512_CORE_AMX", "AVX512_CORE"),
        (frozenset({"asimd", "sve"}), "", "none"),
    ],
)
def test_onednn_level_is_that_of_the_hardware_within_the_limit(flags, limit, level):
    assert onednn_level(flags, limit) == level


def test_processor_type_changes_with_the_choice_of_kernels(monkeypatch):
    for name in ("ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA", "MKL_CBWR"):
        monkeypatch.delenv(name, raising=False)
    free = processor_type()
    monkeypatch.setenv("MKL_CBWR", "COMPATIBLE")
    assert processor_type() == f"{free}, MKL_CBWR=COMPATIBLE"
    monkeypatch.delenv("MKL_CBWR")
    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", "SSE41")
    assert (processor_type() == free) is (onednn_level(limit="") in ("SSE41", "none"))


@pytest.mark.parametrize(("now", "then"), [(1, 2), (2, 1), (1, 5), (2, 2)])
def test_take_up_runtime_sets_the_recorded_threads_until_they_are_put_back(now, then, caplog):
    torch.set_num_threads(now)
    recorded = {"threads": then, "processor": processor_type()}
    with caplog.at_level(logging.WARNING), threads_put_back():
        assert take_up_runtime(recorded) == recorded
        assert torch.get_num_threads() == then  # also with fewer cores than threads
    assert torch.get_num_threads() == now
    assert not caplog.records


@pytest.mark.parametrize("threads", [0, -1, True, 10**9, 2**70, 1.5, "2"])
def test_take_up_runtime_ignores_invalid_numbers_of_threads(threads, caplog):
    before = torch.get_num_threads()
    assert take_up_runtime({"threads": threads, "processor": processor_type()})["threads"] == before
    assert "recorded neither threads nor processor" in caplog.text


def test_threads_put_back_restores_the_number_after_an_error():
    torch.set_num_threads(1)

    @threads_put_back()
    def fail():
        torch.set_num_threads(2)
        raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert torch.get_num_threads() == 1


def test_take_up_runtime_warns_of_another_processor_once_and_records_it(caplog):
    here = processor_type()
    with caplog.at_level(logging.WARNING):
        taken = take_up_runtime({"threads": 1, "processor": "riscv64 ACME none"})
        assert taken == {"threads": 1, "processor": f"riscv64 ACME none; then {here}"}
        assert take_up_runtime(taken) == taken  # resumed here again: no second warning
    (record,) = caplog.records
    message = record.getMessage()
    assert message.endswith("last digits may differ")
    assert "riscv64 ACME none" in message
    assert here in message
    assert "\n" not in message


@pytest.mark.parametrize(
    "recorded", [None, {}, [], {"threads": 0, "processor": "x"}, {"threads": True, "processor": "x"}, {"threads": 3}]
)
def test_take_up_runtime_without_record_returns_the_present_runtime_with_a_warning(recorded, caplog):
    torch.set_num_threads(2)
    with caplog.at_level(logging.WARNING):
        assert take_up_runtime(recorded) == present_runtime()
    (record,) = caplog.records
    assert "recorded neither threads nor processor: last digits may differ" in record.getMessage()


def test_take_up_runtime_warns_if_torch_ignores_the_number_of_threads(monkeypatch, caplog):
    torch.set_num_threads(1)
    monkeypatch.setattr(torch, "set_num_threads", lambda threads: None)  # as torch built without OpenMP does
    with caplog.at_level(logging.WARNING):
        take_up_runtime({"threads": 2, "processor": processor_type()})
    (record,) = caplog.records
    assert record.getMessage() == "the run began with 2 threads, torch uses 1 here: last digits may differ"


def test_take_up_runtime_applies_to_later_threads():
    take_up_runtime({"threads": 2, "processor": processor_type()})
    found = []
    worker = threading.Thread(target=lambda: found.append(torch.get_num_threads()))
    worker.start()
    worker.join()
    assert found == [2]


@reports_flags
def test_cpu_flags_are_those_of_torch():
    capabilities = {name for name, value in torch.cpu.get_capabilities().items() if value is True}
    assert ("avx2" in cpu_flags()) is ("avx2" in capabilities)
    assert ("avx512f" in cpu_flags()) is ("avx512_f" in capabilities)
    assert bool({"avx512_bf16", "amx_bf16"} & cpu_flags()) is bool({"avx512_bf16", "amx_bf16"} & capabilities)


@reports_flags
def test_cpu_flags_are_read_from_torch_without_cpuinfo(monkeypatch):
    from_cpuinfo = cpu_flags()
    monkeypatch.setattr(runtime, "_cpuinfo", lambda *names: "")
    from_torch = cpu_flags.__wrapped__()
    for name in ("sse4_1", "avx2", "avx512f", "avx512bw", "avx512dq", "avx512vl", "amx_bf16"):
        assert (name in from_torch) is (name in from_cpuinfo)


def test_x264_options_exclude_instructions_that_are_not_reproducible(monkeypatch):
    monkeypatch.setattr("decrappify.io.media.encoder.cpu_flags", lambda: SKYLAKE)
    assert x264_options(crf="17") == {"crf": "17", "x264-params": "asm=avx2,fma3,lzcnt,bmi2"}
    monkeypatch.setattr("decrappify.io.media.encoder.cpu_flags", lambda: frozenset({"avx2"}))
    assert x264_options(crf="17") == {"crf": "17"}


@pytest.mark.cpu_sensitive
def test_torch_applies_the_limits_of_the_environment():
    assert torch.get_num_threads() == int(os.environ.get("OMP_NUM_THREADS", torch.get_num_threads()))
    allowed = os.environ.get("ATEN_CPU_CAPABILITY", "")
    assert not allowed or torch.backends.cpu.get_cpu_capability() == allowed.upper()
    limit = os.environ.get("ONEDNN_MAX_CPU_ISA", "")
    assert f"oneDNN {onednn_level(limit=limit)}," in processor_type()


@pytest.fixture
def processors():
    """Load the script of `make test-cpu`."""
    spec = importlib.util.spec_from_file_location("processors", Path(__file__).parents[2] / "processors.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("flags", "run"),
    [
        (SAPPHIRE, ["AVX2", "AVX512_CORE", "no limit"]),
        (SKYLAKE, ["AVX2", "no limit"]),
        (frozenset({"sse4_1", "avx", "avx2"}), ["no limit"]),
        (frozenset({"asimd"}), ["no limit"]),
    ],
)
def test_environments_skip_unsupported_levels_with_a_reason(processors, flags, run):
    found = list(processors.environments(flags))
    assert [label for label, _, reason in found if not reason] == [
        f"{level}, {threads}" for level in run for threads in ("1 thread", "2 threads")
    ]
    assert len(found) == 6
    assert all("\n" not in reason for _, _, reason in found)


def test_environments_set_the_limits_and_threads_of_a_level(processors):
    variables = {label: values for label, values, _ in processors.environments(SAPPHIRE)}
    assert variables["no limit, 1 thread"] == {"OMP_NUM_THREADS": "1"}
    assert variables["AVX512_CORE, 2 threads"] == {"OMP_NUM_THREADS": "2", "ONEDNN_MAX_CPU_ISA": "AVX512_CORE"}
    assert variables["AVX2, 1 thread"]["ATEN_CPU_CAPABILITY"] == "avx2"
