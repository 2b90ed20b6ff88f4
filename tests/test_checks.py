from __future__ import annotations

import pytest

import decrappify
from decrappify.checks import check_whole, nearest
from decrappify.errors import InputError


@pytest.mark.parametrize("value", [0, -3, 1.0, True, "2", None])
def test_what_is_no_whole_number_is_refused_by_name(value):
    with pytest.raises(InputError, match=f"^length is {value!r}, needs a whole number of at least 1$"):
        check_whole(1, batch_size=3, length=value)


def test_the_nearest_name_or_the_other_end():
    known = ["artistic", "stable"]
    assert nearest("artistc", known, "; known: ...") == "; did you mean 'artistic'?"
    assert nearest("video", known) == ""
    assert nearest("video", known, "; known: ...") == "; known: ..."


@pytest.mark.parametrize("room", ["benchmarking", "colorization", "metrics", "restoration"])
def test_a_lazy_room_lists_its_names_and_refuses_others(room):
    found = getattr(decrappify, room)
    assert dir(found) == found.__all__
    assert all(getattr(found, name).__name__ == name for name in found.__all__)
    with pytest.raises(AttributeError, match=f"module 'decrappify.{room}' has no attribute 'nothing'"):
        found.nothing  # noqa: B018
