"""Writing of OME-Zarr: growing stores, their pyramids and metadata, and exports."""
