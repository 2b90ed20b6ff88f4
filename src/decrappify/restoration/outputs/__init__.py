"""Outputs of a restoration: planes in memory or on disk, arrays, and the trust map next to an output."""
