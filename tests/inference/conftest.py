"""Fixtures shared with the restoration tests."""

from tests.restoration.conftest import movie, no_thread_left

__all__ = ["movie", "no_thread_left"]
