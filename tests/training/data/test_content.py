from __future__ import annotations

import numpy as np
import pytest

from decrappify.movie import FrameSource, Movie
from decrappify.training.data import content
from decrappify.training.data.content import movie_content, photograph_content


class Counted(FrameSource):
    """Planes of zeros; records the number of pixels of every read."""

    dtype = np.dtype(np.uint16)

    def __init__(self, shape):
        self.shape, self.n_read = shape, []

    def read(self, t, c, z, rows, columns):
        self.n_read.append((rows.stop - rows.start) * (columns.stop - columns.start))
        return np.zeros((rows.stop - rows.start, columns.stop - columns.start), self.dtype)


@pytest.mark.parametrize("place", [(0, 0, 0, 0, 0), (15, 1, 2, 7, 8)])
def test_movie_content_differs_for_one_changed_pixel(place):
    pixels = np.zeros((16, 2, 3, 8, 9), np.uint16)
    parts = [("whole", Movie.from_array(pixels)), ("first", Movie.from_array(pixels[:1]))]
    before = movie_content(parts)
    pixels[place] = 1
    now = movie_content(parts)
    assert [name for name in now if now[name] != before[name]] == (["whole"] if place[0] else ["whole", "first"])


def test_movie_content_numbers_equal_names_and_ignores_byte_order():
    still = np.ones((4, 4))
    movies = [Movie.from_array(each, name="a") for each in (still, still.astype(">f8"), still.astype(np.uint8))]
    found = movie_content((movie.name, movie) for movie in movies)
    assert list(found) == ["a", "a (number 2)", "a (number 3)"]
    assert found["a"] == found["a (number 2)"] != found["a (number 3)"]


@pytest.mark.parametrize(
    ("shape", "n_movies", "n_read"),
    [
        ((100_000, 1, 1, 2048, 2048), 1, 16),
        ((1, 1, 1, 100_000, 100_000), 40, 16),
        ((9, 2, 1, 4, 4), 4, 4 * 16),
        ((2, 1, 1, 4, 4), 300, 256),
    ],
)
def test_movie_content_reads_a_bounded_number_of_pixels(shape, n_movies, n_read):
    sources = [Counted(shape) for _ in range(n_movies)]
    found = movie_content((f"m{i}", Movie(source)) for i, source in enumerate(sources))
    read = [n for source in sources for n in source.n_read]
    assert (len(read), max(read)) == (n_read, min(shape[3], 2048) * min(shape[4], 2048))
    assert len(found) == n_movies


def test_photograph_content_reads_a_bounded_number_of_bytes(tmp_path, monkeypatch):
    monkeypatch.setattr(content, "_BYTES", 3 * 10)
    paths = [tmp_path / name for name in ("a.jpg", "b.jpg")]
    for path in paths:
        path.write_bytes(b"0123456789abcdef")
    given = [*paths, np.zeros((3, 4, 5), np.uint8)]
    before = photograph_content(["a.jpg", "b.jpg", "image 2"], given)
    paths[0].write_bytes(b"0123456789abcdeX")  # beyond the bytes read
    paths[1].write_bytes(b"X123456789abcdef")
    now = photograph_content(["a.jpg", "b.jpg", "image 2"], given)
    assert [name for name in now if now[name] != before[name]] == ["b.jpg"]
    paths[0].unlink()
    assert photograph_content(["a.jpg"], paths[:1]) == {"a.jpg": "unreadable"}
    assert len(photograph_content([str(i) for i in range(1000)], [given[2]] * 1000)) == 256
