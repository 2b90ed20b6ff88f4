"""Records of a run: input, attempts, notes on planes, changed options and provenance."""
