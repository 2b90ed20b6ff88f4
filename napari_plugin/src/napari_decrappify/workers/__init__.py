"""Threads: the runner, and the jobs that it starts, which use neither Qt nor the viewer."""
