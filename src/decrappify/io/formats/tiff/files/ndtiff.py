"""Names of the index files of NDTiff data sets of Micro-Manager."""

from __future__ import annotations

NDTIFF_INDEXES = ("NDTiff.index", "Full resolution/NDTiff.index")
"""Paths of the index in a folder; a folder that contains one is a data set."""
