from __future__ import annotations

from pathlib import Path, PurePath

import pytest

from decrappify.batch.inputs import Source
from decrappify.batch.naming import NameTemplate, check_collisions
from decrappify.errors import FormatError, InputError


@pytest.mark.parametrize(
    ("template", "path", "scenes", "expected"),
    [
        ("{stem}.ome.zarr", "raw/cells.ome.tif", ["s"], ["cells.ome.zarr"]),
        ("{stem}.ome.zarr", "raw/cells.czi", ["A1", "B/2"], ["cells_A1.ome.zarr", "cells_B-2.ome.zarr"]),
        ("{name}.ome.zarr", "raw/cells.czi", ["s"], ["cells.czi.ome.zarr"]),
        ("{folder}_{stem}.ome.tif", "raw/cells.czi", ["s"], ["raw_cells.ome.tif"]),
        ("{stem}-{scene_number:02d}-{scene}.mp4", "a.czi", ["A1", "A1 b"], ["a-00-A1.mp4", "a-01-A1_b.mp4"]),
        ("{stem}_{scene}.ome.tif", "a.czi", ["left"], ["a_left.ome.tif"]),
        ("{stem}.ome.zarr", "raw/Zellen µ (1).tif", ["s"], ["Zellen µ (1).ome.zarr"]),
    ],
)
def test_template_names_outputs(template, path, scenes, expected):
    assert [output.as_posix() for output in NameTemplate(template).outputs(Source(Path(path)), scenes)] == expected


def test_template_keeps_the_folder_of_a_recursive_search():
    source = Source(Path("raw/day1/a.czi"), PurePath("day1"))
    assert NameTemplate().outputs(source, ["s"]) == [Path("day1/a.ome.zarr")]


@pytest.mark.parametrize(
    ("template", "kind", "message"),
    [
        (
            "{stme}.ome.zarr",
            InputError,
            r"name='{stme}.ome.zarr' has the unknown field {stme}, expected {stem}, {name}",
        ),
        ("{stem", InputError, "is not a valid template"),
        ("{0}.ome.zarr", InputError, "unknown field {0}"),
        ("../{stem}.ome.zarr", InputError, "is a path, expected a file name"),
        ("{stem}.czi", FormatError, "supported: .ome.zarr, .ome.tif and .mp4"),
        ("{stem}", FormatError, "unsupported output format"),
    ],
)
def test_wrong_template_is_an_error(template, kind, message):
    with pytest.raises(kind, match=message):
        NameTemplate(template)


@pytest.mark.parametrize("other", ["a.ome.zarr", "A.ome.zarr"])
def test_two_inputs_with_one_output_are_an_error(other):
    pairs = [(Path("a.ome.zarr"), Source(Path("a.czi"))), (Path(other), Source(Path("a.tif")))]
    message = r"a.czi and a.tif would both be written to a.ome.zarr( and A.ome.zarr)?; rename one of them"
    with pytest.raises(InputError, match=message):
        check_collisions(pairs)
    with pytest.raises(InputError, match=r"such as name='{name}.mp4' or name='{folder}_{stem}.mp4'"):
        check_collisions(pairs, NameTemplate("{stem}.mp4"))
    check_collisions([(Path("a.ome.zarr"), pairs[0][1]), (Path("b.ome.zarr"), pairs[1][1])])


def test_names_that_differ_in_unicode_form_only_are_an_error():
    pairs = [(Path("z\u00e9.ome.zarr"), Source(Path("1"))), (Path("ze\u0301.ome.zarr"), Source(Path("2")))]
    with pytest.raises(InputError, match="would both be written"):
        check_collisions(pairs)
