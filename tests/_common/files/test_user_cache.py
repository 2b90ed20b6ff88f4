"""Entries of the user's cache folder."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from decrappify._common.files import user_cache
from decrappify._common.files.user_cache import read_entry, write_entry


@pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="other environment variables")
def test_entries_are_kept_in_the_cache_folder(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    write_entry("times.json", "a", {"seconds": 1})
    write_entry("times.json", "b", {"seconds": 2})
    assert json.loads((tmp_path / "decrappify" / "times.json").read_text()) == {
        "a": {"seconds": 1},
        "b": {"seconds": 2},
    }
    assert read_entry("times.json", "b") == {"seconds": 2}
    assert read_entry("other.json", "b") is None


def test_oldest_entries_are_removed(monkeypatch, tmp_path):
    monkeypatch.setattr(user_cache, "user_cache", lambda: tmp_path)
    monkeypatch.setattr(user_cache, "_MOST_ENTRIES", 2)
    for key in "abac":
        write_entry("times.json", key, {})
    assert [read_entry("times.json", key) for key in "abc"] == [{}, None, {}]


def test_folder_that_cannot_be_written_is_ignored(monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setattr(user_cache, "user_cache", lambda: tmp_path / "file")
    write_entry("times.json", "a", {})
    assert read_entry("times.json", "a") is None


@pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="other environment variables")
def test_user_without_a_home_folder_has_no_cache(monkeypatch):
    def no_home():
        raise RuntimeError("no home folder")

    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(Path, "home", no_home)
    assert user_cache.user_cache() is None
    write_entry("times.json", "a", {})
