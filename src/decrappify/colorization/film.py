"""Coloring of films frame by frame, in segments from which a run can be resumed; the sound is copied."""

from __future__ import annotations

import hashlib
import json
import logging
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import Any

from decrappify._common.argument_names import argument, setting
from decrappify._common.processes.processor import present_runtime, take_up_runtime, threads_put_back
from decrappify._common.progress import Cancel, Progress, check_cancel, progress_bar
from decrappify._version import RELEASE
from decrappify.colorization.colorizer import FORMER_STATEMENT, STATEMENT, Colorizer
from decrappify.colorization.film_segments import SEGMENT_FRAMES, SegmentFolder
from decrappify.colorization.options import ColorizationOptions
from decrappify.colorization.presets import SQUARE
from decrappify.colorization.steady import State, Steadier, load_state, save_state
from decrappify.colorization.watermark import TEXT, add_watermark
from decrappify.errors import InputError
from decrappify.io.media.encoder import SegmentWriter, encoder_version
from decrappify.io.media.muxer import check_container, check_tracks, encoder_settings, write_film
from decrappify.io.media.opening import check_video_file, nothing_decoded
from decrappify.io.media.reader import TimedFrame, VideoReader
from decrappify.io.store.durable import output_errors
from decrappify.io.store.locks import locked
from decrappify.io.store.outputs import check_output, refuse_overlap
from decrappify.movie import Array
from decrappify.restoration.run.threads import run_overlapped

logger = logging.getLogger(__name__)

_BATCH_ON_GPU = 8
_CANCELLED = "cancelled; finished segments are kept, repeat the call to colorize the rest"


def colorize_film(
    source: str | os.PathLike[str],
    output: str | os.PathLike[str],
    colorizer: Colorizer,
    *,
    options: ColorizationOptions = ColorizationOptions(),
    batch_size: int | None = None,
    overwrite: bool = False,
    resume: bool = True,
    progress: Progress | None = None,
    cancel: Cancel | None = None,
) -> Path:
    """Color a film.

    The frames are written as H.264 (yuv420p, crf 17) with the original's time stamps, frame rate, pixel aspect ratio
    and color tags; rotated films are stored upright, and odd sizes get one more row or column. Sound and subtitles are
    copied packet by packet. Finished segments of 100 frames are kept in ``<output>.partial``: after an interruption,
    the same call colors only the rest, with the number of threads with which the run began. On the same type of
    processor, with the same batch size and versions, the resulting file is equal byte for byte; on another type a
    warning states that the last digits may differ. The comment of the file states that the film is AI-colored, and the
    model, preset and render factor.

    Parameters
    ----------
    source : path
        Any film that ffmpeg reads.
    output : path
        ``.mp4``, ``.m4v``, ``.mov`` or ``.mkv``; only the last supports all sound codecs.
    colorizer : Colorizer
        Colorizer of the frames.
    options : ColorizationOptions
        Watermark, smoothing of colors in time, and the handling of damaged frames. The film is decoded once before the
        first frame is colored; by default a damaged frame raises an error with the number and position of such frames.
        ``damaged="skip"`` omits them, ``"keep"`` colors incomplete ones as decoded; both log a warning, note it in the
        comment of the output, and keep the sound synchronous.
    batch_size : int, optional
        Frames per forward pass; 8 by default on a GPU, 1 on the CPU.
    overwrite : bool
        Whether to replace an existing output once the new one is complete.
    resume : bool
        Whether to resume an unfinished run with the same input, model and settings.
    progress : callable, optional
        Like ``tqdm``: ``progress(total=frames, desc=..., unit="frame")`` with ``update(n)`` and ``close()``.
    cancel : threading.Event, optional
        When set, the run stops within one batch; finished segments are kept.

    Returns
    -------
    Path
        `output`.

    Raises
    ------
    MissingFileError
        If `source` does not exist.
    FormatError
        If `source` is not a video, is damaged or changes during the run, or the format of `output` cannot store it.
    InputError
        If `source` is a still image or the output itself, or an option is out of range.
    OutputExistsError
        If the output, or the unfinished output of another run, exists.
    DeviceMemoryError
        If a single frame does not fit into memory.
    Cancelled
        If `cancel` was set.

    Examples
    --------
    >>> from decrappify.colorization import Colorizer
    >>> from decrappify.model import load_model
    >>> colorizer = Colorizer(load_model("ColorizeVideo_gen.pth"))  # doctest: +SKIP
    >>> colorize_film("1927.mp4", "1927-color.mp4", colorizer)  # doctest: +SKIP
    """
    source, output = Path(source), Path(output)
    check_container(output)
    steadier = Steadier(options.steady)
    _check_batch_size(batch_size)
    refuse_overlap(output, source)
    check_video_file(source)
    check_output(output, overwrite=True)
    with output_errors(output), locked(output) as lock:
        if lock.placed_by is None:
            check_output(lock.target, overwrite=overwrite)
        reader = VideoReader(source, options.damaged)
        mark = TEXT if options.watermark else False  # the text may differ between releases
        settings = {"watermark": mark, "steady": options.steady, "damaged": options.damaged}
        about = _about(reader, colorizer, **settings)
        folder = SegmentFolder(lock, _digest(about), about, overwrite=overwrite, resume=resume)
        batch_size = _chosen_batch_size(batch_size, folder, colorizer)
        if not folder.complete:
            check_tracks(reader, output)
            reader.check(partial(check_cancel, cancel, _CANCELLED))
            with threads_put_back():
                folder.open(_runtime(folder, colorizer), batch_size)
                film = _Film(reader, folder, colorizer, steadier, watermark=options.watermark, cancel=cancel)
                film.color(batch_size, progress)
                film.finish(output)
        folder.remove()
    return output


@dataclass(frozen=True, slots=True)
class _Batch:
    """Frames of one segment and their results."""

    piece: int
    shown: list[tuple[int, int]]  # time and duration
    images: list[Array]
    squares: Sequence[Array] = ()
    state: State | None = None


class _Film:
    """One run: a reader thread decodes, this thread runs the network, a writer thread merges and encodes."""

    def __init__(
        self,
        reader: VideoReader,
        folder: SegmentFolder,
        colorizer: Colorizer,
        steadier: Steadier,
        *,
        watermark: bool,
        cancel: Cancel | None,
    ) -> None:
        self._reader, self._folder, self._colorizer, self._steadier = reader, folder, colorizer, steadier
        self._watermark, self._cancel = watermark, cancel
        self._done = 0  # segments
        self._frames_done = 0
        for segment, _ in folder.segments():
            self._done += 1
            self._frames_done += len(segment.packets)
        if self._done and steadier.steady:
            steadier.take_up(load_state(folder.state_path(self._done - 1)))
        self._writer: SegmentWriter | None = None
        self._piece, self._last_state, self._render_factor = self._done, steadier.state, 0

    def color(self, batch_size: int, progress: Progress | None) -> None:
        """Color all missing segments."""
        description = f"colorizing {self._reader.path.name}"
        with progress_bar(
            progress, total=self._reader.n_frames, desc=description, unit="frame", initial=self._frames_done
        ) as bar:

            def work(batch: _Batch) -> _Batch:
                check_cancel(self._cancel, _CANCELLED)
                squares = self._steadier(batch.images, self._colorizer.color_of(batch.images))
                bar.update(len(squares))
                return replace(batch, squares=squares, state=self._steadier.state)

            try:
                run_overlapped(self._batches(batch_size), work, self._write)
                self._finish_piece()
            finally:
                if self._writer is not None:
                    self._writer.close()

    def finish(self, output: Path) -> None:
        """Join the segments and move the film to its final path."""
        factors = {factor for _, factor in self._folder.segments()}
        if not factors:
            raise nothing_decoded(self._reader.path)
        if len(factors) > 1:
            logger.warning(
                "memory was insufficient: render factors from %d to %d were used, and colors may change between them",
                min(factors), max(factors),
            )  # fmt: skip
        path = self._folder.film_path()
        statement = "; ".join(filter(None, (self._colorizer.statement(min(factors)), self._reader.note())))
        write_film(path, self._reader, self._folder.pieces, output, statement)
        self._folder.place(path)

    def _batches(self, batch_size: int) -> Iterator[_Batch]:
        """Iterate over unfinished frames in batches within one segment, so that they are equal in a resumed run."""
        numbered = enumerate(self._reader.frames())
        for piece, members in groupby(numbered, lambda pair: pair[0] // SEGMENT_FRAMES):
            frames: list[TimedFrame] = []
            for number, frame in members:
                check_cancel(self._cancel, _CANCELLED)
                if piece < self._done:
                    continue
                frames.append(frame)
                if len(frames) == batch_size or (number + 1) % SEGMENT_FRAMES == 0:
                    yield self._batch(piece, frames)
                    frames = []
            if frames:
                yield self._batch(piece, frames)

    def _batch(self, piece: int, frames: list[TimedFrame]) -> _Batch:
        shown = [(frame.time, frame.duration) for frame in frames]
        return _Batch(piece, shown, [self._reader.image(frame) for frame in frames])

    def _write(self, batch: _Batch) -> None:
        if batch.piece != self._piece:
            self._finish_piece()
            self._piece = batch.piece
        if self._writer is None:
            self._writer = SegmentWriter(self._folder.media_path(batch.piece), encoder_settings(self._reader))
            self._render_factor = len(batch.squares[0]) // SQUARE
        for shown, image, square in zip(batch.shown, batch.images, batch.squares, strict=True):
            colorized = self._colorizer.finish(image, square)
            self._writer.add(add_watermark(colorized) if self._watermark else colorized, *shown)
        self._last_state = batch.state

    def _finish_piece(self) -> None:
        if self._writer is None:
            return
        segment = self._writer.finish()
        self._writer = None
        if self._last_state is not None:
            save_state(self._folder.state_path(self._piece), self._last_state)
        self._folder.record(self._piece, segment, self._render_factor)


def _check_batch_size(batch_size: int | None) -> None:
    if batch_size is None:
        return
    if isinstance(batch_size, bool) or not isinstance(batch_size, int) or batch_size < 1:
        raise InputError(f"{argument('batch_size')} is {batch_size!r}, expected an integer of at least 1")


def _chosen_batch_size(batch_size: int | None, folder: SegmentFolder, colorizer: Colorizer) -> int:
    """Return the batch size of the resumed run, the argument, or the default of the device."""
    begun_with = folder.batch_size
    if begun_with is None:
        return batch_size or (1 if colorizer.network.device.type == "cpu" else _BATCH_ON_GPU)
    if batch_size not in (None, begun_with):
        raise InputError(
            f"the unfinished film in {folder.path} was started with {setting('batch_size', begun_with)}, found "
            f"{batch_size}: the last digits would differ; omit {argument('batch_size')} to resume it, or start again "
            f"with {setting('resume', False)}"
        )
    return begun_with


def _runtime(folder: SegmentFolder, colorizer: Colorizer) -> dict[str, Any]:
    device = colorizer.network.device
    return take_up_runtime(folder.runtime, device) if folder.continues else present_runtime(device)


def _about(reader: VideoReader, colorizer: Colorizer, **settings: Any) -> dict[str, Any]:
    """Return all values that determine the frames; an unfinished film is resumed only if they are equal."""
    return {
        "software": RELEASE,
        "encoder": encoder_version(),
        "film": reader.content,
        "colorizer": colorizer.identity.replace(STATEMENT, FORMER_STATEMENT, 1),
        "render_factor": colorizer.render_factor,
        "precision": colorizer.network.precision,
        "backend": colorizer.network.backend,
        **settings,
    }


def _digest(about: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(about, sort_keys=True).encode()).hexdigest()
