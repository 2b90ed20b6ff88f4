"""Frames of a movie: selection, reading, missing planes and sliding windows."""
