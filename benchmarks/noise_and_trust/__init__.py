"""Benchmarks of calibration, checks, trust maps, spread and intervals."""
