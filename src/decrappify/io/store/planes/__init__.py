"""Finished planes and regions of a growing store: their journals, and synchronization with the disk."""
