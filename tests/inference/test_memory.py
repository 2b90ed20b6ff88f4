from __future__ import annotations

import pytest
import torch
from tests.restoration.conftest import PoolingNetwork

from decrappify.errors import InputError
from decrappify.inference import memory as planning
from decrappify.inference.memory import (
    activation_bytes_per_pixel,
    halved,
    largest_tile,
    seam_warning,
    tile_and_overlap,
)

CPU = torch.device("cpu")


@pytest.mark.parametrize(
    ("tile_size", "tile_overlap", "expected"),
    [
        (None, None, (512, 40)),
        (None, 50, (512, 56)),
        (None, 400, (800, 400)),
        (250, None, (248, 40)),
        (5, 0, (8, 0)),
    ],
)
def test_tile_and_overlap_are_rounded_to_the_multiple(tile_size, tile_overlap, expected):
    assert tile_and_overlap(tile_size, tile_overlap, margin=16, multiple=8, largest=515) == expected


def test_tile_and_overlap_limits_the_default_overlap_of_a_small_tile():
    assert tile_and_overlap(32, None, margin=24, multiple=8, largest=512) == (32, 16)


@pytest.mark.parametrize(
    ("overlap", "percent"), [(0, "18"), (8, "7.4"), (24, "7"), (32, "7"), (48, "2.5"), (64, "0.89"), (80, "0.13")]
)
def test_seam_warning_names_the_measured_seam(overlap, percent):
    assert f"seams of up to {percent} % of the range" in seam_warning(96, overlap, margin=40, multiple=8)


@pytest.mark.parametrize(("overlap", "margin"), [(88, 40), (200, 40), (0, 0)])
def test_seam_warning_is_none_with_enough_overlap(overlap, margin):
    assert seam_warning(256, overlap, margin=margin, multiple=8) is None


@pytest.mark.parametrize("tile_size", [0, -8, 1.5, "big", True])
def test_tile_and_overlap_rejects_invalid_tile_sizes(tile_size):
    with pytest.raises(InputError, match=r"tile_size is .*, expected an integer of pixels of at least 1"):
        tile_and_overlap(tile_size, None, margin=0, multiple=1, largest=512)


def test_tile_and_overlap_rejects_a_negative_overlap():
    with pytest.raises(InputError, match="tile_overlap is -1, expected an integer of pixels of at least 0"):
        tile_and_overlap(64, -1, margin=0, multiple=1, largest=512)


def test_halved_ends_at_the_smallest_tile():
    sizes, tile = [], 1000
    while (tile := halved(tile, 48, 8)) is not None:
        sizes.append(tile)
    assert sizes == [496, 248, 120, 96]


@pytest.mark.parametrize(
    ("free", "bytes_per_pixel", "expected"), [(1e12, 1000, 1024), (4e8, 1000, 384), (2e6, 1000, 31)]
)
def test_largest_tile_follows_the_free_memory_in_coarse_steps(monkeypatch, free, bytes_per_pixel, expected):
    monkeypatch.setattr(planning, "free_memory", lambda device: free)
    assert largest_tile(CPU, bytes_per_pixel) == expected


def test_activation_bytes_grow_with_the_output_grid():
    small, large = (activation_bytes_per_pixel(PoolingNetwork(scale=scale), 1, 4) for scale in (1, 4))
    assert 4 * 2 < small < large


def test_seam_warning_states_the_tile_size():
    warning = seam_warning(64, 32, margin=40, multiple=8)
    assert warning is not None
    assert warning.endswith("use tile_size=176 or more with the default overlap")
