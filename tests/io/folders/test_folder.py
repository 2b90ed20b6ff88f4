from __future__ import annotations

import logging
import re
from itertools import product

import imagecodecs
import numpy as np
import pytest
import tifffile
from pylibCZIrw import czi

import decrappify as dc
from decrappify.errors import FormatError, InputError
from decrappify.io import open_movie, open_pyramid, open_scenes, save_movie, scenes
from decrappify.io.folders import folder
from decrappify.io.integrity.missing_planes import MissingPlanesWarning
from decrappify.movie import Movie


@pytest.fixture
def make(tmp_path):
    """Write TIFF or PNG files into one folder, each filled with its number."""

    def write(names, shape=(9, 11), dtype=np.uint16, **options):
        root = tmp_path / "cells"
        for number, name in enumerate(names):
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            array = np.full(shape[number] if isinstance(shape, list) else shape, number, dtype)
            if path.suffix == ".png":
                path.write_bytes(imagecodecs.png_encode(array))
            else:
                tifffile.imwrite(path, array, photometric="minisblack", **options)
        return root

    return write


def values(movie):
    """Return the first pixel of every plane, as (T, C, Z)."""
    return np.array([movie.frame(*plane)[0, 0] for plane in movie.planes()]).reshape(movie.shape[:3]).tolist()


@pytest.mark.parametrize("suffix", [".tif", ".png"])
def test_numbered_files_are_read_as_one_movie_and_logged(make, caplog, suffix):
    root = make([f"frame{t}{suffix}" for t in range(11)])
    with caplog.at_level(logging.INFO, "decrappify.io.folders.folder"):
        movie = open_movie(root)
    assert movie.shape == (11, 1, 1, 9, 11)
    assert movie.name == "cells"
    assert [row[0][0] for row in values(movie)] == list(range(11))
    (line,) = caplog.messages
    assert line == (
        "cells was read as one movie of 11 frames (the file names differ only in a number); pass folder_as='images' "
        "to read each file as a separate image"
    )


def test_unrelated_stills_are_scenes_and_a_warning_names_the_opened_one(make):
    root = make(["liver.tif", "brain.tif", "skin 2.tif"], [(9, 11), (8, 8), (5, 6)])
    assert scenes(root) == ["brain", "liver", "skin 2"]
    with pytest.warns(UserWarning, match=r"3 separate images .*only scene 0 \(brain\) was opened.*folder_as='movie'"):
        assert open_movie(root).name == "brain.tif"
    for scene in (1, "1", "liver", "LIVER"):
        movie = open_movie(root, scene=scene)
        assert (movie.name, values(movie)) == ("liver.tif", [[[0]]])
    with pytest.raises(InputError, match="scene 3 is not in cells, which has scenes 0"):
        open_movie(root, scene=3)


@pytest.mark.filterwarnings("error")
def test_folder_as_overrides_the_detection(make):
    numbered = make(["t1.tif", "t2.tif", "t10.tif"])
    assert scenes(numbered, folder_as="images") == ["t1", "t2", "t10"]
    assert values(open_movie(numbered, scene="t10", folder_as="images")) == [[[2]]]
    words = make(["words/b.tif", "words/a.tif"]) / "words"
    assert values(open_movie(words, folder_as="movie")) == [[[1]], [[0]]]
    plate = make([f"plate/B02_s{s}_w{c}.tif" for s, c in product((1, 2), (1, 2))]) / "plate"
    assert open_movie(plate, folder_as="movie").shape[:3] == (4, 1, 1)
    assert len(scenes(plate, folder_as="images")) == 4


@pytest.mark.parametrize("given", ["pictures", None])
def test_folder_as_raises_for_unknown_values_and_other_sources(make, given):
    root = make(["t1.tif", "t2.tif"])
    with pytest.raises(InputError, match=r"folder_as=.* is not known, expected 'auto', 'movie' or 'images'"):
        open_movie(root, folder_as=given)
    for other in (root / "t1.tif", np.zeros((3, 8, 8))):
        with pytest.raises(InputError, match=r"folder_as='images' is for folders, found"):
            open_movie(other, folder_as="images")
        with pytest.raises(InputError, match="is for folders"):
            scenes(other, folder_as="images")


def test_channels_slices_and_frames_come_from_the_names(make, caplog):
    places = list(product(range(2), range(2), range(3)))
    root = make([f"img_t{t:03d}_c{c}_z{z:03d}.tif" for t, c, z in places])
    movie = open_movie(root)
    assert movie.shape == (2, 2, 3, 9, 11)
    assert movie.channel_names == ("c0", "c1")
    assert values(movie) == np.arange(12).reshape(2, 2, 3).tolist()
    assert scenes(root) == ["scene 0"]


def test_wells_and_sites_are_scenes_with_channels(make):
    names = [f"{well}_s{s}_w{c}.tif" for well, s, c in product(("B02", "C03"), (1, 2), (1, 2))]
    root = make(names)
    assert dc.scenes(root) == ["B02 s1", "B02 s2", "C03 s1", "C03 s2"]
    movie = open_movie(root, scene="C03 s1")
    assert movie.name == "cells C03 s1"
    assert (movie.shape, movie.channel_names, values(movie)) == ((1, 2, 1, 9, 11), ("w1", "w2"), [[[4], [5]]])
    with pytest.warns(UserWarning, match=r"4 scenes \(the file names number scenes and channels\); only scene 0"):
        open_movie(root)
    assert [each.name for each in open_scenes(root)] == [f"cells {name}" for name in dc.scenes(root)]
    (level,) = open_pyramid(root, scene=3)
    assert values(level) == [[[6], [7]]]


def test_scenes_may_differ_in_size_and_length(make):
    names = ["fish1_t1.tif", "fish1_t2.tif", "fish1_t3.tif", "fish2_t1.tif", "fish2_t2.tif"]
    root = make(names, [(9, 11)] * 3 + [(5, 6)] * 2)
    assert open_movie(root, scene="fish1").shape == (3, 1, 1, 9, 11)
    assert open_movie(root, scene="fish2").shape == (2, 1, 1, 5, 6)


@pytest.mark.parametrize(("absent", "expected"), [(6, [[[0], [6]]]), (7, [[[6], [0]]])])
def test_absent_channel_of_a_site_is_missing_and_the_others_keep_their_numbers(make, absent, expected):
    names = [f"{well}_s{s}_w{c}.tif" for well, s, c in product(("B02", "B03"), (1, 2), (1, 2))]
    root = make(name for number, name in enumerate(names) if number != absent)
    channel = absent - 6
    with pytest.warns(MissingPlanesWarning, match=f"cells B03 s2 has no file for channel {channel}; this plane"):
        movie = open_movie(root, scene="B03 s2")
    assert (movie.channel_names, movie.missing, values(movie)) == (("w1", "w2"), {(0, channel, 0)}, expected)
    assert not open_movie(root, scene="B03 s1").missing
    with pytest.warns(MissingPlanesWarning):
        one = open_movie(root, scene="B03 s2", channel=channel)
    assert one.missing == {(0, 0, 0)}


def test_absent_first_and_last_frames_of_a_well_are_missing(make):
    root = make([*(f"A01_t{t:02d}.tif" for t in range(4)), "A02_t01.tif", "A02_t02.tif"])
    with pytest.warns(MissingPlanesWarning, match="cells A02 has no file for frame 0; frame 3; these planes"):
        movie = open_movie(root, scene="A02")
    assert values(movie) == [[[0]], [[4]], [[5]], [[0]]]


def test_missing_files_are_missing_planes_named_in_a_warning(make):
    places = [place for place in product(range(2), range(2), range(2)) if place != (1, 0, 1)]
    root = make([f"t{t}_c{c}_z{z}.tif" for t, c, z in places])
    with pytest.warns(UserWarning, match="cells has no file for frame 1, channel 0, slice 1; this plane is missing"):
        movie = open_movie(root)
    assert movie.missing == {(1, 0, 1)}
    assert not movie.frame(1, 0, 1).any()
    assert values(movie)[1] == [[4, 0], [5, 6]]
    assert movie.select(frames=slice(1, 2)).missing == {(0, 0, 1)}


def test_missing_file_of_a_volume_is_missing_in_all_slices(make):
    root = make(["volume_t1.tif", "volume_t2.tif", "volume_t4.tif"], (3, 9, 11))
    with pytest.warns(UserWarning, match="has no file for frame 2"):
        movie = open_movie(root)
    assert movie.shape == (4, 1, 3, 9, 11)
    assert movie.missing == {(2, 0, z) for z in range(3)}


def test_positions_in_separate_folders_are_scenes(make):
    root = make([f"Pos{p}/img_{t:09d}_{c}_000.tif" for p, t, c in product((0, 1), (0, 1, 2), ("DAPI", "GFP"))])
    assert scenes(root) == ["Pos0", "Pos1"]
    movie = open_movie(root, scene="Pos1")
    assert (movie.shape, movie.channel_names) == ((3, 2, 1, 9, 11), ("DAPI", "GFP"))
    assert values(movie) == np.arange(6, 12).reshape(3, 2, 1).tolist()


def test_folder_of_folders_raises_with_their_names(make):
    root = make(["mouse/a.tif", "fish/b.tif"])
    with pytest.raises(InputError, match="contains no images, but folders such as fish: open one of them"):
        open_movie(root)


@pytest.mark.parametrize(
    ("name", "options", "expected"),
    [
        ("movie{}.tif", {}, None),
        ("movie{}.tif", {"imagej": True, "metadata": {"axes": "TYX"}}, None),
        ("t{}.tif", {"imagej": True, "metadata": {"axes": "TYX"}}, None),
        ("movie{}.tif", {"imagej": True, "metadata": {"axes": "ZYX"}}, (3, 1, 4, 9, 11)),
        ("t{}.tif", {}, (3, 1, 4, 9, 11)),
        ("volume{}.tif", {}, (3, 1, 4, 9, 11)),
        ("x_c{}.tif", {}, (4, 3, 1, 9, 11)),
        ("x_z{}.tif", {}, (4, 1, 3, 9, 11)),
        ("x_c{}.tif", {"imagej": True, "metadata": {"axes": "ZYX"}}, (1, 3, 4, 9, 11)),
    ],
)
def test_multipage_files_are_separate_movies_unless_names_or_axes_join_them(make, name, options, expected):
    root = make([name.format(number) for number in range(3)], (4, 9, 11), **options)
    if expected is None:
        with pytest.warns(UserWarning, match="3 separate images"):
            assert open_movie(root).shape == (4, 1, 1, 9, 11)
        assert len(scenes(root)) == 3
    else:
        assert open_movie(root).shape == expected


def test_folder_as_movie_raises_for_files_of_several_frames(make):
    root = make(["a.tif", "b.tif"], (4, 9, 11), imagej=True, metadata={"axes": "TYX"})
    with pytest.raises(InputError, match=r"a\.tif in folder cells is a movie of 4 frames.*folder_as='images'"):
        open_movie(root, folder_as="movie")


def test_numbered_files_of_different_size_are_images_and_labeled_frames_raise(make):
    numbered = make(["cell1.png", "cell2.png"], [(9, 11), (9, 12)])
    with pytest.warns(UserWarning, match=r"their sizes differ: cell1\.png is 9 × 11 .*cell2\.png is 9 × 12"):
        assert open_movie(numbered).shape[3:] == (9, 11)
    frames = make(["f/t1.tif", "f/t2.tif"], [(9, 11), (9, 12)]) / "f"
    with pytest.raises(InputError, match=r"t1\.tif is 9 × 11 .*t2\.tif is 9 × 12 .*folder_as='images'"):
        open_movie(frames)


def test_headers_of_many_files_are_sampled_and_the_rest_checked_when_read(make, monkeypatch):
    monkeypatch.setattr(folder, "_HEADERS", 4)
    read = []
    original = folder.layout_of
    monkeypatch.setattr(folder, "layout_of", lambda file: read.append(file) or original(file))
    shapes = [(9, 11)] * 20
    shapes[7] = (11, 9)  # as many bytes as the others
    movie = open_movie(make([f"frame{t:02d}.tif" for t in range(20)], shapes))
    assert len(set(read)) < 10
    assert movie.shape[0] == 20
    with pytest.raises(FormatError, match=r"frame07\.tif is Y 11, X 9 uint16, other files in its folder are Y 9, X 11"):
        movie.frame(7)
    assert movie.frame(8)[0, 0] == 8


def test_numbered_photographs_of_a_camera_are_images(tmp_path):
    from PIL import Image

    for number in (2031, 2032, 2033):
        Image.fromarray(np.full((9, 11), number % 256, np.uint8)).save(tmp_path / f"IMG_{number}.jpg")
    with pytest.warns(UserWarning, match="3 separate images .*those of a camera"):
        open_movie(tmp_path)


def test_folder_of_movie_files_has_one_scene_per_file(tmp_path):
    for name, frames in (("a.czi", 3), ("b.czi", 2)):
        with czi.create_czi(str(tmp_path / name)) as document:
            for t in range(frames):
                document.write(data=np.full((8, 9, 1), t, np.uint16), plane={"T": t, "C": 0, "Z": 0})
    save_movie(Movie.from_array(np.zeros((4, 8, 9), np.uint8)), tmp_path / "c.ome.zarr")
    assert scenes(tmp_path) == ["a", "b", "c"]
    assert [len(movie) for movie in open_scenes(tmp_path)] == [3, 2, 4]
    assert open_movie(tmp_path, scene="b").name == "b.czi"
    with pytest.warns(UserWarning, match="each file contains a separate movie") as caught:
        open_movie(tmp_path)
    assert "--as movie" not in str(caught[0].message)
    with pytest.raises(InputError, match="cannot be frames of one movie; omit folder_as='movie'"):
        open_movie(tmp_path, folder_as="movie")


def test_scenes_within_files_are_listed(tmp_path):
    for name in "ab":
        with tifffile.TiffWriter(tmp_path / f"{name}.ome.tif", ome=True) as writer:
            for part, value in (("left", 1), ("right", 2)):
                writer.write(np.full((3, 8, 9), value, np.uint16), metadata={"axes": "TYX", "Name": part})
    assert scenes(tmp_path) == ["a / left", "a / right", "b / left", "b / right"]
    assert values(open_movie(tmp_path, scene="b / right")) == [[[2]]] * 3


def test_folder_of_one_file_opens_that_file(make):
    movie = open_movie(make(["only.tif"], (4, 9, 11)))
    assert (movie.name, movie.shape) == ("only.tif", (4, 1, 1, 9, 11))


def test_omitted_files_of_a_folder_are_named_in_a_warning(make):
    root = make(["B02_s1_w1.tif", "B02_s1_w2.tif", "B02_s1_w1_thumb.tif"])
    (root / "overview.mp4").touch()
    with pytest.warns(UserWarning, match=r"1 other file such as overview\.mp4 and 1 thumbnail were omitted"):
        movie = open_movie(root)
    assert movie.shape[:3] == (1, 2, 1)


def test_mixed_formats_raise_unless_read_as_images(make):
    root = make(["a.tif", "b.png"])
    with pytest.raises(InputError, match=r"contains 1 \.tif and 1 \.png files.*folder_as='images'"):
        open_movie(root)
    assert scenes(root, folder_as="images") == ["a", "b"]


def test_names_that_differ_in_the_suffix_only_are_distinguished(make):
    root = make(["a.tif", "a.png"])
    assert scenes(root, folder_as="images") == ["a.png", "a.tif"]


def test_folder_is_read_again_after_a_change(make):
    root = make(["t1.tif", "t2.tif"])
    assert len(open_movie(root)) == 2
    make(["t1.tif", "t2.tif", "t3.tif"])
    assert len(open_movie(root)) == 3


def test_open_scenes_keeps_no_files_open(make):
    resource = pytest.importorskip("resource")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    root = make([f"{chr(97 + number // 26)}{chr(97 + number % 26)}x.tif" for number in range(60)])
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(soft, 55), hard))
    try:
        movies = open_scenes(root)
        assert [int(movie.frame(0)[0, 0]) for movie in movies] == list(range(60))
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_damaged_file_of_a_folder_raises_with_its_name(make):
    root = make([f"t{t}.tif" for t in range(3)])
    (root / "t1.tif").write_bytes(b"II*\0 damaged")
    with pytest.raises(FormatError, match=re.escape("cannot read t1.tif as TIFF")):
        open_movie(root)


def test_damaged_file_of_a_folder_of_images_is_a_scene_that_raises_on_opening(tmp_path):
    for name in ("alpha", "gamma"):
        save_movie(np.ones((2, 9, 11), np.uint16), tmp_path / f"{name}.ome.tif")
    (tmp_path / "beta.ome.tif").write_bytes((tmp_path / "alpha.ome.tif").read_bytes()[:300])
    assert scenes(tmp_path) == ["alpha", "beta", "gamma"]
    assert open_movie(tmp_path, scene="gamma").shape == (2, 1, 1, 9, 11)
    with pytest.raises(FormatError, match=r"beta\.ome\.tif cannot be read as TIFF"):
        open_movie(tmp_path, scene="beta")


def test_axes_of_a_folder_raise(make):
    with pytest.raises(InputError, match="axes='ZYX' is for arrays and TIFF, and cells is a folder"):
        open_movie(make(["t1.tif", "t2.tif"]), axes="ZYX")
