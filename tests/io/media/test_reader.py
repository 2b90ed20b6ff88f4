from __future__ import annotations

import logging

import av
import pytest
from tests.colorization.films import (
    gray_film,
    write_film,
)

from decrappify.errors import FormatError
from decrappify.io.media.reader import VideoReader


def test_empty_chunks_of_avi_are_repeated_frames(tmp_path):
    source = write_film(tmp_path / "film.avi", gray_film(30), codec="mpeg4", sound="aac", options={"bf": "0"})
    assert not VideoReader(source).check()
    content = source.read_bytes()
    entry = content.find(b"00dc", content.rfind(b"idx1") + 200)
    source.write_bytes(content[:entry] + b"99dc" + content[entry + 4 :])
    with pytest.raises(FormatError, match=r"of 3[01] frames is missing"):
        VideoReader(source)


@pytest.mark.parametrize("times", [[*range(12), *range(20, 34)], [*range(12, 38)], [0, 1, 2, 5, 6, 9, 10, 11, 12]])
@pytest.mark.parametrize(("name", "codec"), [("film.mkv", "libx264"), ("film.webm", "libvpx")])
def test_complete_film_of_variable_rate_is_not_damaged(tmp_path, caplog, name, codec, times):
    source = write_film(tmp_path / name, gray_film(len(times)), codec=codec, times=times)
    with caplog.at_level(logging.WARNING):
        assert not VideoReader(source).check()
    skipped = times[-1] - times[0] + 1 - len(times)
    assert (f"the time stamps have gaps of {skipped} frames; the file is complete" in caplog.text) == (skipped > 0)


@pytest.mark.parametrize(
    ("name", "codec", "options"),
    [("film.webm", "libvpx", {"auto-alt-ref": "1", "lag-in-frames": "16"}), ("film.ts", "mpeg2video", {"bf": "2"})],
)
def test_complete_films_with_reordered_or_hidden_frames_are_not_damaged(tmp_path, name, codec, options):
    source = write_film(tmp_path / name, gray_film(40), codec=codec, options=options)
    assert not VideoReader(source).check()


def test_read_error_raises_instead_of_ending_the_film(tmp_path):
    class Lost:
        def demux(self, streams):
            raise av.error.InvalidDataError(5, "Input/output error")
            yield

    reader = VideoReader(write_film(tmp_path / "film.mp4", gray_film(3)))
    with pytest.raises(FormatError, match=r"film\.mp4 can no longer be read \(Input/output error\)"):
        list(reader.packets(Lost(), ()))
