from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from decrappify._common.files.toml import to_toml
from decrappify.crappify import (
    BinDown,
    Blur,
    Crappifier,
    Gaussian,
    OneOf,
    Part,
    PoissonGaussian,
    crappifier_preset,
    list_parts,
    preset_names,
)
from decrappify.crappify.registry import part_from_dict, part_to_dict
from decrappify.errors import FormatError, InputError, MissingFileError, OutputError, OutputExistsError


@pytest.mark.parametrize("suffix", ["toml", "json"])
@pytest.mark.parametrize("name", preset_names())
def test_every_preset_is_equal_after_saving_and_loading(tmp_path, name, suffix):
    path = crappifier_preset(name).save(tmp_path / f"preset.{suffix}")
    assert Crappifier.load(path) == crappifier_preset(name)
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("suffix", ["toml", "json"])
@pytest.mark.parametrize("name", list_parts())
def test_every_part_is_equal_after_saving_and_loading(tmp_path, name, suffix):
    part = OneOf(parts=(Blur((0.5, 1)), Gaussian()), probability=0.5) if name == "one_of" else list_parts()[name]()
    path = Crappifier([part]).save(tmp_path / f"part.{suffix}")
    assert Crappifier.load(path).steps == (part,)
    assert part_from_dict(json.loads(json.dumps(part_to_dict(part)))) == part


@settings(max_examples=15, deadline=None)
@given(
    name=st.none() | st.text(st.characters(exclude_categories=["Cs"])),
    low=st.floats(1e-6, 1e6),
    high=st.floats(1e6, 1e9),
    bits=st.none() | st.integers(1, 32),
)
def test_values_and_names_are_equal_after_writing_and_reading_toml(name, low, high, bits):
    import tomllib

    crappifier = Crappifier([PoissonGaussian((low, high), read_noise=low, bit_depth=bits), BinDown(3)], name)
    assert Crappifier.from_dict(tomllib.loads(to_toml(crappifier.to_dict()))) == crappifier


def test_empty_crappifier_is_equal_after_saving_and_loading(tmp_path):
    assert Crappifier.load(Crappifier([]).save(tmp_path / "none.toml")) == Crappifier([])


def test_save_replaces_a_file_only_with_overwrite(tmp_path):
    path = Crappifier([Gaussian()]).save(tmp_path / "c.toml")
    with pytest.raises(OutputExistsError, match="exists; pass overwrite=True"):
        Crappifier([Blur()]).save(path)
    assert Crappifier.load(Crappifier([Blur()]).save(path, overwrite=True)).steps == (Blur(),)


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        ("steps = [", FormatError, "is not a valid TOML file"),
        ('camera = "C:\\Users\\lab"', FormatError, "TOML file: .*; a backslash in double quotes .* single quotes"),
        ("name = 'x'", InputError, "expected a list of steps"),
        ("steps = []\nsteppes = 1", InputError, "no setting 'steppes'; did you mean 'steps'"),
        ("[[steps]]\npart = 'gausian'", InputError, "unknown crappifier part 'gausian'; did you mean 'gaussian'"),
        ("[[steps]]\npart = 'blur'\nsigmas = 1", InputError, "'blur' has no setting 'sigmas'; did you mean 'sigma'"),
        ("[[steps]]\nsigma = 1", InputError, "expected a table with its name"),
        ("[[steps]]\npart = 'blur'\nsigma = 'wide'", InputError, "c.toml: blur: sigma is 'wide', expected"),
        ("[[steps]]\npart = 'one_of'\nparts = 3", InputError, "expected a list of parts"),
    ],
)
def test_load_raises_one_line_for_an_invalid_file(tmp_path, text, error, message):
    path = tmp_path / "c.toml"
    path.write_text(text)
    with pytest.raises(error, match=message) as caught:
        Crappifier.load(path)
    assert "\n" not in str(caught.value)


def test_missing_files_and_unsupported_formats_raise(tmp_path):
    with pytest.raises(MissingFileError, match=r"crappifier file .* does not exist"):
        Crappifier.load(tmp_path / "none.toml")
    with pytest.raises(FormatError, match=r"expected the suffix .toml or .json"):
        Crappifier.load(tmp_path / "c.yaml")
    (tmp_path / "list.json").write_text("[1]")
    with pytest.raises(FormatError, match="contains a list, expected one table"):
        Crappifier.load(tmp_path / "list.json")
    with pytest.raises(OutputError, match="could not be written"):
        Crappifier([]).save(tmp_path / "no" / "folder" / "c.toml")


def test_part_with_an_annotation_that_cannot_be_resolved_raises():
    with pytest.raises(InputError, match="part Local: name 'Hidden' is not defined, but it is in the annotation"):
        type("Local", (Part,), {"__annotations__": {"x": "Hidden"}})
