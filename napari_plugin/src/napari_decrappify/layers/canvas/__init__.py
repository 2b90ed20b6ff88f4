"""Displayed part of the canvas, and previews on it."""
