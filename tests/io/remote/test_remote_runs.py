"""Commands and resumed restorations of remote inputs."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from tests.io.formats.omezarr.zarr_files import image

from decrappify.batch import restore_many
from decrappify.errors import DecrappifyError, MissingExtraError, OutputError
from decrappify.inference.options import InferenceOptions
from decrappify.io import open_movie
from decrappify.io.remote import client
from decrappify.restoration import restore

pytest.importorskip("aiohttp", reason="needs the extra `remote`")
pytest.importorskip("fsspec", reason="needs the extra `remote`")

from tests.io.remote.web_server import Server, serving

SECRET = "hunter2"
ON_CPU = InferenceOptions(device="cpu", precision="float32")


@pytest.fixture
def server(tmp_path: Path, rng: np.random.Generator) -> Iterator[Server]:
    pixels = rng.integers(100, 4000, (6, 1, 1, 16, 24), np.uint16)
    image(tmp_path / "cells.ome.zarr", pixels, "tczyx", "0.5", units={"y": "micrometer", "x": "micrometer"})
    with serving(tmp_path) as running:
        yield running


def test_commands_accept_an_address_and_keep_its_query_secret(server, tmp_path, tiny_models, command):
    url, output = server.url(f"cells.ome.zarr?sig={SECRET}"), tmp_path / "out.ome.zarr"
    shown = command("info", url).output
    assert shown.startswith(f"{server.url('cells.ome.zarr')}: T 6, C 1, Z 1, Y 16, X 24, uint16")
    shown += command("restore", url, output, "--model", tiny_models["movie"], "--device", "cpu").output
    shown += command("check", url, "--model", tiny_models["movie"], "--device", "cpu", exit_code=2).output
    written = b"".join(file.read_bytes() for file in output.rglob("*") if file.is_file())
    assert SECRET not in shown
    assert SECRET.encode() not in written
    with open_movie(output) as restored, open_movie(tmp_path / "cells.ome.zarr") as movie:
        np.testing.assert_allclose(np.asarray(restored), np.asarray(movie), atol=1)


def test_commands_end_in_one_line(server, tmp_path, tiny_models, command):
    url = server.url(f"cells.ome.zarr?sig={SECRET}")
    out = command("restore", url, "s3://lab/out.ome.zarr", "--model", tiny_models["movie"], exit_code=2).stderr
    assert out.startswith("decrappify: s3://lab/out.ome.zarr is an address, and outputs are written to disks only")
    server.fault = lambda handler: not handler.reply(500, b"")
    failed = command("info", url, exit_code=2).stderr
    assert failed.startswith(
        f"decrappify: {server.url('cells.ome.zarr/zarr.json')} cannot be read: the server answered"
    )
    assert failed.count("\n") == 1
    assert SECRET not in failed


@pytest.mark.parametrize(
    "name", ["check URL", "crappify URL out.ome.zarr --preset confocal", "calibrate URL", "train URL"]
)
def test_commands_on_an_unreachable_server_end_in_one_line(tmp_path, monkeypatch, command, name):
    monkeypatch.chdir(tmp_path)
    url = f"http://me:{SECRET}@127.0.0.1:9/cells.ome.zarr?sig={SECRET}"
    failed = command(*(url if word == "URL" else word for word in name.split()), exit_code=2).stderr
    assert "no connection to 127.0.0.1:9 (Connection refused), after 3 attempts" in failed
    assert failed.count("\n") == 1
    assert SECRET not in failed


def test_output_options_do_not_accept_addresses(server, tmp_path, tiny_models, command):
    url = server.url("cells.ome.zarr")
    failed = command(
        "check", url, "--model", tiny_models["movie"], "--report", "s3://lab/check.html", exit_code=2
    ).stderr
    assert "s3://lab/check.html is an address, and outputs are written to disks only" in failed


def test_outputs_of_many_are_refused_at_an_address_and_inputs_are_addresses(server, tmp_path, tiny_models, monkeypatch):
    monkeypatch.chdir(tmp_path)
    url, model = server.url("cells.ome.zarr"), tiny_models["movie"]
    with pytest.raises(OutputError, match="http://host/out is an address, and outputs are written to disks only"):
        restore_many([url], model, "http://host/out", inference=ON_CPU)
    assert [path.name for path in tmp_path.iterdir()] == ["cells.ome.zarr"]
    (row,) = restore_many([f"{url}?signature=abc"], model, "out", inference=ON_CPU, dry_run=True)
    assert row.input == url


@pytest.mark.slow
def test_restoration_stopped_by_a_failing_server_is_resumed(server, tmp_path, tiny_models):
    url, model = server.url("cells.ome.zarr"), tiny_models["movie"]
    expected = restore(open_movie(tmp_path / "cells.ome.zarr"), model, tmp_path / "local.ome.zarr", inference=ON_CPU)
    movie, output = open_movie(url), tmp_path / "out.ome.zarr"

    def stop(t: int, c: int, z: int, *_: object) -> None:
        if t == 2:
            server.fault = lambda handler: handler.reset()

    with pytest.raises(DecrappifyError, match="connection was broken"):
        restore(movie, model, output, inference=ON_CPU, on_plane=stop)
    server.fault = None
    server.requests.clear()
    resumed = restore(open_movie(url), model, output, inference=ON_CPU)
    np.testing.assert_array_equal(np.asarray(resumed), np.asarray(expected))
    assert resumed.provenance["restoration"]["input_crc32"] == expected.provenance["restoration"]["input_crc32"]


@pytest.mark.slow
def test_changed_remote_input_is_not_resumed(server, tmp_path, tiny_models):
    url, model, output = server.url("cells.ome.zarr"), tiny_models["movie"], tmp_path / "out.ome.zarr"

    def stop(t: int, c: int, z: int, *_: object) -> None:
        if t == 2:
            server.fault = lambda handler: handler.reset()

    with pytest.raises(DecrappifyError):
        restore(open_movie(url), model, output, inference=ON_CPU, on_plane=stop)
    server.fault = None
    chunks = tmp_path / "cells.ome.zarr" / "full" / "c"
    (chunks / "1/0/0/0/0").write_bytes((chunks / "5/0/0/0/0").read_bytes())
    with pytest.raises(DecrappifyError, match="frame 1"):
        restore(open_movie(url), model, output, inference=ON_CPU)


def test_missing_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "s3fs", None)
    monkeypatch.delitem(sys.modules, "decrappify.io.remote.s3", raising=False)
    client.close_clients()
    with pytest.raises(MissingExtraError, match=r'pip install "decrappify\[remote\]"'):
        open_movie("s3://lab/cells.ome.zarr")
