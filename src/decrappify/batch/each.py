"""Work on many inputs with one output each, which is skipped if it is finished."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from decrappify._common.progress import Cancel, check_cancel
from decrappify.batch.inputs import Source
from decrappify.batch.items import item_errors
from decrappify.batch.naming import check_collisions
from decrappify.batch.run import OnRow, collected_warnings, known_outputs, make_folders, remove_empty
from decrappify.batch.summary import BUSY, FAILED, FINISHED, WRITTEN, Row, Summary
from decrappify.errors import Cancelled, DecrappifyError, OutputExistsError, OutputInUseError
from decrappify.io.file_guard import file_version

Work = Callable[[Path, Path], Any]


def write_each(
    sources: Sequence[Source],
    outputs: Sequence[Path],
    work: Work,
    *,
    folder: Path,
    settings: Mapping[str, Any],
    overwrite: bool,
    on_row: OnRow,
    cancel: Cancel | None = None,
) -> Summary:
    """Call a function for every input; an error of one does not stop the others.

    Parameters
    ----------
    sources : sequence of Source
        The inputs.
    outputs : sequence of Path
        One output per input, relative to `folder`.
    work : callable
        ``work(source, output)`` writes an output.
    folder : Path
        Folder of the outputs; created if missing. A hidden file in it lists them, with the version of their inputs.
    settings : mapping
        Plain values that determine the outputs. An output of the same input and settings is skipped.
    overwrite : bool
        Whether all outputs are written again.
    on_row : callable
        Called with the `Row` of each output.
    cancel : threading.Event, optional
        Checked before each input.

    Raises
    ------
    InputError
        If two inputs have one output.
    Cancelled
        If `cancel` was set.
    """
    check_collisions((output, source) for source, output in zip(sources, outputs, strict=True))
    key = hashlib.sha256(json.dumps(dict(settings), sort_keys=True, default=str).encode()).hexdigest()
    known, rows = known_outputs(folder), list[Row]()
    for source, name in zip(sources, outputs, strict=True):
        check_cancel(cancel, "cancelled; finished outputs are kept, repeat the call to write the rest")
        output, started = folder / name, time.monotonic()
        row = Row(input=str(source.path), output=str(output), status=FAILED)
        version = file_version(source.path)
        with collected_warnings() as notes:
            try:
                if source.error is not None:
                    raise source.error
                if not overwrite and version is not None and known.contains(output, key, version):
                    row = replace(row, status=FINISHED)
                else:
                    _write(source.path, output, folder, work)
                    known.add(output, key, version)
                    row = replace(row, status=WRITTEN)
            except Cancelled:
                raise
            except OutputInUseError as error:
                row = replace(row, status=BUSY, error=str(error))
            except DecrappifyError as error:
                row = replace(row, error=str(error))
        rows.append(replace(row, seconds=round(time.monotonic() - started, 2), warnings="; ".join(notes)))
        on_row(rows[-1])
    return Summary(rows)


def _write(source: Path, output: Path, folder: Path, work: Work) -> None:
    made = make_folders(output.parent, folder)
    try:
        with item_errors():
            work(source, output)
    except OutputExistsError as error:
        raise OutputExistsError(f"{error} (it is not listed as the output of this input and these settings)") from error
    finally:
        remove_empty(made)
