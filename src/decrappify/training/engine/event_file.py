"""TensorBoard event files: the scalars of a training, if TensorBoard is installed."""

from __future__ import annotations

import logging
import os
import socket
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

log = logging.getLogger(__name__)


class EventFile:
    """Event file with scalars by step.

    Each record is written immediately and in the calling thread: ``SummaryWriter`` writes in a separate thread, where
    the error of a full disk is printed as a traceback, and cannot open paths that are not valid UTF-8.

    Parameters
    ----------
    path : Path
        Path of the file, created or replaced. A disk error is logged once and later scalars are discarded, so that
        it does not end the training.

    Raises
    ------
    ImportError
        If TensorBoard is not installed.
    """

    def __init__(self, path: Path) -> None:
        from tensorboard.compat.proto.event_pb2 import Event
        from tensorboard.compat.proto.summary_pb2 import Summary
        from tensorboard.summary.writer.record_writer import RecordWriter

        self.path = path
        self._event, self._summary = Event, Summary
        self._records: RecordWriter | None = None
        try:
            self._records = RecordWriter(path.open("wb"))
        except OSError as error:
            self._abandon(error)
        self._write(Event(wall_time=time.time(), file_version="brain.Event:2"))

    def add(self, scalars: Mapping[str, float], step: int) -> None:
        """Append one event with the scalars of a step."""
        values = [self._summary.Value(tag=tag, simple_value=float(value)) for tag, value in scalars.items()]
        self._write(self._event(wall_time=time.time(), step=int(step), summary=self._summary(value=values)))

    def close(self) -> None:
        """Close the file."""
        records, self._records = self._records, None
        if records is not None:
            with suppress(OSError):  # every record was flushed
                records.close()

    def _write(self, event: Any) -> None:
        if self._records is None:
            return
        try:
            self._records.write(event.SerializeToString())
            self._records.flush()
        except OSError as error:
            self._abandon(error)

    def _abandon(self, error: OSError) -> None:
        self.close()
        log.warning(
            "TensorBoard events are not written (%s: %s); log.csv has the same values", self.path, error.strerror
        )


def open_event_file(folder: Path) -> EventFile | None:
    """Open an event file named by time, host and process; None if TensorBoard is not installed.

    Parameters
    ----------
    folder : Path
        Run folder.
    """
    name = f"events.out.tfevents.{time.time():010.0f}.{socket.gethostname()}.{os.getpid()}"
    try:
        return EventFile(folder / name)
    except ImportError:
        return None
