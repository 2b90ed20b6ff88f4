"""Packets of a video file, read without decoding: their number and time stamps, and completeness of the file."""
