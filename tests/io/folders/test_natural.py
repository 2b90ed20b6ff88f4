from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from decrappify.io.folders.natural import natural_key


@given(st.lists(st.integers(0, 10**6), min_size=1, max_size=20, unique=True))
def test_natural_key_sorts_numbers_as_numbers(numbers):
    paths = sorted((Path(f"Frame{n}_c0.png") for n in numbers), key=natural_key)
    assert [path.name for path in paths] == [f"Frame{n}_c0.png" for n in sorted(numbers)]
