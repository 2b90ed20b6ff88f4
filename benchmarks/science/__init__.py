"""Benchmarks of image quality: which choices train better models, and what the models gain."""
