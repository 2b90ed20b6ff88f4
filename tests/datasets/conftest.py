"""Photographs that are available without a download."""

from __future__ import annotations

import numpy as np
import pytest
import skimage.data


@pytest.fixture(scope="session")
def photographs() -> dict[str, np.ndarray]:
    """Color photographs, uint8 (Y, X, 3), in scikit-image's wheel; its other images are downloaded on demand."""
    return {name: getattr(skimage.data, name)() for name in ("astronaut", "chelsea", "coffee", "rocket")}
