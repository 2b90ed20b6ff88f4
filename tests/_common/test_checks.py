from __future__ import annotations

import gc

import numpy as np
import pytest

import decrappify
from decrappify import RestorationOptions, benchmark, colorize, restore, train, train_nogan
from decrappify._common.checks import check_whole, nearest, reason, toml_table
from decrappify._common.lazy import lazy_names
from decrappify.errors import InputError


@pytest.mark.parametrize("value", [0, -3, 1.0, True, "2", None])
def test_check_whole_raises_for_other_values(value):
    with pytest.raises(InputError, match=f"^length is {value!r}, expected an integer of at least 1$"):
        check_whole(1, batch_size=3, length=value)


def test_nearest_returns_a_suggestion_or_the_fallback():
    known = ["artistic", "stable"]
    assert nearest("artistc", known, "; known: ...") == "; did you mean 'artistic'?"
    assert nearest("video", known) == ""
    assert nearest("video", known, "; known: ...") == "; known: ..."


WINDOWS_PATHS = [
    r"C:\Users\lab\cells.tif",
    r"C:\data",
    r"C:\x1\y",
    r"\\server\share",
    r"D:\new\tiles",
    r"D:\temp",
    "C:\\",
]


@pytest.mark.parametrize("path", WINDOWS_PATHS)
@pytest.mark.parametrize("document", ['a = "{}"', 'b = 1\n[a]\nc = ["x", "{}"]\n'])
def test_toml_table_suggests_single_quotes_for_a_windows_path(path, document):
    remedy = r"single quotes, such as 'C:\\data\\cells\.tif', or with forward slashes"
    with pytest.raises(ValueError, match=remedy) as caught:
        toml_table(document.format(path))
    assert "\n" not in str(caught.value)
    quoted = document.replace('"{}"', "'{}'")
    assert path in str(toml_table(quoted.format(path))).replace("\\\\", "\\")


def test_toml_table_suggests_no_quotes_for_other_errors():
    with pytest.raises(ValueError, match=r"at line 2") as caught:
        toml_table("a = 'C:\\data'\nb = = 2")
    assert "backslash" not in str(caught.value)
    assert toml_table('note = "one\\ttwo\\n"') == {"note": "one\ttwo\n"}


@pytest.mark.parametrize("package", ["benchmarking", "colorization", "metrics", "restoration"])
def test_lazy_package_lists_its_names_and_raises_for_others(package):
    found = getattr(decrappify, package)
    assert dir(found) == found.__all__
    assert all(getattr(found, name).__name__ == name for name in found.__all__)
    with pytest.raises(AttributeError, match=f"module 'decrappify.{package}' has no attribute 'nothing'"):
        found.nothing  # noqa: B018


@pytest.mark.parametrize("was_enabled", [True, False])
def test_lazy_name_is_imported_without_garbage_collection(tmp_path, monkeypatch, was_enabled):
    folder = tmp_path / f"lazy_package_{was_enabled}"
    folder.mkdir()
    (folder / "part.py").write_text("import gc\n\nenabled = [gc.isenabled()]\n")
    monkeypatch.syspath_prepend(tmp_path)
    get, _ = lazy_names(folder.name, {"enabled": "part"})
    (gc.enable if was_enabled else gc.disable)()
    try:
        assert get("enabled") == [False]
        assert gc.isenabled() == was_enabled
    finally:
        gc.enable()


def test_reason_of_settings_returns_messages_about_arguments_only():
    assert reason(TypeError("f() got an unexpected keyword argument 'x'"), of_settings=True).endswith("argument 'x'")
    assert reason(TypeError("f() got an unexpected keyword argument 'x'")) == "unexpected content, TypeError"
    error = TypeError("'<=' not supported between instances of 'int' and 'NoneType'")
    assert reason(error, of_settings=True) == "unexpected content, TypeError"


@pytest.mark.parametrize("value", [None, {"tile_size": 64}, RestorationOptions()])
@pytest.mark.parametrize("function", [restore, colorize, benchmark])
def test_options_of_another_class_raise_a_one_line_error(function, value):
    with pytest.raises(InputError, match=r"^inference is .*, expected inference=InferenceOptions\(\.\.\.\)$"):
        function(np.zeros((8, 8), np.uint8), None, inference=value)


def test_training_options_of_another_class_raise_a_one_line_error(tmp_path):
    with pytest.raises(InputError, match=r"^run is \{'resume': True\}, expected run=RunOptions\(\.\.\.\)$"):
        train(np.zeros((8, 8)), "confocal", run={"resume": True})
    with pytest.raises(InputError, match=r"expected config=NoganConfig\(\.\.\.\)$"):
        train_nogan(np.zeros((8, 8)), "confocal", output=tmp_path / "run", config={"items": 3})
