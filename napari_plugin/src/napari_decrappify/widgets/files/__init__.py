"""Batch restoration of files: its inputs and the table of its outputs."""
