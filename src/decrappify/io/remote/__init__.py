"""OME-Zarr stores at web addresses (http, https) and in S3 buckets, read through fsspec (extra ``remote``)."""
