"""Simulated microscopy movies whose truth and motion are known exactly."""

from __future__ import annotations

from decrappify.samples.microscope import Microscope
from decrappify.samples.simulation import KINDS, SimulatedMovie, simulate

__all__ = ["KINDS", "Microscope", "SimulatedMovie", "simulate"]
