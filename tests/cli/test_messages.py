"""Names of library arguments in messages of the command line."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

import decrappify
from decrappify._common.argument_names import argument, argument_names, pass_setting, setting
from decrappify.cli.main import main
from decrappify.cli.messages import OptionNames

TEXTS = {path: path.read_text("utf-8") for path in Path(decrappify.__file__).parent.rglob("*.py")}


@pytest.fixture
def names():
    def names_of(command, *arguments):
        return OptionNames(main.commands[command].make_context(command, list(arguments)))

    return names_of


@pytest.mark.parametrize(
    ("command", "name", "value", "expected"),
    [
        ("restore", "overwrite", True, "--overwrite"),
        ("restore", "resume", False, "--no-resume"),
        ("train", "resume", True, "--resume"),
        ("restore", "tile_size", 96, "--tile-size 96"),
        ("restore", "folder_as", "images", "--as images"),
        ("restore", "scene", "A1, V 0", "--scene 'A1, V 0'"),
        ("restore", "levels", "fit", "levels='fit' in Python"),
        ("restore", "resume", True, "resume=True in Python"),
    ],
)
def test_setting_is_an_option_if_the_command_has_it(names, command, name, value, expected):
    required = {"restore": ["a.tif", "b.tif", "--model", "m"], "train": ["run.toml"]}[command]
    with argument_names(names(command, *required)):
        assert setting(name, value) == expected
    assert setting(name, value) == f"{name}={value!r}"


def test_argument_is_an_option_if_it_was_on_the_command_line(names):
    with argument_names(names("train", "run.toml", "--as", "movie")):
        assert (argument("folder_as"), argument("device"), argument("levels")) == ("--as", "device", "levels")


def test_advice_omits_an_option_that_the_command_does_not_have(names):
    with argument_names(names("info", "a.tif")):
        assert pass_setting("nan", "fill", otherwise="repair the file") == "repair the file"
        assert pass_setting("axes", "TYX", otherwise="repair the file") == "pass --axes TYX or repair the file"


def test_names_revert_to_python_after_an_error(names):
    with pytest.raises(KeyError), argument_names(names("info", "a.tif")):
        raise KeyError
    assert setting("axes", "TYX") == "axes='TYX'"


def test_argument_names_in_messages_exist_as_options():
    known = {option.name.removeprefix("no_") for command in main.commands.values() for option in command.params}
    found = {name for text in TEXTS.values() for name in re.findall(r"\b(?:argument|setting)\(['\"](\w+)", text)}
    assert len(found) > 20
    assert found <= known


def test_library_modules_contain_no_option_names():
    library = {path: text for path, text in TEXTS.items() if path.parent.name != "cli"}
    assert [path.name for path, text in library.items() if "(--" in text] == []


def test_abandoned_reads_are_not_reported_at_the_exit():
    script = "import logging; from decrappify.cli.main import main; main(['presets'], standalone_mode=False)"
    script += "; logging.getLogger('asyncio').error('Future exception was never retrieved')"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stderr == ""
