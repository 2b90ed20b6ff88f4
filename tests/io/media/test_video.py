from __future__ import annotations

import multiprocessing
import os
import pickle
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from decrappify.errors import FormatError, InputError, MissingFileError, OutputError, OutputExistsError
from decrappify.io.media.video import open_video
from decrappify.io.media.video_writer import write_video
from decrappify.movie import Array, Movie


def smooth_movie(n_frames: int = 12, height: int = 48, width: int = 64, dtype: str = "uint8") -> Array:
    """Discs that move and brighten: survives a lossy codec, and no two frames are alike."""
    y, x = np.mgrid[:height, :width]
    top = np.iinfo(dtype).max
    frames = [
        np.exp(-((y - height / 2) ** 2 + (x - 4 * t) ** 2) / 200.0) * (0.5 + 0.4 * t / n_frames)
        for t in range(n_frames)
    ]
    return np.rint(np.stack(frames) * top).astype(dtype)


def write_film(path: Path, frames: Array, codec: str, pixel_format: str, source_format: str, **options: str) -> Path:
    """A film made by PyAV alone, at 25 frames per second."""
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
        container.streams.video[0].codec_context.thread_count = 1  # threads would hang a later forked process
        return [frame.to_ndarray(format=pixel_format) for frame in container.decode(video=0)]


@pytest.mark.parametrize(
    ("name", "shape", "interval"),
    [
        pytest.param("movies/bulk-water_480f.mov", (480, 3, 1, 424, 640), 1001 / 24000, marks=pytest.mark.slow),
        ("colour/bikes.mp4", (250, 3, 1, 272, 640), 0.04),
    ],
)
def test_real_films_give_exact_frames_in_any_order(real_data, rng, name, shape, interval):
    movie = open_video(real_data / name)
    assert movie.shape == shape
    assert movie.dtype == np.uint8
    assert movie.channel_names == ("R", "G", "B")
    assert movie.frame_interval_s == pytest.approx(interval)
    truth = decoded(real_data / name)
    assert len(truth) == shape[0]
    picks = [0, 1, 2, 239, 238, shape[0] - 1, 0, 120, *rng.integers(0, shape[0], 6)]
    for t in map(int, picks):
        np.testing.assert_array_equal(movie.frame(t, 1), truth[t][..., 1], err_msg=f"frame {t}")
    np.testing.assert_array_equal(movie.region(3, 2, 0, slice(5, 20), slice(30, 41)), truth[3][5:20, 30:41, 2])


def test_films_are_read_in_every_order(tmp_path, rng):
    frames = np.stack([smooth_movie(40)] * 3, -1) // np.array([1, 2, 3], np.uint8)
    path = write_film(tmp_path / "film.mp4", frames, "libx264", "yuv420p", "rgb24", bf="3", g="9", sc_threshold="0")
    truth, movie = decoded(path), open_video(path)
    for t in (*range(40), *range(39, -1, -1), *rng.permutation(40)):
        np.testing.assert_array_equal(movie.frame(int(t), 0), truth[t][..., 0], err_msg=f"frame {t}")


@pytest.mark.parametrize(
    ("suffix", "codec", "pixel_format", "dtype"),
    [(".mkv", "ffv1", "gray", "uint8"), (".mkv", "ffv1", "gray16le", "uint16"), (".avi", "ffv1", "gray", "uint8")],
)
def test_lossless_grey_films_come_back_exactly(tmp_path, suffix, codec, pixel_format, dtype):
    frames = smooth_movie(7, dtype=dtype)
    movie = open_video(write_film(tmp_path / f"film{suffix}", frames, codec, pixel_format, pixel_format))
    assert movie.shape == (7, 1, 1, 48, 64)
    assert movie.dtype == dtype
    assert movie.frame_interval_s == pytest.approx(0.04, abs=1e-3)  # mkv counts in milliseconds
    np.testing.assert_array_equal(np.asarray(movie)[:, 0, 0], frames)
    np.testing.assert_array_equal(movie.frame(2), frames[2])


def test_film_without_time_stamps_is_counted_by_decoding(tmp_path):
    frames = smooth_movie(20)
    frames[:6] = frames[6]  # avi has no time stamps; reordered frames begin late
    path = write_film(tmp_path / "film.avi", frames, "libx264", "yuv420p", "gray", bf="2", g="5")
    truth, movie = decoded(path, "gray"), open_video(path)
    assert movie.shape == (20, 1, 1, 48, 64)
    for t in (0, 5, 3, 19, 0, *range(20)):
        np.testing.assert_array_equal(movie.frame(t), truth[t])


def test_a_container_without_its_header_is_not_read_as_a_bare_stream(tmp_path):
    bare = write_film(tmp_path / "film.mjpeg", smooth_movie(), "mjpeg", "yuvj420p", "gray")
    path = bare.rename(tmp_path / "film.mov")
    with pytest.raises(FormatError, match=r"film\.mov has no mov header, only a bare mjpeg stream"):
        open_video(path)


def test_grey_film_with_one_coloured_key_frame_stays_coloured(tmp_path):
    frames = np.stack([smooth_movie(30)] * 3, -1)
    frames[20:, :, :, 0] = 200
    path = write_film(tmp_path / "film.mp4", frames, "libx264", "yuv420p", "rgb24", g="5")
    assert open_video(path).shape[1] == 3
    grey = write_film(tmp_path / "grey.mp4", frames[:20], "libx264", "yuv420p", "rgb24", g="5")
    assert open_video(grey).shape[1] == 1


@pytest.mark.parametrize("context", ["fork", "spawn"])
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_other_processes_read_the_same_frames(tmp_path, context):
    path = write_film(tmp_path / "film.mp4", smooth_movie(20), "libx264", "yuv420p", "gray", g="7")
    movie = open_video(path)
    expected = [movie.frame(t) for t in (3, 11)]
    with multiprocessing.get_context(context).Pool(1) as pool:
        found = pool.map(movie.frame, [3, 11])
    np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(movie)).frame(11), expected[1])


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_a_forked_process_does_not_move_its_parents_film(tmp_path):
    path = write_film(tmp_path / "film.mp4", smooth_movie(20), "libx264", "yuv420p", "gray", g="7")
    truth, movie = decoded(path, "gray"), open_video(path)
    movie.frame(2)
    child = os.fork()
    if child == 0:
        right = all(np.array_equal(movie.frame(t), truth[t]) for t in (19, 3, 12))
        os._exit(0 if right else 1)
    assert os.waitpid(child, 0)[1] == 0
    np.testing.assert_array_equal(movie.frame(3), truth[3])


@pytest.mark.parametrize(("height", "width"), [(48, 64), (47, 63), (33, 40), (5, 3)])
def test_8_bit_movie_survives_the_round_trip(tmp_path, height, width):
    frames = smooth_movie(10, height, width)
    movie = Movie.from_array(
        frames, frame_interval_s=90.0, pixel_size_um=(None, 0.2, 0.1), channel_names=["GFP µm"], name="cells"
    )
    path = write_video(movie, tmp_path / "cells.mp4")
    again = open_video(path)
    assert again.shape == (10, 1, 1, height, width)
    assert again.pixel_size_um == movie.pixel_size_um
    assert again.frame_interval_s == 90.0
    assert again.channel_names == ("GFP µm",)
    error = np.asarray(again)[:, 0, 0].astype(int) - frames
    assert np.abs(error).mean() < 1.5
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        assert stream.codec_context.name == "h264"
        assert stream.codec_context.pix_fmt == "yuv420p"
        assert stream.average_rate == 5
        assert (stream.height, stream.width) == (height + height % 2, width + width % 2)


@pytest.mark.parametrize(
    ("interval", "rate"), [(None, 10), (0.04, 25), (1001 / 24000, Fraction(24000, 1001)), (60.0, 5), (0.001, 30)]
)
def test_films_play_at_a_rate_that_can_be_watched(tmp_path, interval, rate):
    movie = Movie.from_array(smooth_movie(6), frame_interval_s=interval)
    path = write_video(movie, tmp_path / "cells.mp4")
    with av.open(str(path)) as container:
        assert container.streams.video[0].average_rate == rate
    assert open_video(path).frame_interval_s == interval


def test_16_bit_movie_has_one_contrast_for_all_frames(tmp_path):
    frames = np.full((8, 32, 32), 1000, np.uint16)
    frames[:, 8:24, 8:24] = np.linspace(2000, 9000, 8).astype(np.uint16)[:, None, None]
    again = open_video(write_video(Movie.from_array(frames), tmp_path / "cells.mp4"))
    levels = [float(again.frame(t)[12:20, 12:20].mean()) for t in range(8)]
    np.testing.assert_allclose(levels, (frames[:, 16, 16] - 1000) / 8000 * 255, atol=3)
    given = open_video(write_video(Movie.from_array(frames), tmp_path / "given.mp4", low=0, high=18000))
    np.testing.assert_allclose(given.frame(7)[12:20, 12:20], 127, atol=3)


def test_constant_and_nan_frames_are_shown_as_black(tmp_path):
    frames = np.full((3, 16, 16), np.nan, np.float32)
    frames[0] = 5.0
    again = open_video(write_video(Movie.from_array(frames), tmp_path / "cells.mp4"))
    assert np.asarray(again).max() <= 1


@pytest.mark.parametrize(
    ("names", "colors", "expected"),
    [
        (["a", "b"], None, [(0, 255, 0), (255, 0, 255)]),
        (["a", "b"], ["FF0000", "0000FF"], [(255, 0, 0), (0, 0, 255)]),
        (["R", "G", "B"], None, [(255, 0, 0), (0, 255, 0), (0, 0, 255)]),
    ],
)
def test_channels_are_merged_in_their_colours(tmp_path, names, colors, expected):
    array = np.zeros((4, len(names), 1, 32, 32 * len(names)), np.uint8)
    for c in range(len(names)):
        array[:, c, :, :, 32 * c : 32 * c + 32] = 255
    movie = Movie.from_array(array, channel_names=names, channel_colors=colors)
    again = np.asarray(open_video(write_video(movie, tmp_path / "cells.mp4")))[2, :, 0]
    for c, color in enumerate(expected):
        np.testing.assert_allclose(again[:, 16, 32 * c + 16], color, atol=4)


def test_progress_is_told_and_closed(tmp_path, bar):
    write_video(Movie.from_array(smooth_movie(3)), tmp_path / "cells.mp4", progress=bar)
    assert bar.settings == {"total": 3, "desc": "writing cells.mp4", "unit": "frame"}
    assert (bar.updates, bar.closed) == ([1, 1, 1], True)


def test_an_existing_film_is_kept_unless_asked(tmp_path):
    movie = Movie.from_array(smooth_movie(3))
    path = write_video(movie, tmp_path / "cells.mp4")
    before = path.read_bytes()
    with pytest.raises(OutputExistsError, match="already exists"):
        write_video(movie, path)
    assert path.read_bytes() == before
    assert write_video(movie[:2], path, overwrite=True) == path
    assert len(open_video(path)) == 2
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("shape", "options", "message"),
    [
        ((2, 1, 3, 16, 16), {}, "3 Z slices.*movie.select"),
        ((2, 1, 1, 16, 16), {"low": 9, "high": 9}, "low=9, high=9; needs low < high"),
        ((2, 2, 1, 16, 16), {"low": [1, 2, 3]}, "low has 3 values"),
    ],
)
def test_movies_that_make_no_film_are_refused(tmp_path, shape, options, message):
    with pytest.raises(InputError, match=message):
        write_video(Movie.from_array(np.zeros(shape, np.uint16)), tmp_path / "cells.mp4", **options)
    assert not list(tmp_path.iterdir())


def test_a_movie_that_fails_midway_leaves_nothing(tmp_path):
    class Failing:
        shape, dtype = (5, 1, 1, 16, 16), np.dtype(np.uint8)

        def read(self, t, c, z, rows, columns):
            if t == 3:
                raise FormatError("frame 3 is damaged")
            return np.zeros((16, 16), np.uint8)

        def close(self):
            pass

    with pytest.raises(FormatError, match="frame 3 is damaged"):
        write_video(Movie(Failing()), tmp_path / "cells.mp4")
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(sys.platform == "win32", reason="needs limits on file size")
@pytest.mark.parametrize("limit", [pytest.param(1000, marks=pytest.mark.slow), 20_000])
def test_a_full_disk_ends_in_one_line(tmp_path, limit):
    script = f"""
import resource, numpy as np
from decrappify.errors import OutputError
from decrappify.io.media.video_writer import write_video
from decrappify.movie import Movie
noise = np.random.default_rng(0).integers(0, 255, (20, 64, 64), dtype=np.uint8)
resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit}))
try:
    write_video(Movie.from_array(noise), {str(tmp_path / "cells.mp4")!r})
except OutputError as error:
    raise SystemExit(f"refused: {{error}}")
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert "refused:" in done.stderr, done.stderr
    assert "could not be written" in done.stderr
    assert not list(tmp_path.iterdir())


def test_output_errors_name_the_folder(tmp_path):
    with pytest.raises(OutputError, match="no folder"):
        write_video(Movie.from_array(smooth_movie(2)), tmp_path / "missing" / "cells.mp4")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"<!DOCTYPE html>", "cannot be read as a video"),
        (b"", "cannot be read as a video"),
        (b"\0\0\0\x20ftypisom" + b"\0" * 99, "film|video"),
    ],
)
def test_what_is_no_film_is_refused(tmp_path, content, message):
    path = tmp_path / "film.mp4"
    path.write_bytes(content)
    with pytest.raises(FormatError, match=message) as refused:
        open_video(path)
    assert "\n" not in str(refused.value)


def test_truncated_films_are_refused_wherever_they_end(tmp_path):
    path = tmp_path / "film.mp4"
    whole = write_video(Movie.from_array(smooth_movie(20, 16, 16)), tmp_path / "whole.mp4").read_bytes()
    for length in range(0, len(whole), 11):  # also inside the description of the codec, which is then unknown
        path.write_bytes(whole[:length])
        with pytest.raises(FormatError, match=r"truncated|cannot be read as a video|no picture stream") as refused:
            open_video(path)
        assert "\n" not in str(refused.value)


@pytest.mark.parametrize("name", ["film.mkv", "film.webm"])
def test_truncated_films_without_a_count_of_frames_are_refused(tmp_path, name):
    codec = "libvpx" if name == "film.webm" else "libx264"
    path = write_film(tmp_path / name, smooth_movie(60), codec, "yuv420p", "gray", g="5")
    whole = path.read_bytes()
    for part in (0.5, 0.8):
        path.write_bytes(whole[: int(len(whole) * part)])
        with pytest.raises(FormatError, match=r"truncated: it announces \d+ frames and holds \d+; copy it again"):
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
def test_damaged_frames_are_errors_and_the_others_are_exact(tmp_path, name, codec):
    depends = codec in ("libx264", "mpeg4")
    settings = {"g": "5", "bf": "0", "sc_threshold": "0"} if depends else {"g": "1"}
    pixel_format = {"mjpeg": "yuvj420p", "ffv1": "gray"}.get(codec, "yuv420p")
    path = write_film(tmp_path / name, smooth_movie(20), codec, pixel_format, "gray", **settings)
    truth = decoded(path, "gray")
    overwrite_packets(path, 7, 7)
    movie = open_video(path)
    assert len(movie) == 20
    damaged = (7, 8, 9) if depends else (7,)
    for t in (8, 7, 19, 9, *range(20)):
        if t in damaged:
            with pytest.raises(
                FormatError, match=rf"frame {t} of {name} cannot be decoded.* --frames START:STOP|--frames"
            ):
                movie.frame(t)
        else:
            np.testing.assert_array_equal(movie.frame(t), truth[t], err_msg=f"frame {t}")


def test_damaged_films_without_time_stamps_are_refused(tmp_path):
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


def test_films_of_variable_rate_miss_nothing(tmp_path):
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
def test_a_film_that_changes_while_it_is_read_is_an_error(tmp_path, change):
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
        with pytest.raises(FormatError, match=r"film\.mkv was (changed after|there when) it was opened"):
            movie.frame(t)


def rewritten(source: Path, name: str, *changes: tuple[bytes, bytes]) -> Path:
    """A copy of a film in which bytes are replaced by others of the same length."""
    content = source.read_bytes()
    for old, new in changes:
        assert len(old) == len(new)
        assert old in content
        content = content.replace(old, new)
    path = source.with_name(name)
    path.write_bytes(content)
    return path


@pytest.mark.parametrize(
    ("suffix", "codec", "tag", "other"),
    [
        (".mp4", "libx264", b"avc1", b"xyzw"),
        (".mkv", "libx264", b"V_MPEG4/ISO/AVC", b"V_XPEG4/ISO/XYZ"),
        (".avi", "mpeg4", b"FMP4", b"XYZW"),
    ],
)
def test_films_that_nothing_decodes_are_refused(tmp_path, suffix, codec, tag, other):
    whole = write_film(tmp_path / f"whole{suffix}", smooth_movie(3), codec, "yuv420p", "gray")
    path = rewritten(whole, f"film{suffix}", (tag, other))
    with pytest.raises(FormatError, match=r"holds pictures that nothing here decodes; convert it to H\.264 first"):
        open_video(path)


@pytest.mark.parametrize(("atom", "place"), [(b"mdhd", 16), (b"stts", 16)])
@pytest.mark.parametrize("value", [0, 1, 0x7FFFFFFF, 0xFFFFFFFF])
@pytest.mark.filterwarnings("ignore:film.mp4:UserWarning")
def test_absurd_clocks_end_in_one_line_or_in_frames(tmp_path, atom, place, value):
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


def test_frames_that_an_edit_list_cuts_away_are_counted(tmp_path):
    path = write_film(tmp_path / "film.mp4", smooth_movie(12), "libx264", "yuv420p", "gray", bf="0")
    content = bytearray(path.read_bytes())
    entry = content.find(b"elst") + 12  # its duration, in milliseconds, of 480
    content[entry : entry + 4] = (200).to_bytes(4, "big")
    path.write_bytes(content)
    with pytest.warns(UserWarning, match=r"film\.mp4: [67] of 12 frames are cut away by the film's edit list"):
        movie = open_video(path)
    assert len(movie) in (5, 6)


def test_frames_of_absurd_size_are_refused_before_they_are_decoded(tmp_path):
    path = write_film(tmp_path / "film.mov", smooth_movie(3), "mjpeg", "yuvj420p", "gray")
    content = bytearray(path.read_bytes())
    sizes = content.find(b"jpeg", content.find(b"stsd")) + 28
    content[sizes : sizes + 4] = bytes.fromhex("fff0fff0")
    path.write_bytes(content.replace(b"\xff\xc0\x00\x11\x08\x00\x30\x00\x40", b"\xff\xc0\x00\x11\x08\xff\xf0\xff\xf0"))
    with pytest.raises(FormatError, match=r"film\.mov (states frames of \d+ × \d+ pixels|.*cannot be decoded)"):
        open_video(path)


def test_tags_that_are_not_utf8_are_no_obstacle(tmp_path):
    with av.open(str(tmp_path / "whole.mp4"), "w") as container:
        container.metadata["comment"] = "Zuerich"
        stream = container.add_stream("libx264", rate=25)
        stream.pix_fmt, stream.height, stream.width = "yuv420p", 48, 64
        for pixels in smooth_movie(3):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="gray")))
        container.mux(stream.encode())
    movie = open_video(rewritten(tmp_path / "whole.mp4", "film.mp4", (b"Zuerich", b"Z\xfcrich!")))
    assert len(movie) == 3


@pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="needs names that are not UTF-8")
def test_names_that_are_not_utf8_are_no_obstacle(tmp_path):
    path = tmp_path / os.fsdecode(b"f\xe9lm.mp4")
    movie = open_video(write_video(Movie.from_array(smooth_movie(3)), path))
    assert len(movie) == 3
    path.write_bytes(path.read_bytes()[:400])
    with pytest.raises(FormatError):
        open_video(path)


@pytest.mark.parametrize("kind", ["folder", "pipe"])
def test_only_regular_files_are_films(tmp_path, kind):
    path = tmp_path / "film.mp4"
    if kind == "folder":
        path.mkdir()
    elif hasattr(os, "mkfifo"):
        os.mkfifo(path)
    else:
        pytest.skip("needs named pipes")
    with pytest.raises(FormatError, match=r"film\.mp4 is a (folder|named pipe), needs a regular file"):
        open_video(path)


def test_sound_and_missing_files_are_refused(tmp_path):
    path = tmp_path / "sound.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=8000, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        frame.sample_rate = 8000
        container.mux(stream.encode(frame))
        container.mux(stream.encode())
    with pytest.raises(FormatError, match="holds no picture stream"):
        open_video(path)
    with pytest.raises(MissingFileError, match="no file"):
        open_video(tmp_path / "none.mp4")
