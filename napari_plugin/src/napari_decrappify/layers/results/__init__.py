"""Layers of results: of a running restoration, and of trust maps."""
