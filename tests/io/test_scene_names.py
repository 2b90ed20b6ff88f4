from __future__ import annotations

import numpy as np
import pytest
import tifffile
from pylibCZIrw import czi

import decrappify as dc
from decrappify.errors import InputError
from decrappify.io import open_movie, open_scenes
from decrappify.io.formats.tiff.source import TiffSource
from decrappify.io.scene_names import scene_index, scene_outputs, unique_names


def two_scene_czi(path):
    with czi.create_czi(str(path)) as document:
        for scene in (0, 1):
            document.write(
                np.full((16, 20, 1), scene + 1, np.uint16), plane={"T": 0, "C": 0, "Z": 0}, scene=scene,
                location=(scene * 30, 0),
            )  # fmt: skip
    return path


def two_series_tiff(path):
    with tifffile.TiffWriter(path, ome=True) as writer:
        for name, value in (("left", 1), ("right", 2)):
            writer.write(np.full((3, 16, 20), value, np.uint16), metadata={"axes": "TYX", "Name": name})
    return path


def test_scenes_of_each_format_open_by_name_and_number(tmp_path):
    for path, names in (
        (two_scene_czi(tmp_path / "a.czi"), ["scene 0", "scene 1"]),
        (two_series_tiff(tmp_path / "b.ome.tif"), ["left", "right"]),
    ):
        assert dc.scenes(path) == names
        for number, name in enumerate(names):
            for scene in (number, name, str(number), name.upper()):
                with dc.open_movie(path, scene=scene) as movie:
                    assert movie.frame(0).min() == number + 1


def test_stills_and_arrays_have_one_scene(tmp_path):
    tifffile.imwrite(tmp_path / "still.tif", np.zeros((8, 8), np.uint8))
    assert len(dc.scenes(tmp_path / "still.tif")) == len(dc.scenes(np.zeros((8, 8)))) == 1


def test_unique_names_number_repeated_and_absent_ones():
    assert unique_names(["a", "", "a", " b "]) == ["a (scene 0)", "scene 1", "a (scene 2)", "b"]


@pytest.mark.parametrize("names", [["", "x", "scene 0"], ["A", "A", "A (scene 1)"], ["", "scene 0", "scene 0"]])
def test_unique_names_avoid_names_of_other_scenes(names):
    assert len(set(unique_names(names))) == len(names)
    assert all(name in unique_names(names) for name in names if names.count(name) == 1 and name)


def test_scene_outputs_avoid_names_of_other_scenes_and_too_long_ones():
    names = [path.name for path in scene_outputs("o.ome.tif", ["a", "A", "a-0", "é" * 300, "é" * 301, "///"])]
    assert len({name.lower() for name in names}) == len(names)
    assert max(len(name.encode()) for name in names) < 200


@pytest.mark.parametrize("scene", ["C", "7", 3, -1, True, 1.0])
def test_scene_index_raises_for_unknown_scenes_with_the_list(scene):
    with pytest.raises(InputError, match=r"scenes 0 \(A\), 1 \(B\)$"):
        scene_index(scene, ["A", "B"], "cells.czi")


@pytest.mark.parametrize("make", [two_scene_czi, two_series_tiff])
def test_open_movie_names_the_scenes_that_are_not_opened(make, tmp_path):
    path = make(tmp_path / ("a.czi" if make is two_scene_czi else "a.ome.tif"))
    with pytest.warns(UserWarning, match=r"contains 2 scenes \(.+, .+\) and only scene 0 .* --scene all"):
        dc.open_movie(path).close()
    with dc.open_movie(path, scene=0) as movie:  # a chosen scene needs no warning
        assert movie.frame(0).max() == 1


def test_scene_outputs_are_distinct_file_names():
    names = ["A1", "a/1", "A\\1", "..", "Ä 2"]
    outputs = scene_outputs("out/cells.ome.tif", names)
    assert [path.name for path in outputs] == [
        "cells_A1.ome.tif", "cells_a-1-1.ome.tif", "cells_A-1-2.ome.tif", "cells_3.ome.tif", "cells_Ä_2.ome.tif",
    ]  # fmt: skip
    assert scene_outputs("cells.mp4", ["x"])[0].name == "cells_x.mp4"


@pytest.mark.parametrize("make", [two_scene_czi, two_series_tiff])
def test_open_scenes_opens_every_scene(make, tmp_path):
    path = make(tmp_path / ("a.czi" if make is two_scene_czi else "a.ome.tif"))
    movies = open_scenes(path)
    assert [int(movie.frame(0)[0, 0]) for movie in movies] == [1, 2]
    for movie in movies:
        movie.close()


@pytest.mark.parametrize("make", [two_scene_czi, two_series_tiff])
def test_open_movie_reads_the_names_of_the_scenes_once(make, tmp_path, monkeypatch):
    path = make(tmp_path / ("a.czi" if make is two_scene_czi else "a.ome.tif"))
    names = dc.scenes(path)
    monkeypatch.setattr(
        "decrappify.io.opening.open.file_scenes", lambda _: pytest.fail("the file was opened a second time")
    )
    with pytest.warns(UserWarning, match=rf"contains 2 scenes \({', '.join(names)}\)"):
        open_movie(path).close()


def test_open_scenes_keeps_few_files_open(tmp_path, monkeypatch):
    path = two_series_tiff(tmp_path / "a.ome.tif")
    monkeypatch.setattr("decrappify.io.opening.open._OPEN_FILES", 1)
    opened = []
    monkeypatch.setattr(TiffSource, "close", lambda self, close=TiffSource.close: (opened.append(self), close(self)))
    movies = open_scenes(path)
    assert len(opened) == 2  # each is closed again, and opened for every read
    assert [movie.frame(2).max() for movie in movies] == [1, 2]
    assert [movie.shape for movie in movies] == [(3, 1, 1, 16, 20)] * 2
