"""Jobs that the runner starts in a thread, without Qt and viewer, and the runner."""
