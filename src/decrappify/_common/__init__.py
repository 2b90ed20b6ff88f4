"""Helpers shared by all packages; the lowest layer, which imports none of them."""
