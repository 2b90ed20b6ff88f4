"""Lines of the summary in RESULTS.md, one per section."""
