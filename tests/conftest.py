"""Shared fixtures: seeded randomness, and real files where the machine has them."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(20261121)


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real microscopy files, or a skip that says how to get one."""
    folder = os.environ.get("DECRAPPIFY_TEST_DATA")
    if not folder:
        pytest.skip("DECRAPPIFY_TEST_DATA is not set: real-file tests need the folder of real movies")
    return Path(folder)
