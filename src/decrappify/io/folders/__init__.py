"""Folders of image files as movies, scenes or separate images."""
