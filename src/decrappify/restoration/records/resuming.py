"""Comparison of an unfinished run with a call that may finish it: settings, options and input."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from decrappify._common.argument_names import argument, setting
from decrappify._version import RELEASE
from decrappify.errors import OutputExistsError
from decrappify.restoration.frames.choice import as_text, from_spelled, spelled
from decrappify.restoration.records.input_record import ChangedInputError, InputRecord, changed_plane, recorded_planes
from decrappify.restoration.records.run_record import flaw_of, flaw_of_state

if TYPE_CHECKING:
    from pathlib import Path

    from decrappify.inference.options import InferenceOptions
    from decrappify.movie import Movie
    from decrappify.restoration.job.job import Job
    from decrappify.restoration.outputs.results import Unfinished

Settings = dict[str, Any]

# Names of the settings in messages, if they differ from those of the arguments.
_WORDS = {
    "software": "decrappify",
    "movie_shape": "the shape of the input",
    "movie_dtype": "the data type of the input",
    "pixels": "the checksum of three planes of the input",
    "not_recorded": "the list of planes that were never recorded",
}


def settings_of(job: Job) -> Settings:
    """Return all settings that determine the pixels of a result, except network execution, as plain values."""
    count = job.options.normalization_frames
    return {
        "software": RELEASE,
        "fidelity": job.fidelity,
        "model": f"{job.model_name} {job.model_sha256[:12]}",
        "movie_shape": list(job.movie.shape),
        "movie_dtype": job.movie.dtype.name,
        "pixels": _checksum_of_three(job.movie),
        "not_recorded": [list(plane) for plane in sorted(job.movie.missing)],
        "frames": spelled(job.frames),
        "dtype": job.dtype.name,
        "window_axis": job.window_axis,
        "nan": "error" if job.nan == "error" else "fill",
        "missing": job.missing,
        "outliers": job.outliers,
        **({} if count is None else {"normalization_frames": count}),  # absent from the key of a run without it
    }


def run_key(settings: Settings) -> str:
    """Compute the digest (SHA-256, hex) of the settings that a resumed run must share.

    The handling of NaN is excluded: frames finished with nan='error' had no NaN and are the same with nan='fill'.
    """
    shared = {name: value for name, value in settings.items() if name != "nan"}
    return hashlib.sha256(json.dumps(shared, sort_keys=True).encode()).hexdigest()


def recorded_options(inference: InferenceOptions) -> dict[str, Any]:
    """Return the options of network execution as plain values, under the names of the record of a run.

    >>> from decrappify.inference.options import InferenceOptions
    >>> recorded_options(InferenceOptions(device="cpu"))["device"]
    'cpu'
    """
    names = ("tile_size", "tile_overlap", "device", "precision", "backend")
    return {name: _plain(getattr(inference, name)) for name in names}


def continues(
    before: Unfinished,
    job: Job,
    inputs: InputRecord,
    inference: InferenceOptions,
    *,
    settings: Settings,
    overwrite: bool,
    shared: bool = False,
) -> bool:
    """Return whether a call resumes an unfinished run; False if it replaces that run.

    Parameters
    ----------
    before : Unfinished
        The unfinished run.
    job, inputs, inference
        Planes to restore, record of the input and options of this call.
    settings : mapping
        Settings of this call, see `settings_of`.
    overwrite : bool
        Whether this call may replace the unfinished run.
    shared : bool
        Whether other processes may write parts of it, which must not be discarded.

    Raises
    ------
    OutputExistsError
        If the unfinished run has other settings, another input or a damaged record, and `overwrite` is False.
    """
    is_same_key = before.run_key == run_key(settings)
    flaw = flaw_of(before.journal, job) if is_same_key else None
    if flaw is not None:
        if overwrite:
            return False
        remedy = f"delete {before.partial.name}" if shared else f"discard it with {setting('overwrite', True)}"
        raise OutputExistsError(
            f"{before.partial} contains an unfinished output with a damaged record ({flaw}); {remedy}, or choose "
            "another output"
        )
    state = before.journal.state
    changes = ["it has other settings"]
    if flaw_of_state(state) is None:
        changes = changed_settings(state.get("settings") or {}, settings) + conflicting_options(state, job, inference)
    if is_same_key and not changes:
        return _has_same_input(before, inputs, overwrite=overwrite, shared=shared)
    if not overwrite:
        changes = changes or ["it has other settings"]
        raise OutputExistsError(other_run_message(before.partial, changes, shared=shared))
    return False


def conflicting_options(state: Mapping[str, Any], job: Job, inference: InferenceOptions) -> list[str]:
    """Return the options of a call that differ from those of a run; tile sizes that cover the whole frame are equal."""
    asked, frame = recorded_options(inference), job.movie.shape[3:]
    multiple = job.tile_multiple
    sizes = (state.get("tile_size"), asked["tile_size"] or state.get("tile_size"))
    if all(_covers(size, frame, multiple) for size in sizes):
        asked = {name: value for name, value in asked.items() if name not in ("tile_size", "tile_overlap")}
    return changed_options(asked, state)


def _covers(tile_size: Any, frame_shape: tuple[int, ...], multiple: int) -> bool:
    """Return whether one tile covers the whole frame, so that its size does not matter."""
    return (
        isinstance(tile_size, int) and tile_size // multiple * multiple >= -(-max(frame_shape) // multiple) * multiple
    )


def _has_same_input(before: Unfinished, inputs: InputRecord, *, overwrite: bool, shared: bool) -> bool:
    """Return whether the input is that of the unfinished run; raise OutputExistsError if not and not `overwrite`."""
    parts = before.journal.rectangles.values()
    notes = [*before.journal.notes.values(), *(note for found in parts for note in found.values())]
    rows = [*before.journal.state.get("read", ()), *(row for note in notes for row in note.get("read", ()))]
    try:
        changed = changed_plane(rows)  # between the reads of several processes
        if changed is not None:
            raise ChangedInputError(inputs.movie.name, changed)
        inputs.verify(recorded_planes(rows))
    except ChangedInputError as error:
        if overwrite:
            return False
        t, c, z = error.plane
        change = f"{inputs.movie.name} now has other pixels in frame {t} (channel {c}, slice {z})"
        raise OutputExistsError(other_run_message(before.partial, [change], shared=shared)) from error
    return True


def changed_settings(then: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Return the settings that prevent an unfinished run from being finished, each with its old and new value.

    >>> changed_settings({"dtype": "uint16", "nan": "error"}, {"dtype": "float32", "nan": "fill"})
    ["dtype was 'uint16' and is 'float32' now"]
    """
    if bool(then.get("follow")) != bool(now.get("follow")):  # the other settings are those of the first frames
        return ["it follows an acquisition" if then.get("follow") else "it does not follow an acquisition"]
    changes = []
    for name in now:
        if name not in then or then[name] == now[name] or (name, then[name], now[name]) == ("nan", "error", "fill"):
            continue
        before, after = (_shown(_as_set(name, values[name])) for values in (then, now))
        changes.append(f"{_WORDS.get(name) or argument(name)} was {before} and is {after} now")
    return changes


def _as_set(name: str, value: Any) -> Any:
    """Return a recorded setting in the form in which the user sets it."""
    is_selection = name == "frames" and isinstance(value, list) and all(isinstance(frame, int) for frame in value)
    return as_text(from_spelled(value)) if is_selection else value


def changed_options(asked: Mapping[str, Any], state: Mapping[str, Any]) -> list[str]:
    """Return the options of this call that an unfinished run cannot adopt without changing pixels.

    Parameters
    ----------
    asked : mapping
        ``precision``, ``backend``, ``device``, ``tile_size`` and ``tile_overlap`` of this call; ``"auto"`` and None
        leave the choice to the unfinished run.
    state : mapping
        State of the unfinished run: its options (``asked``), and the values it chose.

    Examples
    --------
    >>> changed_options({"tile_size": 96, "device": "cuda:1"}, {"tile_size": 160, "device": "cuda"})
    ['tile_size was 160 and is 96 now']
    """
    before = state.get("asked") or {}
    changes = []
    for name, value in asked.items():
        decided = state.get(name)
        if value in (None, "auto", decided, before.get(name)) or decided is None:
            continue
        if name == "device" and str(value).partition(":")[0] == decided:
            continue
        changes.append(f"{argument(name)} was {decided} and is {value} now")
    return changes


def other_run_message(partial: Path, changes: list[str], *, shared: bool = False) -> str:
    """Return the message for an unfinished output that this call cannot finish, or not share with other parts."""
    found = f"{partial} contains the unfinished output of another run: {'; '.join(changes)}; "
    if shared:
        return found + "use the same input, model and options as for the other parts, or choose another output"
    return found + (
        f"repeat that run to finish it, choose another output, or discard it with {setting('overwrite', True)}"
    )


def _checksum_of_three(movie: Movie) -> str:
    """Compute a digest of three planes, which distinguishes most inputs before more planes are compared."""
    digest = hashlib.sha256()
    n_t, _, n_z = movie.shape[:3]
    for t in sorted({0, n_t // 2, n_t - 1}):
        if (t, 0, n_z // 2) not in movie.missing:
            digest.update(np.ascontiguousarray(movie.frame(t, 0, n_z // 2)).tobytes())
    return digest.hexdigest()[:16]


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:20]}...{text[-37:]}"


def _plain(value: Any) -> int | str | None:
    return value if value is None or isinstance(value, int) else str(value)
