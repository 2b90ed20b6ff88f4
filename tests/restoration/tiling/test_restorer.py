from __future__ import annotations

import errno
import logging
import threading
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.restoration.conftest import FAST, ON_CPU, PoolingNetwork, WindowMean, as_model
from torch import nn

from decrappify.errors import Cancelled, DeviceMemoryError, InputError
from decrappify.limits.reached import is_out_of_memory
from decrappify.networks.residual_unet import ResidualUNet
from decrappify.restoration.tiling.restorer import Restorer

pytestmark = pytest.mark.cpu_sensitive


def worst_seam(network, shape, **options):
    """Return the largest difference between tiled and untiled restoration, as a fraction of the data range."""
    model = as_model(network)
    window = np.random.default_rng(5).random((network.n_frames * network.in_channels, *shape), np.float32)
    whole = Restorer(model, inference=replace(ON_CPU, tile_size=4096)).restore_window(window)
    tiled = Restorer(model, inference=replace(ON_CPU, **options)).restore_window(window)
    assert tiled.shape == whole.shape == (network.out_channels, shape[0] * network.scale, shape[1] * network.scale)
    return float(np.abs(tiled - whole).max() / max(np.ptp(whole), 0.1))


@settings(max_examples=15, deadline=None)
@given(
    st.integers(1, 150),
    st.integers(1, 150),
    st.integers(80, 140),
    st.sampled_from([1, 2, 4]),
    st.sampled_from([(1, 1), (3, 1), (1, 2)]),
)
def test_tiled_restoration_equals_untiled_restoration(height, width, tile_size, scale, window):
    assert worst_seam(PoolingNetwork(*window, scale=scale), (height, width), tile_size=tile_size) < 1e-5


@pytest.mark.parametrize("scale", [1, 2, 4])
def test_worst_seam_of_the_default_network_is_below_a_thousandth(scale, record_property):
    network = ResidualUNet(n_frames=3, scale=scale, base_channels=16, depth=2)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        nn.init.kaiming_normal_(network.tail.weight)
    seam = worst_seam(network, (203, 181), tile_size=128)
    record_property("worst_seam", seam)
    assert seam < 1e-3


@settings(max_examples=15, deadline=None)
@given(st.integers(1, 60), st.integers(1, 60), st.integers(5, 70), st.integers(0, 4))
def test_tiles_do_not_change_a_local_network(height, width, tile_size, tile_overlap):
    assert worst_seam(WindowMean(3), (height, width), tile_size=tile_size, tile_overlap=tile_overlap) < 1e-6


def test_too_little_overlap_causes_seams_and_a_warning(caplog):
    assert worst_seam(PoolingNetwork(), (100, 100), tile_size=32, tile_overlap=0) > 1e-3
    (warning,) = caplog.messages
    assert warning.startswith(
        "tiles of 32 pixels overlap by 0, this model requires 36: seams of up to 18 % of the range"
    )


def test_one_tile_has_no_seam_warning(caplog):
    restorer = Restorer(as_model(PoolingNetwork()), inference=replace(ON_CPU, tile_size=64, tile_overlap=0))
    restorer.restore_window(np.zeros((1, 60, 60), np.float32))
    assert not caplog.messages


@settings(max_examples=25, deadline=None)
@given(
    st.integers(1, 150), st.integers(1, 150), st.integers(40, 120), st.sampled_from([1, 2, 4]),
    st.tuples(*[st.floats(0, 1)] * 4),
)  # fmt: skip
def test_part_of_a_frame_equals_that_of_the_whole_bit_for_bit(height, width, tile_size, scale, sides):
    restorer = Restorer(as_model(PoolingNetwork(scale=scale)), inference=replace(ON_CPU, tile_size=tile_size))
    frame = np.random.default_rng(height).random((1, height, width), np.float32)
    whole = restorer.restore_window(frame)[0]
    rows, columns = (
        slice(int(min(ends) * (size - 1)), int(max(ends) * (size - 1)) + 1)
        for ends, size in zip((sides[:2], sides[2:]), whole.shape, strict=True)
    )
    part = restorer.part((height, width), rows, columns)
    loaded = restorer.load(frame[:, part.source[0], part.source[1]])
    restored = restorer.restore_frames([loaded], (height, width), part=part)
    assert np.array_equal(restored[0], whole[rows, columns])


class MemoryLimited(PoolingNetwork):
    """A network that runs out of memory above `limit` pixels per side."""

    def __init__(self, limit, error):
        super().__init__()
        self.limit, self.error = limit, error

    def forward(self, source):
        if max(source.shape[-2:]) > self.limit:
            raise self.error
        return super().forward(source)


OUT_OF_MEMORY = [
    torch.OutOfMemoryError("CUDA out of memory"),
    MemoryError(),
    RuntimeError("[enforce fail at alloc_cpu.cpp:127] DefaultCPUAllocator: can't allocate memory"),
    RuntimeError("DefaultCPUAllocator: not enough memory: you tried to allocate 4 bytes"),
    RuntimeError("could not create a primitive"),
    RuntimeError("std::bad_alloc"),
    OSError(errno.ENOMEM, "Cannot allocate memory"),
]


@pytest.mark.parametrize("error", OUT_OF_MEMORY, ids=lambda error: str(error)[:20])
def test_tiles_are_halved_until_they_fit(rng, caplog, error):
    window = rng.random((1, 300, 200), np.float32)
    restorer = Restorer(as_model(MemoryLimited(100, error)), inference=replace(ON_CPU, tile_size=256))
    with caplog.at_level(logging.WARNING):
        restored = restorer.restore_window(window)
    assert restorer.tile_size <= 100
    assert "out of memory on cpu with tile_size=" in caplog.text
    expected = Restorer(as_model(PoolingNetwork()), inference=replace(ON_CPU, tile_size=512)).restore_window(window)
    np.testing.assert_allclose(restored, expected, atol=1e-5)


def test_part_of_a_frame_contains_the_smaller_tiles_of_less_memory(rng):
    frame = rng.random((1, 700, 300), np.float32)
    model = as_model(MemoryLimited(100, MemoryError()))
    restorer = Restorer(model, inference=replace(ON_CPU, tile_size=256))
    part = restorer.part((700, 300), slice(250, 400), slice(0, 300))
    loaded = restorer.load(frame[:, part.source[0], part.source[1]])
    restored = restorer.restore_frames([loaded], (700, 300), part=part)
    smaller = Restorer(model, inference=replace(ON_CPU, tile_size=restorer.tile_size, tile_overlap=36))
    assert np.array_equal(restored, smaller.restore_window(frame)[:, 250:400])


def test_smallest_tile_out_of_memory_raises_with_advice(rng):
    restorer = Restorer(as_model(MemoryLimited(50, MemoryError())), **FAST)
    with pytest.raises(
        DeviceMemoryError, match=r"not enough memory on .* for the smallest tile of 72 pixels; .*device='cpu'"
    ):
        restorer.restore_window(rng.random((1, 200, 200), np.float32))


def test_restorer_does_not_catch_other_errors_of_the_network(rng):
    restorer = Restorer(as_model(MemoryLimited(50, RuntimeError("shapes do not match"))), **FAST)
    with pytest.raises(RuntimeError, match="shapes do not match"):
        restorer.restore_window(rng.random((1, 200, 200), np.float32))
    assert not is_out_of_memory(DeviceMemoryError("reported already"))


def test_restorer_is_cancelled_before_the_next_tile(rng):
    cancel = threading.Event()
    restorer = Restorer(as_model(PoolingNetwork()), inference=replace(ON_CPU, tile_size=80), cancel=cancel)
    cancel.set()
    with pytest.raises(Cancelled):
        restorer.restore_window(rng.random((1, 100, 100), np.float32))


@pytest.mark.parametrize("shape", [(2, 8, 8), (8, 8)])
def test_restorer_rejects_windows_of_another_shape(shape):
    with pytest.raises(InputError, match=r"does not fit the network, expected \(3 frames x 1 channel, Y, X\)"):
        Restorer(as_model(WindowMean(3)), **FAST).restore_window(np.zeros(shape, np.float32))


def test_tile_too_small_for_its_overlap_raises_and_names_both_options():
    restorer = Restorer(as_model(PoolingNetwork()), inference=replace(ON_CPU, tile_size=32, tile_overlap=32))
    with pytest.raises(InputError, match="tile_size=32 is too small for tile_overlap=32"):
        restorer.restore_window(np.zeros((1, 100, 100), np.float32))
    assert restorer.restore_window(np.zeros((1, 30, 30), np.float32)).shape == (1, 30, 30)
