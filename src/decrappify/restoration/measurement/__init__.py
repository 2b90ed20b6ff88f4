"""Measurements on a movie before its restoration: normalization, outliers and flash frames."""
