"""Writing of OME-TIFF."""
