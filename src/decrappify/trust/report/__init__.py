"""HTML report of a trust map."""
