"""TIFF, OME-TIFF and the metadata of instruments in TIFF files."""
