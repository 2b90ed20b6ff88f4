"""Self-contained HTML reports: page, plots as SVG, images as PNG."""
