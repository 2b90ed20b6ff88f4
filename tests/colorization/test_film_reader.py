"""Damaged films, and files that are none."""

from __future__ import annotations

import logging

import av
import numpy as np
import pytest

from decrappify.colorization.film import colorize_film
from decrappify.colorization.film_reader import FilmReader
from decrappify.errors import FormatError, InputError, MissingFileError

from .films import copy_packets, decoded, grey_film, luma, packets, shown_at, write_film


@pytest.mark.parametrize(
    ("name", "content", "error", "message"),
    [
        ("no.mp4", None, MissingFileError, "there is no file"),
        ("text.mp4", b"a letter to my aunt " * 20, FormatError, "text.mp4 is no readable film"),
        ("empty.mkv", b"", FormatError, "empty.mkv is no readable film"),
    ],
)
def test_what_is_no_film_is_refused(tmp_path, film_colorizer, name, content, error, message):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(error, match=message):
        colorize_film(tmp_path / name, tmp_path / "colour.mp4", film_colorizer)
    assert not list(tmp_path.glob("colour*"))


def test_stills_and_sound_are_no_films(tmp_path, film_colorizer):
    from PIL import Image

    Image.fromarray(grey_film(1)[0]).save(tmp_path / "still.png")
    with pytest.raises(InputError, match=r"still\.png is a still picture, not a film"):
        colorize_film(tmp_path / "still.png", tmp_path / "colour.mp4", film_colorizer)
    source = write_film(tmp_path / "film.mkv", grey_film(3), sound="aac")
    with av.open(str(source)) as old, av.open(str(tmp_path / "sound.mp4"), "w") as new:
        copy_packets([old.streams.audio[0]], new)
    with pytest.raises(FormatError, match=r"sound\.mp4 holds no picture stream"):
        colorize_film(tmp_path / "sound.mp4", tmp_path / "colour.mp4", film_colorizer)


def test_a_truncated_film_is_refused(tmp_path, film_colorizer):
    whole = write_film(tmp_path / "film.mp4", grey_film(40), container_options={"movflags": "faststart"})
    content = whole.read_bytes()
    (tmp_path / "half.mp4").write_bytes(content[: len(content) * 3 // 4])
    with pytest.raises(
        FormatError, match=r"half.mp4 is truncated: it announces 40 frames and holds \d+; copy it again"
    ):
        colorize_film(tmp_path / "half.mp4", tmp_path / "colour.mp4", film_colorizer)


def test_a_damaged_film_is_coloured_with_a_warning(tmp_path, film_colorizer, caplog):
    source = write_film(tmp_path / "film.mkv", grey_film(30), codec="mpeg4", sound="aac", options={"g": "5"})
    content = bytearray(source.read_bytes())
    for packet in [p[0] for p in packets(source, "video")[0]][7:9]:
        start = content.find(packet)
        content[start : start + len(packet)] = b"\xff" * len(packet)
    source.write_bytes(content)
    with caplog.at_level(logging.WARNING):
        output = colorize_film(source, tmp_path / "colour.mp4", film_colorizer)
    assert "film.mkv is damaged" in caplog.text
    assert 26 <= len(decoded(output)) <= 30
    times = shown_at(output)
    assert times[0] == 0
    assert times[-1] == pytest.approx(29 / 25, abs=1e-3)


def test_pictures_of_another_size_are_scaled_and_times_keep_growing(tmp_path, film_colorizer, caplog):
    first = write_film(tmp_path / "first.ts", grey_film(10), codec="mpeg2video")
    second = write_film(tmp_path / "second.ts", grey_film(8, 96, 128), codec="mpeg2video")
    source = tmp_path / "film.ts"
    source.write_bytes(first.read_bytes() + second.read_bytes())
    with caplog.at_level(logging.WARNING):
        output = colorize_film(source, tmp_path / "colour.mp4", film_colorizer)
    assert "did not grow" in caplog.text
    times = shown_at(output)
    assert len(times) in (17, 18)  # the joint costs one
    assert (np.diff(times) > 0).all()
    assert decoded(output).shape[1:] == (48, 64, 3)
    assert np.abs(luma(output)[-8:] - luma(second)[:, ::2, ::2]).mean() < 8


def test_a_disk_that_goes_away_is_no_end_of_the_film(tmp_path):
    class Lost:
        def demux(self, streams):
            raise av.error.InvalidDataError(5, "Input/output error")
            yield

    reader = FilmReader(write_film(tmp_path / "film.mp4", grey_film(3)))
    with pytest.raises(FormatError, match=r"film\.mp4 could be read before and cannot be now \(Input/output error\)"):
        list(reader.packets(Lost(), ()))
