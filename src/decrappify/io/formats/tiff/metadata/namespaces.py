"""Namespaces of the annotations of this package in OME-XML."""

from __future__ import annotations

PROVENANCE_NAMESPACE = "decrappify/provenance"
MOVIE_NAMESPACE = "decrappify/movie"
