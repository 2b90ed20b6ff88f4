"""Threads: the runner, the interface of its jobs, and their messages."""
