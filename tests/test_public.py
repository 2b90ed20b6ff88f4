from __future__ import annotations

import inspect
import subprocess
import sys

import pytest

import decrappify

NAMES = {
    "Crappifier",
    "Model",
    "Movie",
    "TrainingConfig",
    "benchmark",
    "colorize",
    "crappifier_preset",
    "load_model",
    "open_movie",
    "restore",
    "save_movie",
    "scenes",
    "train",
    "train_nogan",
}
HEAVY = ("torch", "torchvision", "lightning_fabric", "zarr", "av", "pylibCZIrw", "skimage", "matplotlib")


def test_the_public_names_are_those_of_the_design():
    assert set(dir(decrappify)) == NAMES | {"__version__"}
    assert len(decrappify.__version__.split(".")) >= 3


@pytest.mark.parametrize("name", sorted(NAMES))
def test_a_public_name_loads_says_what_it_does_and_is_typed(name):
    public = getattr(decrappify, name)
    assert len(inspect.getdoc(public) or "") > 40
    if inspect.isfunction(public):
        signature = inspect.signature(public)
        assert all(parameter.annotation is not parameter.empty for parameter in signature.parameters.values())
        assert all(parameter in public.__doc__ for parameter in signature.parameters)


@pytest.mark.parametrize("name", ["Crappifier", "Model", "Movie"])
def test_public_methods_say_what_they_do(name):
    public = getattr(decrappify, name)
    methods = [method for key, method in vars(public).items() if not key.startswith("_")]
    assert all(inspect.getdoc(method) for method in methods)


def test_rooms_are_reached_without_an_import_of_their_own():
    code = "import decrappify as dc; print(dc.networks.network_names()[0], dc.samples.simulate.__name__)"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.split() == ["small", "simulate"]


def test_another_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="module 'decrappify' has no attribute 'denoise'"):
        decrappify.denoise  # noqa: B018


@pytest.mark.parametrize(
    "module", ["decrappify", "decrappify.io", "decrappify.crappify", "decrappify.colorization", "decrappify.cli"]
)
def test_importing_loads_nothing_heavy(module):
    code = f"import sys, {module}; print(*sorted(set({HEAVY}) & set(sys.modules)))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.split() == []
