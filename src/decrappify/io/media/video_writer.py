"""Writer of H.264 films for all common players: 8 bits, one contrast range from first to last frame."""

from __future__ import annotations

import os
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from decrappify._common.counting import counted
from decrappify._common.planes.sampling import evenly_spaced
from decrappify._common.progress import Bar, Progress, progress_bar
from decrappify.errors import InputError
from decrappify.io.media.encoder import EncoderSettings, check_written, encoding_errors, even_sided
from decrappify.io.media.film_colors import HD_COLORS
from decrappify.io.media.opening import ffmpeg_url
from decrappify.io.media.video_notes import VideoNotes
from decrappify.io.store.outputs import atomic_output
from decrappify.movie import Array, Movie

_SLOWEST, _FASTEST, _DEFAULT_RATE = 5, 30, 10  # frames per second suitable for viewing
_MERGE_COLORS = ("00FF00", "FF00FF", "00FFFF", "FFFF00", "FF0000", "0000FF")
_SAMPLED_FRAMES, _SAMPLED_PIXELS = 16, 1 << 18
_PERCENTILES = (0.1, 99.9)
_QUALITY = {"crf": "18", "g": "50"}


def write_video(
    movie: Movie,
    path: str | os.PathLike[str],
    *,
    overwrite: bool = False,
    progress: Progress | None = None,
    low: float | Sequence[float] | None = None,
    high: float | Sequence[float] | None = None,
) -> Path:
    """Write a movie as an mp4 film (H.264, yuv420p) for viewing: gray levels are reduced to 8 bits.

    Several channels are merged in their colors (green and magenta for two channels without colors); channels named R, G
    and B are not recolored. Odd sizes are padded to even ones by repeating the edge. The frame rate is that of the
    movie, limited to 5 to 30 frames per second; the frame interval, the pixel size, the provenance and the gray levels
    shown as black and white are stored in the file's comment.

    Parameters
    ----------
    movie : Movie
        (T, C, 1, Y, X).
    path : path
        The ``.mp4`` file.
    overwrite : bool
        Replace an existing file.
    progress : callable, optional
        Like ``tqdm``.
    low, high : float or sequence of float, optional
        Gray levels that become black and full brightness, one value or one per channel. By default 8-bit movies are not
        changed, and others use the 0.1 and 99.9 percentiles of each channel in 16 frames spread over the movie.

    Returns
    -------
    Path
        `path`.

    Raises
    ------
    InputError
        If the movie has several Z slices or the contrast range is empty.
    OutputExistsError, OutputError
        If `path` exists and `overwrite` is False, or cannot be written; no partial file remains.
    """
    if movie.shape[2] > 1:
        raise InputError(
            f"{movie.name} has {movie.shape[2]} Z slices, a film has one; select one with movie.select(slices=0), "
            "or write OME-Zarr or OME-TIFF"
        )
    errors = encoding_errors(Path(path), "the encoder does not accept a frame")
    with atomic_output(path, overwrite=overwrite) as partial, errors:
        display = _Display(movie, low, high)
        with progress_bar(progress, total=len(movie), desc=f"writing {Path(path).name}", unit="frame") as bar:
            _encode(movie, display, partial, bar)
            check_written(partial, len(movie), Path(path))
    return Path(path)


class _Display:
    """Conversion of frames to 8-bit images (Y, X) or (Y, X, 3), identical for every frame."""

    def __init__(self, movie: Movie, low: Any, high: Any) -> None:
        self._movie = movie
        self._is_rgb = movie.channel_names == ("R", "G", "B")
        self.ranges = _display_ranges(movie, low, high, together=self._is_rgb)
        self._colors = _colors(movie)

    def image(self, t: int) -> Array:
        channels = [_to_unit(self._movie.frame(t, c), low, high) for c, (low, high) in enumerate(self.ranges)]
        if len(channels) == 1:
            image = channels[0]
        elif self._is_rgb:
            image = np.stack(channels, axis=-1)
        else:
            image = np.einsum("cyx,cs->yxs", np.stack(channels), self._colors)
        return even_sided(np.rint(np.clip(image, 0, 1) * 255).astype(np.uint8))


def _encode(movie: Movie, display: _Display, path: Path, bar: Bar) -> None:
    import av

    notes = VideoNotes(
        frame_interval_s=movie.frame_interval_s,
        pixel_size_um=movie.pixel_size_um,
        channel_names=movie.channel_names,
        size=movie.shape[3:],
        display_range=tuple(display.ranges),
        provenance=movie.provenance,
    )
    rate = _rate(movie.frame_interval_s)
    settings = EncoderSettings(size=movie.shape[3:], time_base=1 / rate, rate=rate, colors=HD_COLORS, quality=_QUALITY)
    with av.open(ffmpeg_url(path), "w", format="mp4", options={"movflags": "faststart"}) as container:
        container.metadata["comment"] = notes.to_comment()
        stream = settings.add_stream(container)
        for t in range(len(movie)):
            image = display.image(t)
            frame = av.VideoFrame.from_ndarray(image, format="gray" if image.ndim == 2 else "rgb24")
            # Gray has no color space to convert: specifying one changes gray levels by up to 3 and tints the image.
            space = None if image.ndim == 2 else HD_COLORS.matrix
            frame = frame.reformat(format="yuv420p", dst_colorspace=space, dst_color_range=HD_COLORS.range)
            frame.colorspace = HD_COLORS.matrix
            frame.pts = t
            container.mux(stream.encode(frame))
            bar.update(1)
        container.mux(stream.encode())


def _rate(frame_interval_s: float | None) -> Fraction:
    interval = 1 / _DEFAULT_RATE if frame_interval_s is None else min(max(frame_interval_s, 1 / _FASTEST), 1 / _SLOWEST)
    return 1 / Fraction(interval).limit_denominator(100_000)


def _colors(movie: Movie) -> Array:
    """Return the red, green and blue parts (0 to 1) of each channel's color, as (C, 3)."""
    defaults = (_MERGE_COLORS[c % len(_MERGE_COLORS)] for c in range(movie.shape[1]))
    colors = [own or default for own, default in zip(movie.channel_colors, defaults, strict=True)]
    parts = np.frombuffer(bytes.fromhex("".join(colors)), np.uint8).reshape(-1, 3)
    return parts.astype(np.float32) / 255


def _to_unit(frame: Array, low: float, high: float) -> Array:
    wide: Array = frame.astype(np.float64 if frame.dtype.itemsize > 2 else np.float32)
    unit: Array = np.clip((wide - low) / (high - low), 0, 1).astype(np.float32)
    return np.nan_to_num(unit, copy=False)


def _display_ranges(movie: Movie, low: Any, high: Any, *, together: bool) -> list[tuple[float, float]]:
    n_channels = movie.shape[1]
    lows, highs = (_per_channel(value, n_channels, name) for value, name in ((low, "low"), (high, "high")))
    if movie.dtype == np.uint8:
        measured = [(0.0, 255.0)] * n_channels
    elif None in (*lows, *highs):
        groups = [range(n_channels)] * n_channels if together else [range(c, c + 1) for c in range(n_channels)]
        cache = {group: _measured_range(movie, group) for group in groups}
        measured = [cache[group] for group in groups]
    else:
        measured = [(0.0, 1.0)] * n_channels
    ranges = []
    for given_low, given_high, own in zip(lows, highs, measured, strict=True):
        black, white = own[0] if given_low is None else given_low, own[1] if given_high is None else given_high
        if not black < white:
            raise InputError(
                f"the contrast range of {movie.name} is low={black:g}, high={white:g}, expected low < high"
            )
        ranges.append((float(black), float(white)))
    return ranges


def _per_channel(value: Any, n_channels: int, name: str) -> list[float | None]:
    values = list(value) if isinstance(value, Sequence | np.ndarray) else [value] * n_channels
    if len(values) != n_channels:
        raise InputError(
            f"{name} has {counted(len(values), 'value')}, expected one, or one for each of {n_channels} channels"
        )
    return values


def _measured_range(movie: Movie, channels: Sequence[int]) -> tuple[float, float]:
    times = evenly_spaced(len(movie), _SAMPLED_FRAMES)
    step = int(np.ceil(np.sqrt(max(movie.shape[3] * movie.shape[4] / _SAMPLED_PIXELS, 1))))
    sampled = np.concatenate([movie.frame(int(t), c)[::step, ::step].ravel() for t in times for c in channels])
    finite = sampled[np.isfinite(sampled)]
    if finite.size == 0:
        return 0.0, 1.0
    black, white = np.percentile(finite, _PERCENTILES)
    if not black < white:  # few bright pixels on a flat background
        black, white = finite.min(), finite.max()
    return float(black), float(white) if black < white else float(black) + 1
