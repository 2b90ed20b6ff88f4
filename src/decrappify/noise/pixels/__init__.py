"""Noise of single pixels: splitting and drawing them, read noise, and differences between the pixels of a camera."""
