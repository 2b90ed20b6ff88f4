"""Measurement of noise: gain, correlation, digitizer, patterns and dark frames."""
