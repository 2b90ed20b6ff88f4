from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from decrappify.crappify import Crappifier, Gaussian, SampleDown
from decrappify.datasets import PairDataset, TupleDataset
from decrappify.errors import Cancelled
from decrappify.movie import Movie
from decrappify.networks import create
from decrappify.training.engine.validation import Validator
from decrappify.training.engine.validation_patches import draw_patches

NOISE = Crappifier([Gaussian(0.1)], name="noise")
CPU = torch.device("cpu")


def network(**settings):
    """Create an untrained network, which returns the middle frame."""
    return create("small", base_channels=16, depth=1, stem=1, **settings)


def sparse(seed=0, size=96):
    """Create an image of one bright blob on a dark background with weak noise."""
    image = np.random.default_rng(seed).normal(0, 0.01, (size, size))
    y, x = 24 + 8 * seed, 30
    image[y : y + 16, x : x + 16] += gaussian_filter(np.pad(np.full((10, 10), 1.0), 3), 1)
    return Movie.from_array(image.astype(np.float32), name=f"blob {seed}")


def dataset(movies, **settings):
    defaults = {"n_frames": 1, "patch_size": 16, "length": 256, "augment": False}
    return TupleDataset(movies, NOISE, **(defaults | settings))


def test_draw_patches_prefers_content_and_counts_movies():
    data = dataset([sparse(0), sparse(1)])
    plain = [data[k]["target"].max() > 0.5 for k in range(8)]
    patches = draw_patches(data, network(n_frames=1), 8)
    assert sum(plain) < 8  # the first items of the dataset include background
    assert all(sample["target"].max() > 0.5 for sample in patches.samples)
    assert str(patches) == "8 validation patches, 8 with content, from 2 movies"


def test_draw_patches_fills_up_with_the_most_content_and_says_so():
    pair = (sparse(), sparse())
    data = PairDataset([pair], patch_size=16, length=40, augment=False)
    patches = draw_patches(data, network(n_frames=1), 32)
    assert (len(patches.samples), patches.n_drawn) == (32, 40)
    assert 0 < patches.n_with_content < 32
    shares = [mask.mean() for mask in patches.content]
    assert min(shares[: patches.n_with_content]) >= 0.05 > max(shares[patches.n_with_content :])
    assert f"{patches.n_with_content} with content, from 1 movie; in the others, less than 5%" in str(patches)


@pytest.mark.parametrize(("scale", "n_frames"), [(1, 1), (1, 3), (2, 1)])
def test_score_contains_source_gaussian_and_gains(scale, n_frames):
    blurred = [np.roll(gaussian_filter(np.eye(96), 3), t, axis=1) for t in range(12)]
    movie = Movie.from_array(np.stack(blurred).astype(np.float32))
    crappifier = Crappifier([SampleDown(scale), Gaussian(0.1)] if scale > 1 else [Gaussian(0.1)], name="noise")
    data = TupleDataset([movie], crappifier, n_frames=n_frames, patch_size=16, length=48, augment=False)
    model = network(n_frames=n_frames, scale=scale)
    patches = draw_patches(data, model, 6)
    validator = Validator(patches, 4)
    score = validator.score(model, CPU)
    assert score.psnr == pytest.approx(score.psnr_source, abs=1e-3)
    assert score.psnr_gaussian > score.psnr_source + 2
    assert (score.gain_content, score.gain_background) == pytest.approx((0, 0), abs=1e-3)
    assert len(score.previews) == 4
    assert {images.gaussian.shape for images in score.previews} == {(16 * scale, 16 * scale)}
    assert validator.score(model, CPU).values() == score.values()


def test_gains_on_content_and_background_are_separate():
    class Background(torch.nn.Module):
        """Replaces dark pixels by 0, and keeps the others."""

        n_frames = in_channels = scale = 1

        def middle_frame(self, source):
            return source

        def forward(self, source):
            return torch.where(source < 0.4, 0.0, source)

    patches = draw_patches(dataset([sparse(0)]), Background(), 6)
    score = Validator(patches, 4).score(Background(), CPU)
    assert score.gain_background > score.gain_content + 3


def test_check_is_called_before_each_patch_and_batch_and_can_stop():
    calls = []

    def check(most):
        calls.append(1)
        if len(calls) > most:
            raise Cancelled("stopped")

    data = dataset([sparse(0)])
    patches = draw_patches(data, network(n_frames=1), 6, check=lambda: check(10_000))
    assert len(calls) == patches.n_drawn + 6
    calls.clear()
    with pytest.raises(Cancelled, match="stopped"):
        draw_patches(data, network(n_frames=1), 6, check=lambda: check(2))
    assert len(calls) == 3
    calls.clear()
    Validator(patches, 2, check=lambda: check(10_000)).score(network(n_frames=1), CPU)
    assert len(calls) == 3


def test_samples_alone_have_no_gaussian_and_no_gains():
    data = dataset([sparse()])
    score = Validator([data[0], data[1]], 2).score(network(n_frames=1), CPU)
    assert np.isfinite([score.psnr, score.psnr_source]).all()
    assert np.isnan([score.psnr_gaussian, score.gain_content, score.gain_background]).all()
    assert score.previews == []
