from __future__ import annotations

import json
import threading
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import decrappify
from decrappify.errors import DeviceMemoryError, FormatError, InputError, OutputExistsError
from decrappify.io import open_movie, partial_path
from decrappify.movie import Movie
from decrappify.restoration import RestorationCancelled, restore
from decrappify.windows import window_indices

from .conftest import CountingSource, PoolingNetwork, WindowMean, as_model

FAST = {"device": "cpu", "precision": "float32"}


class FirstOfWindow(WindowMean):
    """Gives the first frame of the window: shows which frames a window has."""

    def forward(self, source):
        return source[:, :1]


def files_of(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.fixture(autouse=True)
def no_thread_left():
    yield
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("decrappify")]


@pytest.mark.parametrize("tile_size", [None, 24])
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int32"])
def test_identity_round_trip_is_exact(rng, dtype, tile_size):
    array = rng.integers(0, np.iinfo(dtype).max // 2, (3, 2, 2, 30, 41)).astype(dtype)
    restored = restore(array, as_model(WindowMean(1)), tile_size=tile_size, tile_overlap=4, **FAST)
    assert restored.dtype == dtype
    difference = np.abs(np.asarray(restored).astype(np.float64) - array)
    assert difference.max() <= (0 if np.dtype(dtype).itemsize < 4 else 2**31 * 1e-6)


def test_full_range_16_bit_is_exact(rng):
    array = rng.integers(0, 65536, (2, 64, 64)).astype(np.uint16)
    np.testing.assert_array_equal(np.asarray(restore(array, as_model(WindowMean(1)), **FAST))[:, 0, 0], array)


@pytest.mark.parametrize("n_frames", [1, 3, 5])
def test_windows_follow_the_rule(rng, n_frames):
    array = rng.integers(0, 60000, (7, 9, 8)).astype(np.uint16)
    restored = np.asarray(restore(array, as_model(FirstOfWindow(n_frames)), **FAST))[:, 0, 0]
    expected = [array[window_indices(t, 7, n_frames)[0]] for t in range(7)]
    np.testing.assert_array_equal(restored, expected)


def test_each_plane_is_read_once_beside_the_measuring(rng):
    source = CountingSource(rng.integers(0, 4000, (40, 2, 3, 8, 8), dtype=np.uint16))
    restore(Movie(source), as_model(WindowMean(3)), **FAST)
    counts = [source.counts[plane] for plane in Movie(source).planes()]
    assert min(counts) == 1
    assert sum(counts) == len(counts) + 2 * 32  # the normalisation looks at 32 planes of each channel


@pytest.mark.parametrize(
    ("network", "channels"), [(PoolingNetwork(3), 2), (PoolingNetwork(1, in_channels=2, scale=2), 2)]
)
def test_metadata_and_shape_are_carried(movie, network, channels):
    restored = restore(movie, as_model(network), **FAST)
    scale = network.scale
    assert restored.shape == (6, channels, 1, 45 * scale, 70 * scale)
    assert restored.dtype == np.uint16
    assert restored.pixel_size_um == (None, 0.2 / scale, 0.2 / scale)
    assert restored.frame_interval_s == 2.5
    assert restored.channel_names == ("actin", "nuclei")
    assert restored.provenance["microscope"] == "spinning disk"
    record = restored.provenance["restoration"]
    assert record["model"] == "pooling"
    assert record["software"] == f"decrappify {decrappify.__version__}"
    assert len(record["normalization"]) == 2
    assert len(record["model_sha256"]) == 64


def test_channels_are_normalised_on_their_own(rng):
    dim = rng.integers(100, 200, (3, 1, 1, 20, 20))
    array = np.concatenate([dim, 100 * dim], axis=1).astype(np.uint16)
    restored = np.asarray(restore(array, as_model(PoolingNetwork()), dtype="float32", **FAST))
    np.testing.assert_allclose(100 * restored[:, 0], restored[:, 1], rtol=1e-4, atol=1)


@pytest.mark.parametrize("channel", [1, "nuclei"])
def test_one_channel(movie, channel):
    restored = restore(movie, as_model(PoolingNetwork()), channel=channel, **FAST)
    whole = restore(movie, as_model(PoolingNetwork()), **FAST)
    assert restored.channel_names == ("nuclei",)
    np.testing.assert_array_equal(restored.frame(2), whole.frame(2, 1))


@pytest.mark.parametrize(
    ("frames", "picked"),
    [("2:5", [2, 3, 4]), ("4", [4]), (-1, [5]), (slice(None, None, 2), [0, 2, 4]), ("::-1", [5, 4, 3, 2, 1, 0])],
)
def test_frames_equal_those_of_the_whole_movie(movie, frames, picked):
    whole = np.asarray(restore(movie, as_model(PoolingNetwork(3)), **FAST))
    part = restore(movie, as_model(PoolingNetwork(3)), frames=frames, **FAST)
    np.testing.assert_array_equal(np.asarray(part), whole[picked])
    assert part.frame_interval_s == (5.0 if len(picked) == 3 and picked[1] == 2 else 2.5)


def test_slices_play_the_window(rng):
    array = rng.integers(0, 4000, (2, 1, 6, 16, 16), dtype=np.uint16)
    model = as_model(WindowMean(3))
    along_z = np.asarray(restore(array, model, window_axis="Z", dtype="float32", **FAST))
    swapped = np.asarray(restore(array.transpose(2, 1, 0, 3, 4), model, dtype="float32", **FAST))
    np.testing.assert_allclose(along_z, swapped.transpose(2, 1, 0, 3, 4), rtol=1e-3)


@pytest.mark.parametrize(
    ("shape", "options", "message"),
    [
        ((1, 1, 1, 20, 20), {}, r"one still image, but model 'window-mean' needs windows of 3; .*n_frames=1.*still'$"),
        ((1, 1, 5, 20, 20), {}, r"or pass window_axis='Z' to let its 5 slices play the window"),
        ((4, 1, 1, 20, 20), {"window_axis": "Z"}, r"one slice, but .*window_axis='T' to use its 4 frames"),
        ((4, 1, 1, 20, 20), {"window_axis": "X"}, r"window_axis='X' is not known"),
        ((4, 1, 1, 20, 20), {"frames": "a:b"}, r"frames='a:b' is not understood, needs 'start:stop'"),
        ((4, 1, 1, 20, 20), {"frames": "0:4:0"}, r"frames='0:4:0' is not understood"),
        ((4, 1, 1, 20, 20), {"frames": 1.5}, r"frames=1.5 is not understood"),
        ((4, 1, 1, 20, 20), {"frames": "9:20"}, r"pick nothing from .*frames 0 to 3"),
        ((4, 1, 1, 20, 20), {"dtype": "complex64"}, r"dtype='complex64' cannot hold an image"),
        ((4, 1, 1, 20, 20), {"dtype": "uint17"}, r"dtype='uint17' is not known"),
        ((4, 1, 1, 20, 20), {"nan": "skip"}, r"nan='skip' is not known"),
        ((4, 1, 1, 20, 20), {"tile_size": 0}, r"tile_size is 0"),
    ],
)
def test_what_does_not_fit_is_refused(rng, shape, options, message):
    with pytest.raises(InputError, match=message):
        restore(rng.integers(0, 99, shape, dtype=np.uint8), as_model(WindowMean(3)), **FAST, **options)


def test_other_channel_count_than_the_model_is_refused(rng):
    with pytest.raises(InputError, match="has 2 channels, but model 'pooling' takes 3 together"):
        restore(rng.integers(0, 99, (4, 2, 1, 20, 20)), as_model(PoolingNetwork(in_channels=3)), **FAST)


def test_nan_is_refused_by_frame_or_taken_as_zero(rng):
    array = rng.random((40, 12, 12), np.float32)
    array[17, 3, 3] = np.nan
    with pytest.raises(InputError, match="frame 17 of movie holds NaN"):
        restore(array, as_model(WindowMean(1)), **FAST)
    restored = np.asarray(restore(array, as_model(WindowMean(1)), nan="zero", **FAST))
    np.testing.assert_allclose(restored[:, 0, 0], np.nan_to_num(array), atol=1e-5)


def test_result_too_large_for_memory_says_where_else(rng):
    class Huge(CountingSource):
        def __init__(self):
            super().__init__(rng.random((1, 8, 8), np.float32))
            self.shape = (10**12, *self.shape[1:])

        def read(self, t, c, z, rows, columns):
            return super().read(0, c, z, rows, columns)

    with pytest.raises(DeviceMemoryError, match=r"needs 256000.0 GB, .*pass an output such as 'restored.ome.zarr'"):
        restore(Movie(Huge()), as_model(WindowMean(1)), **FAST)


def test_store_equals_memory_and_carries_metadata(movie, tmp_path):
    expected = restore(movie, as_model(PoolingNetwork(3, scale=2)), **FAST)
    output = tmp_path / "restored.ome.zarr"
    with restore(movie, as_model(PoolingNetwork(3, scale=2)), output, **FAST) as restored:
        np.testing.assert_array_equal(np.asarray(restored), np.asarray(expected))
        assert restored.pixel_size_um[1:] == (0.1, 0.1)
        assert restored.frame_interval_s == 2.5
        assert restored.channel_names == ("actin", "nuclei")
        assert restored.provenance == expected.provenance
    assert [path.name for path in tmp_path.iterdir()] == ["restored.ome.zarr"]


def test_existing_output_is_refused_before_reading_and_replaced_on_request(movie, tmp_path):
    output = tmp_path / "restored.ome.zarr"
    model = as_model(WindowMean(1))
    restore(movie, model, output, frames="0:2", **FAST).close()
    source = CountingSource(np.asarray(movie))
    with pytest.raises(OutputExistsError, match="overwrite"):
        restore(Movie(source), model, output, **FAST)
    assert max(source.counts.values()) == 1  # a few planes, to tell this input from others
    with restore(movie, model, output, overwrite=True, **FAST) as restored:
        assert restored.shape[0] == 6


def test_the_input_is_never_the_output(movie, tmp_path):
    path = tmp_path / "cells.ome.zarr"
    restore(movie, as_model(WindowMean(1)), path, **FAST).close()
    with pytest.raises(InputError, match="is the input itself; choose another name"):
        restore(path, as_model(WindowMean(1)), path, overwrite=True, **FAST)


class Bar:
    """A progress bar that remembers."""

    def __init__(self, total, desc, unit):
        self.total, self.desc, self.unit, self.n, self.closed = total, desc, unit, 0, False

    def update(self, n):
        self.n += n

    def close(self):
        self.closed = True


def test_progress_counts_planes(movie):
    bars = []

    def progress(**options):
        bars.append(Bar(**options))
        return bars[-1]

    restore(movie, as_model(PoolingNetwork(3)), progress=progress, **FAST)
    (bar,) = bars
    assert (bar.total, bar.n, bar.closed, bar.unit) == (12, 12, True, "plane")
    assert "cells" in bar.desc


class Breaks(PoolingNetwork):
    """Raises an error at its n-th tile."""

    def __init__(self, at, error):
        super().__init__(3)
        self.calls, self.at, self.error = 0, at, error

    def forward(self, source):
        self.calls += 1
        if self.calls == self.at:
            raise self.error
        return super().forward(source)


@pytest.mark.parametrize("error", [ValueError("network"), KeyboardInterrupt()])
def test_interrupted_run_is_finished_by_the_same_call(movie, tmp_path, error):
    model = as_model(PoolingNetwork(3))
    restore(movie, model, tmp_path / "whole.ome.zarr", **FAST).close()
    output = tmp_path / "restored.ome.zarr"
    with pytest.raises(type(error)):  # one call is spent on planning, so two planes are restored
        restore(movie, as_model(Breaks(4, error)), output, **FAST)
    assert not output.exists()
    bars = []
    restore(movie, model, output, progress=lambda **kw: bars.append(Bar(**kw)) or bars[-1], **FAST).close()
    assert bars[0].n == 12
    assert files_of(output) == files_of(tmp_path / "whole.ome.zarr")


def test_resumed_run_reads_only_what_is_missing(rng, tmp_path):
    array = rng.integers(0, 4000, (20, 16, 16), dtype=np.uint16)
    with pytest.raises(ValueError, match="network"):
        restore(array, as_model(Breaks(12, ValueError("network"))), tmp_path / "restored.ome.zarr", **FAST)
    source = CountingSource(array)
    restore(Movie(source), as_model(PoolingNetwork(3)), tmp_path / "restored.ome.zarr", **FAST).close()
    assert sum(source.counts.values()) == 3 + 20 - 9  # three to know the input again, then frames 9 to 19


def test_partial_output_of_other_options_is_refused(movie, tmp_path):
    output = tmp_path / "restored.ome.zarr"
    with pytest.raises(ValueError, match="network"):
        restore(movie, as_model(Breaks(4, ValueError("network"))), output, **FAST)
    with pytest.raises(OutputExistsError, match="another run"):
        restore(movie, as_model(PoolingNetwork(3)), output, dtype="float32", **FAST)
    restore(movie, as_model(PoolingNetwork(3)), output, dtype="float32", overwrite=True, **FAST).close()


def test_reader_error_keeps_what_is_finished(rng, tmp_path):
    class Torn(CountingSource):
        def read(self, t, c, z, rows, columns):
            if t == 17 and len(self.counts) > 3:
                raise OSError("file ends in frame 17")
            return super().read(t, c, z, rows, columns)

    source = Torn(rng.integers(0, 4000, (100, 16, 16), dtype=np.uint16))
    with pytest.raises(OSError, match="frame 17"):
        restore(Movie(source), as_model(WindowMean(3)), tmp_path / "restored.ome.zarr", **FAST)
    lines = (tmp_path / "restored.ome.zarr.partial.journal").read_text(encoding="utf-8").splitlines()
    assert sum(line.startswith("[") for line in lines) == 16


def test_writer_error_ends_the_run(movie, tmp_path, monkeypatch):
    from decrappify.io.omezarr_writer import ZarrMovieWriter

    write = ZarrMovieWriter.write_plane

    def fails_at_3(self, t, c, z, plane):
        if t == 3:
            raise OSError(28, "No space left on device")
        write(self, t, c, z, plane)

    monkeypatch.setattr(ZarrMovieWriter, "write_plane", fails_at_3)
    with pytest.raises(OSError, match="No space left"):
        restore(movie, as_model(PoolingNetwork(3)), tmp_path / "restored.ome.zarr", **FAST)
    monkeypatch.undo()
    restore(movie, as_model(PoolingNetwork(3)), tmp_path / "restored.ome.zarr", **FAST).close()


class SetsEvent(PoolingNetwork):
    """Sets an event at its third tile, as a user who presses cancel."""

    event = threading.Event()
    calls = 0

    def forward(self, source):
        SetsEvent.calls += 1
        if SetsEvent.calls == 4:
            SetsEvent.event.set()
        return super().forward(source)


def test_cancel_keeps_finished_planes(movie, tmp_path):
    SetsEvent.calls = 0
    SetsEvent.event.clear()
    with pytest.raises(RestorationCancelled, match="cancelled after 3 of 12 planes; they are kept"):
        restore(movie, as_model(SetsEvent(3)), tmp_path / "restored.ome.zarr", cancel=SetsEvent.event, **FAST)
    assert SetsEvent.calls == 4
    with pytest.raises(RestorationCancelled, match="cancelled after 0 of 12 planes; nothing is kept"):
        restore(movie, as_model(SetsEvent(3)), cancel=SetsEvent.event, **FAST)


class Greedy(Breaks):
    """Runs out of memory above 80 pixels, and breaks later on."""

    def forward(self, source):
        if max(source.shape[-2:]) > 80:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return super().forward(source)


def test_halved_tiles_are_kept_for_the_resumed_run(rng, tmp_path):
    array = rng.integers(0, 4000, (4, 150, 90), dtype=np.uint16)
    output = tmp_path / "restored.ome.zarr"
    with pytest.raises(ValueError, match="network"):
        restore(array, as_model(Greedy(15, ValueError("network"))), output, tile_size=160, **FAST)
    lines = (tmp_path / "restored.ome.zarr.partial.journal").read_text(encoding="utf-8").splitlines()
    states = [entry["state"] for entry in map(json.loads, lines) if "state" in entry]
    assert [state["tile_size"] for state in states] == [160, 76]
    with restore(array, as_model(PoolingNetwork(3)), output, **FAST) as restored:
        expected = np.asarray(restore(array, as_model(PoolingNetwork(3)), **FAST)).astype(int)
        assert np.abs(np.asarray(restored) - expected).max() <= 1


def test_exports_are_resumable_too(movie, tmp_path):
    model = as_model(PoolingNetwork(3, scale=2))
    whole, output = tmp_path / "whole.ome.tif", tmp_path / "restored.ome.tif"
    with restore(movie, model, whole, **FAST) as restored:
        np.testing.assert_array_equal(np.asarray(restored), np.asarray(restore(movie, model, **FAST)))
    cancel = threading.Event()
    cancel.set()
    with pytest.raises(RestorationCancelled):
        restore(movie, model, output, cancel=cancel, **FAST)
    assert not output.exists()
    restore(movie, model, output, **FAST).close()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["restored.ome.tif", "whole.ome.tif"]
    assert output.read_bytes() == whole.read_bytes()


def test_what_the_format_cannot_hold_is_refused_before_computing(rng, tmp_path):
    source = CountingSource(rng.integers(0, 99, (40, 16, 16)))
    with pytest.raises(InputError, match="int64, which OME-TIFF cannot hold"):
        restore(Movie(source), as_model(Breaks(2, ValueError("computed"))), tmp_path / "restored.ome.tif", **FAST)
    assert not list(tmp_path.iterdir())
    with pytest.raises(FormatError, match=r"restored.docx has no writer here"):
        restore(Movie(source), as_model(WindowMean(1)), tmp_path / "restored.docx", **FAST)


def test_run_killed_between_export_and_clean_up_is_complete(movie, tmp_path, monkeypatch):
    from decrappify.restoration import results

    def killed(path):
        raise KeyboardInterrupt

    output = tmp_path / "restored.ome.tif"
    monkeypatch.setattr(results, "remove_working_store", killed)
    with pytest.raises(KeyboardInterrupt):
        restore(movie, as_model(WindowMean(1)), output, **FAST)
    monkeypatch.undo()
    with restore(movie, as_model(WindowMean(1)), output, **FAST) as restored:
        np.testing.assert_array_equal(np.asarray(restored), np.asarray(movie))
    assert [path.name for path in tmp_path.iterdir()] == ["restored.ome.tif"]
    with pytest.raises(OutputExistsError):
        restore(movie, as_model(WindowMean(1)), output, **FAST)


def test_a_path_is_opened_and_closed(movie, tmp_path):
    path = tmp_path / "cells.ome.zarr"
    restore(movie, as_model(WindowMean(1)), path, **FAST).close()
    restored = restore(path, as_model(WindowMean(1)), tmp_path / "again.ome.zarr", **FAST)
    with open_movie(path) as original:
        np.testing.assert_array_equal(np.asarray(restored), np.asarray(original))
    restored.close()


def test_model_may_be_a_file(movie, tmp_path):
    from decrappify.model import Model
    from decrappify.networks.residual_unet import ResidualUNet

    network = ResidualUNet(n_frames=3, base_channels=16, depth=1)
    nn.init.normal_(network.tail.weight, std=0.05, generator=torch.Generator().manual_seed(0))
    model = Model(network, card={"name": "mine"})
    path = model.save(tmp_path / "mine.safetensors")
    expected = np.asarray(restore(movie, model, **FAST))
    restored = restore(movie, path, **FAST)
    np.testing.assert_array_equal(np.asarray(restored), expected)
    assert restored.provenance["restoration"]["model"] == "mine"


def test_film_is_exported_and_the_store_removed(movie, tmp_path):
    output = tmp_path / "restored.mp4"
    restore(movie, as_model(WindowMean(1)), output, channel=0, **FAST).close()
    assert [path.name for path in tmp_path.iterdir()] == ["restored.mp4"]
    with open_movie(output) as film:
        assert film.shape[0] == 6


def test_each_plane_is_told_when_it_can_be_read_from_the_growing_store(movie, tmp_path):
    output, told = tmp_path / "out.ome.zarr", []

    def on_plane(t, c, z):
        with open_movie(partial_path(output)) as growing:
            told.append(((t, c, z), bool(growing.frame(t, c, z).any())))

    restored = restore(movie, as_model(WindowMean(3)), output, device="cpu", on_plane=on_plane)
    assert sorted(told) == [((t, c, 0), True) for t in range(6) for c in range(2)]
    assert restored.shape == movie.shape
    assert not partial_path(output).exists()
