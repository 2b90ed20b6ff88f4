from __future__ import annotations

import errno
import os
import threading

import numpy as np
import pytest
import torch
from tests.restoration.conftest import FAST, files_of, grouped

from decrappify import Cancelled, restore
from decrappify.errors import InputError, OutputError, OutputExistsError, OutputInUseError
from decrappify.io import open_movie, save_movie
from decrappify.io.store.planes import plane_sync, regions
from decrappify.io.store.planes.journal import Journal
from decrappify.io.store.planes.regions import locked_region
from decrappify.model import load_model
from decrappify.movie import Movie
from decrappify.restoration.distributed import parts


def stopped_after(n_planes):
    """Return arguments of `restore` that cancel it after some planes."""
    cancel, seen = threading.Event(), []

    def count(*plane):
        seen.append(plane)
        if len(seen) == n_planes:
            cancel.set()

    return {"cancel": cancel, "on_plane": count}


def test_parts_in_any_order_write_the_file_of_a_single_process(case):
    for part in ("3/4", "1/4", "4/4"):
        growing = case.restore(part=part)
        assert growing.shape == (9, 2, 1, 40, 52)
        assert not case.output.exists()
    assert open_movie(case.output.with_name("out.ome.zarr.partial") / "store.ome.zarr").frame(8, 1).any()
    complete = case.restore(part="2/4")
    assert complete.frame_interval_s == 2.5
    assert case.is_as_expected()


def test_parts_at_the_same_time_write_the_file_of_a_single_process(case):
    errors = []

    def run(part):
        try:
            case.restore(part=part)
        except BaseException as error:  # noqa: BLE001
            errors.append(error)

    threads = [threading.Thread(target=run, args=(f"{number}/3",)) for number in (1, 2, 3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert case.is_as_expected()


def test_stopped_part_is_resumed_and_a_run_without_parts_completes_the_rest(case):
    with pytest.raises(Cancelled, match="are kept"):
        case.restore(part="1/2", **stopped_after(2))
    written = []
    case.restore(part="1/2", on_plane=lambda *plane: written.append(plane))
    assert 0 < len(written) < 8
    case.restore()
    assert case.is_as_expected()


def test_part_resumes_a_run_without_parts(case):
    with pytest.raises(Cancelled):
        case.restore(**stopped_after(3))
    written = []
    for part in ("2/2", "1/2"):
        case.restore(part=part, on_plane=lambda *plane: written.append(plane))
    assert len(written) < 17
    assert case.is_as_expected()


def test_last_part_exports_other_formats(case):
    output = case.output.with_name("out.ome.tif")
    whole = case.output.with_name("whole.ome.tif")
    restore(case.source, case.model, whole, **FAST)
    for part in ("1/2", "2/2"):
        restore(case.source, case.model, output, part=part, **FAST)
    assert np.array_equal(open_movie(output), open_movie(whole))


def test_parts_of_a_stack_are_slices_and_more_parts_than_slices_are_empty(case, rng, tmp_path):
    source = save_movie(
        Movie.from_array(rng.integers(0, 900, (1, 1, 3, 20, 24), dtype=np.uint16)), tmp_path / "z.ome.zarr"
    )
    settings = grouped(window_axis="Z")
    for part in ("1/5", "2/5", "3/5", "4/5", "5/5"):
        restore(source, case.model, case.output, part=part, **settings)
    whole = restore(source, case.model, tmp_path / "out.ome.zarr", **settings)
    assert files_of(case.output) == files_of(tmp_path / "out.ome.zarr")
    assert whole.shape[2] == 3


def test_runs_of_the_same_planes_at_the_same_time_are_refused(case):
    case.restore(part="2/2")
    working = case.output.with_name("out.ome.zarr.partial")
    lock = locked_region(working, "part-1-of-2", case.output)
    try:
        with pytest.raises(OutputInUseError, match="is being written by"):
            case.restore(part="1/2")
        with pytest.raises(OutputInUseError, match=r"part 1/3 overlaps part 1/2, .*same number of parts"):
            case.restore(part="1/3")
        with pytest.raises(OutputInUseError, match="is being written by"):
            case.restore()
        with pytest.raises(OutputInUseError, match="is being written by"):
            case.restore(overwrite=True)
    finally:
        lock.release()
    case.restore(part="1/2")
    assert case.is_as_expected()


def test_planes_of_a_process_that_was_killed_are_synchronized_before_they_count_as_such(case, monkeypatch):
    with pytest.raises(Cancelled):
        case.restore(part="1/2", **stopped_after(2))
    journal = case.output.with_name("out.ome.zarr.partial") / "regions" / "part-1-of-2.journal"
    lines = journal.read_bytes().splitlines(keepends=True)
    journal.write_bytes(b"".join(line for line in lines if b'"synced"' not in line))
    planes, synchronized = Journal(journal).done, []
    monkeypatch.setattr(plane_sync, "sync_files", lambda chunks, *, below: synchronized.extend(chunks))
    regions.absorb_regions(journal.parents[1], case.output)
    assert planes
    found = {tuple(map(int, path.parts[-5:-2])) for path in synchronized}
    assert found == planes


def test_repeated_part_of_a_complete_output_changes_nothing(case):
    for part in ("1/2", "2/2"):
        case.restore(part=part)
    planes = []
    complete = case.restore(part="1/2", on_plane=lambda *plane: planes.append(plane))
    assert complete.shape == (9, 2, 1, 40, 52)
    assert not planes
    assert case.is_as_expected()


@pytest.fixture
def video(case):
    """Return a complete video of two parts."""
    path = case.output.with_name("out.mp4")
    for part in ("1/2", "2/2"):
        restore(case.source, case.model, path, part=part, **FAST)
    return path


def test_repeated_part_of_a_complete_video_changes_nothing(case, video):
    planes, before = [], video.read_bytes()
    found = restore(case.source, case.model, video, part="1/2", on_plane=lambda *plane: planes.append(plane), **FAST)
    assert (found.shape[0], found.shape[2:], planes) == (9, (1, 40, 52), [])
    assert video.read_bytes() == before


def test_part_of_a_complete_video_of_another_run_is_refused(case, video, tmp_path):
    pixels = np.array(open_movie(case.source))
    pixels[3, 1, 0, 7, 7] += 1
    changed = save_movie(Movie.from_array(pixels, name="cells"), tmp_path / "cells.ome.zarr")
    for source, settings in ((case.source, grouped(dtype="float32")), (changed, FAST)):
        with pytest.raises(OutputExistsError, match="already exists; it is not recognized as the result of"):
            restore(source, case.model, video, part="1/2", **settings)
    save_movie(open_movie(video)[:4], tmp_path / "shorter.mp4").replace(video)  # with the record of the whole video
    with pytest.raises(OutputExistsError, match="already exists; it is not recognized as the result of"):
        restore(case.source, case.model, video, part="1/2", **FAST)


def test_repeated_part_of_an_unfinished_output_does_not_prepare_the_network(case, monkeypatch):
    case.restore(part="1/2")
    with monkeypatch.context() as patch:
        patch.setattr(parts, "prepared_restorer", None)
        case.restore(part="1/2")
    case.restore(part="2/2")
    assert case.is_as_expected()


@pytest.mark.parametrize("changed", ["dtype", "frames", "tiles", "model", "pixels"])
def test_part_of_a_complete_output_of_another_run_is_refused(case, tmp_path, changed):
    case.restore(part="1/1")
    settings, source, model = dict(FAST), case.source, case.model
    if changed in ("dtype", "frames", "tiles"):
        values = {"dtype": {"dtype": "float32"}, "frames": {"frames": "0:9:2"}, "tiles": {"tile_size": 32}}
        settings = grouped(**values[changed])
    elif changed == "model":
        other = load_model(model)
        torch.nn.init.ones_(other.network.tail.weight)
        model = other.save(tmp_path / "other.safetensors")
    else:
        pixels = np.array(open_movie(source))
        pixels[3, 1, 0, 7, 7] += 1
        source = save_movie(Movie.from_array(pixels, name="cells"), tmp_path / "cells.ome.zarr")
    with pytest.raises(OutputExistsError, match="already exists; it is not recognized as the result of") as error:
        restore(source, model, case.output, part="1/1", **settings)
    assert "overwrite" not in str(error.value)
    assert case.is_as_expected()


def test_part_with_another_model_does_not_suggest_to_discard_the_other_parts(case):
    case.restore(part="1/2")
    message = "dtype was 'uint16' and is 'float32' now; use the same input, model and options as for the other parts"
    with pytest.raises(OutputExistsError, match=message) as error:
        restore(case.source, case.model, case.output, part="2/2", **grouped(dtype="float32"))
    assert "overwrite" not in str(error.value)


def test_full_disk_when_a_part_begins_names_the_output(case, monkeypatch):
    case.restore(part="1/2")

    def fail(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    for where in (regions, parts):  # with and without an earlier part
        with monkeypatch.context() as patch:
            if where is regions:
                patch.setattr(regions, "write_file", fail)
            else:
                patch.setattr(parts, "create_regions", fail)
            with pytest.raises(OutputError, match=r"out\.ome\.zarr could not be written: the disk is full"):
                case.restore(part="2/2")
    case.restore(part="2/2")
    assert case.is_as_expected()


def test_input_that_changes_between_parts_is_refused(case, tmp_path):
    pixels = np.array(open_movie(case.source))
    source = save_movie(Movie.from_array(pixels, name="cells"), tmp_path / "cells.ome.zarr")
    restore(source, case.model, case.output, part="1/2", **FAST)
    pixels[5] += 1
    save_movie(Movie.from_array(pixels, name="cells"), source, overwrite=True)
    with pytest.raises(OutputExistsError, match=r"another run: cells\.ome\.zarr now has other pixels in frame"):
        restore(source, case.model, case.output, part="2/2", **FAST)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"part": "three"}, "part='three' is not known, expected a part such as 3/16"),
        ({"part": "4/3"}, "part='4/3' is not known, expected 1/N to N/N"),
        ({"part": "1/2", "overwrite": True}, "cannot start anew"),
        ({"part": "1/2", "resume": False}, "cannot start anew"),
        ({"part": "1/2", "trust": True}, "trust map needs the complete movie"),
        ({"part": "1/2", "cluster": 2}, "omit one of them"),
    ],
)
def test_unsuitable_arguments_are_refused_before_anything_is_written(case, settings, message):
    with pytest.raises(InputError, match=message):
        case.restore(**settings)
    assert not list(case.output.parent.iterdir())


def test_part_needs_an_output(case):
    with pytest.raises(InputError, match="part needs an output on a disk"):
        restore(case.source, case.model, part="1/2", **FAST)
