"""Damaged TIFF files: OME-TIFF, ImageJ, files of vendors, and recordings in several files."""

from __future__ import annotations

import pytest

from . import inputs
from .conftest import Fuzz

pytestmark = pytest.mark.fuzz


def test_damaged_tiff_files_are_refused_in_one_line_or_read(fuzz: Fuzz) -> None:
    fuzz("tiff", "movie", inputs.tiff_files, 3000, real=("*.tif", "*.lsm", "*.stk"))


def test_damaged_recordings_of_several_files_are_refused_in_one_line_or_read(fuzz: Fuzz) -> None:
    fuzz("tiff sets", "movie", inputs.tiff_sets, 1200)
