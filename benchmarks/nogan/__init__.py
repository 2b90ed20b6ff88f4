"""Benchmarks of the GAN phase."""
