"""Benchmarks of restored images: gain, systematic errors, stability, seams, and metrics without a reference."""
