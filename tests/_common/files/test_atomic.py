from __future__ import annotations

import os

import pytest

from decrappify._common.files.atomic import write_file


@pytest.mark.parametrize("sync", [True, False])
def test_write_file_replaces_the_content_and_leaves_one_file(tmp_path, sync):
    path = tmp_path / "log.csv"
    for content in (b"old\r\n", b"new\r\n"):
        write_file(path, content, temporary=tmp_path / ".log", sync=sync)
        assert path.read_bytes() == content
    assert list(tmp_path.iterdir()) == [path]


def test_write_file_keeps_the_old_content_if_the_disk_is_full(tmp_path, monkeypatch):
    def full(descriptor):
        raise OSError(28, "No space left on device")

    path = tmp_path / "state.json"
    write_file(path, b"old")
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        write_file(path, b"new")
    assert {entry.name: entry.read_bytes() for entry in tmp_path.iterdir()} == {"state.json": b"old"}
