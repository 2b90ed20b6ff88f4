"""Report of a benchmark: results, their origin, and their output as text, tables, plots, images and HTML."""
