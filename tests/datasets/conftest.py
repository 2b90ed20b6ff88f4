"""Photographs that need no download."""

from __future__ import annotations

import numpy as np
import pytest
import skimage.data


@pytest.fixture(scope="session")
def photographs() -> dict[str, np.ndarray]:
    """Color photographs uint8 (Y, X, 3) inside scikit-image's wheel; its others are fetched from the network."""
    return {name: getattr(skimage.data, name)() for name in ("astronaut", "chelsea", "coffee", "rocket")}
