from __future__ import annotations

import numpy as np
import pytest
import tifffile
import torch

from decrappify.datasets import PairDataset, pair_scale
from decrappify.errors import DecrappifyError, InputError, MissingFileError
from decrappify.io import open_movie, save_movie
from decrappify.movie import Movie
from decrappify.training.data.inputs import as_pairs


def movie(*shape, name="m", seed=0, axes=None):
    return Movie.from_array(np.random.default_rng(seed).integers(0, 4000, shape).astype(np.uint16), axes, name=name)


def pairs_of(source, target, **settings):
    return PairDataset([(source, target)], **({"patch_size": 8, "length": 20} | settings))


def test_source_and_target_show_the_same_region():
    pixels = movie(5, 20, 24)
    for sample in pairs_of(pixels, pixels, n_frames=3):
        assert torch.equal(sample["source"][1:2], sample["target"])
        assert "source_2" not in sample


@pytest.mark.parametrize("scale", [2, 4])
def test_scale_follows_from_the_pair(scale):
    low = movie(3, 12, 16)
    high = Movie.from_array(np.kron(np.asarray(low)[:, 0, 0], np.ones((1, scale, scale), np.uint16)))
    samples = pairs_of(low, high)
    assert samples.scale == pair_scale(low, high) == scale
    for sample in samples:
        blocks = sample["target"].reshape(1, 8, scale, 8, scale).mean((2, 4))
        assert np.corrcoef(blocks.ravel(), sample["source"].ravel())[0, 1] == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("n_frames", [1, 3])
def test_burst_yields_two_sources_without_common_frames(n_frames):
    burst = np.arange(12)[:, None, None] * 100 + np.random.default_rng(0).integers(0, 9, (12, 16, 16))
    samples = pairs_of(Movie.from_array(burst), movie(1, 16, 16), n_frames=n_frames, length=60)
    for sample in samples:
        gray = [
            samples.sources[0].normalizations[0].invert(sample[key].numpy(), np.float32)
            for key in ("source", "source_2")
        ]
        first, second = ({round(float(frame.mean()) / 100) for frame in window} for window in gray)
        assert not first & second


def test_burst_too_short_for_two_windows_yields_one_source():
    assert "source_2" not in pairs_of(movie(5, 16, 16), movie(1, 16, 16), n_frames=3)[0]


def test_sample_depends_on_index_and_seed_only():
    one, two = (pairs_of(movie(5, 20, 20), movie(5, 20, 20, seed=1), seed=seed) for seed in (0, 1))
    again = pairs_of(movie(5, 20, 20), movie(5, 20, 20, seed=1), length=500)
    assert torch.equal(one[9]["source"], again[9]["source"])
    assert not torch.equal(one[9]["source"], two[9]["source"])
    with pytest.raises(IndexError):
        one[20]


def test_channels_and_slices_are_paired():
    both = movie(2, 2, 3, 16, 16)
    sample = pairs_of(both, both, in_channels=2)[0]
    assert sample["source"].shape == (2, 8, 8)
    assert torch.equal(sample["source"], sample["target"])


@pytest.mark.parametrize(
    ("source", "target"),
    [
        (movie(3, 16, 16, name="low"), movie(3, 16, 20, name="high")),
        (movie(3, 16, 16, name="low"), movie(3, 48, 48, name="high")),
        (movie(3, 16, 16, name="low"), movie(2, 16, 16, name="high")),
        (movie(3, 16, 16, name="low"), movie(3, 8, 8, name="high")),
        (movie(1, 2, 1, 16, 16, name="low"), movie(1, 16, 16, name="high")),
    ],
)
def test_pair_of_unsuitable_shapes_raises_and_names_both(source, target):
    with pytest.raises(InputError, match=r"pair low \(.*\) and high \(.*\) does not match: expected a target"):
        pairs_of(source, target)


def test_pair_dataset_rejects_unsuitable_pairs():
    good, nan, flat = (
        movie(3, 16, 16),
        Movie.from_array(np.full((3, 16, 16), np.nan), name="bad"),
        Movie.from_array(np.ones((3, 16, 16))),
    )
    for source, target, settings, message in (
        (good, nan, {}, "frame 0 of bad contains NaN"),
        (flat, good, {}, "is constant"),
        (good, good, {"patch_size": 32}, "16 x 16 pixels, too few for patches of 32 x 32; use larger"),
        (
            movie(16, 16),
            movie(16, 16),
            {"n_frames": 3},
            "a single image, which cannot fill a window of 3 frames; use n_frames=1",
        ),
        (good, good, {"in_channels": 2}, "has 1 channel, expected 2"),
    ):
        with pytest.raises(InputError, match=message):
            pairs_of(source, target, **settings)
    with pytest.raises(InputError, match=r"no pairs to train on"):
        PairDataset([])
    with pytest.raises(InputError, match=r"different scales \[1, 2\]; train one model for each"):
        PairDataset([(good, good), (good, movie(3, 32, 32))])


@pytest.fixture
def folders(tmp_path):
    for folder, side in (("low", 12), ("high", 24)):
        (tmp_path / folder).mkdir()
        for number in range(2):
            tifffile.imwrite(tmp_path / folder / f"cell{number}.tif", np.full((side, side), number, np.uint16))
    return tmp_path


def test_as_pairs_reads_numbered_files_as_movies_unless_images_are_requested(folders):
    with pytest.warns(UserWarning, match=r"one pair of movies.*folder_as='images'"):
        ((source, target),) = as_pairs(folders)
    assert (source.shape, target.shape) == ((2, 1, 1, 12, 12), (2, 1, 1, 24, 24))
    assert [source.frame(t)[0, 0] for t in range(2)] == [0, 1] == [target.frame(t)[0, 0] for t in range(2)]
    ((source, target),) = as_pairs(folders, "movie")
    assert source.shape[0] == 2
    found = as_pairs(folders, "images")
    assert [pair_scale(*pair) for pair in found] == [2, 2]
    assert [(source.frame(0)[0, 0], target.frame(0)[0, 0]) for source, target in found] == [(0, 0), (1, 1)]
    assert len(as_pairs((folders / "low", str(folders / "high")), "images")) == 2


def test_as_pairs_matches_other_files_by_name(folders):
    for folder in ("low", "high"):
        (folders / folder / "cell0.tif").rename(folders / folder / "neuron.tif")
        (folders / folder / "cell1.tif").rename(folders / folder / "liver.tif")
    found = as_pairs(folders)
    assert [source.name for source, _ in found] == ["liver.tif", "neuron.tif"]
    assert [(source.frame(0)[0, 0], target.frame(0)[0, 0]) for source, target in found] == [(1, 1), (0, 0)]
    arrays = [(np.zeros((4, 4)), np.zeros((8, 8)))]
    assert [pair_scale(*pair) for pair in as_pairs(arrays)] == [2]


@pytest.mark.parametrize("suffix", [".ome.zarr", ".ome.tif"])
def test_as_pairs_accepts_two_stores_or_files_as_one_pair(tmp_path, rng, suffix):
    low, high = (
        save_movie(rng.integers(0, 99, (3, 20, 24), dtype=np.uint16), tmp_path / f"{name}{suffix}") for name in "ab"
    )
    for given in ((low, high), (str(low), str(high)), [(low, high)], (open_movie(low), open_movie(high))):
        ((source, target),) = as_pairs(given)
        assert (source.name, target.name) == (low.name, high.name)
    with pytest.raises(MissingFileError, match="nowhere"):
        as_pairs((low, tmp_path / f"nowhere{suffix}"))


def test_as_pairs_pairs_folders_of_stores_by_name(tmp_path, rng):
    for folder in ("low", "high"):
        (tmp_path / folder).mkdir()
        for name in ("b", "a"):
            save_movie(rng.integers(0, 99, (2, 20, 24), dtype=np.uint16), tmp_path / folder / f"{name}.ome.zarr")
    for given in (tmp_path, (tmp_path / "low", tmp_path / "high")):
        assert [source.name for source, _ in as_pairs(given)] == ["a.ome.zarr", "b.ome.zarr"]


def test_as_pairs_rejects_folders_that_do_not_match(folders):
    (folders / "low" / "unpaired.tif").write_bytes((folders / "low" / "cell0.tif").read_bytes())
    with pytest.raises(
        InputError, match=r"unpaired has no file of the same name in .*high; pairs are matched by file name"
    ):
        as_pairs(folders)
    with pytest.raises(InputError, match=r"low does not contain low/ and high/"):
        as_pairs(folders / "low")
    for path in (folders / "high").iterdir():
        path.unlink()
    with pytest.raises(DecrappifyError, match=r"high is empty; it needs the images of the pairs"):
        as_pairs(folders)


@pytest.mark.parametrize("given", [5, ["low", "high"], [("a", "b", "c")], ("a", ("b", "c"))])
def test_as_pairs_rejects_other_values(given):
    with pytest.raises(InputError, match=r"pairs is .*, expected a folder, two folders, \(source, target\), or a list"):
        as_pairs(given)
    with pytest.raises(InputError, match=r"pairs is empty; pass at least one"):
        as_pairs([])
