from __future__ import annotations

import os
from pathlib import Path

import av
import numpy as np
import pytest

from decrappify.io import open_movie, save_movie
from decrappify.io.media.layout import frame_orientation
from decrappify.io.media.opening import ffmpeg_url
from decrappify.io.orientation import upright

from .videos import smooth_movie

NAMES = [
    "2024-11-14T22:57:44.mp4",
    "12:30.mp4",
    "file:cells.mp4",
    "pipe:0.mp4",
    "concat:a|b.mp4",
    "-i.mp4",
    "frame%03d.mp4",
    "a b 'c' [d] é µ.mp4",
    "#1?x=2.mp4",
]
windows = os.name == "nt"  # forbids most of these names


def rotated_film(path: Path, frames: np.ndarray, degrees: int, *, hflip: bool = False, vflip: bool = False) -> Path:
    """Write a lossless film of gray frames with a display rotation."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264rgb", rate=25, options={"crf": "0"})
        stream.pix_fmt, stream.height, stream.width = "rgb24", frames.shape[1], frames.shape[2]
        stream.set_display_rotation(degrees, hflip=hflip, vflip=vflip)
        for t, pixels in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(np.repeat(pixels[..., None], 3, axis=2), format="rgb24")
            frame.pts = t
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


@pytest.mark.skipif(windows, reason="Windows forbids such names")
@pytest.mark.parametrize("name", NAMES)
def test_path_is_never_read_as_a_protocol(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    frames = smooth_movie(3)
    for path in (Path(name), tmp_path / name):
        save_movie(frames, path, overwrite=True)
        with open_movie(path) as movie:
            assert movie.shape == (3, 1, 1, 48, 64)
            assert np.abs(np.asarray(movie)[:, 0, 0].astype(int) - frames).mean() < 3
    assert [entry.name for entry in tmp_path.iterdir()] == [name]


def test_ffmpeg_url_is_absolute(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert ffmpeg_url("a:b.mp4") == f"file:{tmp_path / 'a:b.mp4'}"


@pytest.mark.parametrize(
    ("degrees", "flips"),
    [(0, {}), (90, {}), (180, {}), (270, {}), (0, {"hflip": True}), (0, {"vflip": True}), (90, {"hflip": True}),
     (270, {"hflip": True})],
)  # fmt: skip
def test_rotated_films_are_read_upright(tmp_path, rng, degrees, flips):
    frames = rng.integers(0, 255, (3, 16, 24), dtype=np.uint8)
    path = rotated_film(tmp_path / "phone.mp4", frames, degrees, **flips)
    with av.open(str(path)) as container:
        frame = next(container.decode(video=0))
        orientation = frame_orientation(frame)
        assert (degrees, bool(flips)) == (0, False) or orientation != 1
        if not flips:  # PyAV counts counterclockwise
            np.testing.assert_array_equal(upright(frames[0], orientation), np.rot90(frames[0], frame.rotation // 90))
    with open_movie(path) as movie:
        expected = np.stack([upright(pixels, orientation) for pixels in frames])
        assert movie.shape[3:] == expected.shape[1:]
        np.testing.assert_array_equal(np.asarray(movie)[:, 0, 0], expected)
        np.testing.assert_array_equal(movie.region(2, 0, 0, slice(2, 9), slice(4, 7)), expected[2, 2:9, 4:7])


def test_mirrored_films_have_the_orientations_of_exif(tmp_path):
    frames = np.zeros((1, 16, 24), np.uint8)
    found = set()
    for degrees in (0, 90, 180, 270):
        for hflip in (False, True):
            path = rotated_film(tmp_path / f"{degrees}{hflip}.mp4", frames, degrees, hflip=hflip)
            with av.open(str(path)) as container:
                found.add(frame_orientation(next(container.decode(video=0))))
    assert found == set(range(1, 9))


def test_other_angles_are_read_as_stored_with_a_warning(tmp_path):
    path = rotated_film(tmp_path / "tilted.mp4", smooth_movie(2), 30)
    with pytest.warns(UserWarning, match=r"tilted\.mp4 is to be displayed at an angle"), open_movie(path) as movie:
        assert movie.shape == (2, 1, 1, 48, 64)


@pytest.mark.skipif(windows, reason="Windows forbids such names")
def test_real_film_opens_under_a_name_with_colons(real_data, tmp_path):
    source = real_data / "awkward" / "film" / "plain_to_be_named_with_colons.mp4"
    if not source.exists():
        pytest.skip("the files of awkward/film are not available")
    path = tmp_path / "2024-11-14T22:57:44.mp4"
    path.write_bytes(source.read_bytes())
    with open_movie(path) as movie, open_movie(source) as plain:
        np.testing.assert_array_equal(np.asarray(movie), np.asarray(plain))
