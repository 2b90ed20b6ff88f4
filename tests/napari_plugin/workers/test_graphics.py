from __future__ import annotations

import sys

import pytest

from napari_decrappify.workers import graphics


@pytest.mark.parametrize(
    ("maps", "is_loaded", "is_kept_out"),
    [
        ("7f00 /usr/lib/x86_64-linux-gnu/libLLVM-15.so.1", False, True),
        ("7f00 /usr/lib/x86_64-linux-gnu/libLLVM-15.so.1", True, False),
        ("7f00 /usr/lib/x86_64-linux-gnu/libGLX_nvidia.so.0", False, False),
        (None, False, False),
    ],
    ids=["Mesa", "Triton came first", "another driver", "no Linux"],
)
def test_triton_is_kept_out_where_the_driver_has_its_own_llvm(tmp_path, monkeypatch, maps, is_loaded, is_kept_out):
    monkeypatch.setattr(graphics, "_MAPS", tmp_path / "maps")
    if maps is not None:
        (tmp_path / "maps").write_text(maps)
    monkeypatch.setitem(sys.modules, "triton", sys)
    if not is_loaded:
        del sys.modules["triton"]
    graphics.keep_triton_out()
    assert ("triton" in sys.modules and sys.modules["triton"] is None) == is_kept_out
    sys.modules.pop("triton", None)
