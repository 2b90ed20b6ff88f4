"""`follow`: restoration of a movie while an acquisition appends frames to it."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from decrappify._common.argument_names import setting
from decrappify._common.checks import check_instance
from decrappify._common.processes.processor import threads_put_back
from decrappify._common.progress import Cancel, Progress, check_cancel, checked_progress
from decrappify.errors import FormatError, InputError, MissingFileError
from decrappify.inference.options import InferenceOptions
from decrappify.io.growing.arrivals import POLL_S, AcquisitionEnded, Arrivals
from decrappify.io.growing.frames import GrowingFrames
from decrappify.io.growing.open import open_growing
from decrappify.io.integrity.missing_planes import missing_reported
from decrappify.io.opening.open import open_movie
from decrappify.io.remote.address import is_address
from decrappify.limits.reached import limit_errors
from decrappify.movie import Movie
from decrappify.restoration.follow.run import Input, follow_run
from decrappify.restoration.job.channel_models import ModelChoice
from decrappify.restoration.job.options import RestorationOptions
from decrappify.restoration.pipeline import PathLike, restore
from decrappify.restoration.run.windows import OnPlane

if TYPE_CHECKING:
    from decrappify.model import Model

NORMALIZATION_FRAMES = 8
"""Frames on which the normalization of a growing movie is measured by default."""
TIMEOUT_S = 60.0
"""Default time without a new frame after which the acquisition is regarded as ended."""


def follow(
    path: PathLike,
    model: Model | ModelChoice | str | Path | Mapping[str, Any] | Sequence[Any],
    output: PathLike,
    *,
    timeout_s: float = TIMEOUT_S,
    opening: Mapping[str, Any] | None = None,
    inference: InferenceOptions = InferenceOptions(),
    options: RestorationOptions = RestorationOptions(),
    overwrite: bool = False,
    resume: bool = True,
    progress: Progress | bool | None = None,
    cancel: Cancel | None = None,
    on_plane: OnPlane | None = None,
) -> Movie:
    """Restore a movie while an acquisition appends frames to it; return after its end.

    Each frame is restored as soon as the later frames of its window are complete. The normalization is measured on
    the first frames (8, or ``options.normalization_frames``) and does not change afterwards. After `timeout_s` without
    a new frame the acquisition is regarded as ended: the last windows are completed at the edge of the movie, and
    the result equals that of `restore` with the same number of normalization frames, byte for byte. A run that was
    stopped is resumed by the same call, whether the acquisition has ended or not.

    Parameters
    ----------
    path : path
        An OME-Zarr store of which T grows, or of which chunks are added to an array of full length; or a folder with a
        file for each frame (and channel and slice). It may not exist yet.
    model : Model, str or Path, or mapping or list of these
        As for `restore`.
    output : path
        As for `restore`; the growing store ``decrappify.io.partial_path(output)`` can be opened meanwhile.
    timeout_s : float
        Seconds without a new file or a changed one.
    opening : mapping, optional
        Further arguments of `open_movie`, such as ``{"channel": "GFP"}``.
    inference, options, overwrite, resume, progress, cancel, on_plane
        As for `restore`; the options must not select frames, or omit the missing ones.

    Returns
    -------
    Movie
        The result, opened.

    Raises
    ------
    MissingFileError
        If the input does not exist after `timeout_s`.
    InputError
        If the input is of another kind, the options select frames, or a complete frame has changed later.
    FormatError, OutputExistsError, OutputError, DeviceMemoryError, Cancelled
        As for `restore`.

    Examples
    --------
    >>> import decrappify as dc
    >>> dc.follow("live.ome.zarr", "fluorescence-movie", "restored.ome.zarr", timeout_s=300)  # doctest: +SKIP
    """
    from decrappify.io.recognition.registry import writer_for

    writer_for(Path(output))
    bars = checked_progress(progress)
    check_instance(InferenceOptions, inference=inference)
    check_instance(RestorationOptions, options=options)
    inference.check_unused("batch_size", by="follow")
    _check(path, timeout_s, options)
    if options.normalization_frames is None:
        options = replace(options, normalization_frames=NORMALIZATION_FRAMES)
    loaded = options.models(model)
    run: dict[str, Any] = {
        "inference": inference,
        "options": options,
        "overwrite": overwrite,
        "resume": resume,
        "progress": bars,
        "cancel": cancel,
        "on_plane": on_plane,
    }
    source, opened_as = Path(path), dict(opening or {})
    with _first_frames(source, opened_as, options, timeout_s, cancel) as (frames, arrivals):
        if not arrivals.is_over:
            with threads_put_back(), limit_errors(f"restoring {source.name}"):
                return follow_run(Input(source, opened_as, frames, arrivals), loaded, Path(output), **run)
    with missing_reported():  # by the run
        movie = open_movie(source, **opened_as)
    return restore(movie, loaded, output, **run)  # too few frames to begin earlier


@contextmanager
def _first_frames(
    source: Path, opening: Mapping[str, Any], options: RestorationOptions, timeout_s: float, cancel: Cancel | None
) -> Iterator[tuple[GrowingFrames, Arrivals]]:
    """Wait for the frames on which the normalization is measured, and one more; yield the input.

    If the acquisition ends before, `Arrivals.is_over` is True.
    """
    chosen = {name: opening[name] for name in ("scene", "axes", "folder_as", "absent_chunks") if name in opening}
    frames = _opened_growing(source, chosen, timeout_s, cancel)
    arrivals = Arrivals(frames, timeout_s, cancel=cancel)
    try:
        assert options.normalization_frames is not None, "set by follow"
        with suppress(AcquisitionEnded):
            arrivals.wait_for(options.normalization_frames)
        yield frames, arrivals
    finally:
        frames.close()


def _opened_growing(source: Path, chosen: Mapping[str, Any], timeout_s: float, cancel: Cancel | None) -> GrowingFrames:
    """Open the input, which may not be written yet."""
    deadline = time.monotonic() + timeout_s
    while True:
        check_cancel(cancel, "cancelled before the first frame")
        try:
            return open_growing(source, **chosen)
        except (MissingFileError, FormatError):
            if time.monotonic() >= deadline:
                raise
        time.sleep(POLL_S)


def _check(path: PathLike, timeout_s: float, options: RestorationOptions) -> None:
    """Raise InputError for an input, a timeout or options that cannot be followed."""
    if is_address(path):
        raise InputError(f"{path} is on a server, expected a folder on a disk; restore it after the acquisition")
    if not isinstance(timeout_s, int | float) or isinstance(timeout_s, bool) or not 0 < timeout_s < float("inf"):
        raise InputError(f"{setting('timeout_s', timeout_s)} is not valid, expected seconds above 0")
    if options.frames is not None:
        raise InputError(
            f"{setting('frames', options.frames)} cannot be followed, as all frames are restored; omit it, or restore "
            "these frames after the acquisition"
        )
    if options.missing == "drop":
        raise InputError(
            f"{setting('missing', 'drop')} cannot be followed, as a frame may arrive late; pass 'blank' or 'nearest', "
            "or restore after the acquisition"
        )
