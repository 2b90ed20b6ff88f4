from __future__ import annotations

import multiprocessing
import os
import pickle
import sys

import av
import numpy as np
import pytest

from decrappify.errors import FormatError, MissingFileError
from decrappify.io.media.video import open_video
from decrappify.io.media.video_writer import write_video
from decrappify.movie import Movie

from .videos import decoded, rewritten, smooth_movie, write_film


@pytest.mark.parametrize(
    ("name", "shape", "interval"),
    [
        pytest.param("movies/bulk-water_480f.mov", (480, 3, 1, 424, 640), 1001 / 24000, marks=pytest.mark.slow),
        ("colour/bikes.mp4", (250, 3, 1, 272, 640), 0.04),
    ],
)
def test_real_films_return_exact_frames_in_any_order(real_data, rng, name, shape, interval):
    movie = open_video(real_data / name)
    assert movie.shape == shape
    assert movie.dtype == np.uint8
    assert movie.channel_names == ("R", "G", "B")
    assert movie.frame_interval_s == pytest.approx(interval)
    expected = decoded(real_data / name)
    assert len(expected) == shape[0]
    picks = [0, 1, 2, 239, 238, shape[0] - 1, 0, 120, *rng.integers(0, shape[0], 6)]
    for t in map(int, picks):
        np.testing.assert_array_equal(movie.frame(t, 1), expected[t][..., 1], err_msg=f"frame {t}")
    np.testing.assert_array_equal(movie.region(3, 2, 0, slice(5, 20), slice(30, 41)), expected[3][5:20, 30:41, 2])


def test_films_are_read_in_every_order(tmp_path, rng):
    frames = np.stack([smooth_movie(40)] * 3, -1) // np.array([1, 2, 3], np.uint8)
    path = write_film(tmp_path / "film.mp4", frames, "libx264", "yuv420p", "rgb24", bf="3", g="9", sc_threshold="0")
    expected, movie = decoded(path), open_video(path)
    for t in (*range(40), *range(39, -1, -1), *rng.permutation(40)):
        np.testing.assert_array_equal(movie.frame(int(t), 0), expected[t][..., 0], err_msg=f"frame {t}")


@pytest.mark.parametrize(
    ("suffix", "codec", "pixel_format", "dtype"),
    [(".mkv", "ffv1", "gray", "uint8"), (".mkv", "ffv1", "gray16le", "uint16"), (".avi", "ffv1", "gray", "uint8")],
)
def test_lossless_gray_films_are_read_exactly(tmp_path, suffix, codec, pixel_format, dtype):
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
    expected, movie = decoded(path, "gray"), open_video(path)
    assert movie.shape == (20, 1, 1, 48, 64)
    for t in (0, 5, 3, 19, 0, *range(20)):
        np.testing.assert_array_equal(movie.frame(t), expected[t])


def test_bare_stream_with_the_suffix_of_a_container_raises(tmp_path):
    bare = write_film(tmp_path / "film.mjpeg", smooth_movie(), "mjpeg", "yuvj420p", "gray")
    path = bare.rename(tmp_path / "film.mov")
    with pytest.raises(FormatError, match=r"film\.mov has no mov header, only a bare mjpeg stream"):
        open_video(path)


def test_gray_film_with_one_color_key_frame_is_read_in_color(tmp_path):
    frames = np.stack([smooth_movie(30)] * 3, -1)
    frames[20:, :, :, 0] = 200
    path = write_film(tmp_path / "film.mp4", frames, "libx264", "yuv420p", "rgb24", g="5")
    assert open_video(path).shape[1] == 3
    gray = write_film(tmp_path / "gray.mp4", frames[:20], "libx264", "yuv420p", "rgb24", g="5")
    assert open_video(gray).shape[1] == 1


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
def test_forked_process_does_not_change_the_film_of_its_parent(tmp_path):
    path = write_film(tmp_path / "film.mp4", smooth_movie(20), "libx264", "yuv420p", "gray", g="7")
    expected, movie = decoded(path, "gray"), open_video(path)
    movie.frame(2)
    child = os.fork()
    if child == 0:
        equal = all(np.array_equal(movie.frame(t), expected[t]) for t in (19, 3, 12))
        os._exit(0 if equal else 1)
    assert os.waitpid(child, 0)[1] == 0
    np.testing.assert_array_equal(movie.frame(3), expected[3])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"<!DOCTYPE html>", "cannot be read as a video"),
        (b"", "cannot be read as a video"),
        (b"\0\0\0\x20ftypisom" + b"\0" * 99, "cannot be read as a video"),
    ],
)
def test_other_files_than_films_raise(tmp_path, content, message):
    path = tmp_path / "film.mp4"
    path.write_bytes(content)
    with pytest.raises(FormatError, match=message) as caught:
        open_video(path)
    assert "\n" not in str(caught.value)


def test_tags_that_are_not_utf8_are_accepted(tmp_path):
    with av.open(str(tmp_path / "latin1.mp4"), "w") as container:
        container.metadata["comment"] = "Zuerich"
        stream = container.add_stream("libx264", rate=25)
        stream.pix_fmt, stream.height, stream.width = "yuv420p", 48, 64
        for pixels in smooth_movie(3):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="gray")))
        container.mux(stream.encode())
    movie = open_video(rewritten(tmp_path / "latin1.mp4", "film.mp4", (b"Zuerich", b"Z\xfcrich!")))
    assert len(movie) == 3


@pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="needs names that are not UTF-8")
def test_names_that_are_not_utf8_are_accepted(tmp_path):
    path = tmp_path / os.fsdecode(b"f\xe9lm.mp4")
    movie = open_video(write_video(Movie.from_array(smooth_movie(3)), path))
    assert len(movie) == 3
    path.write_bytes(path.read_bytes()[:400])
    with pytest.raises(FormatError):
        open_video(path)


@pytest.mark.parametrize("kind", ["folder", "pipe"])
def test_folders_and_pipes_raise(tmp_path, kind):
    path = tmp_path / "film.mp4"
    if kind == "folder":
        path.mkdir()
    elif hasattr(os, "mkfifo"):
        os.mkfifo(path)
    else:
        pytest.skip("needs named pipes")
    with pytest.raises(FormatError, match=r"film\.mp4 is a (folder|named pipe), expected a regular file"):
        open_video(path)


def test_sound_and_missing_files_raise(tmp_path):
    path = tmp_path / "sound.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=8000, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        frame.sample_rate = 8000
        container.mux(stream.encode(frame))
        container.mux(stream.encode())
    with pytest.raises(FormatError, match="contains no video stream"):
        open_video(path)
    with pytest.raises(MissingFileError, match="does not exist"):
        open_video(tmp_path / "none.mp4")
