"""Names of the index files of NDTiff data sets of Micro-Manager."""

from __future__ import annotations

NDTIFF_INDEXES = ("NDTiff.index", "Full resolution/NDTiff.index")
"""Index in a folder; a folder with one of them is a data set."""
