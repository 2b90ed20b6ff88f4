"""The command line: one module per command, which imports the library only when it runs."""

from __future__ import annotations

import sys

try:
    from decrappify.cli.main import main
except KeyboardInterrupt:  # Ctrl-C during the imports, which take seconds from a slow disk
    sys.stderr.write("decrappify: interrupted\n")
    raise SystemExit(130) from None

__all__ = ["main"]
