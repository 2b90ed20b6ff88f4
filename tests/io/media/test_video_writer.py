from __future__ import annotations

import subprocess
import sys
from fractions import Fraction

import av
import numpy as np
import pytest

from decrappify.errors import FormatError, InputError, OutputError, OutputExistsError
from decrappify.io.media.video import open_video
from decrappify.io.media.video_writer import write_video
from decrappify.movie import FrameSource, Movie

from .videos import smooth_movie


@pytest.mark.parametrize(("height", "width"), [(48, 64), (47, 63), (33, 40), (5, 3)])
def test_8_bit_movie_keeps_its_pixels_and_metadata(tmp_path, height, width):
    frames = smooth_movie(10, height, width)
    movie = Movie.from_array(
        frames,
        frame_interval_s=90.0,
        pixel_size_um=(None, 0.2, 0.1),
        channel_names=["GFP µm"],
        provenance={"restoration": {"model": "größer", "n_frames": 3}},
        name="cells",
    )
    path = write_video(movie, tmp_path / "cells.mp4")
    again = open_video(path)
    assert again.shape == (10, 1, 1, height, width)
    assert again.pixel_size_um == movie.pixel_size_um
    assert again.frame_interval_s == 90.0
    assert again.channel_names == ("GFP µm",)
    assert again.provenance == movie.provenance
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
def test_films_have_a_frame_rate_from_5_to_30(tmp_path, interval, rate):
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


def test_constant_and_nan_frames_are_written_as_black(tmp_path):
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
def test_channels_are_merged_in_their_colors(tmp_path, names, colors, expected):
    array = np.zeros((4, len(names), 1, 32, 32 * len(names)), np.uint8)
    for c in range(len(names)):
        array[:, c, :, :, 32 * c : 32 * c + 32] = 255
    movie = Movie.from_array(array, channel_names=names, channel_colors=colors)
    again = np.asarray(open_video(write_video(movie, tmp_path / "cells.mp4")))[2, :, 0]
    for c, color in enumerate(expected):
        np.testing.assert_allclose(again[:, 16, 32 * c + 16], color, atol=4)


def test_progress_is_reported_and_closed(tmp_path, bar):
    write_video(Movie.from_array(smooth_movie(3)), tmp_path / "cells.mp4", progress=bar)
    assert bar.settings == {"total": 3, "desc": "writing cells.mp4", "unit": "frame", "initial": 0}
    assert (bar.updates, bar.closed) == ([1, 1, 1], True)


def test_existing_film_is_kept_without_overwrite(tmp_path):
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
        ((2, 1, 1, 16, 16), {"low": 9, "high": 9}, "low=9, high=9, expected low < high"),
        ((2, 2, 1, 16, 16), {"low": [1, 2, 3]}, "low has 3 values"),
    ],
)
def test_unsuitable_movies_and_limits_raise(tmp_path, shape, options, message):
    with pytest.raises(InputError, match=message):
        write_video(Movie.from_array(np.zeros(shape, np.uint16)), tmp_path / "cells.mp4", **options)
    assert not list(tmp_path.iterdir())


def test_movie_that_fails_midway_leaves_no_files(tmp_path):
    class Failing(FrameSource):
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
def test_full_disk_raises_and_leaves_no_files(tmp_path, limit):
    script = f"""
import resource, numpy as np
from decrappify.errors import OutputError
from decrappify.io.media.video_writer import write_video
from decrappify.movie import FrameSource, Movie
noise = np.random.default_rng(0).integers(0, 255, (20, 64, 64), dtype=np.uint8)
resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit}))
try:
    write_video(Movie.from_array(noise), {str(tmp_path / "cells.mp4")!r})
except OutputError as error:
    raise SystemExit(f"raised: {{error}}")
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert "raised:" in done.stderr, done.stderr
    assert "could not be written" in done.stderr
    assert not list(tmp_path.iterdir())


def test_missing_output_folder_raises(tmp_path):
    with pytest.raises(OutputError, match="folder"):
        write_video(Movie.from_array(smooth_movie(2)), tmp_path / "missing" / "cells.mp4")
