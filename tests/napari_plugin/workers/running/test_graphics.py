from __future__ import annotations

import sys

import pytest

from napari_decrappify.workers.running import graphics
from napari_decrappify.workers.running.task import Task


@pytest.mark.parametrize(
    ("maps", "is_loaded", "is_disabled"),
    [
        ("7f00 /usr/lib/x86_64-linux-gnu/libLLVM-15.so.1", False, True),
        ("7f00 /usr/lib/x86_64-linux-gnu/libLLVM-15.so.1", True, False),
        ("7f00 /usr/lib/x86_64-linux-gnu/libGLX_nvidia.so.0", False, False),
        (None, False, False),
    ],
    ids=["Mesa", "Triton imported before", "another driver", "not Linux"],
)
def test_keep_triton_out_only_with_llvm_of_the_driver(tmp_path, monkeypatch, maps, is_loaded, is_disabled):
    monkeypatch.setattr(graphics, "_MAPS", tmp_path / "maps")
    if maps is not None:
        (tmp_path / "maps").write_text(maps)
    monkeypatch.setitem(sys.modules, "triton", sys)
    if not is_loaded:
        del sys.modules["triton"]
    graphics.keep_triton_out()
    assert ("triton" in sys.modules and sys.modules["triton"] is None) == is_disabled
    sys.modules.pop("triton", None)


def test_every_job_begins_without_triton_if_the_driver_has_llvm(tmp_path, monkeypatch):
    monkeypatch.setattr(graphics, "_MAPS", tmp_path / "maps")
    (tmp_path / "maps").write_text("7f00 /usr/lib/x86_64-linux-gnu/libLLVM-15.so.1")
    monkeypatch.setitem(sys.modules, "triton", sys)
    del sys.modules["triton"]
    task = Task()
    task.run(lambda settings, task: sys.modules.get("triton", settings), "not disabled")
    assert task.outcome.result is None
    sys.modules.pop("triton", None)
