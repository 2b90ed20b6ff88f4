"""Record of the scenes restored by an unfinished command, so that repeating it keeps them, also with --overwrite."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from decrappify.io.store.durable import read_json, write_json

_FORMAT = "decrappify scenes 1"


class SceneRecord:
    """The scenes that a command restored, in a hidden file next to the outputs until all are restored.

    Parameters
    ----------
    output : Path
        The pattern of the outputs.
    """

    def __init__(self, output: Path) -> None:
        self.path = output.with_name(f".{output.name}.scenes.json")
        found = read_json(self.path)
        self._is_foreign = self.path.exists() and found.get("format") != _FORMAT
        restored = {} if self._is_foreign else found.get("restored")
        self._restored: dict[str, str] = restored if isinstance(restored, dict) else {}

    def contains(self, output: Path, run: str) -> bool:
        """Return whether the unfinished command has written this output in the run with this key."""
        return self._restored.get(output.name) == run

    def add(self, output: Path, run: str) -> None:
        """Record an output; errors of writing are ignored, as that scene is then restored again."""
        self._restored[output.name] = run
        if not self._is_foreign:
            with suppress(OSError):
                write_json(self.path, {"format": _FORMAT, "restored": self._restored})

    def remove(self) -> None:
        """Delete the file."""
        if not self._is_foreign:
            with suppress(OSError):
                self.path.unlink(missing_ok=True)
