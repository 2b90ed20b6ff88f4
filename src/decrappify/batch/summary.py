"""Summary of a run: one row per output, as text, CSV or JSON."""

from __future__ import annotations

import csv
import io
import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from decrappify._common.counting import counted
from decrappify.errors import FormatError, OutputExistsError
from decrappify.io.store.durable import json_bytes, read_json
from decrappify.io.store.outputs import atomic_output, check_output

RESTORED, RESUMED, WRITTEN, FINISHED, FAILED = "restored", "resumed", "written", "finished earlier", "failed"
IN_PROGRESS, INTERRUPTED, NOT_STARTED = "in progress elsewhere", "interrupted", "not started"
PLANNED, UNFINISHED = "planned", "unfinished"
COMPLETE = frozenset({RESTORED, RESUMED, WRITTEN, FINISHED})
_JSON_FORMAT = "decrappify summary 1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """Result of one output.

    Attributes
    ----------
    input, scene, output : str
        Paths, and the name of the scene.
    status : str
        "restored", "written" (other commands); "resumed" (an unfinished run was finished); "finished earlier"
        (skipped); "in progress elsewhere" (another process writes it); "failed"; "interrupted"; "not started"; of a dry
        run "planned", "unfinished" or "finished earlier".
    model : str
        Name of the model, or of those of the channels.
    frames, channels, slices, height, width : int or None
        Shape of the output.
    dtype : str
        Data type of the output.
    seconds : float or None
        Duration of the restoration; of a dry run, its estimate.
    megabytes : float or None
        Size of the output without compression and pyramid.
    warnings : str
        Warnings, separated by "; ".
    error : str
        Message of the error.
    """

    input: str
    scene: str = ""
    output: str = ""
    status: str
    model: str = ""
    frames: int | None = None
    channels: int | None = None
    slices: int | None = None
    height: int | None = None
    width: int | None = None
    dtype: str = ""
    seconds: float | None = None
    megabytes: float | None = None
    warnings: str = ""
    error: str = ""

    def line(self) -> str:
        """Return the row as one line for a terminal."""
        scene = f", scene {self.scene!r}" if self.scene else ""
        if self.error:
            return f"{self.input}{scene}: {self.status}: {self.error}"
        if self.frames is None:
            return f"{self.output or self.input}{scene}: {self.status}"
        sizes = (self.frames, self.channels, self.slices, self.height, self.width)
        shape = ", ".join(f"{axis} {size}" for axis, size in zip("TCZYX", sizes, strict=True))
        took = "" if self.seconds is None else f", {duration(self.seconds)}"
        about = " about" if took and self.status in (PLANNED, UNFINISHED) else ""
        return f"{self.output}: {self.status}, {shape}, {self.dtype}, {self.model}{took.replace(', ', f',{about} ')}"


COLUMNS = tuple(field.name for field in fields(Row))


@dataclass(frozen=True, slots=True)
class Summary:
    """Results of all outputs of a run, in their order.

    Attributes
    ----------
    rows : list of Row
        One per output.
    """

    rows: list[Row] = field(default_factory=list)

    def __iter__(self) -> Iterator[Row]:
        return iter(self.rows)

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def complete(self) -> bool:
        """Whether all outputs exist and are complete."""
        return all(row.status in COMPLETE for row in self.rows)

    @property
    def failed(self) -> list[Row]:
        """Rows of the outputs that are not complete, and that no other process is writing."""
        return [row for row in self.rows if row.status not in COMPLETE and row.status != IN_PROGRESS]

    def text(self) -> str:
        """Return the number of outputs by status as one line.

        >>> Summary([Row(input="a.czi", status="restored"), Row(input="b.czi", status="failed")]).text()
        '2 outputs: 1 restored, 1 failed'
        """
        counts = Counter(row.status for row in self.rows)
        listed = ", ".join(f"{count} {status}" for status, count in counts.items())
        return f"{counted(len(self.rows), 'output')}: {listed}" if self.rows else "0 outputs"

    def table(self) -> str:
        """Return output, status, size, time and error of each row as aligned text."""
        header = ("output", "status", "frames", "channels", "size", "time", "note")
        cells = [header, *(_cells(row) for row in self.rows)]
        widths = [max(len(row[column]) for row in cells) for column in range(len(header) - 1)]
        return "\n".join(
            "  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[-1]]).rstrip()
            for row in cells
        )

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write all rows as ``.csv`` or ``.json``; an earlier summary is replaced, other files are not.

        Raises
        ------
        FormatError
            If the suffix is another one.
        OutputExistsError
            If `path` is not a summary.
        OutputError
            If it cannot be written.
        """
        path = check_summary(path)
        content = self._csv() if path.suffix.lower() == ".csv" else self._json()
        with atomic_output(path, overwrite=True) as partial:
            partial.write_bytes(content)
        return path

    def _csv(self) -> bytes:
        text = io.StringIO(newline="")
        writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(asdict(row) for row in self.rows)
        return text.getvalue().encode(errors="backslashreplace")

    def _json(self) -> bytes:
        content: dict[str, Any] = {"format": _JSON_FORMAT, "complete": self.complete}
        return json_bytes(content | {"outputs": [asdict(row) for row in self.rows]})


def check_summary(path: str | os.PathLike[str]) -> Path:
    """Raise an error if a summary cannot be written to `path`; return it as a Path."""
    path = Path(path)
    if path.suffix.lower() not in (".csv", ".json"):
        raise FormatError(f"{path} has an unsupported suffix for a summary; supported: .csv and .json")
    check_output(path, overwrite=True)
    if os.path.lexists(path) and not _is_summary(path):
        raise OutputExistsError(f"{path} already exists and is not a summary of a run; choose another name")
    return path


def duration(seconds: float) -> str:
    """Return a duration with at most two units.

    >>> duration(0.24), duration(75), duration(3 * 3600 + 125)
    ('0.2 s', '1 min 15 s', '3 h 2 min')
    """
    if seconds < 60:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def size_text(n_bytes: float) -> str:
    """Return a size in MB, GB or TB.

    >>> size_text(2_500_000), size_text(3.2e12)
    ('2.5 MB', '3.2 TB')
    """
    for unit, factor in (("TB", 1e12), ("GB", 1e9)):
        if n_bytes >= factor:
            return f"{n_bytes / factor:.3g} {unit}"
    return f"{n_bytes / 1e6:.3g} MB"


def _is_summary(path: Path) -> bool:
    if path.suffix.lower() == ".json":
        return read_json(path).get("format") == _JSON_FORMAT
    try:
        with path.open("rb") as file:
            return file.readline().strip() in (",".join(COLUMNS).encode(), b"")
    except OSError:
        return False


def _cells(row: Row) -> tuple[str, ...]:
    size = "" if row.height is None else f"{row.height} x {row.width}"
    if row.slices is not None and row.slices > 1:
        size = f"{row.slices} x {size}"
    numbers = ("" if value is None else str(value) for value in (row.frames, row.channels))
    took = "" if row.seconds is None else duration(row.seconds)
    name = row.output or row.input
    return (name, row.status, *numbers, size, took, row.error or row.warnings)
