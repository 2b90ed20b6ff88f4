"""Scenes of TIFF files: sets of files, positions and series, without thumbnails and labels."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from tests.io.formats.tiff.tiff_files import (
    MM_SUMMARY,
    imagej_text,
    mm_planes,
    nd_planes,
    ome_xml,
    pages_with,
    ramp,
    rename_tag,
    write_lsm,
    write_mmstack,
    write_ndtiff,
)

import decrappify as dc
from decrappify.errors import FormatError, InputError
from decrappify.io.formats.tiff.open import open_tiff

UUIDS = {f"rec_1_MMStack_Pos{n}.ome.tif": f"00000000-0000-0000-0000-00000000000{n + 1}" for n in range(2)}
POSITIONS = [ramp(4, 10, 12) + 1000 * n for n in range(2)]


def two_positions(folder: Path) -> list[Path]:
    """Write two positions as Micro-Manager does: the first file contains all metadata, the second refers to it."""
    names = list(UUIDS)
    images = [
        {
            "name": f"Pos{n}", "sizes": {"T": 4, "Y": 10, "X": 12}, "channels": [f"Chan{n}"],
            "pixels": {
                "PhysicalSizeX": 0.1 * (n + 1), "PhysicalSizeY": 0.1 * (n + 1), "TimeIncrement": n + 1,
            },
            "planes": [(t, 0, 0, names[n], t) for t in range(4)],
        }
        for n in range(2)
    ]  # fmt: skip
    pages_with(folder / names[0], POSITIONS[0], ome_xml(images, UUIDS, UUIDS[names[0]]))
    pointer = f'<BinaryOnly MetadataFile="{names[0]}" UUID="urn:uuid:{UUIDS[names[0]]}"/>'
    pages_with(folder / names[1], POSITIONS[1], ome_xml([], UUIDS, UUIDS[names[1]], pointer))
    return [folder / name for name in names]


def test_positions_of_a_set_open_from_each_of_its_files(tmp_path: Path) -> None:
    first, second = two_positions(tmp_path)
    assert dc.scenes(first) == ["Pos0", "Pos1"]
    assert dc.scenes(second) == ["Pos1", "Pos0"]  # the position of the opened file first
    for path in (first, second):
        for n, name in enumerate(["Pos0", "Pos1"]):
            movie = dc.open_movie(path, scene=name)
            assert movie.pixel_size_um == pytest.approx((None, 0.1 * (n + 1), 0.1 * (n + 1)))
            assert (movie.frame_interval_s, movie.channel_names) == (n + 1, (f"Chan{n}",))
            np.testing.assert_array_equal(np.asarray(movie)[:, 0, 0], POSITIONS[n])
    np.testing.assert_array_equal(open_tiff(second).frame(3), POSITIONS[1][3])


def test_file_opens_with_a_warning_without_the_file_of_its_metadata(tmp_path: Path) -> None:
    first, second = two_positions(tmp_path)
    first.unlink()
    with pytest.warns(
        UserWarning, match=r"Pos1\.ome\.tif contains only pixels; .* are in rec_1_MMStack_Pos0\.ome\.tif"
    ):
        movie = open_tiff(second)
    np.testing.assert_array_equal(np.asarray(movie)[:, 0, 0], POSITIONS[1])
    first.write_bytes(b"")
    with pytest.warns(UserWarning, match=r"rec_1_MMStack_Pos0\.ome\.tif, which contains none"):
        open_tiff(second)


def test_position_with_a_missing_file_raises_with_its_name(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    first, second = two_positions(tmp_path)
    second.unlink()
    assert dc.scenes(first) == ["Pos0", "Pos1"]
    assert open_tiff(first).shape == (4, 1, 1, 10, 12)
    with pytest.raises(FormatError, match=r"the planes of Pos1 are in rec_1_MMStack_Pos1\.ome\.tif, not found in"):
        open_tiff(first, scene=1)
    assert not caplog.records


def test_metadata_of_a_companion_file_are_read(tmp_path: Path) -> None:
    name = "cells.ome.tif"
    image = {
        "name": "cells", "sizes": {"T": 4, "Y": 10, "X": 12}, "pixels": {"PhysicalSizeX": 0.3, "PhysicalSizeY": 0.3},
        "planes": [(t, 0, 0, name, t) for t in range(4)],
    }  # fmt: skip
    (tmp_path / "cells.companion.ome").write_text(ome_xml([image], {name: "b"}, "a"), encoding="utf-8")
    pages_with(tmp_path / name, POSITIONS[0], ome_xml([], {}, "b", '<BinaryOnly MetadataFile="cells.companion.ome"/>'))
    movie = open_tiff(tmp_path / name)
    assert (movie.shape, movie.pixel_size_um) == ((4, 1, 1, 10, 12), (None, 0.3, 0.3))
    np.testing.assert_array_equal(movie.frame(2), POSITIONS[0][2])


def test_folder_of_a_set_with_a_companion_file_is_one_movie(tmp_path: Path) -> None:
    names = [f"cells_T{t}.ome.tif" for t in range(4)]
    image = {
        "name": "cells",
        "sizes": {"T": 4, "Y": 10, "X": 12},
        "pixels": {"PhysicalSizeX": 0.3, "PhysicalSizeY": 0.3},
    }
    image["planes"] = [(t, 0, 0, name, 0) for t, name in enumerate(names)]
    uuids = {name: f"b{t}" for t, name in enumerate(names)}
    (tmp_path / "cells.companion.ome").write_text(ome_xml([image], uuids, "a"), encoding="utf-8")
    pointer = '<BinaryOnly MetadataFile="cells.companion.ome"/>'
    for t, name in enumerate(names):
        pages_with(tmp_path / name, POSITIONS[0][t : t + 1], ome_xml([], {}, uuids[name], pointer))
    with dc.open_movie(tmp_path) as movie:
        assert (movie.shape, movie.pixel_size_um) == ((4, 1, 1, 10, 12), (None, 0.3, 0.3))
        np.testing.assert_array_equal(np.asarray(movie)[:, 0, 0], POSITIONS[0])


def test_positions_may_differ_in_shape(tmp_path: Path) -> None:
    images = [
        {"name": "A", "sizes": {"T": 3, "Y": 6, "X": 7}, "planes": [(t, 0, 0, "a.ome.tif", t) for t in range(3)]},
        {"name": "B", "sizes": {"Z": 2, "Y": 5, "X": 4}, "planes": [(0, 0, z, "a.ome.tif", 3 + z) for z in range(2)]},
    ]
    xml = ome_xml(images, {"a.ome.tif": "1"}, "1")
    with tifffile.TiffWriter(tmp_path / "a.ome.tif") as writer:
        for number, page in enumerate([*ramp(3, 6, 7), *ramp(2, 5, 4)]):
            writer.write(page, metadata=None, contiguous=False, description=xml if number == 0 else None)
    assert dc.open_movie(tmp_path / "a.ome.tif", scene="A").shape == (3, 1, 1, 6, 7)
    movie = dc.open_movie(tmp_path / "a.ome.tif", scene="B")
    np.testing.assert_array_equal(np.asarray(movie)[0, 0], ramp(2, 5, 4))


@pytest.mark.parametrize("own", ["1", None])
def test_renamed_file_of_one_image_opens(tmp_path: Path, own: str | None) -> None:
    image = {
        "name": "cells", "sizes": {"T": 4, "Y": 10, "X": 12}, "pixels": {"TimeIncrement": 2},
        "planes": [(t, 0, 0, "before.ome.tif", t) for t in range(4)],
    }  # fmt: skip
    path = pages_with(tmp_path / "after.ome.tif", POSITIONS[0], ome_xml([image], {"before.ome.tif": "1"}, own))
    movie = open_tiff(path)
    assert (movie.frame_interval_s, movie.missing) == (2.0, frozenset())
    np.testing.assert_array_equal(np.asarray(movie)[:, 0, 0], POSITIONS[0])


@pytest.mark.parametrize("place", ["second description", "page 1", "last page"])
def test_ome_xml_is_found_anywhere_in_the_file(tmp_path: Path, place: str) -> None:
    image = {
        "name": "cells", "sizes": {"T": 2, "C": 3, "Y": 10, "X": 12}, "channels": ["a", "b", "c"],
        "pixels": {"PhysicalSizeX": 0.25, "PhysicalSizeY": 0.25, "TimeIncrement": 2},
        "planes": [(n // 3, n % 3, 0, "cells.tif", n) for n in range(6)],
    }  # fmt: skip
    xml = ome_xml([image], {"cells.tif": "1"}, None)
    pages = ramp(6, 10, 12)
    text = imagej_text(images=6, frames=6, unit="um")
    with tifffile.TiffWriter(tmp_path / "cells.tif") as writer:
        for number, page in enumerate(pages):
            here = {"second description": 0, "page 1": 1, "last page": 5}[place] == number
            options: dict[str, Any] = {"extratags": [(271, 2, 0, xml, True)]} if here and number == 0 else {}
            description = text if number == 0 else xml if here else None
            writer.write(page, metadata=None, contiguous=False, description=description, **options)
    if place == "second description":
        rename_tag(tmp_path / "cells.tif", 271, 270)
    movie = open_tiff(tmp_path / "cells.tif")
    assert (movie.shape, movie.channel_names) == ((2, 3, 1, 10, 12), ("a", "b", "c"))
    assert (movie.pixel_size_um, movie.frame_interval_s) == ((None, 0.25, 0.25), 2.0)
    np.testing.assert_array_equal(np.asarray(movie).reshape(pages.shape), pages)


def test_ome_xml_without_tiff_data_determines_the_order_of_planes(tmp_path: Path) -> None:
    image = {"name": "cells", "sizes": {"C": 2, "T": 3, "Y": 10, "X": 12}, "planes": [], "channels": ["a", "b"]}
    path = pages_with(tmp_path / "a.tif", ramp(6, 10, 12), ome_xml([image], {}))
    movie = open_tiff(path)
    assert (movie.shape, movie.channel_names) == ((3, 2, 1, 10, 12), ("a", "b"))
    np.testing.assert_array_equal(movie.frame(1, 1), ramp(6, 10, 12)[3])


def test_micromanager_positions_in_one_file_and_in_one_file_each(tmp_path: Path) -> None:
    planes = mm_planes(n_positions=2)
    summary = MM_SUMMARY | {"Positions": 2, "StagePositions": [{"Label": "left"}, {"Label": "right"}]}
    (tmp_path / "one").mkdir()
    single = write_mmstack(tmp_path / "one" / "rec_1_MMStack.tif", planes, summary, step_ms=500)
    parts = [
        write_mmstack(
            tmp_path / f"rec_1_MMStack_Pos{r}.tif", {key: p for key, p in planes.items() if key[3] == r}, summary
        )
        for r in range(2)
    ]
    assert [dc.scenes(path) for path in (single, *parts)] == [["left", "right"], ["left", "right"], ["right", "left"]]
    for path in (single, *parts):
        for r, name in enumerate(["left", "right"]):
            movie = dc.open_movie(path, scene=name)
            assert (movie.shape, movie.channel_names) == ((3, 2, 1, 5, 6), ("DAPI", "GFP"))
            np.testing.assert_array_equal(movie.frame(2, 1), planes[1, 0, 2, r])
    assert dc.open_movie(single, scene="right").frame_interval_s == 0.5
    parts[0].unlink()
    assert dc.scenes(parts[1]) == ["right"]
    with pytest.warns(UserWarning, match=r"is one of a set; the files with positions left are not in"):
        np.testing.assert_array_equal(open_tiff(parts[1]).frame(0), planes[0, 0, 0, 1])


@pytest.mark.parametrize("labels", [[0, 1], ["A1", "B2"]])
def test_ndtiff_positions_are_scenes(tmp_path: Path, labels: list[Any]) -> None:
    planes = {
        (("position", label), *axes): pixels + 100 * r
        for r, label in enumerate(labels)
        for axes, pixels in nd_planes().items()
    }
    path = write_ndtiff(tmp_path / "run_1", planes, {})
    names = ["Pos0", "Pos1"] if labels == [0, 1] else labels
    assert dc.scenes(path) == dc.scenes(path.parent) == names
    movie = dc.open_movie(path.parent, scene=names[1])
    np.testing.assert_array_equal(movie.frame(2, 1), nd_planes()[("time", 2), ("channel", "GFP")] + 100)


def test_lsm_positions_are_scenes(tmp_path: Path) -> None:
    pixels = ramp(4, 3, 6, 7)
    path = write_lsm(tmp_path / "a.lsm", pixels, DimensionTime=2, DimensionP=2)
    assert dc.scenes(path) == ["position 0", "position 1"]
    np.testing.assert_array_equal(np.asarray(dc.open_movie(path, scene=1))[:, :, 0], pixels[2:])


def test_thumbnails_labels_and_overviews_are_not_scenes(tmp_path: Path) -> None:
    with tifffile.TiffWriter(tmp_path / "a.tif") as writer:
        writer.write(np.zeros((4, 5), np.uint16), metadata=None, subfiletype=1)
        for page in ramp(3, 10, 12):
            writer.write(page, metadata=None, contiguous=False)
    assert dc.scenes(tmp_path / "a.tif") == ["scene 0"]
    np.testing.assert_array_equal(np.asarray(open_tiff(tmp_path / "a.tif"))[:, 0, 0], ramp(3, 10, 12))
    with tifffile.TiffWriter(tmp_path / "b.ome.tif", ome=True) as writer:
        for name, size in (("label image", 5), ("slide", 12), ("macro image", 6)):
            writer.write(np.full((size, size), size, np.uint8), metadata={"axes": "YX", "Name": name})
    assert dc.scenes(tmp_path / "b.ome.tif") == ["slide"]
    assert open_tiff(tmp_path / "b.ome.tif").frame(0).max() == 12


def test_aperio_thumbnail_and_label_are_not_scenes(tmp_path: Path) -> None:
    text = "Aperio Image Library v11.2.1 \r\n64x48 (16x16)|MPP = 0.5"
    slide = ramp(48, 64, 3).astype(np.uint8)
    with tifffile.TiffWriter(tmp_path / "a.svs") as writer:
        writer.write(slide, tile=(16, 16), photometric="rgb", metadata=None, description=text)
        writer.write(slide[::4, ::4], photometric="rgb", metadata=None, description=text)
        writer.write(slide[::2, ::2], tile=(16, 16), photometric="rgb", metadata=None, description=text)
        writer.write(slide[:9, :8], photometric="rgb", metadata=None, subfiletype=1, description=text)
    movie = open_tiff(tmp_path / "a.svs")
    assert len(dc.scenes(tmp_path / "a.svs")) == 1
    assert (movie.shape, movie.pixel_size_um) == ((1, 3, 1, 48, 64), (None, 0.5, 0.5))


def test_axes_exclude_the_positions(tmp_path: Path) -> None:
    path = write_mmstack(tmp_path / "rec_1_MMStack.tif", mm_planes(n_positions=2), MM_SUMMARY | {"Positions": 2})
    movie = open_tiff(path, scene=1, axes="ZCYX")
    assert movie.shape == (1, 2, 3, 5, 6)
    np.testing.assert_array_equal(movie.frame(0, 1, 2), mm_planes(n_positions=2)[1, 0, 2, 1])
    with pytest.raises(InputError, match="axes='TYX' does not fit"):
        open_tiff(path, axes="TYX")


def test_real_set_with_a_reference_to_its_metadata_is_read(real_data: Path) -> None:
    folder = real_data / "awkward" / "micromanager" / "binary_only"
    movie = open_tiff(folder / "rec_1_MMStack_Pos1.ome.tif")
    assert (movie.pixel_size_um, movie.frame_interval_s) == ((None, 0.2, 0.2), 2.0)
    assert movie.channel_names == ("Chan1",)
    np.testing.assert_array_equal(np.asarray(movie)[:, 0, 0], np.load(folder / "truth.npz")["pos1"])
