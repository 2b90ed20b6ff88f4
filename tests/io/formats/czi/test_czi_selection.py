from __future__ import annotations

import tracemalloc

import pytest

from decrappify.errors import InputError
from decrappify.io.formats.czi.selection import left_out_message, parse_scene

NAMES = ["P1-A1", "B 3", "rest, H 2"]


@pytest.mark.parametrize(
    ("scene", "expected"),
    [
        (1, (1, {})),
        ("P1-A1", (0, {})),
        ("2", (2, {})),
        ("B 3", (1, {})),
        ("rest, H 2", (2, {})),
        ("rest, H 2, H 1", (2, {"H": 1})),
        ("p1-a1, h 12, V=0", (0, {"H": 12, "V": 0})),
        ("1, H sum, B 2", (1, {"H": None, "B": 2})),
    ],
)
def test_parse_scene_separates_names_from_indices(scene, expected):
    assert parse_scene(scene, NAMES, "cells.czi") == expected


@pytest.mark.parametrize("scene", ["H 3", "A9", "A9, H 3", "P1-A1, H", "P1-A1, H x", "P1-A1, H -1", "", ","])
def test_parse_scene_raises_for_unknown_scenes_and_indices(scene):
    with pytest.raises(InputError, match=r"cells\.czi"):
        parse_scene(scene, NAMES, "cells.czi")


def test_left_out_message_is_none_if_everything_was_chosen():
    further = {"H": (0, 1), "V": (0, 1, 2)}
    assert left_out_message("A1", {"H": 1, "V": None}, further, {"H": 1, "V": 0}) is None
    assert left_out_message("A1", {}, {}, {}) is None


def test_left_out_message_suggests_an_index_that_was_not_opened():
    message = left_out_message("A1", {}, {"V": (0, 2, 5)}, {"V": 2})
    assert message == (" contains 3 views (V 0, 2, 5) and only V 2 was opened; choose by scene='A1, V 0'")


def test_left_out_message_lists_distant_indices_in_little_memory():
    tracemalloc.start()
    try:
        message = left_out_message("A1", {}, {"V": (0, 1, 2**31 - 1)}, {"V": 0})
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert "3 views (V 0, 1, 2147483647)" in str(message)
    assert peak < 1_000_000
