"""Restoration of one movie by several processes: workers of a Dask cluster, or independent jobs for parts of it."""
