from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

import decrappify
from decrappify.errors import InputError
from decrappify.io import open_movie
from decrappify.model import Model
from decrappify.movie import Movie
from decrappify.networks.residual_unet import ResidualUNet
from decrappify.restoration import RestorationOptions, restore
from decrappify.windows import window_indices

from .conftest import FAST, ON_CPU, CountingSource, PoolingNetwork, WindowMean, as_model, grouped


class FirstOfWindow(WindowMean):
    """A network that returns the first frame of its window."""

    def forward(self, source):
        return source[:, :1]


@pytest.mark.parametrize("tile_size", [None, 24])
@pytest.mark.parametrize("dtype", ["uint8", "uint16", "int32"])
def test_restore_with_the_identity_is_exact(rng, dtype, tile_size):
    array = rng.integers(0, np.iinfo(dtype).max // 2, (3, 2, 2, 30, 41)).astype(dtype)
    restored = restore(array, as_model(WindowMean(1)), inference=replace(ON_CPU, tile_size=tile_size, tile_overlap=4))
    assert restored.dtype == dtype
    difference = np.abs(np.asarray(restored).astype(np.float64) - array)
    assert difference.max() <= (0 if np.dtype(dtype).itemsize < 4 else 2**31 * 1e-6)


def test_restore_with_the_identity_is_exact_for_the_full_16_bit_range(rng):
    array = rng.integers(0, 65536, (2, 64, 64)).astype(np.uint16)
    np.testing.assert_array_equal(np.asarray(restore(array, as_model(WindowMean(1)), **FAST))[:, 0, 0], array)


def test_restore_stores_dtypes_in_native_byte_order(rng, tmp_path):
    array = rng.integers(0, 4000, (2, 16, 16)).astype(np.uint16)
    restored = restore(
        array, as_model(WindowMean(1)), tmp_path / "restored.ome.zarr", options=RestorationOptions(dtype=">u2"), **FAST
    )
    np.testing.assert_array_equal(np.asarray(restored)[:, 0, 0], array)


@pytest.mark.parametrize("n_frames", [1, 3, 5])
def test_restore_windows_follow_the_rule(rng, n_frames):
    array = rng.integers(0, 60000, (7, 9, 8)).astype(np.uint16)
    restored = np.asarray(restore(array, as_model(FirstOfWindow(n_frames)), **FAST))[:, 0, 0]
    expected = [array[window_indices(t, 7, n_frames)[0]] for t in range(7)]
    np.testing.assert_array_equal(restored, expected)


def test_restore_reads_each_plane_once_after_the_measurement(rng):
    source = CountingSource(rng.integers(0, 4000, (20, 2, 2, 24, 24), dtype=np.uint16))
    restore(Movie(source), as_model(WindowMean(3)), **FAST)
    counts = [source.counts[plane] for plane in Movie(source).planes()]
    assert min(counts) == 1
    assert sum(counts) == len(counts) + 2 * 32  # the normalization reads 32 planes of each channel


@pytest.mark.parametrize(
    ("network", "channels"), [(PoolingNetwork(3), 2), (PoolingNetwork(1, in_channels=2, scale=2), 2)]
)
def test_restore_keeps_metadata_and_scales_the_shape(movie, network, channels):
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


def test_restore_normalizes_channels_separately(rng):
    dim = rng.integers(100, 200, (3, 1, 1, 20, 20))
    array = np.concatenate([dim, 100 * dim], axis=1).astype(np.uint16)
    restored = np.asarray(
        restore(array, as_model(PoolingNetwork()), options=RestorationOptions(dtype="float32"), **FAST)
    )
    np.testing.assert_allclose(100 * restored[:, 0], restored[:, 1], rtol=1e-4, atol=1)


@pytest.mark.parametrize("channel", [1, "nuclei"])
def test_restore_accepts_one_channel(movie, channel):
    restored = restore(open_movie(movie, channel=channel), as_model(PoolingNetwork()), **FAST)
    whole = restore(movie, as_model(PoolingNetwork()), **FAST)
    assert restored.channel_names == ("nuclei",)
    np.testing.assert_array_equal(restored.frame(2), whole.frame(2, 1))


@pytest.mark.parametrize(
    ("frames", "picked"),
    [("2:5", [2, 3, 4]), ("4", [4]), (-1, [5]), (slice(None, None, 2), [0, 2, 4]), ("::-1", [5, 4, 3, 2, 1, 0])],
)
def test_restore_of_selected_frames_equals_those_of_the_complete_movie(movie, frames, picked):
    whole = np.asarray(restore(movie, as_model(PoolingNetwork(3)), **FAST))
    part = restore(movie, as_model(PoolingNetwork(3)), options=RestorationOptions(frames=frames), **FAST)
    np.testing.assert_array_equal(np.asarray(part), whole[picked])
    assert part.frame_interval_s == (5.0 if len(picked) == 3 and picked[1] == 2 else 2.5)


def test_restore_takes_windows_along_z(rng):
    array = rng.integers(0, 4000, (2, 1, 6, 16, 16), dtype=np.uint16)
    model = as_model(WindowMean(3))
    along_z = np.asarray(restore(array, model, options=RestorationOptions(dtype="float32", window_axis="Z"), **FAST))
    swapped = np.asarray(
        restore(array.transpose(2, 1, 0, 3, 4), model, options=RestorationOptions(dtype="float32"), **FAST)
    )
    np.testing.assert_allclose(along_z, swapped.transpose(2, 1, 0, 3, 4), rtol=1e-3)


@pytest.mark.parametrize(
    ("shape", "options", "message"),
    [
        (
            (1, 1, 1, 20, 20),
            {},
            r"one still image, expected windows of 3 for model 'window-mean'; .*n_frames=1.*still'$",
        ),
        ((1, 1, 5, 20, 20), {}, r"or pass window_axis='Z' to use its 5 slices"),
        ((4, 1, 1, 20, 20), {"window_axis": "Z"}, r"one slice, expected .*window_axis='T' to use its 4 frames"),
        ((4, 1, 1, 20, 20), {"window_axis": "X"}, r"window_axis='X' is not known"),
        ((4, 1, 1, 20, 20), {"frames": "a:b"}, r"frames='a:b' is not valid, expected 'start:stop'"),
        ((4, 1, 1, 20, 20), {"frames": "0:4:0"}, r"frames='0:4:0' is not valid"),
        ((4, 1, 1, 20, 20), {"frames": 1.5}, r"frames=1.5 is not valid"),
        ((4, 1, 1, 20, 20), {"frames": "9:20"}, r"select nothing from .*frames 0 to 3"),
        ((4, 1, 1, 20, 20), {"dtype": "complex64"}, r"dtype='complex64' cannot store an image"),
        ((4, 1, 1, 20, 20), {"dtype": "\udcff"}, r"dtype='\\udcff' is not known"),
        ((4, 1, 1, 20, 20), {"dtype": "uint17"}, r"dtype='uint17' is not known"),
        ((4, 1, 1, 20, 20), {"nan": "skip"}, r"nan='skip' is not known"),
        ((4, 1, 1, 20, 20), {"tile_size": 0}, r"tile_size is 0"),
    ],
)
def test_restore_rejects_unsuitable_input(rng, shape, options, message):
    with pytest.raises(InputError, match=message):
        restore(rng.integers(0, 99, shape, dtype=np.uint8), as_model(WindowMean(3)), **grouped(**options))


def test_restore_rejects_another_number_of_channels(rng):
    with pytest.raises(InputError, match="has 2 channels, expected 3 for model 'pooling'"):
        restore(rng.integers(0, 99, (4, 2, 1, 20, 20)), as_model(PoolingNetwork(in_channels=3)), **FAST)


@pytest.mark.parametrize("nan", ["fill", "zero"])
def test_restore_rejects_nan_or_restores_it_on_request(rng, nan):
    array = rng.random((40, 12, 12), np.float32)
    array[17, 3, 3] = np.nan
    with pytest.raises(InputError, match="frame 17 of movie contains NaN"):
        restore(array, as_model(WindowMean(1)), **FAST)
    restored = np.asarray(restore(array, as_model(WindowMean(1)), options=RestorationOptions(nan=nan), **FAST))
    np.testing.assert_allclose(restored[:, 0, 0], array, atol=1e-5)


def test_restore_progress_counts_planes(movie, bar):
    restore(movie, as_model(PoolingNetwork(3)), progress=bar, **FAST)
    assert (bar.settings["total"], bar.settings["unit"], bar.n, bar.closed) == (12, "plane", 12, True)
    assert "cells" in bar.settings["desc"]


def test_restore_accepts_a_path(movie, tmp_path):
    path = tmp_path / "cells.ome.zarr"
    restore(movie, as_model(WindowMean(1)), path, **FAST).close()
    restored = restore(path, as_model(WindowMean(1)), tmp_path / "again.ome.zarr", **FAST)
    with open_movie(path) as original:
        np.testing.assert_array_equal(np.asarray(restored), np.asarray(original))
    restored.close()


def test_restore_accepts_a_model_file(movie, tmp_path):
    network = ResidualUNet(n_frames=3, base_channels=16, depth=1)
    nn.init.normal_(network.tail.weight, std=0.05, generator=torch.Generator().manual_seed(0))
    model = Model(network, card={"name": "mine"})
    path = model.save(tmp_path / "mine.safetensors")
    expected = np.asarray(restore(movie, model, **FAST))
    restored = restore(movie, path, **FAST)
    np.testing.assert_array_equal(np.asarray(restored), expected)
    assert restored.provenance["restoration"]["model"] == "mine"
