"""Interrupted runs, resumed by the same call."""

from __future__ import annotations

import json
import logging
import threading
from contextlib import closing
from dataclasses import replace

import numpy as np
import pytest
import torch
from tests.restoration.conftest import (
    FAST,
    ON_CPU,
    Breaks,
    CountingSource,
    PoolingNetwork,
    WindowMean,
    as_model,
    files_of,
)

from decrappify._common.processes.processor import processor_type, threads_put_back
from decrappify.errors import Cancelled, FormatError, OutputExistsError
from decrappify.io.formats.omezarr.writing.writer import ZarrMovieWriter
from decrappify.io.store.planes.journal import Journal
from decrappify.movie import Movie
from decrappify.restoration import RestorationOptions, restore


@pytest.mark.parametrize("error", [ValueError("network"), KeyboardInterrupt()])
def test_interrupted_run_is_resumed_by_the_same_call(movie, tmp_path, bar, error):
    model = as_model(PoolingNetwork(3))
    restore(movie, model, tmp_path / "whole.ome.zarr", **FAST).close()
    output = tmp_path / "restored.ome.zarr"
    with pytest.raises(type(error)):  # the first call is part of planning: two planes are restored
        restore(movie, as_model(Breaks(4, error)), output, **FAST)
    assert not output.exists()
    restore(movie, model, output, progress=bar, **FAST).close()
    assert bar.n == 12
    assert files_of(output) == files_of(tmp_path / "whole.ome.zarr")


class UnchangedSource(CountingSource):
    """A source with a version for every plane, like a file."""

    def version(self, t, c, z):
        return "1"


def test_resumed_run_reads_only_missing_planes(rng, tmp_path):
    array = rng.integers(0, 4000, (20, 16, 16), dtype=np.uint16)
    source = UnchangedSource(array)
    with pytest.raises(ValueError, match="network"):
        restore(Movie(source), as_model(Breaks(12, ValueError("network"))), tmp_path / "restored.ome.zarr", **FAST)
    source.counts.clear()
    restore(Movie(source), as_model(PoolingNetwork(3)), tmp_path / "restored.ome.zarr", **FAST).close()
    assert sum(source.counts.values()) == 3 + 20 - 9  # three to compare the input, then frames 9 to 19


def test_restore_rejects_partial_output_of_other_options(movie, tmp_path):
    output = tmp_path / "restored.ome.zarr"
    with pytest.raises(ValueError, match="network"):
        restore(movie, as_model(Breaks(4, ValueError("network"))), output, **FAST)
    with pytest.raises(OutputExistsError, match="another run"):
        restore(movie, as_model(PoolingNetwork(3)), output, options=RestorationOptions(dtype="float32"), **FAST)
    restore(
        movie, as_model(PoolingNetwork(3)), output, options=RestorationOptions(dtype="float32"), overwrite=True, **FAST
    ).close()


def test_reader_error_keeps_finished_planes(rng, tmp_path):
    class Truncated(CountingSource):
        def read(self, t, c, z, rows, columns):
            if t == 17 and len(self.counts) > 3:
                raise OSError("file ends in frame 17")
            return super().read(t, c, z, rows, columns)

    source = Truncated(rng.integers(0, 4000, (100, 16, 16), dtype=np.uint16))
    with pytest.raises(OSError, match="frame 17"):
        restore(Movie(source), as_model(WindowMean(3)), tmp_path / "restored.ome.zarr", **FAST)
    lines = (tmp_path / "restored.ome.zarr.partial" / "journal").read_text(encoding="utf-8").splitlines()
    assert sum(line.startswith("[") for line in lines) == 16


def test_writer_error_ends_the_run(movie, tmp_path, monkeypatch):
    write = ZarrMovieWriter.write_plane

    def fails_at_3(self, t, c, z, plane):
        if t == 3:
            raise OSError(28, "No space left on device")
        write(self, t, c, z, plane)

    monkeypatch.setattr(ZarrMovieWriter, "write_plane", fails_at_3)
    with pytest.raises(OSError, match="No space left"):
        restore(movie, as_model(PoolingNetwork(3)), tmp_path / "restored.ome.zarr", **FAST)
    monkeypatch.undo()
    restore(movie, as_model(PoolingNetwork(3)), tmp_path / "restored.ome.zarr", **FAST).close()


class SetsEvent(PoolingNetwork):
    """A network that sets an event at its third tile, like a user who cancels."""

    event = threading.Event()
    calls = 0

    def forward(self, source):
        SetsEvent.calls += 1
        if SetsEvent.calls == 4:
            SetsEvent.event.set()
        return super().forward(source)


def test_cancel_keeps_finished_planes(movie, tmp_path):
    SetsEvent.calls = 0
    SetsEvent.event.clear()
    with pytest.raises(Cancelled, match="cancelled after 3 of 12 planes; they are kept"):
        restore(movie, as_model(SetsEvent(3)), tmp_path / "restored.ome.zarr", cancel=SetsEvent.event, **FAST)
    assert SetsEvent.calls == 4
    with pytest.raises(Cancelled, match="cancelled after 0 of 12 planes; nothing is kept"):
        restore(movie, as_model(SetsEvent(3)), cancel=SetsEvent.event, **FAST)


class Limited(Breaks):
    """A network that runs out of memory above 80 pixels, and raises an error later."""

    def forward(self, source):
        if max(source.shape[-2:]) > 80:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return super().forward(source)


def test_halved_tiles_are_kept_for_the_resumed_run(rng, tmp_path):
    array = rng.integers(0, 4000, (4, 150, 90), dtype=np.uint16)
    output = tmp_path / "restored.ome.zarr"
    with pytest.raises(ValueError, match="network"):
        restore(array, as_model(Limited(15, ValueError("network"))), output, inference=replace(ON_CPU, tile_size=160))
    lines = (tmp_path / "restored.ome.zarr.partial" / "journal").read_text(encoding="utf-8").splitlines()
    states = [entry["state"] for entry in map(entry_of, lines) if "state" in entry]
    assert list(dict.fromkeys(state["tile_size"] for state in states)) == [160, 76]
    with restore(array, as_model(PoolingNetwork(3)), output, **FAST) as restored:
        expected = np.asarray(restore(array, as_model(PoolingNetwork(3)), **FAST)).astype(int)
        assert np.abs(np.asarray(restored) - expected).max() <= 1


def entry_of(line):
    """Return the entry of a line of a journal, without its checksum."""
    return json.loads(line.rpartition("\t")[0])


class LogsThreads(Breaks):
    """A network that records torch's number of threads at each tile."""

    threads: tuple[int, ...] = ()

    def forward(self, source):
        LogsThreads.threads += (torch.get_num_threads(),)
        return super().forward(source)


def runtime_messages(caplog):
    """Return the messages about threads and processor, without those about clipping by random weights."""
    return [record.message for record in caplog.records if record.name == "decrappify._common.processes.processor"]


def interrupted(movie, output, threads):
    """Return the states in the journal of a run with `threads` threads, interrupted after two planes."""
    with threads_put_back():
        torch.set_num_threads(threads)
        with pytest.raises(ValueError, match="network"):
            restore(movie, as_model(Breaks(4, ValueError("network"))), output, **FAST)
    lines = (output.with_name(f"{output.name}.partial") / "journal").read_text(encoding="utf-8").splitlines()
    return [entry["state"] for entry in map(entry_of, lines) if "state" in entry]


@pytest.mark.cpu_sensitive
@pytest.mark.parametrize(("then", "now"), [pytest.param(2, 1, marks=pytest.mark.slow), (1, 2)])
def test_resumed_run_uses_its_original_number_of_threads(movie, tmp_path, caplog, then, now):
    model, whole, output = as_model(LogsThreads(-1, None)), tmp_path / "whole.ome.zarr", tmp_path / "restored.ome.zarr"
    with threads_put_back():
        torch.set_num_threads(then)
        restore(movie, model, whole, **FAST).close()
        *_, state = interrupted(movie, output, then)
        assert state["runtime"] == {"threads": then, "processor": processor_type()}
        torch.set_num_threads(now)
        LogsThreads.threads = ()
        with caplog.at_level(logging.WARNING), restore(movie, model, output, **FAST) as restored:
            assert restored.provenance["restoration"]["threads"] == then
            assert restored.provenance["restoration"]["processor"] == processor_type()
        assert set(LogsThreads.threads) == {then}
        assert torch.get_num_threads() == now
    assert files_of(output) == files_of(whole)
    assert not runtime_messages(caplog)


def test_resumed_run_keeps_the_automatic_precision_of_its_start(movie, tmp_path, caplog, monkeypatch):
    def supported(answer):
        for module in ("inference.network", "restoration.run.network"):
            monkeypatch.setattr(f"decrappify.{module}.has_fast_bfloat16", lambda device: answer)

    model, whole, output = as_model(PoolingNetwork(3)), tmp_path / "whole.ome.zarr", tmp_path / "restored.ome.zarr"
    auto = {"inference": replace(ON_CPU, precision="auto")}
    supported(True)
    with restore(movie, model, whole, **auto) as restored:
        record = restored.provenance["restoration"]
    assert record["precision"] == "bfloat16"
    assert record["bfloat16_agreement_db"] == round(record["bfloat16_agreement_db"], 1) > 55
    with pytest.raises(ValueError, match="network"):
        restore(movie, as_model(Breaks(6, ValueError("network"))), output, **auto)
    supported(False)
    with caplog.at_level(logging.WARNING), restore(movie, model, output, **auto) as restored:
        assert restored.provenance["restoration"] == record
    assert "the run began in bfloat16, which this processor only emulates" in caplog.text
    assert files_of(output) == files_of(whole)


def test_record_has_no_agreement_if_the_precision_is_set(movie, tmp_path):
    restored = restore(movie, as_model(PoolingNetwork(3)), inference=replace(ON_CPU, precision="bfloat16"))
    record = restored.provenance["restoration"]
    assert record["precision"] == "bfloat16"
    assert "bfloat16_agreement_db" not in record


@pytest.mark.parametrize("recorded", [None, {"threads": 1, "processor": "riscv64"}])
def test_resuming_on_another_or_unknown_processor_warns(movie, tmp_path, caplog, recorded):
    output = tmp_path / "restored.ome.zarr"
    *_, state = interrupted(movie, output, torch.get_num_threads())
    journal = output.with_name(f"{output.name}.partial") / "journal"
    del state["runtime"]
    with closing(Journal(journal)) as journal:
        journal.save_state(state | ({} if recorded is None else {"runtime": recorded}))
    with caplog.at_level(logging.WARNING):
        restore(movie, as_model(PoolingNetwork(3)), output, **FAST).close()
    (warning,) = runtime_messages(caplog)
    assert warning.endswith("last digits may differ")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("channels", {}), ("channels", [{}]), ("channels", [None]), ("read", 3), ("settings", [1]), ("asked", "cpu"),
        ("provenance", [1]), ("provenance", {"restoration": 5}), ("tile_size", "big"), ("precision", 16),
        ("channels", [{"offset": "0", "scale": 1.0, "limits": None, "constant": None}]),
        ("channels", [{"offset": 0.0, "scale": 0.0, "limits": None, "constant": None}]),
        ("channels", [{"offset": 0.0, "scale": 1.0, "limits": {"zero": 0.0}, "constant": None}]),
    ],
)  # fmt: skip
def test_restore_rejects_a_damaged_record_and_overwrites_it_on_request(movie, tmp_path, name, value):
    output = tmp_path / "restored.ome.zarr"
    *_, state = interrupted(movie, output, torch.get_num_threads())
    with closing(Journal(output.with_name(f"{output.name}.partial") / "journal")) as journal:
        journal.save_state(state | {name: value})
    model = as_model(PoolingNetwork(3))
    with pytest.raises(OutputExistsError, match=r"with a damaged record \(.*\); discard it with overwrite=True"):
        restore(movie, model, output, **FAST)
    restore(movie, model, output, overwrite=True, **FAST).close()


@pytest.mark.parametrize("entry", [[99, 0, 0], {"note": [0, 0, 0, {"outliers": 1}]}, {"note": [0, 0, 0, {"read": 5}]}])
def test_restore_rejects_a_record_with_damaged_planes(movie, tmp_path, entry):
    output = tmp_path / "restored.ome.zarr"
    interrupted(movie, output, torch.get_num_threads())
    with closing(Journal(output.with_name(f"{output.name}.partial") / "journal")) as journal:
        journal._append(entry)
    with pytest.raises(OutputExistsError, match=r"with a damaged record"):
        restore(movie, as_model(PoolingNetwork(3)), output, **FAST)


def test_restore_rejects_an_unfinished_store_with_other_chunks(movie, tmp_path):
    output = tmp_path / "restored.ome.zarr"
    interrupted(movie, output, torch.get_num_threads())
    document = output.with_name(f"{output.name}.partial") / "store.ome.zarr" / "0" / "zarr.json"
    text = document.read_text(encoding="utf-8")
    values = json.loads(text)
    values["chunk_grid"]["configuration"]["chunk_shape"][0] = 0
    document.write_text(json.dumps(values), encoding="utf-8")
    with pytest.raises(FormatError, match=r"store\.ome\.zarr cannot be opened .* it is damaged: .*overwrite=True"):
        restore(movie, as_model(PoolingNetwork(3)), output, **FAST)
