from __future__ import annotations

import numpy as np
import pytest

from decrappify.benchmarking.inputs.pairs import checked_pairs
from decrappify.errors import InputError
from decrappify.io import save_movie
from decrappify.movie import Movie


def test_checked_pairs_pairs_folders_by_name(tmp_path, rng):
    for folder, scale in (("low", 1), ("high", 2)):
        (tmp_path / folder).mkdir()
        for name in ("b", "a"):
            save_movie(rng.random((20 * scale, 24 * scale)), tmp_path / folder / f"{name}.ome.tif")
    for given in (tmp_path, (tmp_path / "low", tmp_path / "high")):
        pairs = checked_pairs(given)
        assert [(pair.name, pair.scale) for pair in pairs] == [("a", 2), ("b", 2)]
        assert len({pair.field for pair in pairs}) == 2


def write(folder, names, rng, scale=1):
    folder.mkdir()
    for name in names:
        save_movie(rng.random((20 * scale, 24 * scale)), folder / f"{name}.ome.tif")
    return folder


def test_checked_pairs_reads_labeled_frames_as_one_pair(tmp_path, rng):
    low, high = (write(tmp_path / name, ["t01", "t02", "t03"], rng, scale) for name, scale in (("low", 1), ("high", 2)))
    for given in (tmp_path, (low, high), [(low, high)]):
        (pair,) = checked_pairs(given)
        assert (pair.name, pair.scale, pair.views[0].kind) == ("low", 2, "movie")
        assert pair.source.shape[0] == pair.reference.shape[0] == 3
    pairs = checked_pairs(tmp_path, folder_as="images")
    assert [(pair.name, pair.views[0].kind) for pair in pairs] == [(f"t0{t}", "still") for t in (1, 2, 3)]
    assert len({pair.field for pair in pairs}) == 3


def test_checked_pairs_reads_one_pair_per_well(tmp_path, rng):
    names = [f"{well}_s1_w{c}" for well in ("B02", "B03") for c in (1, 2)]
    for folder in ("low", "high"):
        write(tmp_path / folder, names, rng)
    pairs = checked_pairs(tmp_path)
    assert [pair.name for pair in pairs] == ["low B02 s1", "low B03 s1"]
    assert [[view.name for view in pair.views] for pair in pairs][1] == ["low B03 s1, w1", "low B03 s1, w2"]


def test_checked_pairs_reads_each_image_of_a_folder_without_reference(tmp_path, rng):
    folder = write(tmp_path / "noisy", ["liver", "brain"], rng)
    pairs = checked_pairs([(folder, None)])
    assert [(pair.name, pair.reference) for pair in pairs] == [("brain", None), ("liver", None)]
    assert len({pair.field for pair in pairs}) == 2


def test_checked_pairs_with_a_shared_reference_have_one_field_and_different_names(rng):
    reference, short, burst = rng.random((20, 24)), rng.random((20, 24)), rng.random((5, 20, 24))
    first, second = checked_pairs([(short, reference), (burst, reference)])
    assert first.field == second.field
    assert first.name != second.name
    assert second.reference.shape == (5, 1, 1, 20, 24), "the still reference is repeated for every frame"


def test_views_are_channels_and_slices(rng):
    stack = Movie.from_array(rng.random((1, 2, 3, 20, 24)), name="cells.czi", channel_names=["DNA", "actin"])
    (pair,) = checked_pairs([(stack, None)])
    views = pair.views
    assert [(view.name, view.kind) for view in views] == [("cells, DNA", "stack"), ("cells, actin", "stack")]
    assert views[1].source.shape == (3, 1, 1, 20, 24)
    assert np.array_equal(views[1].source.frame(2), stack.frame(0, 1, 2))
    assert views[0].reference is None


def test_views_of_a_movie_of_stacks_raise(rng):
    (pair,) = checked_pairs([(rng.random((2, 1, 3, 20, 24)), None)])
    with pytest.raises(InputError, match="has 2 frames and 3 slices, but only one of the two can be scored"):
        _ = pair.views


def test_checked_pairs_raises_for_unequal_shapes(rng):
    with pytest.raises(InputError, match="does not match: expected a target"):
        checked_pairs([(rng.random((20, 24)), rng.random((21, 24)))])
