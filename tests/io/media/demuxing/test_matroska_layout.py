from __future__ import annotations

from fractions import Fraction

import pytest
from tests.colorization.films import gray_film, write_film

from decrappify.io.media.demuxing.matroska_layout import read_matroska_layout

CUES = tuple(Fraction(t, 25) for t in (0, 5, 10, 15))


@pytest.fixture(scope="module")
def content(tmp_path_factory):
    """A film of four key frames in clusters of five frames."""
    path = tmp_path_factory.mktemp("film") / "film.mkv"
    settings = {"g": "5", "bf": "0", "sc_threshold": "0"}
    write_film(path, gray_film(20), options=settings, container_options={"cluster_time_limit": "190"}, sound="aac")
    return path.read_bytes()


def layout_of(tmp_path, content):
    (tmp_path / "film.mkv").write_bytes(content)
    return read_matroska_layout(tmp_path / "film.mkv")


def test_read_matroska_layout_of_a_complete_film(tmp_path, content):
    layout = layout_of(tmp_path, content)
    assert layout.is_whole
    assert (layout.n_absent, layout.cues) == (0, CUES)
    assert layout_of(tmp_path, content + b"more").is_whole


@pytest.mark.parametrize("number", range(3))
def test_read_matroska_layout_counts_deleted_bytes_and_finds_the_index(tmp_path, content, number):
    places = [place for place in range(len(content)) if content.startswith(b"\x1f\x43\xb6\x75", place)]
    start, end = places[number], places[number + 1]
    layout = layout_of(tmp_path, content[:start] + content[end:])
    assert (layout.is_whole, layout.n_absent, layout.cues) == (False, end - start, CUES)
    layout = layout_of(tmp_path, content[:start] + bytes(end - start) + content[end:])
    assert (layout.is_whole, layout.n_absent, layout.cues) == (False, 0, CUES)


@pytest.mark.parametrize("kept", [0, 3, 30, 60, 400, 1500, -1])
def test_read_matroska_layout_of_a_truncated_film_is_not_whole(tmp_path, content, kept):
    layout = layout_of(tmp_path, content[:kept])
    assert not layout.is_whole
    n_kept = len(content[:kept])
    if n_kept > 60:  # the header, from which the length is known, is complete
        assert layout.n_absent == len(content) - n_kept


def test_read_matroska_layout_of_a_live_recording_is_not_known_to_be_whole(tmp_path):
    path = write_film(tmp_path / "film.mkv", gray_film(6), container_options={"live": "1"})
    assert not read_matroska_layout(path).is_whole
    assert read_matroska_layout(path).n_absent == 0
