from __future__ import annotations

import re
from pathlib import Path

import decrappify
from napari_decrappify.workers.running.messages import ADVICE


def test_widgets_have_advice_for_each_argument_named_by_library_errors():
    modules = Path(decrappify.__file__).parent.rglob("*.py")
    options = {name for path in modules for name in re.findall(r'option="(\w+)"', path.read_text(encoding="utf-8"))}
    assert options == set(ADVICE)
