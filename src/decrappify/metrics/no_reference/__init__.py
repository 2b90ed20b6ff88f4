"""Metrics without a reference: residual noise, whiteness of what was removed, and error against held-out photons."""
