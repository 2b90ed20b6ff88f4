"""Work on many inputs with one output each, which is skipped if it is finished."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from decrappify._common.progress import Cancel, check_cancel
from decrappify.batch.attempts import attempt
from decrappify.batch.folders import make_folders, remove_empty
from decrappify.batch.inputs import Source
from decrappify.batch.items import item_errors
from decrappify.batch.naming import check_collisions
from decrappify.batch.run import OnRow, known_outputs
from decrappify.batch.summary import FAILED, FINISHED, WRITTEN, Row, Summary
from decrappify.errors import OutputExistsError
from decrappify.io.integrity.file_guard import file_version

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

    def write(source: Source, row: Row) -> Row:
        output, version = Path(row.output), file_version(source.path)
        if source.error is not None:
            raise source.error
        if not overwrite and version is not None and known.contains(output, key, version):
            return replace(row, status=FINISHED)
        _write(source.path, output, folder, work)
        known.add(output, key, version)
        return replace(row, status=WRITTEN)

    for source, name in zip(sources, outputs, strict=True):
        check_cancel(cancel, "cancelled; finished outputs are kept, repeat the call to write the rest")
        row = Row(input=str(source.path), output=str(folder / name), status=FAILED)
        row, _ = attempt(row, partial(write, source))
        rows.append(row)
        on_row(row)
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
