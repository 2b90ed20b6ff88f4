"""Crappifiers from crappifier files and noise model files."""

from __future__ import annotations

import pytest

from decrappify.crappify import Blur, Crappifier, Gaussian
from decrappify.errors import InputError
from decrappify.noise import Calibration, Estimate, NoiseModel, Optics, load_crappifier

NOISE = NoiseModel(noise_sd=Estimate(6.0), levels=(100.0, 400.0))


def test_load_crappifier_reads_a_crappifier_file(tmp_path):
    crappifier = Crappifier([Gaussian(0.2)], "mine")
    assert load_crappifier(crappifier.save(tmp_path / "mine.json")) == crappifier


def test_load_crappifier_creates_that_of_a_noise_model(tmp_path):
    assert load_crappifier(NOISE.save(tmp_path / "noise.toml")).steps == (Gaussian(6.0 / 300.0),)
    calibration = Calibration(NOISE, Optics(blur=Estimate(1.5)))
    crappifier = load_crappifier(str(calibration.save(tmp_path / "camera.toml")))
    assert crappifier == calibration.crappifier()
    assert isinstance(crappifier.steps[0], Blur)


def test_load_crappifier_names_the_file_without_noise(tmp_path):
    path = NoiseModel().save(tmp_path / "empty.toml")
    with pytest.raises(InputError, match=r"empty\.toml: neither gain nor standard deviation"):
        load_crappifier(path)


def test_crappifier_load_of_a_noise_model_names_the_function(tmp_path):
    with pytest.raises(InputError, match=r"is a noise model, .*load_crappifier\(path\)"):
        Crappifier.load(NOISE.save(tmp_path / "noise.toml"))
