from __future__ import annotations

import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from decrappify.errors import DecrappifyError, InputError
from decrappify.movie import FrameSource, Movie, bin_movie, cast_movie

SHAPE = (4, 2, 3, 6, 7)
MISSING = {(0, 0, 0), (3, 1, 2)}


class Files(FrameSource):
    """Planes with a file, a version per plane, missing planes and a flag that is cleared on closing."""

    def __init__(self, path, pixels, missing=()):
        self._pixels, self._path, self.is_open = pixels, path, True
        self.shape, self.dtype, self.missing = pixels.shape, pixels.dtype, frozenset(missing)

    def read(self, t, c, z, rows, columns):
        return self._pixels[t, c, z, rows, columns]

    @property
    def files(self):
        return (self._path,)

    def version(self, t, c, z):
        return f"{t} {c} {z}"

    def close(self):
        self.is_open = False


@pytest.fixture
def source(tmp_path, rng):
    pixels = rng.integers(1, 999, SHAPE, dtype=np.uint16)
    for plane in MISSING:
        pixels[plane] = 0
    return Files(tmp_path / "cells.raw", pixels, MISSING)


def apply_to_array(step, pixels):
    name, argument = step
    if name == "select":
        return pixels[argument[0]][:, argument[1]][:, :, argument[2]]
    if name == "crop":
        return pixels[..., argument[0], argument[1]]
    if name == "swap":
        return pixels.swapaxes(0, 2)
    if name == "cast":
        return pixels.astype(argument)
    n_y, n_x = pixels.shape[3] // 2, pixels.shape[4] // 2
    if 0 in (n_y, n_x):
        return pixels
    blocks = pixels[..., : 2 * n_y, : 2 * n_x].reshape(*pixels.shape[:3], n_y, 2, n_x, 2)
    return blocks.mean(axis=(4, 6), dtype=np.float32)


def apply_to_movie(step, movie):
    name, argument = step
    if name == "select":
        return movie.select(*argument)
    if name == "crop":
        return movie.crop(*argument)
    if name == "swap":
        return movie.z_as_time()
    if name == "cast":
        return cast_movie(movie, argument)
    return bin_movie(movie, 2) if min(movie.shape[3:]) > 1 else movie


STEPS = st.one_of(
    st.tuples(st.just("select"), st.tuples(st.slices(4), st.slices(2), st.slices(3))),
    st.tuples(st.just("crop"), st.tuples(*(st.builds(slice, st.integers(-6, 6), st.integers(-6, 6)),) * 2)),
    st.tuples(st.sampled_from(["swap", "bin"]), st.none()),
    st.tuples(st.just("cast"), st.sampled_from([np.float32, np.float64])),
)


@settings(max_examples=40, deadline=None)
@given(st.lists(STEPS, min_size=1, max_size=5))
def test_views_composed_in_any_order_match_numpy(steps):
    expected = np.random.default_rng(0).integers(0, 999, SHAPE).astype(np.float32)
    movie = Movie.from_array(expected)
    for step in steps:
        expected = apply_to_array(step, expected)
        if not expected.size:
            with pytest.raises(InputError, match="select nothing"):
                apply_to_movie(step, movie)
            return
        movie = apply_to_movie(step, movie)
    assert (movie.shape, movie.dtype) == (expected.shape, expected.dtype)
    np.testing.assert_array_equal(np.asarray(movie), expected)
    rows, columns = slice(0, -1), slice(expected.shape[4] // 2, None)
    np.testing.assert_array_equal(movie.region(-1, 0, 0, rows, columns), expected[-1, 0, 0, rows, columns])


@pytest.mark.parametrize(
    ("view", "plane", "version"),
    [
        (lambda movie: movie.select(slice(None, None, -1), 1), (0, 0, 2), "3 1 2"),
        (lambda movie: movie.z_as_time().select(slices=slice(1, 3)), (2, 1, 0), "1 1 2"),
        (lambda movie: movie.crop(slice(2)), (3, 1, 2), "3 1 2"),
        (lambda movie: movie.map_regions(movie.region, keeps_versions=True), (3, 1, 2), "3 1 2"),
        (lambda movie: movie.map_regions(movie.region), (3, 1, 2), None),
        (lambda movie: movie.map_planes(movie.frame), (3, 1, 2), None),
        (lambda movie: cast_movie(movie, np.float32), (3, 1, 2), None),
        (lambda movie: bin_movie(movie, 2), (3, 1, 2), None),
    ],
)
def test_views_keep_files_missing_planes_and_versions_and_close_the_source(source, view, plane, version):
    movie = Movie(source, origin=source.files[0].parent)
    viewed = view(movie)
    assert (viewed.files, viewed.origin) == (set(source.files), source.files[0].parent)
    assert viewed.missing == {place for place in viewed.planes() if not viewed.frame(*place).any()}
    assert viewed.version(*plane) == version
    viewed.close()
    assert not source.is_open


def test_map_planes_computes_a_plane_once_for_its_regions(source):
    movie, computed = Movie(source), []

    def function(t, c, z):
        computed.append((t, c, z))
        return np.repeat(movie.frame(t, c, z), 2, axis=1)

    wide = movie.map_planes(function, shape=(*SHAPE[:4], 14), dtype=np.int32, name="wide")
    first = wide.region(1, 0, 2, slice(0, 3), slice(2, 8))
    first[:] = 0  # a copy
    second = wide.region(1, 0, 2, slice(0, 3), slice(2, 8))
    np.testing.assert_array_equal(second, np.repeat(movie.frame(1, 0, 2), 2, axis=1)[:3, 2:8])
    assert (computed, wide.name, second.dtype) == ([(1, 0, 2)], "wide", np.int32)


def test_map_regions_closes_all_movies_and_names_their_files(source, tmp_path):
    other = Files(tmp_path / "other.raw", source._pixels)
    movies = Movie(source), Movie(other)
    difference = movies[0].map_regions(
        lambda *place: movies[0].region(*place) - movies[1].region(*place), others=[movies[1]]
    )
    assert not np.asarray(difference).any()
    assert difference.files == {tmp_path / "cells.raw", tmp_path / "other.raw"}
    difference.close()
    assert not source.is_open
    assert not other.is_open


def test_views_of_views_read_the_source_directly(source):
    movie = Movie(source)
    for _ in range(50):
        movie = movie.select(slice(None)).crop(slice(None)).z_as_time()
    assert movie._source._source is source


def test_views_can_be_pickled(source):
    movie = bin_movie(cast_movie(Movie(source).select(slice(2)), np.float64), 2)
    np.testing.assert_array_equal(np.asarray(pickle.loads(pickle.dumps(movie))), np.asarray(movie))


@pytest.mark.parametrize(
    ("name", "method"),
    [
        ("origin", r"replace\(origin=...\)"),
        ("provenance", r"replace\(provenance=...\)"),
        ("shape", r"derived\(source\)"),
    ],
)
def test_movie_assignment_raises_an_error_that_names_the_method(source, name, method):
    movie = Movie(source)
    for change in (lambda: setattr(movie, name, None), lambda: delattr(movie, name)):
        with pytest.raises(
            AttributeError, match=rf"^a movie is immutable, {name} cannot be .*; use movie.{method} instead$"
        ) as found:
            change()
        assert isinstance(found.value, DecrappifyError)


def test_movie_metadata_is_copied(source):
    given = {"steps": [1]}
    movie = Movie(source, provenance=given, unitless_spacing={"T": 2.0}, channel_names=["a", "b"])
    given["more"] = 1
    movie.provenance["steps"].append(2)
    movie.unitless_spacing["T"] = 3.0
    assert (movie.provenance, movie.unitless_spacing) == ({"steps": [1]}, {"T": 2.0})
    assert (movie.channel_names, type(movie.missing), type(movie.files)) == (("a", "b"), frozenset, frozenset)


def test_movie_replace_changes_metadata_only(source):
    movie = Movie(source, name="cells", frame_interval_s=2.0, pixel_size_um=(None, 0.1, 0.1), provenance={"by": "me"})
    other = movie.replace(name="other", frame_interval_s=1.0)
    assert (other.name, other.frame_interval_s, other.pixel_size_um) == ("other", 1.0, (None, 0.1, 0.1))
    assert (other.provenance, other.missing, other.files) == ({"by": "me"}, MISSING, movie.files)
    assert (movie.name, movie.frame_interval_s) == ("cells", 2.0)
    with pytest.raises(InputError, match="channel_names of cells has 1 entry, expected 2"):
        movie.replace(channel_names=["a"])


def test_movie_rejects_a_source_of_another_type():
    with pytest.raises(
        InputError, match=r"^source of movie is a ndarray, expected a subclass of decrappify.movie.FrameSource"
    ):
        Movie(np.zeros(SHAPE))
