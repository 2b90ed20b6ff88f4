"""File formats of other packages: the module of CONTRIBUTING.md as an installed package, and registered formats."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import numpy as np
import pytest
import tifffile
from tests.io.movies import assert_same

import decrappify as dc
from decrappify.errors import FormatError, InputError
from decrappify.io import Format, open_pyramid, open_scenes, readable_suffixes, register_format
from decrappify.io.folders.folder import read_folder
from decrappify.io.recognition import registry
from decrappify.movie import Movie

RECIPE = Path(__file__).parents[3] / "CONTRIBUTING.md"


def install(folder, module, code, entry):
    """Write a module and the metadata of an installed distribution that declares its format."""
    (folder / f"{module}.py").write_text(code)
    metadata = folder / f"{module}-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {module.replace('_', '-')}\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text(f"[decrappify.formats]\n{entry}\n")


@pytest.fixture
def site(tmp_path, monkeypatch):
    """Create a folder of installed packages on the module path, and restore the registry afterwards."""
    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.syspath_prepend(folder)
    monkeypatch.setattr(registry, "_registered", [])
    registry._installed_formats.cache_clear()
    before = set(sys.modules)
    yield folder
    registry._installed_formats.cache_clear()
    for name in set(sys.modules) - before:
        if str(getattr(sys.modules[name], "__file__", "")).startswith(str(folder)):
            del sys.modules[name]


@pytest.fixture
def nrrd(site):
    """Install the format of CONTRIBUTING.md."""
    blocks = re.findall(r"^```python\n(.*?)^```", RECIPE.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    (code,) = [block for block in blocks if "FORMAT = Format(" in block]
    install(site, "nrrd_movies", code, "nrrd = nrrd_movies:FORMAT")


@pytest.fixture
def cells(rng):
    return Movie.from_array(
        rng.integers(0, 4000, (4, 2, 1, 24, 40)).astype(np.uint16),
        "TCZYX",
        name="cells.nrrd",
        pixel_size_um=(None, 0.1, 0.125),
        frame_interval_s=1.5,
        channel_names=["GFP", "RFP"],
    )


def text_format(**changes):
    values = {"name": "grid", "suffixes": (".grid",), "open": lambda path: Movie.from_array(np.loadtxt(path, np.uint8))}
    return Format(**values | changes)


@pytest.mark.usefixtures("nrrd")
def test_installed_format_is_written_and_read(tmp_path, cells):
    path = dc.save_movie(cells, tmp_path / "cells.nrrd")
    assert dc.scenes(path) == ["scene 0"]
    assert [movie.shape for movie in (*open_pyramid(path), *open_scenes(path))] == [cells.shape] * 2
    assert_same(cells, dc.open_movie(path))
    assert dc.open_movie(path, channel="RFP").region(3, 0, 0, slice(2, 9), slice(5, 6)).shape == (7, 1)
    assert ".nrrd" in readable_suffixes()
    with pytest.raises(InputError, match=r"scene 1 is not in cells.nrrd, which has only"):
        dc.open_movie(path, scene=1)
    with pytest.raises(InputError, match=r"axes='ZYX' is for arrays and TIFF, and cells.nrrd states its own"):
        dc.open_movie(path, axes="ZYX")
    (tmp_path / "damaged.nrrd").write_bytes(path.read_bytes()[:300])
    with pytest.raises(FormatError, match=r"damaged.nrrd is not a NRRD file with the axes X Y Z C T"):
        dc.open_movie(tmp_path / "damaged.nrrd")
    (tmp_path / "empty.nrrd").write_bytes(b"PK\x03\x04")
    with pytest.raises(FormatError, match=r"empty.nrrd is a ZIP archive, not a NRRD file"):
        dc.open_movie(tmp_path / "empty.nrrd")


@pytest.mark.usefixtures("nrrd")
def test_command_line_reads_and_restores_installed_format(tmp_path, cells, command, tiny_models):
    source = dc.save_movie(cells, tmp_path / "cells.nrrd")
    shown = command("info", source).stdout
    assert "pixel_size_um (Z, Y, X): unknown, 0.1, 0.125" in shown
    assert "channels: GFP, RFP" in shown
    for output in (tmp_path / "out.ome.zarr", tmp_path / "out.nrrd"):
        command("restore", source, output, "--model", tiny_models["still"], "--device", "cpu")
    store, exported = dc.open_movie(tmp_path / "out.ome.zarr"), dc.open_movie(tmp_path / "out.nrrd")
    np.testing.assert_array_equal(np.asarray(exported), np.asarray(store))
    assert exported.pixel_size_um == cells.pixel_size_um
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cells.nrrd", "out.nrrd", "out.ome.zarr", "site"]


@pytest.mark.usefixtures("nrrd")
def test_folder_of_installed_format_is_a_folder_of_movies(tmp_path, cells):
    (tmp_path / "movies").mkdir()
    for number in range(2):
        dc.save_movie(cells, tmp_path / "movies" / f"t{number}.nrrd")
    assert read_folder(tmp_path / "movies").kind == "images"
    assert dc.scenes(tmp_path / "movies") == ["t0", "t1"]


def test_packages_without_a_valid_format_are_omitted_with_a_warning(site, tmp_path):
    install(site, "no_module", "import not_installed", "a = no_module:FORMAT")
    install(site, "no_record", "FORMAT = 1", "b = no_record:FORMAT")
    code = "from decrappify.io import Format\nFORMAT = Format(name='mine', open=print, suffixes=('.czi',))"
    install(site, "taken", code, "c = taken:FORMAT")
    tifffile.imwrite(tmp_path / "cells.tif", np.zeros((8, 9), np.uint8))
    assert dc.open_movie(tmp_path / "cells.tif").shape == (
        1,
        1,
        1,
        8,
        9,
    )  # no package is loaded for a known suffix
    assert "no_module" not in sys.modules
    with pytest.warns(UserWarning, match="is omitted") as caught:
        formats = registry.formats()
    assert formats == registry.built_in_formats()
    assert sorted(str(warning.message).partition(" is omitted")[0] for warning in caught) == [
        "format 'a' of the package no-module",
        "format 'b' of the package no-record",
        "format 'c' of the package taken",
    ]
    assert any("the suffix .czi belongs to the format CZI" in str(warning.message) for warning in caught)


def test_registered_format_is_read_by_suffix_and_not_written(site, tmp_path):
    (tmp_path / "a.grid").write_text("1 2 3\n4 5 6\n")
    with pytest.raises(FormatError, match=r"a\.grid is a text file: open the image file"):
        dc.open_movie(tmp_path / "a.grid")
    register_format(text_format())
    assert dc.open_movie(tmp_path / "a.grid").frame(0).tolist() == [[1, 2, 3], [4, 5, 6]]
    with pytest.raises(
        FormatError, match=r"b.grid has an unsupported output format; supported: .ome.zarr, .ome.tif and .mp4"
    ):
        dc.restore(tmp_path / "a.grid", "fluorescence-still", tmp_path / "b.grid")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"suffixes": (".tif",)}, "the suffix .tif belongs to the format TIFF; choose another one"),
        ({"name": "CZI"}, "the name 'CZI' is taken"),
        ({"is_working_store": True}, "only one format is the working store, OME-Zarr"),
        ({"suffixes": ("grid",)}, "has suffix 'grid', expected lowercase with a dot"),
        ({"write": print}, "needs both write and write_suffixes"),
        ({"supports": frozenset({"time"})}, "supports 'time', expected axes, absent_chunks, scene_text"),
    ],
)
def test_invalid_format_raises(site, changes, message):
    with pytest.raises(InputError, match=message):
        register_format(text_format(**changes))


def test_register_format_replaces_the_same_format_and_raises_for_another(site):
    def open_grid(path):
        return Movie.from_array(np.zeros((2, 2)))

    register_format(text_format(open=open_grid))
    register_format(text_format(open=open_grid, suffixes=(".grid", ".grd")))
    assert [form.suffixes for form in registry.formats()[5:]] == [(".grid", ".grd")]
    with pytest.raises(InputError, match="the name 'grid' is taken"):
        register_format(text_format())
    with pytest.raises(InputError, match="register_format needs a Format, found a dict"):
        register_format({})


def test_suffixes_and_signatures_belong_to_one_format():
    suffixes = [suffix for form in registry.built_in_formats() for suffix in form.suffixes]
    signatures = [signature for form in registry.built_in_formats() for signature in form.signatures]
    assert len(set(suffixes)) == len(suffixes)
    assert len(set(signatures)) == len(signatures)
