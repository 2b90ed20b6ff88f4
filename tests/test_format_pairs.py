"""Restoration between all formats keeps axes, scale, names and dtype."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import tifffile
import zarr
from bioio import BioImage
from PIL import Image
from pylibCZIrw import czi

from decrappify.inference.options import InferenceOptions
from decrappify.io import open_movie
from decrappify.model import load_model
from decrappify.restoration import restore

CELLS = np.random.default_rng(5).integers(200, 4000, (4, 2, 2, 24, 40)).astype(np.uint16)
SIZE_Z, SIZE, INTERVAL, NAMES = 0.5, 0.125, 1.5, ("GFP", "RFP")


class Known(NamedTuple):
    """Pixels and metadata of the cells that a format can store."""

    pixels: Any = CELLS
    pixel_size_um: tuple[float | None, ...] = (SIZE_Z, SIZE, SIZE)
    frame_interval_s: float | None = INTERVAL
    channel_names: tuple[str, ...] = NAMES


def write_czi(folder: Path) -> Path:
    path = folder / "cells.czi"
    with czi.create_czi(str(path)) as document:
        for t, c, z in np.ndindex(CELLS.shape[:3]):
            document.write(data=CELLS[t, c, z, ..., None], plane={"T": t, "C": c, "Z": z})
        meters = {"scale_x": SIZE * 1e-6, "scale_y": SIZE * 1e-6, "scale_z": SIZE_Z * 1e-6}
        document.write_metadata("cells", channel_names=dict(enumerate(NAMES)), **meters)
    interval = f"<Interval><Start>0</Start><Increment>{INTERVAL}</Increment></Interval>"
    with czi.edit_czi(str(path)) as document, document.edit_session() as session:
        xml = document.read_metadata_xml()
        session.set_xml(xml.replace("<Channels>", f"<T><Positions>{interval}</Positions></T><Channels>", 1))
    return path


def write_ome_tiff(folder: Path) -> Path:
    size = {f"PhysicalSize{axis}": value for axis, value in zip("ZYX", (SIZE_Z, SIZE, SIZE), strict=True)}
    units = {f"PhysicalSize{axis}Unit": "µm" for axis in "ZYX"}
    time = {"TimeIncrement": INTERVAL, "TimeIncrementUnit": "s"}
    metadata = {"axes": "TCZYX", "Channel": {"Name": list(NAMES)}, **size, **units, **time}
    tifffile.imwrite(folder / "cells.ome.tif", CELLS, ome=True, photometric="minisblack", metadata=metadata)
    return folder / "cells.ome.tif"


def write_imagej(folder: Path) -> Path:
    tifffile.imwrite(
        folder / "cells.tif",
        CELLS.transpose(0, 2, 1, 3, 4),
        imagej=True,
        resolution=(1 / SIZE, 1 / SIZE),
        metadata={"axes": "TZCYX", "unit": "um", "spacing": SIZE_Z, "finterval": INTERVAL},
    )
    return folder / "cells.tif"


def write_omezarr(folder: Path, version: str) -> Path:
    group = zarr.create_group(folder / "cells.ome.zarr", zarr_format=3 if version == "0.5" else 2)
    group.create_array("0", data=CELLS, chunks=(1, 1, 1, 24, 40))
    units = {"t": "second", "c": None, "z": "micrometer", "y": "micrometer", "x": "micrometer"}
    kinds = {"t": "time", "c": "channel"}
    axes = [{"name": a, "type": kinds.get(a, "space"), **({"unit": u} if u else {})} for a, u in units.items()]
    scale = [{"type": "scale", "scale": [INTERVAL, 1, SIZE_Z, SIZE, SIZE]}]
    image = {"axes": axes, "datasets": [{"path": "0", "coordinateTransformations": scale}]}
    channels = [{"label": name, "color": "00FF00", "window": {"min": 0, "max": 1}} for name in NAMES]
    attributes: dict[str, Any] = {"multiscales": [image], "omero": {"channels": channels}}
    if version == "0.5":
        attributes = {"ome": {"version": version, **attributes}}
    else:
        image["version"] = version
    group.attrs.update(attributes)
    return folder / "cells.ome.zarr"


def write_images(folder: Path) -> Path:
    (folder / "cells").mkdir()
    for t, frame in enumerate(CELLS[:, 0, 0]):
        Image.fromarray(frame).save(folder / "cells" / f"frame_{t}.png")
    return folder / "cells"


FIRST = CELLS[:, :1, :1]
BARE = Known(FIRST, (None, None, None), None, ("C0",))
# The writer of each input, and the data that it stores.
INPUTS: dict[str, tuple[Callable[[Path], Any], Known]] = {
    "CZI": (write_czi, Known()),
    "OME-TIFF": (write_ome_tiff, Known()),
    "ImageJ TIFF": (write_imagej, Known(channel_names=("C0", "C1"))),
    "OME-Zarr 0.5": (lambda folder: write_omezarr(folder, "0.5"), Known()),
    "OME-Zarr 0.4": (lambda folder: write_omezarr(folder, "0.4"), Known()),
    "bioio object": (lambda folder: BioImage(write_ome_tiff(folder)), Known()),
    "folder of PNG": (write_images, BARE),
    "array": (lambda folder: CELLS[:, 0, 0], BARE),
}


def assert_kept(path: Path, known: Known, scale: int) -> None:
    with open_movie(path) as movie:
        *axes, rows, columns = known.pixels.shape
        assert movie.shape == (*axes, rows * scale, columns * scale)
        assert movie.dtype == np.uint16
        size_z, size_y, size_x = known.pixel_size_um
        expected = (size_z, size_y and size_y / scale, size_x and size_x / scale)
        for found, value in zip(movie.pixel_size_um, expected, strict=True):
            assert found is value or found == pytest.approx(value, rel=1e-6)
        assert movie.frame_interval_s == known.frame_interval_s
        assert movie.channel_names == known.channel_names
        pixels = np.asarray(movie)[..., ::scale, ::scale].astype(int)
    if scale == 1:  # an untrained network returns the middle frame: swapped axes would differ
        assert np.abs(pixels - known.pixels).max() <= 1


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning")  # of bioio
@pytest.mark.parametrize(
    ("kind", "suffix"),
    [
        # Every input and every output once; the other pairs are marked slow.
        (kind, suffix) if (number + is_tiff) % 2 == 0 else pytest.param(kind, suffix, marks=pytest.mark.slow)
        for number, kind in enumerate(INPUTS)
        for is_tiff, suffix in enumerate((".ome.zarr", ".ome.tif"))
    ],
)
def test_restore_keeps_pixels_and_metadata(kind, suffix, tiny_models, tmp_path):
    write, known = INPUTS[kind]
    output = tmp_path / f"restored{suffix}"
    model = load_model(tiny_models["movie"])
    restore(write(tmp_path), model, output, inference=InferenceOptions(tile_size=96, device="cpu", precision="float32"))
    assert_kept(output, known, scale=1)


@pytest.mark.parametrize("suffix", [".ome.zarr", ".ome.tif"])
def test_restore_divides_the_pixel_size_by_the_scale(suffix, tiny_models, tmp_path):
    output = tmp_path / f"restored{suffix}"
    restore(
        write_czi(tmp_path),
        load_model(tiny_models["movie-x2"]),
        output,
        inference=InferenceOptions(device="cpu", precision="float32"),
    )
    assert_kept(output, Known(), scale=2)


def test_chain_of_formats_keeps_pixels_and_metadata(tiny_models, tmp_path):
    first, second = tmp_path / "first.ome.zarr", tmp_path / "second.ome.tif"
    model = load_model(tiny_models["still"])
    restore(write_czi(tmp_path), model, first, inference=InferenceOptions(device="cpu"))
    restore(first, model, second, inference=InferenceOptions(device="cpu"))
    restore(second, model, tmp_path / "third.ome.zarr", inference=InferenceOptions(device="cpu"))
    assert_kept(tmp_path / "third.ome.zarr", Known(), scale=1)
