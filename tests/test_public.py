from __future__ import annotations

import inspect
import subprocess
import sys

import numpy as np
import pytest
import tifffile

import decrappify

NAMES = {
    "AdaptationConfig",
    "BenchmarkOptions",
    "Calibration",
    "Cancelled",
    "ColorizationOptions",
    "Crappifier",
    "DataOptions",
    "InferenceOptions",
    "Intervals",
    "Model",
    "Movie",
    "MovieCheck",
    "NoiseModel",
    "RestorationOptions",
    "RunOptions",
    "TrainingConfig",
    "TrustMap",
    "adapt",
    "benchmark",
    "calibrate",
    "calibrate_intervals",
    "check",
    "colorize",
    "confirmed_resolution",
    "crappifier_preset",
    "export_model",
    "follow",
    "interval_map",
    "load_model",
    "load_plugin",
    "open_movie",
    "restore",
    "restore_array",
    "restore_many",
    "save_movie",
    "scenes",
    "spread_map",
    "train",
    "train_nogan",
    "trust_map",
}
HEAVY = ("torch", "torchvision", "lightning_fabric", "zarr", "av", "pylibCZIrw", "skimage", "scipy", "matplotlib")
FOR_WRITING = ("psutil", "socket", "tempfile", "decrappify.io.store.locks", "decrappify.io.store.durable")


def test_public_names_are_complete():
    assert set(dir(decrappify)) == NAMES | {"__version__"}
    assert len(decrappify.__version__.split(".")) >= 3


@pytest.mark.parametrize("name", sorted(NAMES))
def test_public_name_is_documented_and_typed(name):
    public = getattr(decrappify, name)
    assert len(inspect.getdoc(public) or "") > 40
    if inspect.isfunction(public):
        signature = inspect.signature(public)
        assert all(parameter.annotation is not parameter.empty for parameter in signature.parameters.values())
        assert all(parameter in public.__doc__ for parameter in signature.parameters)


@pytest.mark.parametrize("name", ["Crappifier", "Intervals", "Model", "Movie"])
def test_public_methods_are_documented(name):
    public = getattr(decrappify, name)
    methods = [method for key, method in vars(public).items() if not key.startswith("_")]
    assert all(inspect.getdoc(method) for method in methods)


def test_packages_are_attributes_without_a_separate_import():
    code = "import decrappify as dc; print(dc.networks.network_names()[0], dc.samples.simulate.__name__)"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.split() == ["small", "simulate"]


def test_unknown_name_raises_attribute_error():
    with pytest.raises(AttributeError, match="module 'decrappify' has no attribute 'denoise'"):
        decrappify.denoise  # noqa: B018


# Evaluated in this order in one process, so that later ones find the modules of earlier ones.
LIGHT = [
    "decrappify",
    "decrappify.cli",
    "decrappify.errors.InputError",
    "decrappify.TrainingConfig(loss='rmse')",
    "decrappify.InferenceOptions()",
    "decrappify.RestorationOptions(frames='0:5')",
    "decrappify.ColorizationOptions()",
    "decrappify.BenchmarkOptions()",
    "decrappify.training.nogan_preset",
    "decrappify.Crappifier",
    "decrappify.crappifier_preset('confocal-x2')",
    "decrappify.Movie",
    "decrappify.scenes({path!r})",
    "decrappify.open_movie({path!r}).frame(0)",
    "decrappify.colorization",
    "decrappify.Model",
]


def test_light_names_do_not_load_large_packages_or_modules_for_writing(tmp_path):
    tifffile.imwrite(tmp_path / "cells.tif", np.ones((2, 8, 8), np.uint16))
    code = f"""
import sys, decrappify, decrappify.cli, decrappify.errors
for expression in {LIGHT}:
    eval(expression.format(path={str(tmp_path / "cells.tif")!r}))
    print(expression, *sorted({{*{HEAVY}, *{FOR_WRITING}}} & set(sys.modules)))
"""
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.splitlines() == LIGHT
