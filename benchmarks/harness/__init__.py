"""Modules shared by the benchmarks, and the script that adds trained models to the package."""
