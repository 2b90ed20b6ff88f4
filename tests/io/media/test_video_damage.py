from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from decrappify.errors import FormatError
from decrappify.io.media.video import open_video
from decrappify.io.media.video_writer import write_video
from decrappify.movie import Movie

from .videos import decoded, rewritten, smooth_movie, write_film


def test_films_truncated_at_any_length_raise(tmp_path):
    path = tmp_path / "film.mp4"
    complete = write_video(Movie.from_array(smooth_movie(20, 16, 16)), tmp_path / "complete.mp4").read_bytes()
    for length in range(0, len(complete), 11):  # also inside the description of the codec, which is then unknown
        path.write_bytes(complete[:length])
        with pytest.raises(FormatError, match=r"truncated|cannot be read as a video|no video stream") as caught:
            open_video(path)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["film.mkv", "film.webm"])
def test_truncated_films_without_a_count_of_frames_raise(tmp_path, name):
    codec = "libvpx" if name == "film.webm" else "libx264"
    path = write_film(tmp_path / name, smooth_movie(60), codec, "yuv420p", "gray", g="5")
    complete = path.read_bytes()
    for part in (0.5, 0.8):
        path.write_bytes(complete[: int(len(complete) * part)])
        with pytest.raises(FormatError, match=r"truncated: it states \d+ frames and contains \d+; copy it again"):
            open_video(path)


def overwrite_packets(path: Path, first: int, last: int) -> None:
    """Fill the packets `first` to `last` of a film with ones."""
    with av.open(str(path)) as container:
        coded = [bytes(packet) for packet in container.demux(video=0) if packet.size]
    content = bytearray(path.read_bytes())
    for packet in coded[first : last + 1]:
        start = content.find(packet)
        content[start : start + len(packet)] = b"\xff" * len(packet)
    path.write_bytes(content)


@pytest.mark.parametrize(
    ("name", "codec"), [("film.mp4", "libx264"), ("film.mkv", "mpeg4"), ("film.mov", "mjpeg"), ("film.mkv", "ffv1")]
)
def test_damaged_frames_raise_and_the_others_are_exact(tmp_path, name, codec):
    depends = codec in ("libx264", "mpeg4")
    settings = {"g": "5", "bf": "0", "sc_threshold": "0"} if depends else {"g": "1"}
    pixel_format = {"mjpeg": "yuvj420p", "ffv1": "gray"}.get(codec, "yuv420p")
    path = write_film(tmp_path / name, smooth_movie(20), codec, pixel_format, "gray", **settings)
    expected = decoded(path, "gray")
    overwrite_packets(path, 7, 7)
    movie = open_video(path)
    assert len(movie) == 20
    damaged = (7, 8, 9) if depends else (7,)
    for t in (8, 7, 19, 9, *range(20)):
        if t in damaged:
            with pytest.raises(FormatError, match=rf"frame {t} of {name} cannot be decoded.* frames='START:STOP'"):
                movie.frame(t)
        else:
            np.testing.assert_array_equal(movie.frame(t), expected[t], err_msg=f"frame {t}")


def test_damaged_films_without_time_stamps_raise(tmp_path):
    path = write_film(tmp_path / "film.avi", smooth_movie(20), "libx264", "yuv420p", "gray", bf="2", g="5")
    overwrite_packets(path, 7, 7)
    with pytest.raises(FormatError, match=r"film\.avi is damaged: \d+ of 20 frames .*; copy it again"):
        open_video(path)


def test_frames_absent_from_the_middle_are_missing_planes(tmp_path):
    frames, path = smooth_movie(20), tmp_path / "film.mkv"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=25)
        stream.pix_fmt, stream.height, stream.width = "gray", 48, 64
        for t in [*range(8), *range(11, 20)]:
            frame = av.VideoFrame.from_ndarray(frames[t], format="gray")
            frame.pts = t
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    with pytest.warns(UserWarning, match=r"film\.mkv is damaged: 3 of 20 planes were not recorded \(frames 8 to 10\)"):
        movie = open_video(path)
    assert movie.missing == {(8, 0, 0), (9, 0, 0), (10, 0, 0)}
    assert movie.frame_interval_s == pytest.approx(0.04, abs=1e-3)
    frames[8:11] = 0
    np.testing.assert_array_equal(np.asarray(movie)[:, 0, 0], frames)


def test_films_of_variable_rate_have_no_missing_planes(tmp_path):
    path, times = tmp_path / "film.mkv", np.cumsum([0, *([20, 40, 200, 35] * 5)]).tolist()
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=25)
        stream.time_base = stream.codec_context.time_base = Fraction(1, 1000)
        stream.pix_fmt, stream.height, stream.width = "gray", 48, 64
        for time, pixels in zip(times, smooth_movie(len(times)), strict=True):
            frame = av.VideoFrame.from_ndarray(pixels, format="gray")
            frame.pts = time
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    movie = open_video(path)
    assert (len(movie), movie.missing) == (21, frozenset())


@pytest.mark.parametrize("change", ["grow", "cut", "replace", "remove"])
def test_film_that_changes_while_it_is_read_raises(tmp_path, change):
    path = write_film(tmp_path / "film.mkv", smooth_movie(40), "libx264", "yuv420p", "gray", g="5")
    movie, content = open_video(path), path.read_bytes()
    movie.frame(3)
    if change == "remove":
        path.unlink()
    elif change == "replace":
        path.with_name("other").write_bytes(content[::-1])
        path.with_name("other").rename(path)
    else:
        path.write_bytes(content * 2 if change == "grow" else content[: len(content) // 2])
    for t in (30, 0, 12):
        with pytest.raises(FormatError, match=r"film\.mkv was (changed|removed) after it was opened"):
            movie.frame(t)


@pytest.mark.parametrize(
    ("suffix", "codec", "tag", "other"),
    [
        (".mp4", "libx264", b"avc1", b"xyzw"),
        (".mkv", "libx264", b"V_MPEG4/ISO/AVC", b"V_XPEG4/ISO/XYZ"),
        (".avi", "mpeg4", b"FMP4", b"XYZW"),
    ],
)
def test_films_without_a_known_decoder_raise(tmp_path, suffix, codec, tag, other):
    complete = write_film(tmp_path / f"complete{suffix}", smooth_movie(3), codec, "yuv420p", "gray")
    path = rewritten(complete, f"film{suffix}", (tag, other))
    with pytest.raises(FormatError, match=r"contains video without a known decoder; convert it to H\.264 first"):
        open_video(path)


@pytest.mark.parametrize(("atom", "place"), [(b"mdhd", 16), (b"stts", 16)])
@pytest.mark.parametrize("value", [0, 1, 0x7FFFFFFF, 0xFFFFFFFF])
@pytest.mark.filterwarnings("ignore:film.mp4:UserWarning")
def test_films_with_invalid_clocks_raise_or_are_read(tmp_path, atom, place, value):
    path = write_film(tmp_path / "film.mp4", smooth_movie(6), "libx264", "yuv420p", "gray")
    content = bytearray(path.read_bytes())
    start = content.find(atom) + place
    content[start : start + 4] = value.to_bytes(4, "big")
    path.write_bytes(content)
    try:
        movie = open_video(path)
    except FormatError:
        return
    assert movie.frame_interval_s is None or movie.frame_interval_s > 0
    assert movie.frame(len(movie) - 1).shape == (48, 64)


def test_frames_excluded_by_an_edit_list_are_counted_in_a_warning(tmp_path):
    path = write_film(tmp_path / "film.mp4", smooth_movie(12), "libx264", "yuv420p", "gray", bf="0")
    content = bytearray(path.read_bytes())
    entry = content.find(b"elst") + 12  # its duration in milliseconds, 480 before
    content[entry : entry + 4] = (200).to_bytes(4, "big")
    path.write_bytes(content)
    with pytest.warns(UserWarning, match=r"film\.mp4: [67] of 12 frames are excluded by the film's edit list"):
        movie = open_video(path)
    assert len(movie) in (5, 6)


def test_frames_of_impossible_size_raise(tmp_path):
    path = write_film(tmp_path / "film.mov", smooth_movie(3), "mjpeg", "yuvj420p", "gray")
    content = bytearray(path.read_bytes())
    sizes = content.find(b"jpeg", content.find(b"stsd")) + 28
    content[sizes : sizes + 4] = bytes.fromhex("fff0fff0")
    path.write_bytes(content.replace(b"\xff\xc0\x00\x11\x08\x00\x30\x00\x40", b"\xff\xc0\x00\x11\x08\xff\xf0\xff\xf0"))
    with pytest.raises(FormatError, match=r"film\.mov (states frames of \d+ × \d+ pixels|.*cannot be decoded)"):
        open_video(path)
