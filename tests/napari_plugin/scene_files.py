"""CZI files with several scenes."""

from __future__ import annotations

import numpy as np
from pylibCZIrw import czi

NAMES = ("ChA-T1", "ChS2", "T-PMT")


def write_scenes(path, rng, n_scenes=2, n_channels=2, channels=NAMES):
    """Write a CZI file with scenes of two frames, up to three channels, and three slices."""
    with czi.create_czi(str(path)) as document:
        for s in range(n_scenes):
            for t, c, z in np.ndindex(2, n_channels, 3):
                pixels = rng.integers(0, 4000, (24, 32, 1), dtype=np.uint16)
                document.write(data=pixels, plane={"T": t, "C": c, "Z": z}, scene=s, location=(s * 100, 0))
        names = dict(enumerate(channels[:n_channels]))
        document.write_metadata("cells", scale_x=2e-7, scale_y=2e-7, channel_names=names)
    return path
