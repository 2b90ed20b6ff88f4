"""Reading of OME-Zarr and plain Zarr arrays: layout of the store, spacing, stored and absent chunks."""
