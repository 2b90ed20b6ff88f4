"""Inputs to which an acquisition appends frames: which frames are complete, and reading them."""
