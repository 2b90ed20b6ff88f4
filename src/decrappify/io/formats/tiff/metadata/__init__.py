"""Parsers of the metadata in TIFF files: OME-XML, ImageJ, microscope programs and the resolution tags."""
