from __future__ import annotations

import pickle
import warnings

import numpy as np
import pytest
from pylibCZIrw import czi
from tests.io.formats.czi.czi_files import edit_directory, edit_metadata, rename_dimension, write_planes

import decrappify as dc
from decrappify.errors import FormatError, InputError
from decrappify.io import scene_details
from decrappify.io.formats.czi.czi import open_czi


def value(scene, t, c, z):
    return 1000 * scene + 100 * t + 10 * c + z + 1


def planes_at(places):
    return {place: np.full((6, 8), value(*place), np.uint16) for place in places}


def corner(movie):
    return np.asarray(movie)[..., 0, 0]


def test_scenes_of_different_length_have_different_shapes(tmp_path):
    places = [(0, t, c, z) for t in range(5) for c in range(2) for z in range(2)]
    places += [(1, t, 1, z) for t in range(1, 4) for z in range(3)]
    path = write_planes(tmp_path / "cells.czi", planes_at(places))
    first, second = open_czi(path, scene=0), open_czi(path, scene=1)
    assert first.shape == (5, 2, 2, 6, 8)
    assert second.shape == (3, 1, 3, 6, 8)
    assert first.missing == second.missing == frozenset()
    np.testing.assert_array_equal(corner(second), [[[value(1, t, 1, z) for z in range(3)]] for t in range(1, 4)])


def test_subset_with_its_original_numbers_is_read(tmp_path):
    places = [(3, t, c, z) for t in range(3, 7) for c in (2, 3) for z in (1, 2)]
    path = write_planes(tmp_path / "subset.czi", planes_at(places))
    movie = open_czi(path)
    assert movie.shape == (4, 2, 2, 6, 8)
    expected = [[[value(3, t, c, z) for z in (1, 2)] for c in (2, 3)] for t in range(3, 7)]
    np.testing.assert_array_equal(corner(movie), expected)
    assert dc.scenes(path) == ["S3"]


def test_single_plane_with_large_numbers_is_read(tmp_path):
    path = write_planes(tmp_path / "one.czi", planes_at([(0, 9, 4, 6)]))
    assert open_czi(path).shape == (1, 1, 1, 6, 8)
    assert open_czi(path).frame(0)[0, 0] == value(0, 9, 4, 6)


@pytest.mark.parametrize(
    ("lost", "text"),
    [
        (
            [(9, 1, 0), (9, 2, 0)],
            r"2 of 30 planes were not recorded \(frame 9: channels 1, 2\), the recording was stopped",
        ),
        ([(4, 0, 0)], r"1 of 30 planes was not recorded \(frame 4: channel 0\); they are read as zeros$"),
        ([(4, 0, 0), (4, 1, 0), (4, 2, 0)], r"3 of 30 planes were not recorded \(frame 4\); they are read as zeros$"),
    ],
)
def test_missing_planes_are_zero_and_named_in_a_warning(tmp_path, lost, text):
    places = [(t, c, 0) for t in range(10) for c in range(3) if (t, c, 0) not in lost]
    path = write_planes(tmp_path / "cells.czi", planes_at([(0, *place) for place in places]))
    with pytest.warns(UserWarning, match=text) as caught:
        movie = dc.open_movie(path)
    assert len(caught) == 1
    assert caught[0].filename == __file__
    assert "\n" not in str(caught[0].message)
    assert movie.shape == (10, 3, 1, 6, 8)
    assert movie.missing == frozenset(lost)
    for t, c, z in movie.planes():
        expected = 0 if (t, c, z) in lost else value(0, t, c, z)
        assert (movie.frame(t, c, z) == expected).all()
    assert movie[2:].missing == {(t - 2, c, z) for t, c, z in lost}


def test_file_without_gaps_opens_without_a_warning(tmp_path):
    places = [(s, t, c, z) for s in range(2) for t in range(2) for c in range(2) for z in range(2)]
    path = write_planes(tmp_path / "cells.czi", planes_at(places))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        dc.open_movie(path, scene=1)


def test_missing_planes_are_kept_by_pickling_without_a_second_warning(tmp_path):
    path = write_planes(tmp_path / "cells.czi", planes_at([(0, 0, 0, 0), (0, 0, 1, 0), (0, 1, 0, 0)]))
    with pytest.warns(UserWarning, match="1 of 4 planes"):
        movie = open_czi(path)
    again = pickle.loads(pickle.dumps(movie))
    assert again.missing == {(1, 1, 0)}
    np.testing.assert_array_equal(np.asarray(again), np.asarray(movie))


def test_missing_color_planes_are_missing_in_three_channels(tmp_path, rng):
    rgb = rng.integers(1, 255, (6, 8, 3), dtype=np.uint8)
    path = write_planes(tmp_path / "color.czi", {(0, 2, 0, 0): rgb, (0, 2, 0, 1): rgb, (0, 3, 0, 0): rgb})
    with pytest.warns(UserWarning, match=r"1 of 4 planes was not recorded \(frame 1: slice 1\)"):
        movie = open_czi(path)
    assert movie.missing == {(1, 0, 1), (1, 1, 1), (1, 2, 1)}
    np.testing.assert_array_equal(movie.frame(1, 0, 0), rgb[..., 2])
    assert not movie.frame(1, 2, 1).any()


def test_planes_in_other_files_of_a_recording_are_missing(tmp_path):
    path = write_planes(tmp_path / "cells.czi", planes_at([(0, t, 0, 0) for t in range(4)]))
    edit_directory(path, lambda entries: [setattr(entry, "part", 1) for entry in entries[1:3]])
    with pytest.warns(UserWarning, match=r"frames 1, 2\); 2 of them are in other files of the recording"):
        movie = open_czi(path)
    np.testing.assert_array_equal(corner(movie).ravel(), [value(0, 0, 0, 0), 0, 0, value(0, 3, 0, 0)])


def test_plane_stored_only_in_the_pyramid_is_not_read(tmp_path):
    path = write_planes(tmp_path / "cells.czi", planes_at([(0, t, 0, 0) for t in range(3)]))

    def shrink(entries):
        for letter in "XY":
            entries[2].dimensions[letter][1] *= 4

    edit_directory(path, shrink)
    with pytest.warns(UserWarning, match="the metadata state 3 frames, the file contains 2"):
        movie = open_czi(path)
    assert movie.shape == (2, 1, 1, 6, 8)


def test_subset_with_gaps_in_its_numbers_has_no_missing_planes(tmp_path):
    path = write_planes(tmp_path / "cells.czi", planes_at([(0, t, c, 0) for t in (2, 4, 8) for c in (0, 2)]))
    edit_metadata(path, lambda xml: xml.replace("<SizeT>7<", "<SizeT>3<").replace("<SizeC>3<", "<SizeC>2<"))
    movie = open_czi(path)
    assert movie.shape == (3, 2, 1, 6, 8)
    assert movie.missing == frozenset()
    np.testing.assert_array_equal(corner(movie)[..., 0], [[value(0, t, c, 0) for c in (0, 2)] for t in (2, 4, 8)])


def test_fewer_frames_than_the_metadata_state_warn(tmp_path):
    path = write_planes(tmp_path / "cells.czi", planes_at([(0, t, 0, 0) for t in range(3)]))
    edit_metadata(path, lambda xml: xml.replace("<SizeT>3<", "<SizeT>40<"))
    with pytest.warns(UserWarning, match=r"cells\.czi: the metadata state 40 frames, the file contains 3"):
        assert open_czi(path).shape[0] == 3


def test_line_scans_warn(tmp_path):
    path = write_planes(tmp_path / "line.czi", planes_at([(0, 0, 0, 0)]))

    def lengthen(entries):
        entries[0].dimensions["T"][1:] = [500, 500]

    edit_directory(path, lengthen)
    with pytest.warns(UserWarning, match="stores 500 positions along T in one block") as caught:
        open_czi(path)
    assert len(caught) == 1


def test_mosaic_plane_without_all_tiles_warns_and_is_zero_in_the_gaps(tmp_path, rng):
    frames = rng.integers(1, 60000, (3, 20, 60), dtype=np.uint16)
    tiles = [(t, x) for t in range(3) for x in (0, 20, 40) if (t, x) != (1, 20)]
    path = tmp_path / "mosaic.czi"
    with czi.create_czi(str(path)) as document:
        for t, x in tiles:
            document.write(frames[t, :, x : x + 20, np.newaxis], plane={"T": t}, location=(x - 7, 3))
        document.write_metadata("mosaic")
    with pytest.warns(UserWarning, match=r"1 plane lacks some of 3 tiles \(frame 1\); the gaps are read as zeros"):
        movie = open_czi(path)
    frames[1, :, 20:40] = 0
    np.testing.assert_array_equal(np.asarray(movie)[:, 0, 0], frames)
    assert movie.missing == frozenset()


def test_mosaics_of_overlapping_scenes_are_stitched(tmp_path, rng):
    frames = rng.integers(1, 60000, (2, 2, 30, 60), dtype=np.uint16)
    path = tmp_path / "mosaics.czi"
    with czi.create_czi(str(path)) as document:
        for scene, t, x in np.ndindex(2, 2, 3):
            pixels = frames[scene, t, :, 20 * x : 20 * x + 20, np.newaxis]
            document.write(pixels, plane={"T": t + scene}, scene=scene, location=(20 * x + 15 * scene, 10 * scene - 5))
        document.write_metadata("mosaics")
    for scene in (0, 1):
        movie = open_czi(path, scene=scene)
        np.testing.assert_array_equal(np.asarray(movie)[:, 0, 0], frames[scene])
        np.testing.assert_array_equal(movie.region(1, 0, 0, slice(3, 9), slice(15, 45)), frames[scene, 1, 3:9, 15:45])


def test_scenes_with_gaps_in_their_numbers_are_counted_from_zero(tmp_path):
    path = write_planes(tmp_path / "cells.czi", planes_at([(0, 0, 0, 0), (2, 0, 0, 0), (5, 0, 0, 0)]))
    assert dc.scenes(path) == ["S0", "S2", "S5"]
    for number, stored in enumerate((0, 2, 5)):
        for scene in (number, f"S{stored}"):
            assert dc.open_movie(path, scene=scene).frame(0)[0, 0] == value(stored, 0, 0, 0)
    with pytest.raises(InputError, match=r"scene 5 is not in cells.czi.*0 \(S0, 6 × 8\), 1 \(S2, 6 × 8\), 2 \(S5"):
        dc.open_movie(path, scene=5)


def test_scenes_have_different_dtypes_and_sizes(tmp_path):
    planes = {(0, 0, 0, 0): np.full((6, 8), 7, np.uint8), (1, 0, 1, 0): np.full((9, 5), 700, np.uint16)}
    path = write_planes(tmp_path / "cells.czi", planes)
    small, wide = open_czi(path), open_czi(path, scene=1)
    assert (small.shape, small.dtype, small.frame(0).max()) == ((1, 1, 1, 6, 8), np.uint8, 7)
    assert (wide.shape, wide.dtype, wide.frame(0).max()) == ((1, 1, 1, 9, 5), np.uint16, 700)


@pytest.mark.parametrize(
    ("last", "message"),
    [(2**30, "1073741825 positions along T"), (5_000_000, r"5000001 × 1 × 1 planes \(T × C × Z\) in 2 blocks")],
)
def test_directory_with_impossible_numbers_raises(tmp_path, last, message):
    path = write_planes(tmp_path / "cells.czi", planes_at([(0, t, 0, 0) for t in range(2)]))

    def scatter(entries):
        entries[1].dimensions["T"][0] = last

    edit_metadata(path, lambda xml: xml.replace("<SizeT>2<", "<SizeT>9<"))
    edit_directory(path, scatter)
    with pytest.raises(FormatError, match=rf"cells\.czi is damaged, its directory lists {message}"):
        open_czi(path)


def test_file_without_planes_raises(tmp_path):
    path = write_planes(tmp_path / "cells.czi", planes_at([(0, 0, 0, 0)]))
    edit_directory(path, lambda entries: entries.clear())
    with pytest.raises(FormatError, match="contains no image; the recording may have been stopped"):
        open_czi(path)


@pytest.fixture
def detector_file(tmp_path, rng):
    """A file of five detector elements (H) in two scenes and two frames, and its planes."""
    planes = {
        (s, t, 0, 0): [rng.integers(0, 60000, (6, 8), dtype=np.uint16) for _ in range(5)]
        for s in (0, 1)
        for t in (0, 1)
    }
    return rename_dimension(write_planes(tmp_path / "airy.czi", planes), "M", "H"), planes


def test_detector_elements_that_are_not_opened_are_named_in_a_warning(detector_file):
    path, planes = detector_file
    with pytest.warns(
        UserWarning, match=r"airy\.czi contains 5 detector elements or phases \(H 0 to 4\) and only H 0"
    ) as caught:
        movie = dc.open_movie(path, scene=1)
    np.testing.assert_array_equal(movie.frame(1), planes[1, 1, 0, 0][0])
    message = str(caught[0].message)
    assert len(caught) == 1
    assert "\n" not in message
    scene = message.split("choose by scene='")[1].split("'")[0]
    np.testing.assert_array_equal(dc.open_movie(path, scene=scene).frame(1), planes[1, 1, 0, 0][1])
    scene = message.split("sum over H by scene='")[1].split("'")[0]
    np.testing.assert_array_equal(
        dc.open_movie(path, scene=scene).frame(1), np.sum(planes[1, 1, 0, 0], axis=0, dtype=np.float32)
    )


@pytest.mark.parametrize("scene", ["1, H 3", "scene 1, H 3", "Scene 1, h=3", "1,H 3"])
def test_detector_elements_open_by_number(detector_file, scene):
    path, planes = detector_file
    movie = dc.open_movie(path, scene=scene)
    assert movie.dtype == np.uint16
    for t in (0, 1):
        np.testing.assert_array_equal(movie.frame(t), planes[1, t, 0, 0][3])
    again = pickle.loads(pickle.dumps(movie))
    np.testing.assert_array_equal(again.frame(1), planes[1, 1, 0, 0][3])


def test_sum_of_detector_elements_is_exact(detector_file):
    path, planes = detector_file
    movie = dc.open_movie(path, scene="0, H sum")
    assert movie.dtype == np.float32
    np.testing.assert_array_equal(movie.frame(1), np.sum(planes[0, 1, 0, 0], axis=0, dtype=np.int64))
    np.testing.assert_array_equal(movie.region(1, 0, 0, slice(2, 4), slice(1, 7)), movie.frame(1)[2:4, 1:7])


def test_sum_without_one_element_is_a_missing_plane(detector_file):
    path, _ = detector_file

    def drop_one(entries):
        places = [[entry.dimensions[letter][0] for letter in "STH"] for entry in entries]
        del entries[places.index([0, 1, 2])]

    edit_directory(path, drop_one)
    with pytest.warns(UserWarning, match=r"1 of 2 planes was not recorded \(frame 1\)"):
        movie = dc.open_movie(path, scene="0, H sum")
    assert movie.missing == {(1, 0, 0)}
    assert dc.open_movie(path, scene="0, H 1").missing == frozenset()


@pytest.mark.parametrize(
    ("letter", "kind"), [("V", "views"), ("I", "illuminations"), ("R", "rotations"), ("B", "blocks")]
)
def test_further_dimensions_are_named_in_a_warning_and_open_by_number(tmp_path, letter, kind):
    planes = {(0, t, 0, 0): [np.full((6, 8), 10 * t + k, np.uint16) for k in range(3)] for t in range(2)}
    path = rename_dimension(write_planes(tmp_path / "cells.czi", planes), "M", letter)
    with pytest.warns(UserWarning, match=rf"3 {kind} \({letter} 0 to 2\) and only {letter} 0.*scene='{letter} 1'"):
        movie = dc.open_movie(path)
    assert corner(movie).ravel().tolist() == [0, 10]
    assert corner(dc.open_movie(path, scene=f"{letter} 2")).ravel().tolist() == [2, 12]
    with pytest.raises(InputError, match=rf"{letter} 3 is not in cells.czi, which has {letter} 0 to 2"):
        dc.open_movie(path, scene=f"{letter} 3")


def test_two_further_dimensions_open_together(tmp_path):
    planes = {(v, 0, 0, 0): [np.full((6, 8), 10 * v + h, np.uint16) for h in range(2)] for v in range(3)}
    path = write_planes(tmp_path / "cells.czi", planes)
    rename_dimension(rename_dimension(path, "M", "H"), "S", "V")
    assert dc.scenes(path) == ["scene 0"]
    assert dc.open_movie(path, scene="V 2, H 1").frame(0).max() == 21
    with pytest.warns(UserWarning, match=r"3 views \(V 0 to 2\) and only V 0 was opened; choose by scene='H 1, V 1'"):
        assert dc.open_movie(path, scene="H 1").frame(0).max() == 1


def test_indices_that_do_not_occur_together_raise(tmp_path):
    planes = {(v, 0, 0, 0): [np.full((6, 8), 10 * v + h, np.uint16) for h in range(2)] for v in range(2)}
    path = write_planes(tmp_path / "cells.czi", planes)
    rename_dimension(rename_dimension(path, "M", "H"), "S", "V")

    def drop_one(entries):
        places = [[entry.dimensions[letter][0] for letter in "VH"] for entry in entries]
        del entries[places.index([1, 1])]

    edit_directory(path, drop_one)
    with pytest.raises(InputError, match=r"no sub-block has H 1, V 1 at once in cells\.czi"):
        dc.open_movie(path, scene="V 1, H 1")


def test_real_irregular_files_match_their_reference_pixels(real_data):
    folder = real_data / "awkward" / "czi"
    known = np.load(folder / "truth.npz")
    movies = {"0": open_czi(folder / "irregular.czi"), "1": open_czi(folder / "irregular.czi", scene=1)}
    movies["None"] = open_czi(folder / "subset.czi")
    first = {"0": (0, 0), "1": (0, 0), "None": (3, 1)}
    assert [movie.shape[:3] for movie in movies.values()] == [(5, 1, 1), (3, 1, 1), (4, 1, 2)]
    for key in known:
        _, t, c, z, scene = key.rsplit("_", 4)
        t, z = int(t) - first[scene][0], int(z) - first[scene][1]
        np.testing.assert_array_equal(movies[scene].frame(t, int(c), z), known[key])


@pytest.mark.parametrize("scale", [2e-7, None])
def test_scene_details_are_positions_of_the_sub_blocks(tmp_path, scale):
    path = tmp_path / "cells.czi"
    with czi.create_czi(str(path)) as document:
        for number, place in enumerate([(10, 20), (500, 40)]):
            document.write(np.zeros((8, 9, 1), np.uint8), plane={"T": 0, "C": 0, "Z": 0}, scene=number, location=place)
        scaling = {} if scale is None else {"scale_x": scale, "scale_y": scale}
        document.write_metadata("cells", **scaling)
    positions = [details.position_um for details in scene_details(path)]
    assert positions == ([None, None] if scale is None else [pytest.approx((4, 2)), pytest.approx((8, 100))])


def test_scene_details_use_stage_positions_if_all_scenes_begin_at_the_same_pixel(tmp_path):
    path = tmp_path / "cells.czi"
    with czi.create_czi(str(path)) as document:
        for number in range(2):
            document.write(np.zeros((8, 10, 1), np.uint8), plane={"T": 0, "C": 0, "Z": 0}, scene=number)
        document.write_metadata("cells", scale_x=1e-6, scale_y=1e-6)
    scene = '<Scene Index="{}"><CenterPosition>{}</CenterPosition></Scene>'
    listed = scene.format(0, "100,200") + scene.format(1, "nothing")
    edit_metadata(path, lambda xml: xml.replace("<Channels>", f"<S><Scenes>{listed}</Scenes></S><Channels>", 1))
    assert [details.position_um for details in scene_details(path)] == [(196.0, 95.0), None]


def test_scene_details_list_further_dimensions(tmp_path):
    pixels = np.zeros((8, 9), np.uint8)
    path = write_planes(tmp_path / "cells.czi", {(0, 0, 0, z): pixels for z in range(3)})
    rename_dimension(path, "Z", "H")
    (details,) = scene_details(path)
    assert (details.further, details.kinds) == ({"H": (0, 1, 2)}, {"H": "detector elements or phases"})
