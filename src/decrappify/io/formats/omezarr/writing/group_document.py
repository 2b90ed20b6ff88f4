"""The metadata document of a growing OME-Zarr image."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from decrappify.io.formats.omezarr.writing.metadata import group_document
from decrappify.io.store.durable import write_json
from decrappify.movie import Shape5


class GroupDocument:
    """The ``zarr.json`` of an image group; replaced atomically.

    Parameters
    ----------
    store : Path
        Folder of the group.
    shape, dtype
        Shape and dtype of the full resolution.
    **metadata
        Values of `decrappify.io.formats.omezarr.writing.metadata.group_document`.
    """

    def __init__(self, store: Path, shape: Shape5, dtype: np.dtype[Any], **metadata: Any) -> None:
        self._path, self._shape, self._dtype, self._metadata = store / "zarr.json", shape, dtype, metadata

    def set_shape(self, shape: Shape5) -> None:
        """Change the shape; the document is written by `update` or `write`."""
        self._shape = shape

    def update(self, **metadata: Any) -> None:
        """Replace values, and write the document of an incomplete store."""
        self._metadata |= metadata
        self.write(None)

    def write(self, windows: Sequence[tuple[float, float]] | None) -> None:
        """Write the document; with the display windows of the channels, the store is marked as complete."""
        write_json(self._path, group_document(self._shape, self._dtype, windows, **self._metadata))
