"""Tiny films of many kinds, their damage, and checks of reading and colorizing them."""

from __future__ import annotations

import contextlib
import logging
import shutil
import struct
from functools import cache, partial
from pathlib import Path
from random import Random
from typing import Any

import numpy as np

from decrappify.colorization import ColorizationOptions
from decrappify.inference.options import InferenceOptions

from .checks import Fault, attempt, check_command, check_message, check_metadata
from .mutations import BYTES, PLAIN, mutate

_SIZE = 12, 24, 32  # frames, rows, columns
_MOST_FRAMES = 200  # read per movie


def film_files(folder: Path) -> list[Path]:
    """Write films of 12 frames in several containers and codecs, with sound, subtitles, chapters, rotation and tags."""
    from tests.colorization.films import gray_film, write_film

    frames = gray_film(*_SIZE)
    gop = {"g": "5"}
    films = [
        write_film(folder / "h264.mp4", frames, sound="aac", options=gop, metadata={"title": "Zürich"}),
        write_film(folder / "first.mp4", frames, options=gop, container_options={"movflags": "faststart"}),
        write_film(
            folder / "parts.mp4", frames, options=gop, container_options={"movflags": "frag_keyframe+empty_moov"}
        ),
        write_film(folder / "h264.mkv", frames, sound="flac", options=gop, metadata={"comment": "from a tape"}),
        write_film(folder / "mjpeg.mov", frames, codec="mjpeg", pixel_format="yuvj420p", sound="pcm_s16le"),
        write_film(folder / "turned.mov", frames, rotation=90, options=gop),
        write_film(folder / "mpeg4.avi", frames, codec="mpeg4", sound="mp2", options={"g": "5", "bf": "0"}),
        write_film(folder / "reordered.avi", frames, options={"g": "5", "bf": "2"}),
        write_film(folder / "lossless.avi", frames, codec="ffv1", pixel_format="gray"),
        write_film(folder / "vp8.webm", frames, codec="libvpx"),
        write_film(folder / "vp9.webm", frames, codec="libvpx-vp9"),
        write_film(folder / "mpeg2.ts", frames, codec="mpeg2video", options=gop),
        write_film(folder / "film.gif", frames, codec="gif", pixel_format="rgb8"),
        write_film(folder / "raw.mov", frames, codec="rawvideo", pixel_format="rgb24"),
    ]
    films.append(_with_extras(films[3], folder / "extras.mkv"))
    return films


def _with_extras(film: Path, path: Path) -> Path:
    """Join a film, subtitles whose text is not UTF-8, and a chapter."""
    import av
    from tests.colorization.films import copy_packets

    text = path.with_suffix(".srt")
    text.write_bytes(b"1\n00:00:00,000 --> 00:00:00,400\ngr\xfc\xdfe\n\n")
    with av.open(str(film)) as images, av.open(str(text)) as subtitles, av.open(str(path), "w") as container:
        unit = images.streams.video[0].time_base
        with contextlib.suppress(AttributeError):
            container.set_chapters([{"id": 1, "start": 0, "end": 200, "time_base": unit, "metadata": {"title": "one"}}])
        copy_packets([*images.streams.video, *subtitles.streams.subtitles], container)
    text.unlink()
    return path


def damage_film(path: Path, rng: Random) -> None:
    """Damage a film: its bytes, its atoms, one of its packets, or its name."""
    data = path.read_bytes()
    how = rng.random()
    if how < 0.25 and path.suffix in (".mp4", ".mov"):
        data = edit_atoms(data, rng)
    elif how < 0.45:
        for _ in range(rng.choice((1, 3, 10))):
            data = mutate(data, rng, BYTES)
    elif how < 0.55:
        begin, size = len(data) // 3, rng.choice((64, 500, len(data) // 3))
        data = data[:begin] + rng.choice((bytes(size), b"\xff" * size, rng.randbytes(size))) + data[begin + size :]
    else:
        data = mutate(data, rng, PLAIN)
    path.write_bytes(data)


def edit_atoms(data: bytes, rng: Random) -> bytes:
    """Exchange, repeat, remove or rename an atom of an mp4 or mov file, or set one of its fields to an extreme."""
    atoms = [(at, size) for at, size in _atoms(data, 0, len(data)) if size < len(data)]
    if not atoms:
        return mutate(data, rng, BYTES)
    at, size = rng.choice(atoms)
    how = rng.random()
    if how < 0.2:
        return data[: at + size] + data[at : at + size] + data[at + size :]
    if how < 0.4:
        return data[:at] + data[at + size :]
    if how < 0.55:
        (first, one), (second, two) = sorted((rng.choice(atoms), (at, size)))
        if first + one <= second:
            moved = data[second : second + two], data[first + one : second], data[first : first + one]
            return data[:first] + b"".join(moved) + data[second + two :]
    if how < 0.65:
        return data[: at + 4] + rng.choice((b"free", b"skip", b"\xa9nam", b"mdia", b"\0\0\0\0")) + data[at + 8 :]
    place = at + 4 * rng.randrange(2, max(3, size // 4))
    value = rng.choice((0, 1, 0x7FFFFFFF, 0xFFFFFFFF, 0x80000000, rng.randrange(1 << 16)))
    return data[:place] + struct.pack(">I", value) + data[place + 4 :]


def _atoms(data: bytes, begin: int, end: int) -> list[tuple[int, int]]:
    """Return place and size of all atoms, including nested ones."""
    found = []
    while begin + 8 <= end:
        size = int.from_bytes(data[begin : begin + 4], "big")
        if size < 8 or begin + size > end:
            break
        found.append((begin, size))
        if data[begin + 4 : begin + 8] in (
            b"moov",
            b"trak",
            b"mdia",
            b"minf",
            b"stbl",
            b"udta",
            b"edts",
            b"moof",
            b"traf",
        ):
            found += _atoms(data, begin + 8, begin + size)
        begin += size
    return found


def check_film(path: Path) -> str:
    """Check `open_movie` with all frames, ``decrappify info``, and `colorize_film` with each value of ``damaged``."""
    known, movie = attempt("open_movie", partial(_open, path), path)
    if known == "read":
        check_metadata(movie)
        for t in range(min(len(movie), _MOST_FRAMES)):
            attempt(f"frame {t}", partial(_frame, movie, t), path)
        movie.close()
    check_command("info", path)
    for damaged in ("error", "skip", "keep"):
        outcome, _ = attempt(f"colorize_film, damaged={damaged!r}", partial(_color, path, damaged), path)
        if damaged == "error" and outcome == "read":
            return "read"
    return "refused"


def _open(path: Path) -> Any:
    from decrappify.io import open_movie

    return open_movie(path)


def _frame(movie: Any, t: int) -> None:
    frame = movie.frame(t, t % movie.shape[1])
    if frame.shape != movie.shape[3:] or frame.dtype != movie.dtype:
        raise Fault(f"frame {t} is {frame.shape} {frame.dtype} of a movie {movie.shape} {movie.dtype}")


def _color(path: Path, damaged: str) -> None:
    from decrappify.colorization.film import colorize_film

    folder = path.parent / "color"
    folder.mkdir()
    logger, handler = logging.getLogger("decrappify"), _Messages()
    logger.addHandler(handler)
    try:
        output = colorize_film(path, folder / "color.mkv", _colorizer(), options=ColorizationOptions(damaged=damaged))
        _check_times(output)
        if sorted(folder.iterdir()) != [output]:
            raise Fault(f"left behind: {sorted(entry.name for entry in folder.iterdir())}")
    finally:
        logger.removeHandler(handler)
        shutil.rmtree(folder)
    for message in handler.texts:
        check_message(message, path)


class _Messages(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.texts: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.texts.append(record.getMessage())


def _check_times(output: Path) -> None:
    import av

    with av.open(str(output)) as container:
        times = [frame.pts for frame in container.decode(video=0)]
    if not times or not (np.diff(times) > 0).all():
        raise Fault(f"the colored film has the times {times[:20]}")


@cache
def _colorizer() -> Any:
    from tests.colorization.films import tiny_model

    from decrappify.colorization.colorizer import Colorizer

    return Colorizer(tiny_model(), render_factor=2, inference=InferenceOptions(device="cpu"))
