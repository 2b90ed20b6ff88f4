"""Report of a benchmark: results, and their forms as text, tables, plots, images and HTML."""
