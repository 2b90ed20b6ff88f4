"""Benchmarks of training and adaptation: choices of settings, own data, and other programs."""
