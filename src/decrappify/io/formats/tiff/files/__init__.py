"""Opened TIFF files and sets of files: their scenes, declared sizes, headers and messages of tifffile."""
