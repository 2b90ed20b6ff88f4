"""Damaged films, read as movies and colorized."""

from __future__ import annotations

import pytest

from . import films
from .conftest import Fuzz

pytestmark = pytest.mark.fuzz
_PRELOAD = ("decrappify.colorization.film", "decrappify.io", "decrappify.cli", "tests.colorization.films", "av")


def test_damaged_films_are_refused_in_one_line_or_colorized(fuzz: Fuzz) -> None:
    fuzz("film", "film", films.film_files, 800, preload=_PRELOAD)
