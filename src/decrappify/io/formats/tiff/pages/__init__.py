"""Pages of one scene of a TIFF file: layout, completeness, integer types and metadata."""
