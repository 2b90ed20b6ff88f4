from __future__ import annotations

import json
import time
from pathlib import Path

import numpy as np
import pytest
import zarr
from tests.io.formats.omezarr.zarr_files import group, image, plate

from decrappify.errors import FormatError, InputError
from decrappify.io import open_movie, open_pyramid, scenes
from decrappify.io.formats.omezarr.reading.open import level_count, open_omezarr

WELLS = {"B/03": ["0", "1"], "C/11": ["0"]}


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_scenes_of_a_plate_are_its_fields(tmp_path: Path, version: str) -> None:
    path = plate(tmp_path / "plate.zarr", WELLS, version)
    assert scenes(path) == ["B/03/0", "B/03/1", "C/11/0"]
    for number, name in enumerate(scenes(path)):
        assert open_movie(path, scene=name).frame(0)[0, 0] == number
        assert open_movie(path, scene=number).frame(0)[0, 0] == number
        assert level_count(path, scene=number) == 1
        assert [level.frame(0)[0, 0] for level in open_pyramid(path, scene=name)] == [number]
    with pytest.warns(UserWarning, match=r"plate\.zarr contains 3 scenes .* and only scene 0 \(B/03/0\) was opened"):
        movie = open_movie(path)
    assert (movie.frame(0)[0, 0], movie.name) == (0, "plate.zarr")
    with pytest.raises(InputError, match=r"scene 'A/1/0' is not in plate\.zarr, which has scenes 0 \(B/03/0\)"):
        open_movie(path, scene="A/1/0")
    with pytest.raises(InputError, match=r"scene 3 is not in plate\.zarr, which has 3 scene"):
        open_omezarr(path, scene=3)


def test_scenes_of_a_well_are_its_fields(tmp_path: Path) -> None:
    path = plate(tmp_path / "plate.zarr", WELLS) / "B" / "03"
    assert scenes(path) == ["0", "1"]
    assert open_movie(path, scene=1).frame(0)[0, 0] == 1


def test_group_inside_a_plate_raises_with_an_existing_image(tmp_path: Path) -> None:
    path = plate(tmp_path / "plate.zarr", WELLS)
    group(path / "C", {}, "0.4")
    with pytest.raises(FormatError, match="without OME-Zarr image metadata; open one image in it, such as ") as caught:
        open_omezarr(path / "C")
    assert open_omezarr(str(caught.value).rpartition("such as ")[2]).frame(0)[0, 0] == 2


def test_group_of_arrays_raises_with_one_of_them(tmp_path: Path) -> None:
    store = zarr.create_group(tmp_path / "many.zarr")
    store.create_array("raw", data=np.zeros((3, 4)))
    store.create_array("a", data=np.zeros(3))  # a coordinate
    with pytest.raises(FormatError, match=r"open one array in it, such as .*raw"):
        open_omezarr(tmp_path / "many.zarr")
    group(tmp_path / "none.zarr", {"plate": {"wells": []}}, "0.5")
    with pytest.raises(FormatError, match="is a multi-well plate without images; there is no image"):
        open_omezarr(tmp_path / "none.zarr")


@pytest.mark.parametrize("listed", [{}, {"rows": [{"name": "B"}, {"name": "C"}], "columns": [{"name": "03"}]}])
def test_wells_of_a_plate_without_a_list_of_wells_are_found(tmp_path: Path, listed: dict[str, object]) -> None:
    path = plate(tmp_path / "plate.zarr", {"B/03": ["0"], "C/03": ["0"]})
    group(path, {"plate": listed}, "0.4")
    assert scenes(path) == ["B/03/0", "C/03/0"]


def test_missing_wells_are_omitted_with_a_warning_and_missing_fields_raise(tmp_path: Path) -> None:
    path = plate(tmp_path / "plate.zarr", WELLS)
    (path / "C").rename(tmp_path / "moved")
    with pytest.warns(UserWarning, match=r"lists 2 wells, of which 1 do not exist and are omitted \(C/11\)"):
        assert scenes(path) == ["B/03/0", "B/03/1"]
    (path / "B" / "03" / "1").rename(tmp_path / "lost")
    with pytest.raises(FormatError, match=r"lists the image B/03/1, which does not exist; copy the store again"):
        open_omezarr(path, scene=1)


def test_plate_of_thousands_of_fields_is_listed_fast_without_opening_images(tmp_path: Path) -> None:
    fields = [{"path": str(number)} for number in range(9)]
    wells = [f"{row}/{column}" for row in "ABCDEFGHIJKLMNOP" for column in range(1, 25)]
    path = group(tmp_path / "plate.zarr", {"plate": {"wells": [{"path": well} for well in wells]}}, "0.5")
    for well in wells:
        group(path / well, {"well": {"images": fields}}, "0.5")
    image(path / "P" / "24" / "8", np.full((5, 6), 7, np.uint8), "yx", "0.5")  # the only field on disk
    start = time.process_time()
    assert len(scenes(path)) == 3456
    assert open_movie(path, scene="P/24/8").frame(0)[0, 0] == 7
    for number in range(500):  # the fields are not listed again for each
        with pytest.raises(FormatError, match="does not exist"):
            open_omezarr(path, scene=number)
    assert time.process_time() - start < 3


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_order_of_a_series_is_that_of_the_ome_group_and_labels_are_not_scenes(tmp_path: Path, version: str) -> None:
    path = group(tmp_path / "many.zarr", {"bioformats2raw.layout": 3}, version)
    for number, name in enumerate(["overview", "", "detail"]):
        named = {"name": name} if name else {}
        image(path / str(number), np.full((3, 4), number, np.uint8), "yx", version, multiscale=named)
    image(path / "0" / "labels" / "nuclei", np.ones((3, 4), np.uint8), "yx", version)
    assert scenes(path) == ["overview", "1", "detail"]
    group(path / "OME", {"series": ["2", "0"]}, version)
    assert scenes(path) == ["detail", "overview"]
    assert [open_movie(path, scene=scene).frame(0)[0, 0] for scene in (0, "overview")] == [2, 0]
    assert level_count(path, scene=1) == 1


def test_names_of_a_series_come_from_its_ome_xml(tmp_path: Path) -> None:
    path = group(tmp_path / "many.zarr", {"bioformats2raw.layout": 3}, "0.4")
    for number in range(2):
        image(path / str(number), np.full((3, 4), number, np.uint8), "yx", "0.4")
    (path / "OME").mkdir()
    document = path / "OME" / "METADATA.ome.xml"
    document.write_text(
        '<OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06"><Image ID="Image:0" Name="cells, day 1"/>'
        '<Image ID="Image:1" Name="cells, day 2"/></OME>'
    )
    assert scenes(path) == ["cells, day 1", "cells, day 2"]
    assert open_movie(path, scene="cells, day 2").frame(0)[0, 0] == 1
    for damaged in ("<OME", "<OME><Image Name='one'/></OME>"):
        document.write_text(damaged)
        assert scenes(path) == ["0", "1"]


@pytest.mark.parametrize("content", ["{", "[]"])
def test_damaged_metadata_raises(tmp_path: Path, content: str) -> None:
    path = image(tmp_path / "cells.zarr", np.zeros((3, 4)), "yx", "0.5")
    (path / "zarr.json").write_text(content)
    with pytest.raises(FormatError, match=r"cells\.zarr"):
        open_omezarr(path)
    (path / "zarr.json").write_text(json.dumps({"attributes": {"ome": {"multiscales": [{"axes": []}]}}}))
    with pytest.raises(FormatError, match="damaged OME-Zarr metadata"):
        open_omezarr(path)


def test_scenes_of_the_real_plate(real_data: Path) -> None:
    path = real_data / "awkward" / "ome_zarr" / "plate.zarr"
    if not path.exists():
        pytest.skip("the files of awkward/ome_zarr are not available")
    assert scenes(path) == ["B/03/0"]
    assert open_movie(path, scene="B/03/0").shape == (4, 2, 1, 40, 48)


def test_field_that_is_added_later_is_found(tmp_path: Path) -> None:
    path = plate(tmp_path / "plate.zarr", {"B/03": ["0"]})
    assert scenes(path) == ["B/03/0"]
    plate(tmp_path / "later.zarr", {"B/03": ["0", "1"]})
    (path / "B").rename(tmp_path / "first")
    (tmp_path / "later.zarr" / "B").rename(path / "B")
    assert open_omezarr(path, scene=1).frame(0)[0, 0] == 1


def test_image_name_that_is_too_long_for_the_system_raises(tmp_path: Path) -> None:
    path = plate(tmp_path / "plate.zarr", {"B/03": ["0", "1"]}, "0.4")
    well = path / "B" / "03" / ".zattrs"
    well.write_text(well.read_text().replace('"1"', f'"{"[" * 3000}"'))
    with pytest.raises(FormatError, match=r"plate\.zarr cannot be opened: File name too long \('.{59}\.\.\.\); check"):
        open_movie(path, scene=1)
    assert open_movie(path, scene=0).shape
