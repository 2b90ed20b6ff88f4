"""Planes of pixels: samples, bands, sizes, and gray levels in another dtype."""
