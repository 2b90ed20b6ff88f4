"""Folders of recordings, written by the libraries of their formats."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import tifffile
from pylibCZIrw import czi


def frames(rng: np.random.Generator, *shape: int) -> np.ndarray:
    """Return noisy frames with a bright square, uint16."""
    expected = np.full(shape, 20.0)
    expected[..., shape[-2] // 4 : shape[-2] // 2, shape[-1] // 4 : shape[-1] // 2] = 200
    return rng.poisson(expected).astype(np.uint16) + np.uint16(100)


def write_czi(path: Path, scenes: Sequence[np.ndarray], channels: Sequence[str] = ("GFP",)) -> None:
    """Write scenes (T, C, Y, X) of one size next to each other into a CZI file."""
    with czi.create_czi(str(path)) as document:
        for number, scene in enumerate(scenes):
            for t, c in np.ndindex(*scene.shape[:2]):
                document.write(
                    data=scene[t, c][..., None],
                    plane={"T": t, "C": c},
                    scene=number,
                    location=(2 * number * scene.shape[3], 0),
                )
        document.write_metadata(path.stem, scale_x=1e-7, scale_y=1e-7, channel_names=dict(enumerate(channels)))


def mixed_folder(folder: Path, rng: np.random.Generator, *, n_frames: int = 4, side: int = 40) -> None:
    """Write 5 movies, one of them with 3 scenes, and 6 stills, as CZI, OME-TIFF and TIFF."""
    folder.mkdir(parents=True)
    write_czi(folder / "plate.czi", [frames(rng, n_frames, 1, side, side) for _ in range(3)])
    for name in ("mitosis.czi", "wound.czi"):
        write_czi(folder / name, [frames(rng, n_frames, 1, side, side + 8)])
    for name in ("actin.ome.tif", "golgi.ome.tif"):
        tifffile.imwrite(folder / name, frames(rng, n_frames, side, side), ome=True, metadata={"axes": "TYX"})
    for number in range(1, 5):
        tifffile.imwrite(folder / f"still_{number}.tif", frames(rng, side, side))
    for name in ("overview.czi", "bright.czi"):
        write_czi(folder / name, [frames(rng, 1, 1, side, side)])
