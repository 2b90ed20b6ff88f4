"""Videos of smooth frames, written by PyAV only."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np

from decrappify.movie import Array


def smooth_movie(n_frames: int = 12, height: int = 48, width: int = 64, dtype: str = "uint8") -> Array:
    """Return frames of a moving, brightening spot: smooth for lossy codecs, and all different."""
    y, x = np.mgrid[:height, :width]
    top = np.iinfo(dtype).max
    frames = [
        np.exp(-((y - height / 2) ** 2 + (x - 4 * t) ** 2) / 200.0) * (0.5 + 0.4 * t / n_frames)
        for t in range(n_frames)
    ]
    return np.rint(np.stack(frames) * top).astype(dtype)


def write_film(path: Path, frames: Array, codec: str, pixel_format: str, source_format: str, **options: str) -> Path:
    """Write a film of 25 frames per second with PyAV only."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=25, options=options)
        stream.pix_fmt, stream.height, stream.width = pixel_format, frames.shape[1], frames.shape[2]
        for t, pixels in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(pixels, format=source_format)
            frame.pts = t
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def decoded(path: Path, pixel_format: str = "rgb24") -> list[Array]:
    with av.open(str(path)) as container:
        container.streams.video[0].codec_context.thread_count = 1  # with threads, a process that is forked later hangs
        return [frame.to_ndarray(format=pixel_format) for frame in container.decode(video=0)]


def rewritten(source: Path, name: str, *changes: tuple[bytes, bytes]) -> Path:
    """Copy a film, with bytes replaced by others of the same length."""
    content = source.read_bytes()
    for old, new in changes:
        assert len(old) == len(new)
        assert old in content
        content = content.replace(old, new)
    path = source.with_name(name)
    path.write_bytes(content)
    return path
