"""OME-Zarr stores written with zarr and JSON only."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import zarr

TYPES = {"t": "time", "c": "channel", "z": "space", "y": "space", "x": "space"}


def image(path: Path, array: np.ndarray, axes: str, version: str, **more: Any) -> Path:
    """Write an OME-Zarr image with zarr only."""
    group = zarr.create_group(path, zarr_format=2 if version == "0.4" else 3)
    dimensions = {} if version == "0.4" else {"dimension_names": list(axes)}
    layout = {"config": {"write_empty_chunks": True}, **dimensions}
    group.create_array("full", data=array, chunks=(1,) * (array.ndim - 2) + (8, 8), **layout)
    units = more.pop("units", {})
    multiscale = {
        "axes": [{"name": a, "type": TYPES[a]} | ({"unit": units[a]} if a in units else {}) for a in axes],
        "datasets": [
            {
                "path": "full",
                "coordinateTransformations": [{"type": "scale", "scale": more.pop("scale", [1.0] * array.ndim)}],
            }
        ],
    } | more.pop("multiscale", {})
    if version == "0.4":
        group.attrs.update({"multiscales": [multiscale | {"version": "0.4"}]} | more)
    else:
        group.attrs.update({"ome": {"version": "0.5", "multiscales": [multiscale]} | more})
    return path


def group(path: Path, ome: Mapping[str, Any], version: str) -> Path:
    """Write a group of NGFF metadata without arrays."""
    path.mkdir(parents=True, exist_ok=True)
    if version == "0.5":
        document = {"zarr_format": 3, "node_type": "group", "attributes": {"ome": {"version": "0.5"} | dict(ome)}}
        (path / "zarr.json").write_text(json.dumps(document))
    else:
        (path / ".zgroup").write_text('{"zarr_format": 2}')
        (path / ".zattrs").write_text(json.dumps(dict(ome)))
    return path


def plate(path: Path, wells: Mapping[str, Sequence[str]], version: str = "0.4") -> Path:
    """Write a multi-well plate; every pixel of a field is its number, counted over all wells."""
    listed = [{"path": well, "rowIndex": 0, "columnIndex": 0} for well in wells]
    group(path, {"plate": {"wells": listed, "rows": [{"name": "B"}], "columns": [{"name": "03"}]}}, version)
    number = 0
    for well, fields in wells.items():
        group(path / well, {"well": {"images": [{"path": field} for field in fields]}}, version)
        for field in fields:
            image(path / well / field, np.full((5, 6), number, np.uint8), "yx", version, units={"y": "um", "x": "um"})
            number += 1
    return path
