from __future__ import annotations

import logging
import os
import struct
from pathlib import Path

import pytest

from decrappify.training.engine.event_file import EventFile, open_event_file

pytest.importorskip("tensorboard", reason="TensorBoard is not installed")


def _records(path):
    """Events of a file: records of length, checksum, data and checksum."""
    from tensorboard.compat.proto.event_pb2 import Event

    content = path.read_bytes()
    events = []
    while content:
        length = struct.unpack("<Q", content[:8])[0]
        events.append(Event.FromString(content[12 : 12 + length]))
        content = content[16 + length :]
    return events


def test_event_file_contains_the_scalars_of_each_step(tmp_path):
    file = open_event_file(tmp_path)
    file.add({"loss": 0.5, "psnr": 30.0}, step=1)
    file.add({"loss": 0.25}, step=2)
    file.close()
    version, *events = _records(file.path)
    assert version.file_version == "brain.Event:2"
    assert [(e.step, {v.tag: v.simple_value for v in e.summary.value}) for e in events] == [
        (1, {"loss": 0.5, "psnr": 30.0}),
        (2, {"loss": 0.25}),
    ]


def test_tensorboard_reads_the_event_file(tmp_path):
    from tensorboard.backend.event_processing.event_file_loader import EventFileLoader

    file = open_event_file(tmp_path)
    file.add({"loss": 0.5}, step=7)
    file.close()
    events = list(EventFileLoader(str(file.path)).Load())
    assert [event.step for event in events] == [0, 7]
    assert events[1].summary.value[0].tag == "loss"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_event_file_logs_a_full_disk_once_and_discards_the_rest(caplog):
    file = EventFile(Path("/dev/full"))
    with caplog.at_level(logging.WARNING):
        for step in range(2000):
            file.add({"loss": 0.5}, step)
        file.close()
    assert [record.getMessage() for record in caplog.records] == [
        "TensorBoard events are not written (/dev/full: No space left on device); log.csv has the same values"
    ]


def test_event_file_that_cannot_be_created_is_logged(tmp_path, caplog):
    file = EventFile(tmp_path / "missing" / "events")
    file.add({"loss": 0.5}, step=1)
    file.close()
    assert "No such file or directory" in caplog.text


@pytest.mark.skipif(os.name == "nt", reason="file names are Unicode on Windows")
def test_event_file_name_can_be_invalid_utf8(tmp_path):
    folder = tmp_path / os.fsdecode(b"run\xff")
    folder.mkdir()
    file = open_event_file(folder)
    file.add({"loss": 0.5}, step=1)
    file.close()
    assert len(_records(file.path)) == 2


def test_event_file_is_complete_before_it_is_closed(tmp_path):
    file = open_event_file(tmp_path)
    file.add({"loss": 0.5}, step=1)
    assert [event.step for event in _records(file.path)] == [0, 1]
    file.close()
