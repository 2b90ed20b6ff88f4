"""Alignment of a source with its reference: the shift between them, and their gray levels."""
