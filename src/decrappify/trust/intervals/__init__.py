"""Calibrated intervals: bounds of the reference with a guaranteed coverage, from paired images of several fields."""
