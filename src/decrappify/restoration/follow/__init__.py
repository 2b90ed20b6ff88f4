"""Restoration of a movie while an acquisition appends frames to it."""
