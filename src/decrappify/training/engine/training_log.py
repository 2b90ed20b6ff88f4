"""Training log: ``log.csv``, its plot, and TensorBoard events if TensorBoard is installed."""

from __future__ import annotations

import csv
import time
from collections.abc import Callable, Mapping, Sequence
from io import StringIO
from pathlib import Path
from typing import Any

from decrappify._common.files.atomic import write_file
from decrappify.training.engine.event_file import EventFile, open_event_file

SECONDS_BETWEEN_PLOTS = 10.0  # a plot takes as long as many steps of a small network

Row = dict[str, str]


class TrainingLog:
    """Rows of ``log.csv`` in the run folder, and their plot.

    Parameters
    ----------
    folder : Path or None
        Run folder, created if missing; without it nothing is written.
    columns : sequence of str
        Columns of the log.
    plot : callable
        ``plot(rows, folder)``.
    texts : sequence of str
        Text columns; the others are numeric or empty.
    keep : callable, optional
        Returns whether to keep a row of an earlier part of the run: not if it is after the last checkpoint. Without it
        the log starts empty.
    events : sequence of str
        Columns that are also written as TensorBoard events, by ``step``.
    writes : bool
        False on all processes except the first.
    """

    def __init__(
        self,
        folder: Path | None,
        columns: Sequence[str],
        plot: Callable[[Sequence[Row], Path], None],
        *,
        texts: Sequence[str] = (),
        keep: Callable[[Row], bool] | None = None,
        events: Sequence[str] = (),
        writes: bool = True,
    ) -> None:
        self.folder = folder if writes else None
        self._columns, self._plot, self._events = columns, plot, events
        self.rows: list[Row] = []
        self._plotted_at = -SECONDS_BETWEEN_PLOTS
        self._event_file: EventFile | None = None
        if self.folder is None:
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        if keep is not None:
            self.rows = [row for row in complete_rows(self._path, columns, texts) if keep(row)]
        write_rows(self._path, columns, self.rows)

    @property
    def _path(self) -> Path:
        return (self.folder or Path()) / "log.csv"

    def add(self, values: Mapping[str, Any]) -> None:
        """Append one row; columns that are missing in `values` are empty."""
        if self.folder is None:
            return
        self.rows.append({key: _text(values.get(key, "")) for key in self._columns})
        with self._path.open("a", newline="", encoding="utf-8") as file:
            csv.DictWriter(file, self._columns).writerow(self.rows[-1])
        if not self._events:
            return
        if self._event_file is None:  # not earlier: a finished run that is resumed adds no row
            self._event_file = open_event_file(self.folder)
        if self._event_file is not None:
            scalars = {key: values[key] for key in self._events if values.get(key) is not None}
            self._event_file.add(scalars, values["step"])

    def plot(self, *, final: bool = True) -> None:
        """Plot the rows; plots other than the final one are at least 10 s apart."""
        is_early = not final and time.monotonic() - self._plotted_at < SECONDS_BETWEEN_PLOTS
        if self.folder is None or not self.rows or is_early:
            return
        self._plotted_at = time.monotonic()
        self._plot(self.rows, self.folder)

    def close(self) -> None:
        """Close the event file."""
        if self._event_file is not None:
            self._event_file.close()


def complete_rows(path: Path, columns: Sequence[str], texts: Sequence[str] = ()) -> list[Row]:
    """Read the complete rows of a log; a damaged file has none.

    Parameters
    ----------
    path : Path
        Path of the log; a missing file has no rows.
    columns : sequence of str
        Known columns; a log of an earlier version may have fewer of them.
    texts : sequence of str
        Text columns.
    """
    if not path.is_file():
        return []
    try:
        lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    except UnicodeDecodeError:
        return []
    whole = [line for line in lines if line.endswith("\n")]
    rows = [row for row in csv.DictReader(whole) if _is_complete(row, columns, texts)]
    return [{key: row.get(key, "") for key in columns} for row in rows]


def _is_complete(row: dict[str, Any], columns: Sequence[str], texts: Sequence[str]) -> bool:
    if not {"step", "seconds"} <= set(row) <= set(columns) or None in row.values():
        return False
    try:
        for key in row:
            if key not in texts and row[key]:
                float(row[key])
    except ValueError:
        return False
    return True


def write_rows(path: Path, columns: Sequence[str], rows: Sequence[Row]) -> None:
    """Write a log under a temporary name and rename it, so that an interruption leaves the old or the new log."""
    text = StringIO(newline="")
    writer = csv.DictWriter(text, columns)
    writer.writeheader()
    writer.writerows(rows)
    write_file(path, text.getvalue().encode(), temporary=path.with_name(f".{path.name}.partial"), sync=False)


def _text(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)
