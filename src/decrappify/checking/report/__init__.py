"""HTML report of a check."""
