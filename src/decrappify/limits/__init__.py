"""Limits of the machine and plausibility of files: memory, threads, file types and declared sizes."""
