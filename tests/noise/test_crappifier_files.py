"""Crappifiers from crappifier files and noise model files."""

from __future__ import annotations

from dataclasses import replace

import pytest

from decrappify.crappify import Blur, Crappifier, Gaussian
from decrappify.errors import InputError
from decrappify.noise import Calibration, Estimate, NoiseModel, Optics, load_crappifier

NOISE = NoiseModel(gain=Estimate(None, note="read noise dominates"), noise_sd=Estimate(6.0), levels=(100.0, 400.0))
VALID = NoiseModel(gain=Estimate(2.0), intercept=Estimate(-180.0), levels=(100.0, 400.0))


def test_load_crappifier_reads_a_crappifier_file(tmp_path):
    crappifier = Crappifier([Gaussian(0.2)], "mine")
    assert load_crappifier(crappifier.save(tmp_path / "mine.json")) == crappifier


def test_load_crappifier_creates_that_of_a_noise_model(tmp_path):
    with pytest.warns(UserWarning, match=r"no photon noise, as the gain is not determined \(read noise dominates\)$"):
        assert load_crappifier(NOISE.save(tmp_path / "noise.toml")).steps == (Gaussian(6.0 / 300.0),)
    calibration = Calibration(VALID, Optics(blur=Estimate(1.5)))
    crappifier = load_crappifier(str(calibration.save(tmp_path / "camera.toml")))
    assert crappifier == calibration.crappifier()
    assert isinstance(crappifier.steps[0], Blur)


def test_load_crappifier_warns_once_of_values_that_are_not_valid(tmp_path):
    optics = Optics(blur=Estimate(1.5, None, False, "few images"), line_jitter=Estimate(0.8, None, False))
    path = Calibration(replace(VALID, gain=Estimate(2.0, None, False)), optics).save(tmp_path / "camera.toml")
    with pytest.warns(UserWarning, match=r"not valid \(gain, blur, line jitter; their notes state the r") as caught:
        load_crappifier(path)
    assert len(caught) == 1


def test_load_crappifier_names_the_file_without_noise(tmp_path):
    path = NoiseModel().save(tmp_path / "empty.toml")
    with pytest.raises(InputError, match=r"empty\.toml: neither gain nor standard deviation"):
        load_crappifier(path)


def test_crappifier_load_of_a_noise_model_names_the_function(tmp_path):
    with pytest.raises(InputError, match=r"is a noise model, .*load_crappifier\(path\)"):
        Crappifier.load(NOISE.save(tmp_path / "noise.toml"))
