from __future__ import annotations

import errno
import shutil
import threading
from contextlib import contextmanager

import numpy as np
import pytest
import torch
import zarr
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.restoration.conftest import files_of, grouped
from torch import nn

from decrappify import Cancelled, restore
from decrappify.errors import DeviceMemoryError, InputError, OutputError
from decrappify.io import save_movie
from decrappify.io.formats.omezarr.writing.pyramid import CHUNK
from decrappify.io.formats.omezarr.writing.region_writer import RegionWriter
from decrappify.io.formats.omezarr.writing.writer import ZarrMovieWriter
from decrappify.io.store.planes.journal import Journal
from decrappify.io.store.working_paths import partial_path
from decrappify.model import Model
from decrappify.movie import Movie
from decrappify.networks.residual_unet import ResidualUNet
from decrappify.restoration.distributed import division
from decrappify.restoration.distributed.division import best_rectangles
from decrappify.restoration.frames import reading
from decrappify.restoration.run import network
from decrappify.restoration.tiling.grid import TileGrid, touching

distributed = pytest.importorskip("distributed")


@settings(max_examples=60, deadline=None)
@given(
    shape=st.tuples(st.integers(1, 5000), st.integers(1, 5000)),
    tile_size=st.integers(12, 130).map(lambda n: 8 * n),
    overlap=st.integers(0, 11).map(lambda n: 8 * n),
    scale=st.sampled_from([1, 2, 4]),
    n_workers=st.integers(1, 20),
    data=st.data(),
)
def test_rectangles_are_whole_chunks_that_cover_the_frame_once(shape, tile_size, overlap, scale, n_workers, data):
    n_frames = data.draw(st.integers(1, n_workers))
    grid = TileGrid(
        frame_shape=shape, tile_size=tile_size, overlap=overlap, multiple=8, margin=overlap // 2, scale=scale
    )
    rectangles = best_rectangles(grid, n_frames, n_workers)
    if not rectangles:
        return
    height, width = (size * scale for size in shape)
    covered = np.zeros((-(-height // CHUNK), -(-width // CHUNK)), int)
    tiles = []
    for one in rectangles:
        assert one.top % CHUNK == 0
        assert one.left % CHUNK == 0
        assert one.bottom == height or one.bottom % CHUNK == 0
        assert one.right == width or one.right % CHUNK == 0
        covered[one.top // CHUNK : -(-one.bottom // CHUNK), one.left // CHUNK : -(-one.right // CHUNK)] += 1
        source = grid.source_of(one.rows, one.columns)
        assert all(0 <= part.start < part.stop <= size for part, size in zip(source, shape, strict=True))
        tiles.append(len(touching(grid.rows, one.rows)) * len(touching(grid.columns, one.columns)))
    assert (covered == 1).all()
    rounds = -(-n_frames * len(rectangles) // n_workers)
    assert rounds * max(tiles) <= 0.8 * len(grid)


def test_small_frames_and_single_workers_are_not_divided():
    grid = TileGrid(frame_shape=(500, 512), tile_size=64, overlap=16, multiple=8, margin=6)
    assert best_rectangles(grid, 1, 8) == []
    grid = TileGrid(frame_shape=(4000, 4000), tile_size=64, overlap=16, multiple=8, margin=6)
    assert best_rectangles(grid, 1, 1) == []
    assert len(best_rectangles(grid, 1, 8)) == 8


@contextmanager
def in_process(n_workers):
    with (
        distributed.LocalCluster(
            n_workers=n_workers,
            threads_per_worker=1,
            processes=False,
            dashboard_address=None,
            scheduler_kwargs={"dashboard_address": "127.0.0.1:0"},
        ) as cluster,
        distributed.Client(cluster, set_as_default=False) as made,
    ):
        yield made


@pytest.fixture(scope="module")
def client():
    with in_process(2) as made:
        yield made


@pytest.fixture
def in_parts(monkeypatch):
    """Regard all frames as very large ones, of which workers read parts."""
    monkeypatch.setattr(reading, "LARGEST_WHOLE", 1)
    monkeypatch.setattr("decrappify.restoration.distributed.division.LARGEST_WHOLE", 1)


def model_file(folder, *, n_frames=1, scale=1):
    network = ResidualUNet(n_frames=n_frames, base_channels=16, depth=1, scale=scale)
    nn.init.normal_(network.tail.weight, std=0.05, generator=torch.Generator().manual_seed(0))
    return Model(network, card={"name": "random"}).save(folder / "random.safetensors")


def still(folder, rng, shape=(1037, 301)):
    pixels = rng.integers(90, 4000, (1, 1, 1, *shape), dtype=np.uint16)
    pixels[0, 0, 0, shape[0] // 2 - 1, 30] = pixels[0, 0, 0, -2, -1] = 65000  # outliers near borders
    return save_movie(Movie.from_array(pixels, name="cells", pixel_size_um=(None, 0.2, 0.2)), folder / "cells.ome.zarr")


class Bars:
    """Progress bars that set an event after a number of units."""

    def __init__(self, stop_after=10**9):
        self.cancel, self.total, self.unit, self.initial, self.n = threading.Event(), 0, "", 0, 0
        self._stop_after = stop_after

    def __call__(self, *, total, desc, unit, initial=0):
        self.total, self.unit, self.initial, self.n = total, unit, initial, initial
        return self

    def update(self, n=1):
        self.n += n
        if self.n >= self._stop_after:
            self.cancel.set()

    def close(self):
        pass


class Always:
    """A request to stop at once."""

    def is_set(self):
        return True


class Pair:
    """A run in one process, and the same run shared by workers."""

    def __init__(self, folder, source, model, **settings):
        self.source, self._model, self._settings = source, model, grouped(tile_size=64, **settings)
        (folder / "whole").mkdir()
        (folder / "shared").mkdir()
        self.output = folder / "shared" / "out.ome.zarr"
        self.partial = partial_path(self.output)
        restore(source, model, folder / "whole" / "out.ome.zarr", **self._settings)
        self._expected = files_of(folder / "whole")

    def restore(self, **settings):
        return restore(self.source, self._model, self.output, **self._settings, **settings)

    def is_equal(self):
        return files_of(self.output.parent) == self._expected

    def journal(self):
        return Journal(self.partial.parent / "journal")


@pytest.mark.parametrize(
    ("scale", "shape", "reads"),
    [
        (1, (1037, 301), "whole frames"),
        (1, (90, 1300), "parts"),
        pytest.param(2, (531, 171), "parts", marks=pytest.mark.slow),
        (4, (271, 83), "parts"),
        pytest.param(4, (271, 83), "whole frames", marks=pytest.mark.slow),
    ],
)
def test_rectangles_of_one_frame_write_the_file_of_a_single_process(
    client, tmp_path, rng, request, scale, shape, reads
):
    pair = Pair(tmp_path, still(tmp_path, rng, shape), model_file(tmp_path, scale=scale))
    if reads == "parts":
        request.getfixturevalue("in_parts")
    bars, planes = Bars(), []
    pair.restore(cluster=client, progress=bars, on_plane=lambda *plane: planes.append(plane))
    assert pair.is_equal()
    assert (bars.unit, bars.n) == ("rectangle", bars.total)
    assert bars.total >= 2
    assert planes == [(0, 0, 0)]


@pytest.mark.slow
@pytest.mark.parametrize("frames", ["2:3", "1:4"])
def test_rectangles_of_frames_in_windows_write_the_file_of_a_single_process(client, in_parts, tmp_path, rng, frames):
    pixels = rng.normal(300, 20, (6, 2, 1, 1037, 90)).astype(np.float32)
    pixels[3] *= 2.5  # a flash
    pixels[:, 1] = 7.0  # a constant channel
    pixels[1, 0, 0, 500:520, 40] = np.nan
    pixels[2, 0, 0, 511, 30] = pixels[2, 0, 0, 900, 60] = pixels[2, 0, 0, 3, 3] = 9000  # outliers
    source = save_movie(Movie.from_array(pixels), tmp_path / "cells.ome.zarr")
    pair = Pair(tmp_path, source, model_file(tmp_path, n_frames=3), frames=frames, nan="fill")
    bars = Bars()
    pair.restore(cluster=client, progress=bars)
    assert pair.is_equal()
    assert bars.unit == "rectangle"


@pytest.mark.slow
def test_rectangles_are_copied_to_missing_frames(client, in_parts, tmp_path, rng):
    pixels = rng.integers(90, 4000, (3, 2, 1, 1037, 90), dtype=np.uint16)
    source = save_movie(Movie.from_array(pixels), tmp_path / "cells.ome.zarr")
    for t in (0, 1):
        for level in source.glob("[0-9]"):
            shutil.rmtree(level / "c" / str(t) / "0")
    pair = Pair(tmp_path, source, model_file(tmp_path), missing="nearest")
    bars = Bars()
    pair.restore(cluster=client, progress=bars)
    assert (bars.unit, bars.n) == ("rectangle", bars.total)
    assert pair.is_equal()


@pytest.mark.parametrize(("limit", "in_rectangles"), [(4_000_000, True), (1_000_000, False)])
def test_only_rectangles_must_fit_into_memory(client, tmp_path, rng, monkeypatch, limit, in_rectangles):
    pair = Pair(tmp_path, still(tmp_path, rng), model_file(tmp_path))

    def check(nbytes, what, _):
        if nbytes > limit:
            raise DeviceMemoryError(what)

    monkeypatch.setattr(network, "check_memory", check)
    with pytest.raises(DeviceMemoryError, match=r"restoring frames of 1037 x 301 pixels$"):
        pair.restore()
    if in_rectangles:
        pair.restore(cluster=client)
        assert pair.is_equal()
    else:
        with pytest.raises(DeviceMemoryError, match="1037 x 301 pixels in parts of 512 x 301 pixels of the result"):
            pair.restore(cluster=client)
        assert not list(pair.output.parent.iterdir())


@pytest.fixture
def four(monkeypatch):
    """Divide a frame into four rectangles."""
    monkeypatch.setattr(division, "best_rectangles", lambda grid, n_frames, _: best_rectangles(grid, n_frames, 4))


@pytest.fixture
def stopped(client, tmp_path, rng, four):
    """Return a run of one frame in four rectangles, stopped when the first one is finished."""
    pair = Pair(tmp_path, still(tmp_path, rng, (2100, 90)), model_file(tmp_path))
    bars = Bars(stop_after=1)
    with pytest.raises(Cancelled, match="cancelled after 1 of 4 rectangles; they are kept"):
        pair.restore(cluster=client, progress=bars, cancel=bars.cancel)
    assert not pair.output.exists()
    return pair


def test_run_stopped_in_the_middle_of_a_frame_is_resumed_by_workers(client, stopped):
    bars = Bars()
    stopped.restore(cluster=client, progress=bars)
    assert 1 <= bars.initial < 4 == bars.n
    assert stopped.is_equal()


@pytest.mark.slow
def test_run_stopped_in_the_middle_of_a_frame_is_resumed_by_one_worker(client, stopped):
    with in_process(1) as other:
        stopped.restore(cluster=other)
    assert stopped.is_equal()


@pytest.mark.parametrize("part", [None, pytest.param("1/1", marks=pytest.mark.slow)])
def test_run_stopped_in_the_middle_of_a_frame_is_resumed_without_workers(client, stopped, part, caplog):
    with pytest.raises(Cancelled):
        stopped.restore(part=part, cancel=Always())
    assert not stopped.journal().rectangles
    assert part or "restoring 1 partly finished plane of a run with workers from the start" in caplog.text
    stopped.restore(part=part)
    assert stopped.is_equal()


def test_chunk_deleted_from_an_unfinished_frame_is_written_again(client, stopped):
    next(stopped.partial.glob("0/c/0/0/0/*/*")).unlink()
    stopped.restore(cluster=client)
    assert stopped.is_equal()


@pytest.mark.parametrize("at", ["adopt_rectangle", pytest.param("complete_plane", marks=pytest.mark.slow)])
def test_rectangles_of_a_coordinating_process_that_ended_are_kept(client, tmp_path, rng, monkeypatch, at):
    pair = Pair(tmp_path, still(tmp_path, rng), model_file(tmp_path))
    with monkeypatch.context() as patch:
        patch.setattr(ZarrMovieWriter, at, fail)
        with pytest.raises(KeyboardInterrupt):
            pair.restore(cluster=client)
    (pair.partial / "1" / "c" / "0" / "0" / "0").mkdir(parents=True)
    (pair.partial / "1" / "c" / "0" / "0" / "0" / "0.1234.partial").touch()  # a chunk that was being written
    bars, planes = Bars(), []
    pair.restore(cluster=client, progress=bars, on_plane=lambda *plane: planes.append(plane))
    assert bars.initial > 0
    assert planes == [(0, 0, 0)]
    assert pair.is_equal()


@pytest.mark.slow
def test_planes_read_for_finished_rectangles_are_part_of_the_checksum_of_a_resumed_run(
    client, tmp_path, rng, monkeypatch
):
    pixels = rng.integers(90, 4000, (3, 2, 1, 1037, 30), dtype=np.uint16)
    source = save_movie(Movie.from_array(pixels), tmp_path / "cells.ome.zarr")
    pair = Pair(tmp_path, source, model_file(tmp_path), normalization_frames=1)  # all other planes are read by workers
    with monkeypatch.context() as patch:
        patch.setattr(ZarrMovieWriter, "write_note", fail)
        with pytest.raises(KeyboardInterrupt):
            pair.restore(cluster=client)
    pair.restore(cluster=client)
    assert pair.is_equal()


def fail(*_, **__):
    raise KeyboardInterrupt


@pytest.mark.slow
def test_worker_that_is_stopped_between_channels_keeps_the_first_one(client, tmp_path, rng, monkeypatch):
    pixels = rng.integers(90, 4000, (1, 2, 1, 1037, 90), dtype=np.uint16)
    source = save_movie(Movie.from_array(pixels), tmp_path / "cells.ome.zarr")
    pair = Pair(tmp_path, source, model_file(tmp_path))
    written, write = [], RegionWriter.write_plane

    def recorded(self, t, c, z, plane):
        written.append((self.name, c))
        write(self, t, c, z, plane)

    def failing(self, t, c, z, plane):
        if c == 1:
            raise OSError(errno.EIO, "Input/output error")
        recorded(self, t, c, z, plane)

    monkeypatch.setattr(RegionWriter, "write_plane", failing)
    with pytest.raises(OutputError, match="Input/output error"):
        pair.restore(cluster=client)
    monkeypatch.setattr(RegionWriter, "write_plane", recorded)
    pair.restore(cluster=client)
    assert {c for _, c in written} == {0, 1}
    assert len(written) == len(set(written))
    assert pair.is_equal()


def test_input_that_changes_while_rectangles_are_restored_is_one_line(client, in_parts, tmp_path, rng, four):
    pair = Pair(tmp_path, still(tmp_path, rng, (2100, 90)), model_file(tmp_path))

    class Changing(Bars):
        def update(self, n=1):
            if self.n == 0:
                zarr.open_array(pair.source / "0", mode="r+")[0, 0, 0, 2000, 50] = 77
            super().update(n)

    with pytest.raises(InputError, match=r"frame 0 \(channel 0, slice 0\) of cells.* has changed since it was first"):
        pair.restore(cluster=client, progress=Changing())
