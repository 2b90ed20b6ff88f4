"""OME-Zarr in buckets of a local S3 server."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from tests.io.formats.omezarr.zarr_files import image

from decrappify.errors import FormatError, RemoteError
from decrappify.io import open_movie, scenes

reason = "needs s3fs (extra `remote`) and moto[s3,server], which are not in the test group: they bring 40 packages"
pytest.importorskip("s3fs", reason=reason)
moto_server = pytest.importorskip("moto.server", reason=reason)


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A bucket; credentials and endpoint are set in the environment."""
    import boto3

    server = moto_server.ThreadedMotoServer("127.0.0.1", 0)
    server.start()
    url = "http://{}:{}".format(*server.get_host_and_port())
    for name, value in {
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": url,
        "AWS_EC2_METADATA_DISABLED": "true",
    }.items():
        monkeypatch.setenv(name, value)
    client = boto3.client("s3")
    client.create_bucket(Bucket="lab")
    yield client
    client.close()
    server.stop()


def upload(client: Any, folder: Path, key: str) -> str:
    for file in folder.rglob("*"):
        if file.is_file():
            client.put_object(Bucket="lab", Key=f"{key}/{file.relative_to(folder)}", Body=file.read_bytes())
    return f"s3://lab/{key}"


@pytest.fixture
def pixels(rng: np.random.Generator) -> np.ndarray:
    return rng.integers(100, 4000, (3, 1, 1, 20, 24), np.uint16)


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_store_in_a_bucket_is_read(tmp_path, bucket, pixels, version):
    url = upload(bucket, image(tmp_path / "cells.ome.zarr", pixels, "tczyx", version), "day 1/cells.ome.zarr")
    movie = open_movie(url)
    np.testing.assert_array_equal(np.asarray(movie), pixels)
    assert (movie.name, scenes(url)) == ("cells.ome.zarr", ["scene 0"])
    assert len({movie.version(t) for t in range(3)} - {None}) == 3


def test_shards_in_a_bucket_are_read_by_ranges(tmp_path, bucket, rng):
    pixels = rng.integers(1, 99, (4, 16, 16), np.uint8)
    names = ["t", "y", "x"]
    zarr.create_array(tmp_path / "a.zarr", data=pixels, chunks=(1, 8, 8), shards=(4, 16, 16), dimension_names=names)
    movie = open_movie(upload(bucket, tmp_path / "a.zarr", "a.zarr"))
    np.testing.assert_array_equal(np.asarray(movie)[:, 0, 0], pixels)


def test_absent_chunks_are_found_by_listing(tmp_path, bucket, pixels):
    url = upload(bucket, image(tmp_path / "cells.ome.zarr", pixels, "tczyx", "0.5"), "cells.ome.zarr")
    opened = open_movie(url)
    bucket.delete_object(Bucket="lab", Key="cells.ome.zarr/full/c/1/0/0/0/0")
    with pytest.warns(UserWarning, match="1 of 3 planes missing"):
        assert open_movie(url).missing == {(1, 0, 0)}
    with pytest.raises(FormatError, match="which existed when it was opened"):
        opened.frame(1)


def test_absent_bucket_is_not_an_absent_file(bucket):
    with pytest.raises(RemoteError, match="the bucket nowhere does not exist"):
        open_movie("s3://nowhere/cells.ome.zarr")


def test_server_that_vanishes_is_one_line(tmp_path, bucket, pixels, monkeypatch):
    from decrappify.io.remote import client

    url = upload(bucket, image(tmp_path / "cells.ome.zarr", pixels, "tczyx", "0.5"), "cells.ome.zarr")
    client.close_clients()
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    with pytest.raises(RemoteError, match="no connection to the server, after 3 attempts"):
        open_movie(url)
