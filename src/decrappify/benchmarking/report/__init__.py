"""Report of a benchmark: results, and their output as text, tables, plots, images and HTML."""
