"""Limits of the machine and of a file's claims: memory, threads, kinds of files and declared sizes."""
