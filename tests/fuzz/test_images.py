"""Damaged CZI files, OME-Zarr stores, single images, and folders of images."""

from __future__ import annotations

import pytest

from . import inputs
from .conftest import Fuzz

pytestmark = pytest.mark.fuzz


def test_damaged_czi_files_are_refused_in_one_line_or_read(fuzz: Fuzz) -> None:
    fuzz("czi", "movie", inputs.czi_files, 1500, real=("*.czi",))


def test_czi_files_with_extreme_fields_are_refused_in_one_line_or_read(fuzz: Fuzz) -> None:
    fuzz("czi fields", "movie", inputs.czi_files, 5000)


def test_damaged_zarr_stores_are_refused_in_one_line_or_read(fuzz: Fuzz) -> None:
    fuzz("zarr", "movie", inputs.zarr_stores, 1500, real=("*.zarr",))


def test_zarr_chunks_with_extreme_fields_are_refused_in_one_line_or_read(fuzz: Fuzz) -> None:
    fuzz("zarr fields", "movie", inputs.compressed_stores, 3000)


def test_damaged_images_are_refused_in_one_line_or_read(fuzz: Fuzz) -> None:
    fuzz("pictures", "movie", inputs.image_files, 1200, real=("*.png", "*.jpg", "*.bmp"))


def test_damaged_folders_are_refused_in_one_line_or_read(fuzz: Fuzz) -> None:
    fuzz("folders", "movie", inputs.folders, 800)
