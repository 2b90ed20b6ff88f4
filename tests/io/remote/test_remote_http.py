"""OME-Zarr on a local web server with faults: the pixels are right, or there is one line of error."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import zarr

pytest.importorskip("aiohttp", reason="needs the extra `remote`")
pytest.importorskip("fsspec", reason="needs the extra `remote`")

from tests.io.formats.omezarr.zarr_files import image, plate
from tests.io.remote.web_server import Server, always, once, serving

from decrappify.errors import DecrappifyError, FormatError, InputError, MissingFileError, OutputError, RemoteError
from decrappify.io import open_movie, open_pyramid, save_movie, scene_details, scenes
from decrappify.movie import Movie

SECRET = "hunter2"


@pytest.fixture
def pixels(rng: np.random.Generator) -> np.ndarray:
    return rng.integers(100, 4000, (3, 1, 1, 20, 24), np.uint16)


@pytest.fixture
def server(tmp_path: Path, pixels: np.ndarray) -> Iterator[Server]:
    image(tmp_path / "cells.ome.zarr", pixels, "tczyx", "0.5", units={"y": "micrometer", "x": "micrometer"})
    with serving(tmp_path) as running:
        yield running


def chunk(tmp_path: Path, name: str) -> Path:
    return tmp_path / "cells.ome.zarr" / "full" / name


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_open_movie_reads_a_store_at_an_address(tmp_path, pixels, version):
    image(tmp_path / "cells.ome.zarr", pixels, "tczyx", version, units={"y": "micrometer", "x": "micrometer"})
    local = open_movie(tmp_path / "cells.ome.zarr")
    with serving(tmp_path) as server:
        movie = open_movie(server.url("cells.ome.zarr"))
        np.testing.assert_array_equal(np.asarray(movie), pixels)
    assert (movie.name, movie.pixel_size_um, movie.missing) == (local.name, local.pixel_size_um, frozenset())


def test_only_needed_chunks_are_read(server, pixels):
    movie = open_movie(server.url("cells.ome.zarr"))
    server.requests.clear()
    np.testing.assert_array_equal(movie.region(1, 0, 0, slice(2, 7), slice(9, 15)), pixels[1, 0, 0, 2:7, 9:15])
    assert server.chunks() == ["/cells.ome.zarr/full/c/1/0/0/0/1"]


def test_scenes_and_levels_of_a_remote_plate(tmp_path):
    plate(tmp_path / "plate.zarr", {"B/03": ["0", "1"]})
    save_movie(Movie.from_array(np.full((2, 300, 300), 7, np.uint8)), tmp_path / "levels.ome.zarr")
    with serving(tmp_path) as server:
        url = server.url("plate.zarr")
        assert scenes(url) == ["B/03/0", "B/03/1"]
        assert len(scene_details(url)) == 2
        assert (open_movie(url, scene="B/03/1").frame(0) == 1).all()
        assert len(open_pyramid(server.url("levels.ome.zarr"))) == len(open_pyramid(tmp_path / "levels.ome.zarr"))


@pytest.mark.parametrize(
    "fault",
    [
        lambda handler: handler.reply(500, b"") or True,
        lambda handler: handler.reply(503, b"", {"Retry-After": "0"}) or True,
        lambda handler: handler.reset(),
        lambda handler: handler.cut(),
        lambda handler: handler.hang(0.6),
        lambda handler: handler.reply(200, b"1234", length=10**6) or handler.hang(0),
    ],
    ids=["error", "busy", "reset", "truncated", "slow", "wrong-length"],
)
@pytest.mark.slow
def test_passing_faults_are_repeated_and_lasting_ones_are_one_line(server, pixels, fault):
    movie = open_movie(server.url("cells.ome.zarr"))
    server.fault = once(fault)
    np.testing.assert_array_equal(movie.frame(1), pixels[1, 0, 0])
    server.fault = always(fault)
    with pytest.raises(RemoteError, match=r"cells.ome.zarr/full/c/.* after 3 attempts") as caught:
        movie.frame(2)
    assert "\n" not in str(caught.value)


def test_server_that_vanishes_is_an_error_not_missing_planes(tmp_path, pixels):
    image(tmp_path / "cells.ome.zarr", pixels, "tczyx", "0.5")
    with serving(tmp_path) as server:
        url = server.url("cells.ome.zarr")
        movie = open_movie(url, absent_chunks="fill")
    for use in (lambda: movie.frame(0), lambda: open_movie(url), lambda: scenes(url)):
        with pytest.raises(RemoteError, match=r"no connection to 127.0.0.1:\d+ .*after 3 attempts"):
            use()


def test_fault_during_opening_does_not_mark_planes_as_missing(server):
    server.fault = lambda handler: "/c/" in handler.path and not handler.reply(502, b"")
    with pytest.raises(RemoteError, match="status 502"):
        open_movie(server.url("cells.ome.zarr"))


def test_absent_chunks_follow_the_rules_of_local_stores(tmp_path, server, pixels):
    chunk(tmp_path, "c/1/0/0/0/0").unlink()
    with pytest.warns(UserWarning, match="1 of 3 planes missing") as local:
        assert open_movie(tmp_path / "cells.ome.zarr").missing == {(1, 0, 0)}
    with pytest.warns(UserWarning, match="1 of 3 planes missing") as remote:
        assert open_movie(server.url("cells.ome.zarr")).missing == {(1, 0, 0)}
    assert "check the store on the server" in str(remote[0].message)
    assert "copy the store again" in str(local[0].message)
    filled = open_movie(server.url("cells.ome.zarr"), absent_chunks="fill")
    np.testing.assert_array_equal(filled.frame(1)[:, 8:], pixels[1, 0, 0, :, 8:])
    assert not filled.frame(1)[:8, :8].any()


def test_chunks_of_a_large_array_are_not_probed(server, tmp_path, monkeypatch):
    monkeypatch.setattr("decrappify.io.formats.omezarr.reading.chunks.PROBED", 3)
    chunk(tmp_path, "c/1/0/0/0/0").unlink()
    movie = open_movie(server.url("cells.ome.zarr"))
    assert not [path for _, path, _ in server.requests if "/c/" in path]
    with pytest.raises(FormatError, match="lacks its chunk c/1/0/0/0/0; check the store on the server, or pass absent"):
        movie.frame(1)


def test_chunk_or_store_that_disappears_is_an_error(server, tmp_path):
    movie = open_movie(server.url("cells.ome.zarr"))
    chunk(tmp_path, "c/1/0/0/0/0").unlink()
    with pytest.raises(FormatError, match="c/1/0/0/0/0, which existed when it was opened"):
        movie.frame(1)
    filled = open_movie(server.url("cells.ome.zarr"), absent_chunks="fill")
    server.fault = lambda handler: not handler.reply(404, b"")
    with pytest.raises(FormatError, match=r"zarr.json was removed after it was opened"):
        filled.frame(0)


@pytest.mark.parametrize(
    ("content", "compressed"), [(b"", True), (b"<html>sign in</html>", True), (b"<html></html>", False), (b"", False)]
)
def test_wrong_content_of_a_chunk_is_an_error(tmp_path, content, compressed):
    pixels = np.arange(2 * 8 * 8, dtype=np.uint16).reshape(2, 8, 8) + 1
    more = {} if compressed else {"compressors": None}
    zarr.create_array(tmp_path / "a.zarr", data=pixels, chunks=(1, 8, 8), dimension_names=["t", "y", "x"], **more)
    with serving(tmp_path) as server:
        movie = open_movie(server.url("a.zarr"))
        server.fault = always(lambda handler: not handler.reply(200, content))
        with pytest.raises(DecrappifyError, match=r"frame 0 .*cannot be decoded.*check the store on the server"):
            movie.frame(0)


@pytest.mark.parametrize("ranges", [True, False], ids=["ranges", "no-ranges"])
def test_shards_are_read_right_with_and_without_ranges(tmp_path, rng, ranges):
    pixels = rng.integers(1, 99, (4, 16, 16), np.uint8)
    names = ["t", "y", "x"]
    zarr.create_array(tmp_path / "a.zarr", data=pixels, chunks=(1, 8, 8), shards=(4, 16, 16), dimension_names=names)
    with serving(tmp_path) as server:
        server.ranges = ranges
        movie = open_movie(server.url("a.zarr"))
        np.testing.assert_array_equal(np.asarray(movie)[:, 0, 0], pixels)
        server.fault = always(  # another range than requested
            lambda handler: not handler.reply(206, b"0123", {"Content-Range": "bytes 0-3/9999"})
        )
        with pytest.raises(RemoteError, match="expected the range"):
            movie.frame(2)


def test_endless_answer_is_limited(server):
    movie = open_movie(server.url("cells.ome.zarr"))
    server.fault = always(lambda handler: not handler.reply(200, bytes(4 << 20)))
    with pytest.raises(RemoteError, match="expected at most"):
        movie.frame(0)


def test_denied_access_is_not_repeated(server):
    server.fault = lambda handler: not handler.reply(403, b"")
    with pytest.raises(RemoteError, match=r"access was denied, status 403 .*pass credentials"):
        open_movie(server.url("cells.ome.zarr"))
    assert len(server.requests) == 1


def test_addresses_that_cannot_be_read_are_one_line(server):
    with pytest.raises(MissingFileError, match=r"is not a Zarr store: the server has no zarr.json"):
        open_movie(server.url("absent.ome.zarr"))
    with pytest.raises(InputError, match="only OME-Zarr is read from servers; download the file"):
        open_movie(server.url("cells.ome.tif"))
    with pytest.raises(InputError, match="unsupported scheme ftp, expected http, https or s3"):
        open_movie("ftp://host/cells.ome.zarr")


def test_query_is_sent_with_every_request_and_never_shown(server, pixels):
    url = server.url(f"cells.ome.zarr?sig={SECRET}").replace("//", f"//me:{SECRET}@")
    with warnings.catch_warnings(record=True) as shown:
        warnings.simplefilter("always")
        movie = open_movie(url)
    np.testing.assert_array_equal(movie.frame(0), pixels[0, 0, 0])
    assert all(path.endswith(f"?sig={SECRET}") for _, path, _ in server.requests)
    server.fault = lambda handler: not handler.reply(500, b"")
    errors = []
    for use in (lambda: movie.frame(1), lambda: open_movie(url), lambda: open_movie(url.replace(".zarr", ".tif"))):
        with pytest.raises(DecrappifyError) as caught:
            use()
        errors.append(caught.getrepr(style="native"))
    assert SECRET not in f"{errors}{shown}{movie.origin}{movie.origin!r}{movie.name}{movie.provenance}"


def test_version_of_a_plane_follows_its_chunks(server, tmp_path):
    movie = open_movie(server.url("cells.ome.zarr"))
    before = [movie.version(t) for t in range(3)]
    file = chunk(tmp_path, "c/1/0/0/0/0")
    file.write_bytes(file.read_bytes())
    assert [movie.version(t) == before[t] for t in range(3)] == [True, False, True]
    server.tags = False
    assert movie.version(0) is None


def test_output_at_an_address_is_refused(server):
    for name in ("s3://bucket/out.ome.zarr", server.url("out.ome.tif")):
        with pytest.raises(OutputError, match="outputs are written to disks only"):
            save_movie(Movie.from_array(np.zeros((2, 8, 8), np.uint8)), name)
