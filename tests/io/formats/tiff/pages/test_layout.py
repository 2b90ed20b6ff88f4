"""Incomplete recordings: aborted, split, or with a missing file of a set."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile
from bioio import BioImage
from tests.io.formats.tiff.tiff_files import (
    MM_SUMMARY,
    imagej_text,
    mm_planes,
    nd_planes,
    ome_xml,
    pages_with,
    ramp,
    write_lsm,
    write_mmstack,
    write_ndtiff,
)

from decrappify.errors import FormatError
from decrappify.io.formats.tiff.open import open_tiff
from decrappify.io.formats.tiff.pages.layout import announced_layout
from decrappify.io.formats.tiff.writing.writer import write_ome_tiff
from decrappify.movie import Movie

PAGES = ramp(12, 10, 12)


@pytest.mark.parametrize("compression", [None, "zlib"])
def test_split_imagej_recording_opens_with_its_frames(
    tmp_path: Path, compression: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    text = imagej_text(images=20, frames=20, hyperstack="true", unit="um", finterval=0.5)
    path = pages_with(tmp_path / "a.tif", PAGES, text, resolution=(4, 4), compression=compression)
    with pytest.warns(UserWarning, match=r"a\.tif: states 20 frames and contains 12 \(aborted, or split") as caught:
        movie = open_tiff(path)
    assert len(caught) == 1
    assert (movie.shape, movie.missing) == ((12, 1, 1, 10, 12), frozenset())
    assert (movie.pixel_size_um, movie.frame_interval_s) == ((None, 0.25, 0.25), 0.5)
    np.testing.assert_array_equal(np.asarray(movie)[:, 0, 0], PAGES)
    assert not caplog.records
    with pytest.warns(UserWarning, match="states 20 slices and contains 12"):
        assert open_tiff(path, axes="ZYX").shape == (1, 1, 12, 10, 12)


@pytest.mark.parametrize(
    ("sizes", "n_pages", "shape", "missing"),
    [
        ({"channels": 2, "frames": 10}, 7, (4, 2, 1), {(3, 1, 0)}),
        ({"slices": 3, "frames": 5}, 8, (3, 1, 3), {(2, 0, 2)}),
        ({"channels": 2, "slices": 3, "frames": 5}, 9, (2, 2, 3), {(1, 1, 1), (1, 0, 2), (1, 1, 2)}),
        ({"slices": 20}, 12, (1, 1, 12), set()),
        ({"channels": 2, "slices": 9, "frames": 2}, 11, (1, 2, 6), {(0, 1, 5)}),
    ],
)
def test_aborted_hyperstack_has_missing_planes_in_its_last_step(
    tmp_path: Path, sizes: dict[str, int], n_pages: int, shape: tuple[int, ...], missing: set[tuple[int, int, int]]
) -> None:
    text = imagej_text(images=int(np.prod(list(sizes.values()))), hyperstack="true", **sizes)
    path = pages_with(tmp_path / "a.tif", PAGES[:n_pages], text)
    with pytest.warns(UserWarning, match="states"):
        movie = open_tiff(path)
    assert (movie.shape[:3], movie.missing) == (shape, missing)
    recorded = [
        movie.frame(t, c, z) for t, z, c in np.ndindex(shape[0], shape[2], shape[1]) if (t, c, z) not in missing
    ]
    np.testing.assert_array_equal(np.stack(recorded), PAGES[:n_pages])
    for plane in missing:
        assert not movie.frame(*plane).any()


def test_announced_layout_is_reduced_to_the_recorded_planes() -> None:
    assert announced_layout("TZC", (4, 1, 2), 8) is None
    assert announced_layout("TZC", (1, 5, 2), 7) == ("ZC", (4, 2))
    assert announced_layout("CZT", (2, 5, 4), 3) == ("T", (3,))


def ome_recording(folder: Path, n_pages: int, n_t: int = 6, name: str = "a.ome.tif") -> Path:
    """Write two channels with TiffData of the recorded planes, as Micro-Manager does."""
    planes = [(n // 2, n % 2, 0, name, n) for n in range(n_pages)]
    image = {"name": "a", "sizes": {"T": n_t, "C": 2, "Y": 10, "X": 12}, "channels": ["a", "b"], "planes": planes}
    return pages_with(folder / name, PAGES[:n_pages], ome_xml([image], {name: "1"}, "1"))


def test_aborted_ome_recording_warns_and_has_missing_planes(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with pytest.warns(UserWarning, match="states 6 frames") as caught:
        movie = open_tiff(ome_recording(tmp_path, 7))
    assert [str(warning.message) for warning in caught] == [
        "a.ome.tif: states 6 frames and contains 4 (aborted, or split over several files): opened with those; "
        "1 of 8 planes was not recorded (frame 3: channel 1), the recording was stopped early; they are read as zeros"
    ]
    assert (movie.shape, movie.missing) == ((4, 2, 1, 10, 12), {(3, 1, 0)})
    assert (movie.channel_names, movie[:3].missing) == (("a", "b"), frozenset())
    np.testing.assert_array_equal(movie.frame(3, 0), PAGES[6])
    assert movie.frame(3, 1).shape == (10, 12)
    assert not movie.frame(3, 1).any()
    assert not caplog.records


def test_aborted_ome_recording_omits_a_channel_without_planes(tmp_path: Path) -> None:
    planes = [(n, 0, 0, "a.ome.tif", n) for n in range(6)]
    image = {
        "name": "a",
        "sizes": {"T": 6, "C": 2, "Y": 10, "X": 12},
        "channels": ["first", "second"],
        "planes": planes,
    }
    path = pages_with(tmp_path / "a.ome.tif", PAGES[:6], ome_xml([image], {"a.ome.tif": "1"}, "1"))
    with pytest.warns(UserWarning, match="states 2 channels and contains 1"):
        movie = open_tiff(path)
    assert (movie.shape[:3], movie.channel_names) == ((6, 1, 1), ("first",))


def test_missing_planes_within_a_recording_are_named(tmp_path: Path) -> None:
    planes = [(t, 0, 0, "a.ome.tif", n) for n, t in enumerate([0, 1, 3, 5])]
    image = {"name": "a", "sizes": {"T": 6, "Y": 10, "X": 12}, "planes": planes}
    path = pages_with(tmp_path / "a.ome.tif", PAGES[:4], ome_xml([image], {"a.ome.tif": "1"}, "1"))
    with pytest.warns(UserWarning, match=r"2 of 6 planes were not recorded \(frames 2, 4\); they are read as zeros"):
        movie = open_tiff(path)
    assert (movie.shape[0], movie.missing) == (6, {(2, 0, 0), (4, 0, 0)})
    np.testing.assert_array_equal(movie.frame(5), PAGES[3])


def test_aborted_micromanager_and_ndtiff_recordings_have_missing_planes(tmp_path: Path) -> None:
    planes = mm_planes()
    planes.pop((1, 0, 2, 0))
    path = write_mmstack(tmp_path / "rec_1_MMStack_Pos0.tif", planes, MM_SUMMARY | {"Frames": 50}, step_ms=500)
    with pytest.warns(UserWarning, match=r"states 50 frames and contains 3 .*1 of 6 planes was not recorded"):
        movie = open_tiff(path)
    assert (movie.shape[:3], movie.missing, movie.frame_interval_s) == ((3, 2, 1), {(2, 1, 0)}, 0.5)
    frames = nd_planes()
    frames.popitem()
    with pytest.warns(UserWarning, match=r"1 of 6 planes was not recorded \(frame 2: channel 1\)"):
        assert open_tiff(write_ndtiff(tmp_path / "run_1", frames, {})).missing == {(2, 1, 0)}


def test_aborted_lsm_recording_opens_with_its_frames(tmp_path: Path) -> None:
    path = write_lsm(tmp_path / "a.lsm", ramp(3, 3, 6, 7), DimensionTime=8)
    with pytest.warns(UserWarning, match="states 8 frames and contains 3"):
        assert open_tiff(path).shape == (3, 3, 1, 6, 7)


def test_unclosed_micromanager_recording_opens_unless_truncated(tmp_path: Path) -> None:
    planes = mm_planes()
    planes.pop((1, 0, 2, 0))
    path = write_mmstack(tmp_path / "rec_1_MMStack_Pos0.tif", planes, MM_SUMMARY | {"Frames": 50}, closed=False)
    with pytest.warns(UserWarning, match=r"states 50 frames and contains 3 .*1 of 6 planes was not recorded"):
        movie = open_tiff(path)
    assert (movie.shape, movie.channel_names, movie.missing) == ((3, 2, 1, 5, 6), ("DAPI", "GFP"), {(2, 1, 0)})
    for (c, _, t, _), pixels in planes.items():
        np.testing.assert_array_equal(movie.frame(t, c), pixels)
    path.write_bytes(path.read_bytes()[:-1])  # truncated within the metadata of the last plane
    with pytest.raises(FormatError, match="truncated"):
        open_tiff(path)


def test_unclosed_file_opens_with_its_planes(tmp_path: Path) -> None:
    path = pages_with(tmp_path / "a.tif", PAGES[:4], None)
    with tifffile.TiffFile(path) as file:
        last = file.pages[3]
        link = last.offset + 2 + 12 * len(last.tags)
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.seek(link)
        file.write(size.to_bytes(4, "little"))
    with pytest.warns(UserWarning, match=r"a\.tif was not closed .*: opened with the 4 planes found"):
        np.testing.assert_array_equal(np.asarray(open_tiff(path))[:, 0, 0], PAGES[:4])


def test_more_pages_than_stated_are_omitted_with_a_warning(tmp_path: Path) -> None:
    path = pages_with(tmp_path / "a.tif", PAGES, imagej_text(images=10, frames=5, channels=2), compression="zlib")
    with pytest.warns(UserWarning, match="states 10 planes and contains 12: 2 at the end are omitted"):
        movie = open_tiff(path)
    np.testing.assert_array_equal(np.asarray(movie).reshape(10, 10, 12), PAGES[:10])
    np.testing.assert_array_equal(np.asarray(open_tiff(path, axes="TYX"))[:, 0, 0], PAGES)


def three_files(folder: Path) -> list[Path]:
    files = {f"set_T{n}.ome.tif": str(n) for n in range(3)}
    planes = [(n, 0, 0, name, 0) for n, name in enumerate(files)]
    image = {"name": "a", "sizes": {"T": 3, "Y": 10, "X": 12}, "planes": planes, "pixels": {"TimeIncrement": 2}}
    return [
        pages_with(folder / name, PAGES[n : n + 1], ome_xml([image], files, uuid))
        for n, (name, uuid) in enumerate(files.items())
    ]


@pytest.mark.parametrize("lost", [0, 1, 2])
def test_missing_file_of_a_set_is_named_and_its_planes_are_missing(
    tmp_path: Path, lost: int, caplog: pytest.LogCaptureFixture
) -> None:
    paths = three_files(tmp_path)
    assert np.array_equal(np.asarray(open_tiff(paths[0]))[:, 0, 0], PAGES[:3])
    paths.pop(lost).unlink()
    for path in paths:
        with pytest.warns(
            UserWarning, match=rf"set_T{lost}\.ome\.tif of the same set not found in this folder"
        ) as caught:
            movie = open_tiff(path)
        assert len(caught) == 1
        assert "\n" not in str(caught[0].message)
        assert (movie.shape[0], movie.missing, movie.frame_interval_s) == (3, {(lost, 0, 0)}, 2.0)
        for t in {0, 1, 2} - {lost}:
            np.testing.assert_array_equal(movie.frame(t), PAGES[t])
    assert not caplog.records


def test_set_with_a_truncated_file_raises(tmp_path: Path) -> None:
    paths = three_files(tmp_path)
    paths[1].write_bytes(paths[1].read_bytes()[:-50])
    with pytest.raises(FormatError, match=r"set_T1\.ome\.tif is truncated"):
        open_tiff(paths[0])


def test_recording_truncated_within_a_frame_raises(tmp_path: Path) -> None:
    text = imagej_text(images=20, frames=20, unit="um")
    path = pages_with(tmp_path / "a.tif", PAGES, text)
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(FormatError, match="truncated"):
        open_tiff(path)
    one = tmp_path / "b.tif"  # one page that describes all pages
    tifffile.imwrite(one, PAGES, imagej=True, truncate=True, metadata={"axes": "TYX"})
    with tifffile.TiffFile(one) as file:
        start, size = file.pages.first.dataoffsets[0], file.pages.first.nbytes
    one.write_bytes(one.read_bytes()[: start + 3 * size + size // 2])
    with pytest.raises(FormatError, match=rf"is truncated: it contains 3 complete frames of {len(PAGES)}; "):
        open_tiff(one)


MISSING = {(1, 0, 1), (2, 0, 0), (2, 0, 1), (2, 1, 0), (2, 1, 1)}


@pytest.mark.filterwarnings("ignore:As of version 0.4.0:DeprecationWarning")  # of bioio
def test_ome_tiff_keeps_missing_planes_and_opens_in_other_readers(tmp_path: Path) -> None:
    array = ramp(3, 2, 2, 10, 12)
    for plane in MISSING:
        array[plane] = 0
    path = write_ome_tiff(Movie.from_array(array, missing=MISSING), tmp_path / "a.ome.tif")
    with pytest.warns(UserWarning, match="5 of 12 planes were not recorded"):
        movie = open_tiff(path)
    assert (movie.shape, movie.missing) == (array.shape, MISSING)
    np.testing.assert_array_equal(np.asarray(movie), array)
    with tifffile.TiffFile(path) as file:
        assert len(file.pages) == 12 - len(MISSING)
        np.testing.assert_array_equal(file.series[0].asarray(), array)
    np.testing.assert_array_equal(BioImage(path).get_image_data("TCZYX"), array)
    again = write_ome_tiff(movie, tmp_path / "b.ome.tif")
    with pytest.warns(UserWarning, match="5 of 12 planes were not recorded"):
        assert open_tiff(again).missing == MISSING


def test_movie_without_any_recorded_plane_is_written_completely(tmp_path: Path) -> None:
    movie = Movie.from_array(np.zeros((2, 8, 9), np.uint8), missing={(0, 0, 0), (1, 0, 0)})
    assert open_tiff(write_ome_tiff(movie, tmp_path / "a.ome.tif")).shape == movie.shape


def test_real_split_recording_and_set_are_read(real_data: Path, tmp_path: Path) -> None:
    folder = real_data / "awkward" / "tiff"
    for name, n_t in (("split_part1.tif", 12), ("split_part2.tif", 8)):
        with pytest.warns(UserWarning, match=f"states 20 frames and contains {n_t}"):
            movie = open_tiff(folder / name)
        assert (movie.shape[0], movie.frame_interval_s) == (n_t, 0.5)
    for number in (0, 2):
        name = f"set_T{number}.ome.tif"
        (tmp_path / name).write_bytes((folder / name).read_bytes())
    with pytest.warns(UserWarning, match=r"set_T1\.ome\.tif of the same set not found"):
        assert open_tiff(tmp_path / "set_T0.ome.tif").missing == {(1, 0, 0)}
