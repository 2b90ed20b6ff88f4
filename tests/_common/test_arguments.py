"""Errors for former arguments and modules."""

import inspect
from importlib import import_module

import pytest

import decrappify as dc
from decrappify.errors import InputError
from decrappify.metrics import score_movie


@pytest.mark.parametrize(
    ("function", "name", "replacement"),
    [
        (dc.restore, "tile_size", r"inference=InferenceOptions\(tile_size=...\)"),
        (dc.restore, "nan", r"options=RestorationOptions\(nan=...\)"),
        (dc.restore, "scene", r"open_movie\(path, scene=...\) as the movie"),
        (dc.restore, "as_array", "an array to restore_array, or the result to np.asarray"),
        (dc.colorize, "steady", r"options=ColorizationOptions\(steady=...\)"),
        (dc.benchmark, "levels", r"options=BenchmarkOptions\(levels=...\)"),
        (dc.train, "resume", r"run=RunOptions\(resume=...\)"),
        (dc.train, "n_frames", r"config=TrainingConfig\(n_frames=...\)"),
        (dc.train_nogan, "shrink", r"data=DataOptions\(shrink=...\)"),
        (score_movie, "with_ssim", r"options=ScoreOptions\(with_ssim=...\)"),
    ],
)
def test_former_argument_raises_with_its_replacement(function, name, replacement):
    with pytest.raises(InputError, match=f"^{function.__name__} has no argument {name}; pass {replacement}$"):
        function("cells.czi", "cells.tif", **{name: None})


def test_former_crappifier_argument_raises_with_its_replacement():
    with pytest.raises(InputError, match=r"^Crappifier has no argument colour; pass color=...$"):
        dc.Crappifier([])(None, None, colour=True)


def test_former_module_raises_with_its_present_name():
    with pytest.raises(
        AttributeError, match=r"^decrappify has no module 'intensity'; import decrappify\.normalization$"
    ):
        _ = dc.intensity
    for name in dc._FORMER_MODULES.values():
        import_module(f"decrappify.{name}")


@pytest.mark.parametrize(
    ("function", "most"), [(dc.restore, 13), (dc.colorize, 11), (dc.benchmark, 11), (score_movie, 11)]
)
def test_public_functions_have_few_arguments(function, most):
    assert len(inspect.signature(function).parameters) <= most


def test_unused_option_raises(tmp_path):
    with pytest.raises(InputError, match="batch_size is 2, but restore does not use it; omit it"):
        dc.restore("cells.czi", "fluorescence-still", inference=dc.InferenceOptions(batch_size=2))
