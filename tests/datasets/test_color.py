from __future__ import annotations

import logging

import numpy as np
import pytest
import tifffile
import torch
from PIL import Image
from torch.utils.data import DataLoader

from decrappify.crappify import Crappifier, Gaussian, Gray, crappifier_preset
from decrappify.crappify.color import luma
from decrappify.datasets import ColorDataset, TupleDataset
from decrappify.datasets.views import random_light, random_view, resample, warp
from decrappify.errors import InputError, MissingFileError
from decrappify.movie import Movie

MEAN, STD = torch.tensor([0.485, 0.456, 0.406])[:, None, None], torch.tensor([0.229, 0.224, 0.225])[:, None, None]


def unit(tensor: torch.Tensor) -> np.ndarray:
    """Invert the normalization by ImageNet's statistics, to values in 0 ... 1."""
    return (tensor * STD + MEAN).numpy()


@pytest.fixture
def folder(tmp_path, photographs):
    """Color, gray and unreadable images in nested folders."""
    (tmp_path / "a" / "b").mkdir(parents=True)
    small = {name: Image.fromarray(pixels).resize((120, 90)) for name, pixels in photographs.items()}
    small["astronaut"].save(tmp_path / "astronaut.PNG")
    small["chelsea"].save(tmp_path / "a" / "chelsea.jpg")
    small["coffee"].save(tmp_path / "a" / "b" / "coffee.tif")
    small["rocket"].save(tmp_path / "a" / "b" / "rocket.bmp")
    small["rocket"].convert("L").save(tmp_path / "gray.png")
    small["rocket"].convert("L").convert("RGB").save(tmp_path / "grayish.png")
    (tmp_path / "page.jpg").write_text("<html>")
    (tmp_path / "cut.png").write_bytes((tmp_path / "astronaut.PNG").read_bytes()[:3000])
    (tmp_path / "notes.txt").write_text("not an image")
    return tmp_path


class TestItems:
    @pytest.mark.parametrize("name", ["colour-grey", "colour-old-photo", "colour-old-film"])
    @pytest.mark.parametrize("augment", [True, False])
    def test_samples_have_a_gray_source_and_a_color_target(self, name, augment, photographs):
        dataset = ColorDataset(
            list(photographs.values()), crappifier_preset(name), patch_size=48, length=6, augment=augment
        )
        for sample in dataset:
            assert sample["source"].shape == sample["target"].shape == (3, 48, 48)
            assert sample["source"].dtype == sample["target"].dtype == torch.float32
            source, target = unit(sample["source"]), unit(sample["target"])
            assert np.ptp(source, axis=0).max() < 1e-5
            assert np.ptp(target, axis=0).max() > 0.05
            assert -1e-6 < target.min() < target.max() < 1 + 1e-6
        assert len(dataset) == 6

    def test_source_and_target_share_geometry_and_light(self, photographs):
        for sample in ColorDataset([photographs["chelsea"]], patch_size=64, length=10):
            source, target = unit(sample["source"]), unit(sample["target"])
            np.testing.assert_allclose(source[0], luma(np.rint(target * 255).astype(np.uint8)) / 255, atol=1e-5)

    def test_samples_depend_on_seed_and_index_only(self, photographs):
        options = {"patch_size": 32, "length": 8, "crappifier": crappifier_preset("colour-old-film")}
        images = list(photographs.values())
        first, again = ColorDataset(images, **options), ColorDataset(images, **options)
        batch = next(iter(DataLoader(again, batch_size=4, sampler=[5, 3, 7, 1])))
        for row, index in enumerate((5, 3, 7, 1)):
            assert torch.equal(batch["source"][row], first[index]["source"])
            assert torch.equal(batch["target"][row], first[index]["target"])
        assert not torch.equal(first[0]["target"], ColorDataset(images, seed=1, **options)[0]["target"])
        with pytest.raises(IndexError):
            first[8]

    def test_validation_samples_are_image_centers_in_turn(self, photographs):
        images = list(photographs.values())
        dataset = ColorDataset(images, patch_size=64, length=5, augment=False)
        assert torch.equal(dataset[4]["target"], dataset[0]["target"])
        for index, image in enumerate(images):
            rows, columns = image.shape[:2]
            left = (columns - rows) // 2
            middle = Image.fromarray(image[:, left : left + rows]).resize((64, 64), Image.Resampling.BOX)
            found = unit(dataset[index]["target"])
            assert np.abs(found - np.moveaxis(np.asarray(middle), -1, 0) / 255).mean() < 0.015

    def test_samples_differ_in_brightness(self, photographs):
        dataset = ColorDataset([photographs["coffee"]], patch_size=32, length=40)
        levels = [unit(dataset[index]["target"]).mean() for index in range(40)]
        assert np.ptp(levels) > 0.2


def test_dataset_accepts_noise_of_one_channel_parts(photographs):
    sample = ColorDataset([photographs["coffee"]], Crappifier([Gaussian(0.1)]), patch_size=64, length=1)[0]
    noise = unit(sample["source"]) - unit(sample["target"])
    assert noise.std() == pytest.approx(0.1, rel=0.05)
    assert abs(np.corrcoef(noise.reshape(3, -1))[0, 1]) < 0.1


class TestFolders:
    def test_folders_are_searched_and_unsuitable_files_are_counted(self, folder, caplog):
        with caplog.at_level(logging.WARNING):
            dataset = ColorDataset(folder, patch_size=32, length=2)
        assert len(dataset.photographs) == 4
        assert "omitted 2 unreadable and 2 gray of 8 images" in caplog.text

    def test_files_larger_than_the_cache_are_read_again(self, folder):
        names = ("astronaut.PNG", "a/chelsea.jpg", "a/b/coffee.tif", "a/b/rocket.bmp")
        files = [folder / name for name in names]
        cached, read = (ColorDataset(files, patch_size=32, length=8, cache_bytes=size) for size in (10**9, 10_000))
        for index in range(8):
            assert torch.equal(cached[index]["target"], read[index]["target"])

    def test_sixteen_bits_keep_the_upper_eight(self, tmp_path, photographs):
        import imagecodecs

        wide = photographs["coffee"][:64, :64].astype(np.uint16) * 257
        (tmp_path / "wide.png").write_bytes(imagecodecs.png_encode(wide))
        dataset = ColorDataset(tmp_path, patch_size=64, length=1, augment=False)
        expected = ColorDataset([photographs["coffee"][:64, :64]], patch_size=64, length=1, augment=False)
        assert torch.equal(dataset[0]["target"], expected[0]["target"])

    @pytest.mark.parametrize("bits", [10, 12])
    def test_scans_of_9_to_15_bits_keep_the_upper_eight(self, tmp_path, photographs, bits):
        wide = photographs["coffee"][:64, :64].astype(np.uint16) << (bits - 8)
        tifffile.imwrite(tmp_path / "scan.tif", wide, photometric="rgb", bitspersample=bits)
        dataset = ColorDataset(tmp_path, patch_size=64, length=1, augment=False)
        expected = ColorDataset([photographs["coffee"][:64, :64]], patch_size=64, length=1, augment=False)
        assert torch.equal(dataset[0]["target"], expected[0]["target"])

    def test_folders_without_color_images_raise(self, tmp_path, folder):
        (tmp_path / "empty").mkdir()
        with pytest.raises(InputError, match="found no images, nothing to train on, expected color images"):
            ColorDataset(tmp_path / "empty")
        with pytest.raises(InputError, match="found 2 gray and 1 unreadable, nothing to train on"):
            ColorDataset([folder / "gray.png", folder / "grayish.png", folder / "page.jpg"])
        with pytest.raises(MissingFileError, match=r"folder .*none of images does not exist; check the path"):
            ColorDataset(tmp_path / "none")


@pytest.mark.parametrize(
    ("images", "options", "message"),
    [
        ([np.zeros((8, 8), np.uint8)], {}, r"shape \(8, 8\) and dtype uint8, expected uint8 \(Y, X, 3\)"),
        ([np.zeros((8, 8, 3))], {}, r"dtype float64, expected uint8 \(Y, X, 3\)"),
        ([], {"patch_size": 1}, "patch_size is 1, expected an integer of at least 2"),
        ([], {"length": 0}, "length is 0, expected an integer of at least 1"),
        ([], {"seed": -1}, "seed is -1, expected an integer of at least 0"),
        ([], {"crappifier": crappifier_preset("fastai")}, "returns images 2 times smaller, expected one that keeps"),
    ],
)
def test_dataset_rejects_invalid_settings(images, options, message):
    with pytest.raises(InputError, match=message):
        ColorDataset(images, **options)


class TestViews:
    def test_identity_view_of_a_square_is_the_image(self, rng):
        image = rng.integers(0, 256, (3, 20, 20), dtype=np.uint8)
        np.testing.assert_allclose(resample(image, np.eye(3), 20), image / 255, atol=1e-5)

    @pytest.mark.parametrize(("place", "start"), [(0, 0), (0.5, 6), (1, 12)])
    @pytest.mark.parametrize("upright", [True, False])
    def test_crop_moves_along_the_longer_side(self, place, start, upright, rng):
        image = rng.integers(0, 256, (3, 20, 32), dtype=np.uint8)
        expected = image[:, :, start : start + 20] / 255
        if upright:
            image, expected = np.swapaxes(image, 1, 2).copy(), np.swapaxes(expected, 1, 2)
        np.testing.assert_allclose(resample(image, np.eye(3), 20, place=place), expected, atol=1e-5)

    def test_mirrored_view_is_the_mirrored_image_with_reflected_borders(self, rng):
        image = rng.integers(0, 256, (3, 20, 20), dtype=np.uint8)
        flipped = resample(image, np.diag([-1.0, 1.0, 1.0]), 20)
        np.testing.assert_allclose(flipped, image[:, :, ::-1] / 255, atol=1e-5)
        wide = resample(image, np.diag([2.0, 2.0, 1.0]), 40)
        np.testing.assert_allclose(wide[:, 10:30, :10], image[:, :, 9::-1] / 255, atol=1e-5)

    def test_warp_moves_corners_like_fastai(self):
        view = warp(np.array([0.1, -0.2, 0.05, 0.25]))
        corners = np.array([[-1, -1, 1], [-1, 1, 1], [1, -1, 1], [1, 1, 1]]) @ view.T
        expected = [[-1.25, -0.8], [-1.05, 0.8], [1.25, -1.1], [1.05, 1.1]]
        np.testing.assert_allclose(corners[:, :2] / corners[:, 2:], expected)

    def test_views_stay_close_to_the_image_and_half_are_mirrored(self, rng):
        views = [random_view(rng) for _ in range(400)]
        middles = np.array([view[:2, 2] / view[2, 2] for view in views])
        assert np.abs(middles).max() < 0.6
        assert np.mean([np.linalg.det(view[:2, :2]) < 0 for view in views]) == pytest.approx(0.5, abs=0.08)

    def test_lights_are_drawn_from_the_published_ranges(self, rng):
        changes, factors = np.array([random_light(rng) for _ in range(600)]).T
        assert 0.25 <= changes.min() < 0.27 < 0.73 < changes.max() <= 0.75
        assert 0.5 <= factors.min() < 0.53 < 1.9 < factors.max() <= 2
        assert np.mean(changes == 0.5) == pytest.approx(0.25, abs=0.06)
        assert np.mean(factors == 1) == pytest.approx(0.25, abs=0.06)
        assert np.mean(np.log(factors)) == pytest.approx(0, abs=0.06)


def test_tuples_of_a_color_film_are_degraded_in_color(photographs):
    film = np.moveaxis(photographs["coffee"], -1, 0)[None, :, None].repeat(4, axis=0)
    movies = [Movie.from_array(film, name="film")]
    sample = TupleDataset(movies, Crappifier([Gray()]), patch_size=32, in_channels=3, length=1, augment=False)[0]
    source = sample["source"].reshape(3, 3, 32, 32)
    assert torch.equal(source, source[:, :1].expand_as(source))
    assert not torch.equal(sample["target"][0], sample["target"][1])
    with pytest.raises(InputError, match="in_channels is 1, but the crappifier works on red, green and blue"):
        TupleDataset(movies, Crappifier([Gray()]), patch_size=32)
