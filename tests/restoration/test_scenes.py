from __future__ import annotations

import numpy as np
import pytest
import tifffile

import decrappify as dc
from decrappify.errors import Cancelled, OutputExistsError
from decrappify.io import partial_path
from decrappify.restoration.scenes import restore_scenes


@pytest.fixture
def series(tmp_path, rng):
    """An OME-TIFF of three scenes; the second is a still image, which a model of 3 frames cannot restore."""
    path = tmp_path / "cells.ome.tif"
    with tifffile.TiffWriter(path, ome=True) as writer:
        for name, n_frames in (("A1", 4), ("still", 1), ("B2", 3)):
            frames = rng.integers(100, 900, (n_frames, 24, 32), dtype=np.uint16)
            writer.write(frames, metadata={"axes": "TYX", "Name": name})
    return path


def test_restore_all_scenes_writes_one_output_each(series, tiny_models, tmp_path, command):
    output = tmp_path / "out.ome.zarr"
    arguments = ["restore", series, output, "--model", tiny_models["movie"], "--scene", "all", "--device", "cpu"]
    result = command(*arguments, exit_code=2)
    assert "scene 'still': cells.ome.tif is one still image" in result.stderr
    assert "1 of 3 scenes of cells.ome.tif was not restored" in result.stderr
    assert [line.partition(", T")[0] for line in result.stdout.splitlines()] == [
        f"{tmp_path / f'out_{name}.ome.zarr'}: scene {name!r}" for name in ("A1", "B2")
    ]
    for number, name in ((0, "A1"), (2, "B2")):
        alone = dc.restore(
            dc.open_movie(series, scene=number), tiny_models["movie"], inference=dc.InferenceOptions(device="cpu")
        )
        with dc.open_movie(tmp_path / f"out_{name}.ome.zarr") as movie:
            np.testing.assert_array_equal(np.asarray(movie), np.asarray(alone))
            assert movie.provenance["scene"] == name
    assert not (tmp_path / "out_still.ome.zarr").exists()
    assert not partial_path(tmp_path / "out_still.ome.zarr").exists()

    again = command(*arguments, exit_code=2)
    assert again.stdout.count("restored earlier") == 2
    other = command(
        *[tiny_models["still"] if part == tiny_models["movie"] else part for part in arguments], exit_code=2
    )
    assert other.stderr.count("is not the result of this scene, model and options") == 2
    assert other.stderr.count("or replace it with --overwrite") == 2
    assert (tmp_path / "out_still.ome.zarr").exists()


def test_restore_all_scenes_keeps_only_results_of_the_same_input_and_options(series, tiny_models, tmp_path, command):
    arguments = ["restore", series, tmp_path / "out.ome.zarr", "--model", tiny_models["still"], "--scene", "all"]
    (tmp_path / "out_B2.ome.zarr").write_text("notes")
    assert (
        "out_B2.ome.zarr already exists and contains no record of its run"
        in command(*arguments, "--frames", "0:1", exit_code=2).stderr
    )
    (tmp_path / "out_B2.ome.zarr").unlink()
    command(*arguments, "--frames", "0:1")
    assert command(*arguments, "--frames", "0:1").stdout.count("restored earlier") == 3
    # The still of one frame has the same result.
    other = "is not the result of this scene, model and options"
    assert command(*arguments, exit_code=2).stderr.count(other) == 2
    assert command(*arguments, "--frames", "0:1", "--dtype", "float32", exit_code=2).stderr.count(other) == 3
    assert command(*arguments, "--frames", "0:1", "--frame-interval-s", "2", exit_code=2).stderr.count(other) == 3
    with tifffile.TiffWriter(series, ome=True) as writer:
        for name in ("A1", "still", "B2"):
            writer.write(np.ones((2, 24, 32), np.uint16), metadata={"axes": "TYX", "Name": name})
    assert command(*arguments, "--frames", "0:1", exit_code=2).stderr.count(other) == 3
    assert len(dc.open_movie(tmp_path / "out_A1.ome.zarr")) == 1


def test_restore_all_scenes_detects_a_change_in_any_frame(tiny_models, tmp_path, command, rng):
    pixels = {name: rng.integers(100, 900, (5, 24, 32), dtype=np.uint16) for name in ("A1", "A2")}

    def write():
        with tifffile.TiffWriter(tmp_path / "cells.ome.tif", ome=True) as writer:
            for name, frames in pixels.items():
                writer.write(frames, metadata={"axes": "TYX", "Name": name})

    arguments = ["restore", tmp_path / "cells.ome.tif", tmp_path / "out.ome.zarr"]
    arguments += ["--model", tiny_models["still"], "--scene", "all"]
    write()
    command(*arguments)
    write()  # another modification time, the same pixels
    assert command(*arguments).stdout.count("restored earlier") == 2
    pixels["A2"][1, 3, 3] += 1  # neither the first, nor the middle, nor the last frame
    write()
    result = command(*arguments, exit_code=2)
    assert result.stdout.count("restored earlier") == 1
    assert "scene 'A2': " in result.stderr
    assert result.stderr.count("is not the result of this scene, model and options") == 1


def test_restore_scenes_with_overwrite_keeps_results_of_an_unfinished_call(series, tiny_models, tmp_path):
    def kept(stop_after=3, **options):
        settings = {"overwrite": True, "resume": options.pop("resume", True)}
        arguments = settings | {
            "options": dc.RestorationOptions(frames="0:1", **options),
            "inference": dc.InferenceOptions(device="cpu"),
        }
        outcomes = restore_scenes(series, tiny_models["still"], tmp_path / "out.ome.zarr", **arguments)
        found = [next(outcomes).was_finished for _ in range(stop_after)]
        assert stop_after < 3 or next(outcomes, None) is None
        outcomes.close()
        return found

    assert kept(1) == [False]
    assert kept(2, dtype="float32") == [False, False]  # replaced by other options
    assert kept(2) == [False, False]
    assert kept(1, resume=False) == [False]
    before = (tmp_path / "out_A1.ome.zarr" / "zarr.json").stat().st_mtime_ns
    assert kept() == [True, True, False]
    assert (tmp_path / "out_A1.ome.zarr" / "zarr.json").stat().st_mtime_ns == before
    assert sorted(path.name for path in tmp_path.iterdir() if path.name.startswith(".")) == []
    assert kept() == [False, False, False]  # all results of a finished call are replaced


def test_restore_of_several_scenes_names_them_and_uses_the_first(series, tiny_models, tmp_path, command):
    result = command("restore", series, tmp_path / "out.ome.zarr", "--model", tiny_models["movie"], "--device", "cpu")
    assert result.stderr.count("\n") == 1
    assert "cells.ome.tif contains 3 scenes (A1, still, B2) and only scene 0 (A1) was opened" in result.stderr
    command("restore", series, tmp_path / "b.ome.zarr", "--model", tiny_models["movie"], "--scene", "B2")
    assert len(dc.open_movie(tmp_path / "b.ome.zarr")) == 3


def test_restore_all_scenes_of_one_scene_keeps_the_name_of_the_output(tiny_models, tmp_path, command, rng):
    tifffile.imwrite(tmp_path / "one.tif", rng.integers(0, 99, (24, 24), dtype=np.uint8))
    output = tmp_path / "out.ome.tif"
    command("restore", tmp_path / "one.tif", output, "--model", tiny_models["still"], "--scene", "all")
    assert output.exists()


def test_restore_all_scenes_never_replaces_its_input(tiny_models, tmp_path, command, rng):
    folder = tmp_path / "in"
    folder.mkdir()
    for name in ("one.tif", "x_one.tif"):
        tifffile.imwrite(folder / name, rng.integers(0, 99, (24, 24), dtype=np.uint8))
    before = {path: path.read_bytes() for path in folder.iterdir()}
    for source, output in ((folder / "one.tif", folder / "one.tif"), (folder, folder / "x.tif")):
        result = command(
            "restore", source, output, "--model", tiny_models["still"], "--scene", "all", "--overwrite", exit_code=2
        )
        assert "choose another name for the output" in result.stderr
    assert {path: path.read_bytes() for path in folder.iterdir()} == before


def test_warning_of_every_scene_is_shown_once(tmp_path, command):
    for name in ("control.tif", "treated.tif"):
        tifffile.imwrite(tmp_path / name, np.ones((5, 6), np.uint8))
    (tmp_path / "film.mp4").write_bytes(b"")
    assert command("info", tmp_path).stderr.count("1 other file such as film.mp4 was omitted") == 1


def test_info_lists_every_scene(series, command):
    lines = command("info", series).stdout.splitlines()
    assert lines[0].endswith("3 scenes")
    assert lines[1:4] == [
        "  0  A1: T 4, C 1, Z 1, Y 24, X 32, uint16",
        "  1  still: T 1, C 1, Z 1, Y 24, X 32, uint16",
        "  2  B2: T 3, C 1, Z 1, Y 24, X 32, uint16",
    ]
    assert "T 3" in command("info", series, "--scene", "B2").stdout


def test_info_lists_the_scenes_next_to_one_that_cannot_be_opened(tmp_path, command, caplog):
    (tmp_path / "control.tif").write_bytes(b"II*\0 damaged")
    tifffile.imwrite(tmp_path / "treated.tif", np.ones((5, 6), np.uint8))
    result = command("info", tmp_path, exit_code=2)
    lines = result.stdout.splitlines()
    assert lines[1].startswith("  0  control: ")
    assert "control.tif is a TIFF file without images" in lines[1]
    assert not [record for record in caplog.records if record.name.startswith("tifffile")]
    assert lines[2:4] == ["  1  treated: T 1, C 1, Z 1, Y 5, X 6, uint8", "scene 1:"]
    assert result.stderr.endswith("1 of 2 scenes of " + tmp_path.name + " cannot be opened; see above\n")


def test_restore_does_not_resume_with_another_scene(series, tiny_models, tmp_path, bar):
    options = {"model": tiny_models["movie"], "output": tmp_path / "out.ome.zarr", "progress": bar}
    options["inference"] = dc.InferenceOptions(device="cpu")
    first, other = dc.open_movie(series, scene="A1"), dc.open_movie(series, scene=2)
    with pytest.raises(Cancelled):
        dc.restore(first, cancel=bar.cancel_at(1), **options)
    with pytest.raises(OutputExistsError, match="unfinished output of another run"):
        dc.restore(other, **options)
    assert len(dc.restore(first, **options)) == 4
