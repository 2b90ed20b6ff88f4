from __future__ import annotations

import pytest

from decrappify.benchmarking.inputs.groups import parsed
from decrappify.errors import InputError

NAMES = ["fov1_dna", "fov1_actin", "fov2_dna"]


@pytest.mark.parametrize(
    ("pattern", "fields", "channels"),
    [
        (r"fov\d", ["fov1", "fov1", "fov2"], None),
        (r"fov(\d)_", ["1", "1", "2"], None),
        (r"(fov\d)_(?P<channel>.*)", ["fov1", "fov1", "fov2"], ["dna", "actin", "dna"]),
        (r"(?P<field>fov)(\d)_(?P<channel>.*)", ["fov", "fov", "fov"], ["dna", "actin", "dna"]),
        (r"_(?P<channel>.*)", None, ["dna", "actin", "dna"]),
    ],
)
def test_parsed_returns_the_field_of_view_and_named_groups(pattern, fields, channels):
    found = list(parsed(pattern, NAMES).values())
    assert [one.get("field") for one in found] == (fields or [None] * 3)
    assert [one.get("channel") for one in found] == (channels or [None] * 3)


def test_parsed_raises_for_the_first_name_without_match():
    with pytest.raises(InputError, match=r"group_by='_\(dna\)' does not match 'fov1_actin'; change the regular expr"):
        parsed("_(dna)", NAMES)
    with pytest.raises(InputError, match=r"group_by='\(' is not a regular expression: "):
        parsed("(", NAMES)
