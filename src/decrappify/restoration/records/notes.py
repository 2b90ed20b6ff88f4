"""Report at the end of a run: replaced outliers, filled NaN, flashes and clipped pixels, counted plane by plane.

The counts are stored with the finished planes, so that a resumed run reports the same as an uninterrupted one.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from decrappify._common.argument_names import setting
from decrappify._common.counting import counted
from decrappify.io.integrity.missing_planes import list_planes
from decrappify.restoration.frames.missing import described
from decrappify.restoration.job.output_range import wider_dtype

if TYPE_CHECKING:
    from decrappify.movie import Plane
    from decrappify.restoration.frames.sliding import Window
    from decrappify.restoration.job.job import Job
    from decrappify.restoration.measurement.channels import Channel

logger = logging.getLogger(__name__)

Note = dict[str, Any]

_MUCH_CLIPPED = 0.01  # share of the pixels
_LISTED = 100  # largest number of flashes and positions in the provenance


def note_of(window: Window[Any], clipped: tuple[int, int]) -> Note:
    """Return the note recorded with a finished plane; empty if no pixels were replaced, filled or clipped.

    Parameters
    ----------
    window : Window
        Window of the plane.
    clipped : (int, int)
        Pixels clipped at the lower and upper limit of the output's dtype.
    """
    note: Note = {}
    if any(clipped):
        note["clipped"] = list(clipped)
    if window.middle.outliers:
        note["outliers"] = window.middle.outliers
        note["at"] = [list(place) for place in window.middle.positions]
    if window.middle.unknown is not None:
        note |= nan_note(int(np.count_nonzero(window.middle.unknown)))
    if window.flashes:
        note["flash"] = [
            None if flash is None else [round(flash.gain, 4), round(flash.offset, 4), flash.usable]
            for flash in window.flashes
        ]
    if window.frames is None:
        note["empty"] = True
    return note


def nan_note(count: int) -> Note:
    """Return the note of the input pixels of a plane that are NaN; empty if there are none.

    >>> nan_note(3), nan_note(0)
    ({'nan': 3}, {})
    """
    return {"nan": count} if count else {}


def merged(notes: Iterable[Note]) -> Note:
    """Return the note of a plane from those of its rectangles.

    Clipped and NaN pixels are counted in each rectangle; everything else was found in the whole plane.

    >>> merged([{"nan": 2, "clipped": [0, 1]}, {}, {"clipped": [4, 1]}])
    {'nan': 2, 'clipped': [4, 2]}
    """
    found: Note = {}
    for note in notes:
        if "nan" in note and "nan" in found:
            note = note | {"nan": found["nan"] + note["nan"]}
        if "clipped" in note and "clipped" in found:
            note = note | {"clipped": [a + b for a, b in zip(found["clipped"], note["clipped"], strict=True)]}
        if "read" in note and "read" in found:
            note = note | {"read": [*found["read"], *note["read"]]}
        found |= note
    return found


def summary(notes: Mapping[Plane, Note], job: Job) -> dict[str, Any]:
    """Return the sums over all planes for the provenance; empty if there is nothing to report.

    Parameters
    ----------
    notes : mapping of (t, c, z) to note
        Notes of the output planes.
    job : Job
        The run.
    """
    found: dict[str, Any] = {}
    ordered = sorted(notes.items())
    below, above = (sum(note["clipped"][end] for _, note in ordered if "clipped" in note) for end in (0, 1))
    if below or above:
        found["clipped"] = {"below": below, "above": above, "share": (below + above) / np.prod(job.shape, dtype=float)}
    planes = [(place, note) for place, note in ordered if "outliers" in note]
    if planes:
        positions = [[job.frames[place[0]], *at[:1], place[2], *at[1:]] for place, note in planes for at in note["at"]]
        found["replaced_outliers"] = {
            "pixels": sum(note["outliers"] for _, note in planes),
            "planes": len(planes),
            "t_c_z_y_x": positions[:_LISTED],
        }
    counts = [note["nan"] for _, note in ordered if "nan" in note]
    if counts:
        found["filled_nan"] = {"pixels": sum(counts), "planes": len(counts)}
    flashes = [
        {"frame": job.frames[t], "channel": job.groups[c // job.out_channels][k], "slice": z, "gain": flash[0]}
        | {"offset": flash[1], "restored_from_itself_alone": not flash[2]}
        for (t, c, z), note in ordered
        for k, flash in enumerate(note.get("flash", ()))
        if flash is not None
    ]
    if flashes:
        found["flash_frames"] = flashes[:_LISTED]
    empty = [[job.frames[t], c, z] for (t, c, z), note in ordered if note.get("empty")]
    if empty:
        found["planes_of_nan"] = empty
    return found


def report(found: Mapping[str, Any], job: Job) -> None:
    """Log the summary of a finished run, one line per type of event."""
    name = job.movie.name
    if "replaced_outliers" in found:
        outliers = found["replaced_outliers"]
        places = sorted({tuple(at[3:]) for at in outliers["t_c_z_y_x"]})
        logger.warning(
            "%s: %s in %s replaced from their surroundings, at (y, x) = %s%s; %s keeps them in the network input",
            name, counted(outliers["pixels"], "outlier pixel"), counted(outliers["planes"], "plane"),
            ", ".join(map(str, places[:8])), _more(len(places), 8), setting("outliers", "keep"),
        )  # fmt: skip
    floating = job.dtype.kind == "f"
    if "filled_nan" in found:
        filled = found["filled_nan"]
        logger.warning(
            "%s: %s in %s %s filled from adjacent pixels for the network; %s",
            name, counted(filled["pixels"], "pixel of NaN or infinity", "pixels of NaN or infinity"),
            counted(filled["planes"], "plane"), "was" if filled["pixels"] == 1 else "were",
            "NaN in the result" if floating else _zero(job),
        )  # fmt: skip
    if "flash_frames" in found:
        frames = sorted({flash["frame"] for flash in found["flash_frames"]})
        logger.warning(
            "%s: flashes or blackouts, between frames of another brightness, in frame%s %s: they keep their brightness "
            "and do not affect their neighbors; %s disables this",
            name, "s" * (len(frames) > 1), ", ".join(map(str, frames[:8])) + _more(len(frames), 8),
            setting("outliers", "keep"),
        )  # fmt: skip
    if "planes_of_nan" in found:
        planes = [(t, c, z) for t, c, z in found["planes_of_nan"]]
        logger.warning(
            "%s: only NaN in %s, %s, %s", name, counted(len(planes), "plane"),
            "also in the result" if floating else _zero(job), described(planes),
        )  # fmt: skip
    if "clipped" in found:
        clipped = found["clipped"]
        lost = "their gray levels are lost; restore again with " if clipped["share"] >= _MUCH_CLIPPED else ""
        logger.warning(
            "%s: %s of the restored pixels were clipped to the limits of %s (%d below, %d above); %s%s%s",
            name, percent(clipped["share"]), job.dtype.name, clipped["below"], clipped["above"], lost,
            setting("dtype", wider_dtype(job)), "" if lost else " keeps them",
        )  # fmt: skip


def report_start(job: Job, channels: Sequence[Channel]) -> None:
    """Log frames outside the movie, constant channels and missing planes."""
    n_t, _, n_z = job.movie.shape[:3]
    for c, channel in enumerate(channels):
        recorded = any((t, c, z) not in job.movie.missing for t in range(n_t) for z in range(n_z))
        if channel.constant is not None and recorded:
            logger.warning(
                "channel %d (%s) of %s is constant (gray level %g) and is copied unchanged",
                c, job.movie.channel_names[c], job.movie.name, channel.constant,
            )  # fmt: skip
    if job.beyond:
        logger.warning(
            "%s of %s selected %s, as the movie has %d (0 to %d)%s",
            setting("frames", job.beyond), job.movie.name, counted(len(job.frames) + len(job.dropped), "frame"), n_t,
            n_t - 1, f"; frames are time points, and all {n_z} slices are restored" if n_z > 1 else "",
        )  # fmt: skip
    used = {*job.frames, *job.dropped}
    lost = sorted(plane for plane in job.lost if plane[0] in used)
    if lost:
        treated = {
            "blank": f"left blank in the result; {setting('missing', 'drop')} omits their frames, "
            f"{setting('missing', 'nearest')} fills them",
            "drop": "their frames are omitted",
            "nearest": "filled with the restoration of the nearest frame",
        }[job.missing]
        logger.warning(
            "%s: %d of %s missing (%s), %s; 'decrappify info' states the cause",
            job.movie.name, len(lost), counted(int(np.prod(job.movie.shape[:3])), "plane"),
            list_planes(lost, job.movie.shape[:3]), treated,
        )  # fmt: skip


def percent(share: float) -> str:
    """Return a fraction as text with two significant digits.

    >>> percent(0.12345), percent(0.00001234)
    ('12 %', '0.0012 %')
    """
    digits = max(0, 1 - int(np.floor(np.log10(share * 100)))) if share > 0 else 0
    return f"{share * 100:.{digits}f} %"


def _zero(job: Job) -> str:
    return f"0 in {job.dtype.name}, {setting('dtype', 'float32')} keeps NaN"


def _more(count: int, shown: int) -> str:
    return f" and {count - shown} more" if count > shown else ""
