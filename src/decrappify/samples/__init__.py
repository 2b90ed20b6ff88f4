"""Simulated microscopy movies with exactly known ground truth and motion."""

from __future__ import annotations

from decrappify.samples.microscope import Microscope
from decrappify.samples.simulation import KINDS, SimulatedMovie, simulate

__all__ = ["KINDS", "Microscope", "SimulatedMovie", "simulate"]
