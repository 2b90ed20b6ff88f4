"""Closed standard streams, and control characters in text from files."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tifffile

import decrappify as dc
from decrappify.errors import FormatError, InputError, ModelFileError, printable

HOSTILE = "\x1b]0;title\x07\x1b[2J\u202egfp\x9b"


@pytest.fixture
def still(tmp_path):
    path = tmp_path / "still.tif"
    tifffile.imwrite(path, np.ones((8, 9), np.uint16))
    return path


@pytest.mark.parametrize(
    ("redirected", "code"),
    [
        *(pytest.param(*case, marks=pytest.mark.slow) for case in (("2>&-", 0), (">&-", 0), ("missing.tif 2>&-", 2))),
        ("<&- >&- 2>&-", 0),
        ("| true", 1),
        ("missing.tif >&- 2>&-", 2),
    ],
)
def test_info_with_closed_streams_ends_without_a_traceback(still, redirected, code):
    command = f'set -o pipefail; "{sys.executable}" -m decrappify info'
    source = "" if "missing" in redirected else f' "{still}"'
    line = f"{command}{source} {redirected}"
    result = subprocess.run(["bash", "-c", line], capture_output=True, text=True, cwd=still.parent)
    assert result.returncode == code
    assert "Traceback" not in result.stdout + result.stderr


def test_repair_streams_keeps_the_descriptor_of_a_closed_stderr_from_files(still, tmp_path):
    program = (
        "import os, sys; from decrappify._common.terminal import repair_streams; repair_streams();"
        "file = open(sys.argv[1], 'w'); assert file.fileno() > 2; print('fine', file=sys.stderr)"
    )
    command = f'"{sys.executable}" -c "{program}" "{tmp_path / "out"}" 2>&-'
    assert subprocess.run(["bash", "-c", command], check=False).returncode == 0


def test_info_escapes_control_characters_of_a_file(tmp_path, command):
    path = tmp_path / "a.ome.tif"
    movie = dc.open_movie(np.ones((8, 9), np.uint16))
    movie = movie.replace(channel_names=("x",))
    dc.save_movie(movie, path)
    content = path.read_bytes()
    path.write_bytes(content.replace(b'Name="x"', b'Name="\xc2\x9b"'))
    shown = command("info", path).output
    assert "channels: \\x9b\n" in shown


def test_models_escapes_control_characters_of_a_card(tiny_models, tmp_path, command):
    data = tiny_models["still"].read_bytes()
    size = int.from_bytes(data[:8], "little")
    table = json.loads(data[8 : 8 + size])
    own = json.loads(table["__metadata__"]["decrappify"])
    own["card"]["summary"] = HOSTILE
    table["__metadata__"]["decrappify"] = json.dumps(own)
    header = json.dumps(table).encode()
    path = tmp_path / "m.safetensors"
    path.write_bytes(len(header).to_bytes(8, "little") + header + data[8 + size :])
    shown = command("models", path).output
    assert r"summary: \x1b]0;title\x07\x1b[2J\u202egfp\x9b" in shown
    assert all(line.isprintable() for line in shown.splitlines())


@pytest.mark.skipif(sys.platform != "linux", reason="other systems do not allow such names")
def test_info_prints_a_name_that_is_not_utf8(still, command):
    other = Path(os.fsdecode(os.fsencode(still.parent) + b"/t\xe9st.tif"))
    still.rename(other)
    assert r"t\xe9st.tif: T 1" in command("info", other).output


@pytest.mark.parametrize("kind", [FormatError, InputError, ModelFileError])
def test_error_message_is_one_printable_line_of_limited_length(kind):
    text = str(kind(f"cells.tif has {HOSTILE}\nchannels {'x' * 5000}; copy it again"))
    assert text.isprintable()
    assert len(text) < 1000
    assert text.startswith("cells.tif has ")
    assert text.endswith("; copy it again")


def test_printable_keeps_units_and_letters_of_other_scripts():
    assert printable("5 µm × 3 Å, 細胞") == "5 µm × 3 Å, 細胞"
