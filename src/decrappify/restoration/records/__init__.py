"""Records of a run: input, attempts, notes on planes and changed options."""
