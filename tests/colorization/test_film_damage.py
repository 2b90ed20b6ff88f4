"""Damaged films, and files of other kinds."""

from __future__ import annotations

import logging
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from decrappify.colorization import ColorizationOptions, colorize
from decrappify.colorization.film import colorize_film
from decrappify.errors import FormatError, InputError, MissingFileError

from .films import (
    change_file,
    copy_packets,
    decoded,
    gray_film,
    layout,
    luma,
    packets,
    shown_at,
    tiny_model,
    write_film,
)


@pytest.mark.parametrize(
    ("name", "content", "error", "message"),
    [
        ("no.mp4", None, MissingFileError, "does not exist"),
        ("text.mp4", b"a letter to my aunt " * 20, FormatError, "text.mp4 cannot be read as a video"),
        ("empty.mkv", b"", FormatError, "empty.mkv cannot be read as a video"),
    ],
)
def test_colorize_film_rejects_missing_and_other_files(tmp_path, film_colorizer, name, content, error, message):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(error, match=message):
        colorize_film(tmp_path / name, tmp_path / "color.mp4", film_colorizer)
    assert not list(tmp_path.glob("color*"))


def test_colorize_film_rejects_images_and_sound(tmp_path, film_colorizer):
    from PIL import Image

    Image.fromarray(gray_film(1)[0]).save(tmp_path / "still.png")
    with pytest.raises(InputError, match=r"still\.png is a still image, not a film"):
        colorize_film(tmp_path / "still.png", tmp_path / "color.mp4", film_colorizer)
    source = write_film(tmp_path / "film.mkv", gray_film(3), sound="aac")
    with av.open(str(source)) as old, av.open(str(tmp_path / "sound.mp4"), "w") as new:
        copy_packets([old.streams.audio[0]], new)
    with pytest.raises(FormatError, match=r"sound\.mp4 contains no video stream"):
        colorize_film(tmp_path / "sound.mp4", tmp_path / "color.mp4", film_colorizer)


def test_truncated_film_raises_with_its_missing_frames(tmp_path, film_colorizer):
    whole = write_film(tmp_path / "film.mp4", gray_film(40), container_options={"movflags": "faststart"})
    content = whole.read_bytes()
    (tmp_path / "half.mp4").write_bytes(content[: len(content) * 3 // 4])
    with pytest.raises(
        FormatError,
        match=r"half.mp4 is truncated: it states 40 frames and contains \d+; \d+ of 40 frames are missing .*; copy it",
    ):
        colorize_film(tmp_path / "half.mp4", tmp_path / "color.mp4", film_colorizer)


def damaged_film(path: Path, *, first: int, last: int, **settings: Any) -> Path:
    """Write a film of 30 frames and sound, and overwrite the packets `first` to `last`."""
    source = write_film(
        path, gray_film(30), sound="aac", options={"g": "5", "bf": "0", "sc_threshold": "0"}, **settings
    )
    content = bytearray(source.read_bytes())
    for packet in [p[0] for p in packets(source, "video")[0]][first : last + 1]:
        start = content.find(packet)
        content[start : start + len(packet)] = b"\xff" * len(packet)
    source.write_bytes(content)
    return source


@pytest.mark.parametrize(
    ("name", "codec"), [("film.mkv", "mpeg4"), ("film.mp4", "libx264"), ("film.avi", "mpeg4"), ("film.mov", "mpeg4")]
)
def test_damaged_film_raises_with_its_damaged_frames(tmp_path, film_colorizer, name, codec):
    source = damaged_film(tmp_path / name, first=7, last=8, codec=codec)
    with pytest.raises(
        FormatError, match=r"is damaged: .* of \d+ frames .*\(frames 7 to 9 at 0.\d+ to 0.\d+ s\); copy it"
    ):
        colorize_film(source, tmp_path / "color.mkv", film_colorizer)
    assert film_colorizer.n_images == 0
    assert [entry.name for entry in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize("damaged", ["skip", "keep"])
@pytest.mark.usefixtures("short_segments")
def test_damaged_film_keeps_times_and_names_the_omitted_frames(tmp_path, film_colorizer, caplog, damaged):
    source = damaged_film(tmp_path / "film.mkv", first=7, last=8, codec="mpeg4")
    with caplog.at_level(logging.WARNING):
        output = colorize_film(
            source, tmp_path / "color.mp4", film_colorizer, options=ColorizationOptions(damaged=damaged)
        )
    assert "film.mkv is damaged" in caplog.text
    assert "(frames 7 to 9 at 0.28 to 0.36 s)" in caplog.text
    kept = [t for t in range(30) if t not in (7, 8, 9)] if damaged == "skip" else [*range(30)]
    times = [round(float(time) * 25, 1) for time in shown_at(output)]
    assert set(times) >= set(kept) - {7, 8}
    assert set(times) <= set(range(30))
    assert (9 in times) == (damaged == "keep")
    comment = str(layout(output)["comment"])
    assert "the source is damaged" in comment
    assert "frames 7 to 9" in comment
    assert [p[0] for p in packets(output, "audio")[0]] == [p[0] for p in packets(source, "audio")[0]]


def test_frames_without_time_stamps_keep_their_times_if_others_are_omitted(tmp_path, film_colorizer):
    source = write_film(tmp_path / "film.avi", gray_film(40), options={"g": "5", "bf": "2"})
    content = bytearray(source.read_bytes())
    coded = [p[0] for p in packets(source, "video")[0]]
    start = content.find(coded[15])
    content[start : start + len(coded[15])] = b"\xff" * len(coded[15])
    source.write_bytes(content)
    with pytest.raises(FormatError, match="of 40 frames"):
        colorize_film(source, tmp_path / "color.mp4", film_colorizer)
    output = colorize_film(source, tmp_path / "color.mp4", film_colorizer, options=ColorizationOptions(damaged="skip"))
    times = [float(time) for time in shown_at(output)]
    assert len(times) < 40
    assert times[-1] == pytest.approx(39 / 25, abs=1e-3)


@pytest.mark.parametrize(
    ("name", "codec", "pixel_format", "flags", "part"),
    [
        ("film.mkv", "libx264", "yuv420p", "", 0.5),
        ("film.webm", "libvpx", "yuv420p", "", 0.8),
        ("film.mp4", "libx264", "yuv420p", "faststart", 0.8),
        ("film.avi", "mjpeg", "yuvj420p", "", 0.7),
        ("film.gif", "gif", "rgb8", "", 0.6),
    ],
)
def test_truncated_film_raises_or_is_colorized(tmp_path, film_colorizer, name, codec, pixel_format, flags, part):
    options = {"movflags": flags} if flags else {}
    source = write_film(
        tmp_path / name, gray_film(40), codec=codec, pixel_format=pixel_format, container_options=options
    )
    whole = source.read_bytes()
    source.write_bytes(whole[: int(len(whole) * part)])
    damage = r"\d+ of 40 frames are missing|the rest after frame \d+ cannot be read"
    with pytest.raises(FormatError, match=damage):
        colorize_film(source, tmp_path / "color.mp4", film_colorizer)
    output = colorize_film(source, tmp_path / "color.mp4", film_colorizer, options=ColorizationOptions(damaged="skip"))
    assert re.search(damage, str(layout(output)["comment"]))
    assert 0 < len(shown_at(output)) < 40


@pytest.mark.parametrize(
    ("name", "codec", "pixel_format", "mark"),
    [("film.mp4", "libx264", "yuv420p", b"moof"), ("film.gif", "gif", "rgb8", b"\x21\xf9\x04")],
)
def test_film_with_a_damaged_header_raises(tmp_path, film_colorizer, name, codec, pixel_format, mark):
    options = {"movflags": "frag_keyframe+empty_moov"} if codec == "libx264" else {}
    settings = {"g": "5", "bf": "0"} if codec == "libx264" else {}
    source = write_film(
        tmp_path / name, gray_film(20), codec=codec, pixel_format=pixel_format, options=settings,
        container_options=options,
    )  # fmt: skip
    content = source.read_bytes()
    start = content.find(mark, len(content) // 2)
    source.write_bytes(content[:start] + b"\0" * len(mark) + content[start + len(mark) :])
    with pytest.raises(FormatError, match=r"frames are missing|cannot be read"):
        colorize_film(source, tmp_path / "color.mp4", film_colorizer)


def without_clusters(path: Path, first: int, last: int) -> Path:
    """Write a Matroska film of 40 frames in clusters of five, and delete the clusters `first` to `last`."""
    options = {"g": "5", "bf": "0", "sc_threshold": "0"}
    write_film(path, gray_film(40), options=options, container_options={"cluster_time_limit": "190"})
    content, ends = path.read_bytes(), [0]
    while (start := content.find(b"\x1f\x43\xb6\x75", ends[-1])) >= 0:
        ends.append(start + 1)
    path.write_bytes(content[: ends[first + 1] - 1] + content[ends[last + 2] - 1 :])
    return path


@pytest.mark.parametrize(
    ("first", "last", "places"),
    [
        (0, 2, r"15 of 40 frames .*\(frames 0 to 14 at 0.00 to 0.56 s\)"),
        (3, 4, r"10 of 40 .*\(frames 15 to 24 at 0.60 "),
    ],
)
def test_deleted_clusters_are_missing_frames(tmp_path, film_colorizer, first, last, places):
    source = without_clusters(tmp_path / "film.mkv", first, last)
    with pytest.raises(FormatError, match=rf"film.mkv is damaged: {places}.*; copy it again; .* variable rate"):
        colorize_film(source, tmp_path / "color.mp4", film_colorizer)
    output = colorize_film(source, tmp_path / "color.mp4", film_colorizer, options=ColorizationOptions(damaged="keep"))
    kept = [t for t in range(40) if not 5 * first <= t < 5 * last + 5]
    assert [round(float(time) * 25) for time in shown_at(output)] == kept


@pytest.mark.parametrize("change", ["grow", "cut", "replace", "remove", "rewrite", "mode"])
@pytest.mark.usefixtures("short_segments")
def test_colorize_film_stops_if_the_film_changes(tmp_path, film_colorizer, change):
    source = write_film(tmp_path / "film.mkv", gray_film(30), codec="rawvideo" if change == "rewrite" else "libx264")

    def progress(**_: Any) -> Any:
        return Changing()

    class Changing:
        n = 0

        def update(self, n: int) -> None:
            self.n += n
            if self.n == 12:
                change_file(source, change)

        def close(self) -> None:
            pass

    if change == "mode":
        colorize_film(source, tmp_path / "color.mp4", film_colorizer, progress=progress)
        return
    with pytest.raises(FormatError, match=r"film\.mkv was (changed|removed) after it was opened"):
        colorize_film(source, tmp_path / "color.mp4", film_colorizer, progress=progress)
    assert not (tmp_path / "color.mp4").exists()


def test_images_of_another_size_are_scaled_and_times_increase(tmp_path, film_colorizer, caplog):
    first = write_film(tmp_path / "first.ts", gray_film(10), codec="mpeg2video")
    second = write_film(tmp_path / "second.ts", gray_film(8, 96, 128), codec="mpeg2video")
    source = tmp_path / "film.ts"
    source.write_bytes(first.read_bytes() + second.read_bytes())
    with caplog.at_level(logging.WARNING):
        output = colorize_film(
            source, tmp_path / "color.mp4", film_colorizer, options=ColorizationOptions(damaged="keep")
        )
    assert "did not increase" in caplog.text
    times = shown_at(output)
    assert len(times) in (17, 18)  # one frame may be lost at the joint
    assert (np.diff(times) > 0).all()
    assert decoded(output).shape[1:] == (48, 64, 3)
    assert np.abs(luma(output)[-8:] - luma(second)[:, ::2, ::2]).mean() < 8


def test_tags_in_latin_1_are_kept_as_text(tmp_path, film_colorizer):
    whole = write_film(tmp_path / "whole.mp4", gray_film(3), metadata={"title": "Muenchen"}, sound="aac")
    source = tmp_path / "film.mp4"
    source.write_bytes(whole.read_bytes().replace(b"Muenchen", b"M\xfcnchen!"))
    for name in ("color.mp4", "color.mkv"):
        assert layout(colorize_film(source, tmp_path / name, film_colorizer))["title"] == "München!"


@pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="needs names that are not UTF-8")
def test_colorize_film_accepts_names_that_are_not_utf8(tmp_path, film_colorizer):
    source = write_film(tmp_path / "film.mp4", gray_film(3))
    source = source.rename(tmp_path / os.fsdecode(b"f\xe9lm.mp4"))
    output = colorize_film(source, tmp_path / os.fsdecode(b"c\xf6lour.mp4"), film_colorizer)
    assert output.stat().st_size > 0


@pytest.mark.slow  # _common/test_terminal.py tests another command with closed streams
def test_colorize_command_runs_with_closed_standard_streams(tmp_path):
    source, model = write_film(tmp_path / "film.mp4", gray_film(3)), tmp_path / "tiny.safetensors"
    tiny_model().save(model)
    options = ["colorize", source, tmp_path / "color.mp4", "--model", model, "--render-factor", "2"]
    command = [sys.executable, "-m", "decrappify", *options]
    closed = 'exec "$@" <&- >&- 2>&-'
    subprocess.run(["sh", "-c", closed, "sh", *map(str, command)], check=True, env=os.environ, timeout=120)
    assert len(shown_at(tmp_path / "color.mp4")) == 3


def test_damaged_option_is_for_films_only(tmp_path, film_colorizer, photo):
    with pytest.raises(InputError, match="damaged='all' is not known, expected 'error', 'skip' or 'keep'"):
        colorize_film(
            tmp_path / "film.mp4", tmp_path / "color.mp4", film_colorizer, options=ColorizationOptions(damaged="all")
        )
    with pytest.raises(InputError, match="damaged='skip' is for films"):
        colorize(photo, model=tiny_model(), options=ColorizationOptions(damaged="skip"))
