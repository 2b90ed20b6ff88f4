"""The command line: one module per command, which imports the library only when it runs."""

from __future__ import annotations

from decrappify.cli.main import main

__all__ = ["main"]
