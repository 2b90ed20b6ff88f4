from __future__ import annotations

import logging
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

import decrappify
from decrappify.colorization import ColorizationOptions, Colorizer, colorize
from decrappify.errors import FormatError, InputError, MissingFileError, OutputExistsError
from decrappify.inference.options import InferenceOptions
from decrappify.io.images.photographs import read_description
from decrappify.model import Model, catalog
from decrappify.networks import create
from decrappify.normalization import IMAGENET

from .films import decoded, gray_film, tiny_model, write_film

CPU = InferenceOptions(device="cpu", precision="float32")
FAST = {"render_factor": 4, "inference": CPU}


@pytest.fixture
def model_file(tmp_path, color_model):
    return color_model.save(tmp_path / "tiny.safetensors")


@pytest.fixture
def shipped(tmp_path, monkeypatch):
    """An empty folder instead of the shipped models."""
    folder = tmp_path / "shipped"
    folder.mkdir()
    monkeypatch.setattr(catalog, "_SHIPPED", folder)
    return folder


@pytest.mark.parametrize(
    ("gray", "dtype"),
    [
        (True, np.uint8),
        (False, np.uint16),
        *(pytest.param(*case, marks=pytest.mark.slow) for case in ((True, np.uint16), (False, np.uint8))),
    ],
)
def test_colorize_returns_an_array_for_an_array(color_model, colorizer, photo, dtype, gray):
    image = (photo[..., 0] if gray else photo).astype(dtype)
    before = image.copy()
    colored = colorize(image, model=color_model, **FAST)
    assert (colored.shape, colored.dtype) == (photo.shape, dtype)
    np.testing.assert_array_equal(colored, colorizer(image))
    np.testing.assert_array_equal(image, before)
    assert (colorize(image, model=color_model, options=ColorizationOptions(watermark=True), **FAST) != colored).any()


def test_colorize_of_an_image_file_writes_a_file_or_returns_an_array(tmp_path, album, model_file, colorizer, photo):
    path = colorize(album / "p10.png", tmp_path / "out.png", model=model_file, **FAST)
    assert path == tmp_path / "out.png"
    np.testing.assert_array_equal(np.asarray(Image.open(path)), colorizer(photo))
    array = colorize(str(album / "p10.png"), model=str(model_file), **FAST)
    np.testing.assert_array_equal(array, colorizer(photo))


def test_colorize_of_a_folder_writes_a_folder(tmp_path, album, color_model):
    output = colorize(
        album,
        tmp_path / "out",
        model=color_model,
        options=ColorizationOptions(watermark=True),
        inference=replace(CPU, batch_size=2),
        render_factor=4,
    )
    assert {path.name for path in output.iterdir()} == {"p1.png", "p2.jpg", "p10.png"}


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_colorize_of_a_film_writes_a_film(tmp_path, suffix):
    source = write_film(tmp_path / f"film{suffix}", gray_film(3))
    output = colorize(
        source, tmp_path / "out.mp4", options=ColorizationOptions(preset="video"), model=tiny_model(), **FAST
    )
    assert decoded(output).shape == (3, 48, 64, 3)
    assert np.ptp(decoded(output).astype(int), axis=3).max() > 8


def test_colorize_applies_steady_to_films(tmp_path, command):
    source, model = write_film(tmp_path / "film.mkv", gray_film(4)), tiny_model()
    model.save(tmp_path / "tiny.safetensors")
    fast = {"model": model} | FAST
    steady = colorize(source, tmp_path / "steady.mkv", options=ColorizationOptions(steady=0.8), **fast)
    assert (decoded(steady) != decoded(colorize(source, tmp_path / "plain.mkv", **fast))).any()
    command(
        "colorize", source, tmp_path / "same.mkv", "--model", tmp_path / "tiny.safetensors", "--steady", 0.8,
        "--render-factor", 4, "--device", "cpu", "--precision", "float32",
    )  # fmt: skip
    np.testing.assert_array_equal(decoded(tmp_path / "same.mkv"), decoded(steady))


def test_colorize_accepts_published_weights(tmp_path, photo, caplog):
    torch.manual_seed(0)
    network = create("dynamic-unet", encoder="resnet18", width_factor=0.1, norm="spectral", y_range=(-3.0, 3.0))
    torch.save({"model": network.state_dict(), "opt": {}}, tmp_path / "Mine_gen.pth")
    colored = colorize(photo, model=tmp_path / "Mine_gen.pth", options=ColorizationOptions(preset="artistic"), **FAST)
    expected = Colorizer(Model(network, IMAGENET, card={"task": "colorization"}), **FAST)(photo)
    assert np.abs(colored.astype(int) - expected).max() <= 2
    assert not caplog.records


def test_colorize_is_exported_by_decrappify():
    assert decrappify.colorize is colorize


@pytest.mark.parametrize("preset", ["artistic", "stable", "video"])
def test_colorize_without_model_names_the_source_of_weights(shipped, photo, preset):
    weights = f"Colorize{preset.capitalize()}_gen.pth"
    match = rf"no model of preset '{preset}' .* {weights} .*README of jantic/DeOldify.*pass model=.*import-weights"
    with pytest.raises(MissingFileError, match=match):
        colorize(photo, options=ColorizationOptions(preset=preset))


def test_colorize_without_model_of_preset_own_raises(shipped, photo):
    with pytest.raises(MissingFileError, match=r"no model of preset 'own' .*; pass one with model="):
        colorize(photo, options=ColorizationOptions(preset="own"))


def test_colorize_finds_a_shipped_model_by_its_preset(shipped, color_model, photo):
    card = color_model.card | {"preset": "artistic"}
    Model(color_model.network, IMAGENET, card=card).save(shipped / "color.safetensors")
    assert colorize(photo, **FAST).shape == photo.shape


def test_colorize_warns_if_the_preset_differs_from_that_of_the_model(color_model, photo, caplog):
    model = Model(color_model.network, IMAGENET, card=color_model.card | {"preset": "stable"})
    with caplog.at_level(logging.WARNING):
        colorize(photo, model=model, options=ColorizationOptions(preset="video"), **FAST)
    assert "model 'tiny' belongs to preset 'stable'; 'video' only sets the render factor" in caplog.text


@pytest.mark.parametrize(
    ("settings", "error", "match"),
    [
        ({"options": {"preset": "artsy"}}, InputError, "preset='artsy' is not known"),
        ({"render_factor": 0}, InputError, "render_factor is 0, expected an integer"),
        ({"inference": {"device": "abacus"}}, InputError, "device='abacus' is not known"),
        ({"inference": {"precision": "float8"}}, InputError, "precision='float8' is not known"),
        ({"model": "fluorescence-still"}, InputError, "model .* is for restoration, not colorization"),
        ({"model": "ColorizeArtistic_gen.pth"}, MissingFileError, "README of jantic/DeOldify"),
        ({"options": {"steady": 0.5}}, InputError, "steady=0.5 is for films"),
        ({"output": "out.png"}, InputError, "the result for an array is an array; omit output"),
    ],
)
def test_colorize_rejects_unsuitable_settings(color_model, photo, settings, error, match):
    kinds = {"options": ColorizationOptions, "inference": InferenceOptions}
    with pytest.raises(error, match=match):
        colorize(
            photo,
            **{"model": color_model}
            | {name: kinds[name](**value) if name in kinds else value for name, value in settings.items()},
        )


def test_colorize_rejects_unsuitable_sources_and_outputs(tmp_path, album, color_model):
    with pytest.raises(MissingFileError, match=r"p11.png does not exist; did you mean p1"):
        colorize(album / "p11.png", model=color_model)
    with pytest.raises(FormatError, match=r"notes.txt is a text file"):
        colorize(album / "notes.txt", model=color_model)
    with pytest.raises(InputError, match="album is a folder, which needs an output"):
        colorize(album, model=color_model)
    (tmp_path / "out").mkdir()
    (tmp_path / "cells.zarr").mkdir()
    with pytest.raises(InputError, match=r"out is a folder; pass a file in it, such as .*p2.jpg"):
        colorize(album / "p2.jpg", tmp_path / "out", model=color_model)
    with pytest.raises(InputError, match=r"cannot colorize .*cells.zarr .OME-Zarr."):
        colorize(tmp_path / "cells.zarr", tmp_path / "o.png", model=color_model)
    with pytest.raises(OutputExistsError, match=r"p10.png already exists"):
        colorize(album / "p2.jpg", album / "p10.png", model="never-looked-for")


def test_colorize_command_colorizes_files_and_folders(tmp_path, album, model_file, command, colorizer):
    result = command(
        "colorize", album / "p2.jpg", tmp_path / "out.jpg", "--model", model_file, "--render-factor", 4, "--watermark",
        "--device", "cpu", "--precision", "float32",
    )  # fmt: skip
    assert result.stdout == f"{tmp_path / 'out.jpg'}: colorized\n"
    assert read_description(tmp_path / "out.jpg").startswith(f"{colorizer.statement(4)}, watermark, source CRC-32 ")
    folder = ["colorize", album, tmp_path / "out", "--model", model_file, "--render-factor", "auto", "--batch-size", 2]
    command(*folder, "--device", "cpu")
    assert len(list((tmp_path / "out").iterdir())) == 3
    assert "3 of 3 images" in command(*folder, "--no-resume", exit_code=2).stderr


@pytest.mark.parametrize("render_factor", ["big", "3.5", "0"])
def test_colorize_command_reports_an_error_in_one_line(tmp_path, album, model_file, command, render_factor):
    arguments = ["colorize", album / "p2.jpg", tmp_path / "o.png", "--model", model_file]
    stderr = command(*arguments, "--render-factor", render_factor, exit_code=2).stderr
    assert stderr.startswith("decrappify: --render-factor is ")
    assert len(stderr.splitlines()) == 1


def test_import_of_colorization_does_not_load_large_packages():
    code = "import sys, decrappify.colorization; print(*{'torch', 'PIL', 'av', 'numpy'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


def test_colorizer_is_exported():
    from decrappify.colorization.colorizer import Colorizer as Defined

    assert Colorizer is Defined


def test_colorize_with_a_fidelity_states_it_in_the_metadata(tmp_path, color_model, photo):
    from copy import deepcopy

    before = deepcopy(color_model.network)
    with torch.no_grad():
        for parameter in before.parameters():
            parameter.mul_(1.1)
    model = Model(color_model.network, IMAGENET, None, color_model.card, before.state_dict())
    path = model.save(tmp_path / "nogan.safetensors")
    Image.fromarray(photo).save(tmp_path / "gray.png")
    images = {}
    for fidelity in (0.0, 0.5):
        options = ColorizationOptions(fidelity=fidelity)
        colorize(tmp_path / "gray.png", tmp_path / f"{fidelity}.png", model=path, options=options, **FAST)
        assert f", fidelity {fidelity:g}, render_factor 4" in read_description(tmp_path / f"{fidelity}.png")
        images[fidelity] = np.asarray(Image.open(tmp_path / f"{fidelity}.png"))
    assert (images[0.0] != images[0.5]).any()
    with pytest.raises(InputError, match=r"has one set of weights, so fidelity=0\.5 does not apply"):
        colorize(photo, model=color_model, options=ColorizationOptions(fidelity=0.5), **FAST)
