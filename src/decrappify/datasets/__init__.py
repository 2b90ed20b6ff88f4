"""Torch datasets of training tuples and pairs, independent of file formats."""

from __future__ import annotations

from decrappify.datasets.color import ColorDataset
from decrappify.datasets.pairs import PairDataset, pair_scale
from decrappify.datasets.sample import Sample, SeededDataset
from decrappify.datasets.split import split_movies
from decrappify.datasets.tuples import TupleDataset

__all__ = ["ColorDataset", "PairDataset", "Sample", "SeededDataset", "TupleDataset", "pair_scale", "split_movies"]
