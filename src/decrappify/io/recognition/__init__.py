"""The registered formats, and the format and scenes of a file."""
