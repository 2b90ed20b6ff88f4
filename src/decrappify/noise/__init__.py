"""Noise of real microscopes: measured from data, stored as a file, simulated by a crappifier."""

from __future__ import annotations

from decrappify.noise.calibration import Calibration, calibrate
from decrappify.noise.crappifier_files import load_crappifier
from decrappify.noise.estimate import Estimate
from decrappify.noise.measurement.transfer import Transfer
from decrappify.noise.model import NoiseModel
from decrappify.noise.optics.optics import Optics

__all__ = ["Calibration", "Estimate", "NoiseModel", "Optics", "Transfer", "calibrate", "load_crappifier"]
