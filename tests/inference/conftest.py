"""Fixtures of the restoration tests, whose networks and movie are used here too."""

from tests.restoration.conftest import movie, no_thread_left

__all__ = ["movie", "no_thread_left"]
