from __future__ import annotations

import shutil

import pytest

from decrappify.benchmarking.methods.names import unique_names
from decrappify.errors import InputError, MissingFileError


@pytest.fixture
def copied(tiny_models, tmp_path):
    """Copy a tiny model to a path below a temporary folder."""

    def copy(kind, path):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        return str(shutil.copy(tiny_models[kind], tmp_path / path))

    return copy


def test_unique_names_are_shipped_names_and_names_of_cards(copied):
    files = [copied("still", "a/model.safetensors"), copied("movie", "b/model.safetensors")]
    names = ["fluorescence-still", *files]
    assert unique_names(names) == dict(zip(["fluorescence-still", "tiny-still", "tiny-movie"], names, strict=True))


@pytest.mark.parametrize(
    ("paths", "endings"),
    [
        (["x/first.safetensors", "x/second.safetensors"], ["first", "second"]),
        (["run_a/model.safetensors", "run_b/model.safetensors"], ["run_a/model", "run_b/model"]),
        (["a/run/model.safetensors", "b/run/model.safetensors"], ["a/run/model", "b/run/model"]),
    ],
)
def test_unique_names_extends_equal_names_by_the_path(copied, paths, endings):
    files = [copied("still", path) for path in paths]
    assert unique_names(files) == {f"tiny-still ({end})": file for end, file in zip(endings, files, strict=True)}


def test_unique_names_raises_for_repeated_or_missing_names(copied):
    file = copied("still", "a/model.safetensors")
    with pytest.raises(InputError, match="is listed twice"):
        unique_names([file, file])
    with pytest.raises(MissingFileError):
        unique_names(["none"])
