"""Unfinished runs resumed with other options or a changed input."""

from __future__ import annotations

import logging
import os
import shutil
from dataclasses import replace

import numpy as np
import pytest
import tifffile
from PIL import Image
from tests.restoration.conftest import FAST, ON_CPU, Breaks, CountingSource, PoolingNetwork, as_model, files_of, grouped

from decrappify.errors import InputError, OutputExistsError
from decrappify.io import open_movie, save_movie
from decrappify.io.store.planes.journal import Journal
from decrappify.movie import ArraySource, Movie
from decrappify.normalization import sampled_planes
from decrappify.restoration import RestorationOptions, restore
from decrappify.restoration.records.input_record import ChangedInputError, InputRecord
from decrappify.restoration.run import network

MODEL = as_model(PoolingNetwork(3))


@pytest.fixture
def pixels(rng):
    return rng.integers(90, 4000, (9, 32, 40), dtype=np.uint16)


def as_zarr(pixels, path):
    return save_movie(pixels, path.with_name("cells.ome.zarr"), overwrite=True)


def as_tiff(pixels, path):
    tifffile.imwrite(path.with_suffix(".tif"), pixels)
    return path.with_suffix(".tif")


def interrupt(movie, output, planes=5, **options):
    """Create the unfinished output of an interrupted run."""
    with pytest.raises(ValueError, match="network"):
        restore(movie, as_model(Breaks(planes + 2, ValueError("network"))), output, **grouped(**options))


def all_but_three(pixels):
    """Return another movie with the same first, middle and last frame."""
    changed = pixels[:, ::-1].copy()
    for t in (0, len(pixels) // 2, len(pixels) - 1):
        changed[t] = pixels[t]
    return changed


@pytest.mark.parametrize("write", [as_zarr, as_tiff, None])
def test_restore_does_not_resume_with_another_input(pixels, tmp_path, write):
    output, path = tmp_path / "out.ome.zarr", tmp_path / "cells"
    path = write(pixels, path) if write else None
    with open_movie(path or pixels) as movie:  # as the command line does
        interrupt(movie, output)
    other = all_but_three(pixels)
    if path is not None:
        write(other, path)
    name = path.name if path else "movie"
    with (
        open_movie(path or other) as movie,
        pytest.raises(
            OutputExistsError, match=f"unfinished output of another run: {name} now has other pixels"
        ) as caught,
    ):
        restore(movie, MODEL, output, **FAST)
    assert "in frame 1 (channel 0, slice 0)" in str(caught.value)
    assert "\n" not in str(caught.value)
    with open_movie(path or other) as movie, restore(movie, MODEL, output, overwrite=True, **FAST) as restored:
        np.testing.assert_array_equal(np.asarray(restored), np.asarray(restore(other, MODEL, **FAST)))


def test_restore_detects_a_changed_neighbor_of_the_last_finished_plane(pixels, tmp_path):
    output = tmp_path / "out.ome.zarr"
    interrupt(pixels, output, planes=3)
    journal = Journal(tmp_path / "out.ome.zarr.partial" / "journal")
    rows = [row for note in journal.notes.values() for row in note.get("read", [])]
    read = {tuple(row[:3]) for row in [*journal.state["read"], *rows]}
    assert {(t, 0, 0) for t in range(5)} <= read
    changed = pixels.copy()
    changed[3, 10, 10] += 1  # the neighbor of the last finished plane
    with pytest.raises(OutputExistsError, match="now has other pixels in frame 3"):
        restore(changed, MODEL, output, **FAST)


def test_restore_compares_a_copied_or_touched_input_and_resumes(pixels, tmp_path, caplog):
    path, output = as_tiff(pixels, tmp_path / "cells"), tmp_path / "out.ome.zarr"
    restore(path, MODEL, tmp_path / "whole.ome.zarr", **FAST).close()
    interrupt(path, output)
    os.utime(path, ns=(1, 1))
    (tmp_path / "copy").mkdir()
    copy = shutil.copy(path, tmp_path / "copy" / path.name)
    path.unlink()
    with caplog.at_level(logging.WARNING):
        restore(copy, MODEL, output, **FAST).close()
    assert "was changed, moved or copied since the unfinished run; comparing 6 of the 9 planes" in caplog.text
    assert files_of(output) == files_of(tmp_path / "whole.ome.zarr")


def test_restore_compares_a_sample_of_a_large_array(pixels, tmp_path, caplog, monkeypatch):
    monkeypatch.setattr("decrappify.restoration.records.input_record._AFFORDABLE_BYTES", 1000)
    monkeypatch.setattr("decrappify.restoration.records.input_record._SAMPLED_PLANES", 2)
    output = tmp_path / "out.ome.zarr"
    interrupt(pixels, output)
    source = CountingSource(pixels)
    restore(Movie(source), MODEL, output, **FAST).close()
    assert source.counts[2, 0, 0] == 0
    assert "movie is not a file with a modification time; comparing 2 of the 9 planes" in caplog.text


def as_images(pixels, path):
    path.mkdir()
    for t, frame in enumerate(pixels):
        Image.fromarray((frame >> 4).astype(np.uint8)).save(path / f"t{t}.bmp")
    return path


def file_of(path, t):
    """Return the file of a frame; a TIFF file contains all frames."""
    return next(file for file in (path / f"0/c/{t}/0/0/0/0", path / f"t{t}.bmp", path) if file.is_file())


def with_another_mode(path):
    file_of(path, 1).chmod(0o600)


def with_another_link(path):
    (path.parent / "link").hardlink_to(file_of(path, 1))


def written_in_place(path):
    """Write other pixels of frame 1 into a file without changing its size, inode and time."""
    file = file_of(path, 1)
    before, content = file.stat(), bytearray(file_of(path, 4).read_bytes())
    assert len(content) == before.st_size
    if path.suffix == ".tif":
        content[-8 * 32 * 40 * 2 + 100] ^= 1
    with file.open("r+b") as opened:
        opened.write(content)
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))


@pytest.mark.parametrize(
    ("write", "change"),
    [
        (as_tiff, with_another_mode),
        (as_images, with_another_link),
        (as_tiff, written_in_place),
        (as_zarr, written_in_place),
        (as_images, written_in_place),
    ],
)
def test_restore_detects_pixels_that_change_during_the_run(pixels, tmp_path, write, change, caplog):
    path, output = write(pixels, tmp_path / "cells"), tmp_path / "out.ome.zarr"
    options = {"on_plane": lambda t, c, z: t == 4 and change(path)} | FAST
    if change is written_in_place:
        with pytest.raises(InputError, match=r"frame 1 .* has changed since it was first read"):
            restore(path, MODEL, output, **options)
        assert not output.exists()
        with pytest.raises(OutputExistsError, match="now has other pixels in frame 1"):
            restore(path, MODEL, output, **FAST)
        return
    restore(path, MODEL, output, **options).close()
    assert "changed" not in caplog.text


def test_restore_raises_if_a_plane_changes_between_reads(pixels):
    class Changing(ArraySource):
        reads = 0

        def read(self, t, c, z, rows, columns):
            plane = super().read(t, c, z, rows, columns).copy()
            Changing.reads += t == 6
            return plane + (t == 6 and Changing.reads > 1)

    with pytest.raises(
        InputError, match=r"frame 6 \(channel 0, slice 0\) of movie has changed since it was first read"
    ):
        restore(Movie(Changing(pixels)), MODEL, **FAST)


def test_input_record_checksum_distinguishes_movies(pixels):
    sums = []
    for movie in (pixels, pixels, all_but_three(pixels)):
        record = InputRecord(Movie.from_array(movie))
        planes = list(record.movie.planes())
        assert record.checksum(planes) is None
        np.asarray(record.movie)
        sums.append(record.checksum(planes))
    assert sums[0] == sums[1] != sums[2]
    other = InputRecord(Movie.from_array(pixels))
    other.verify({})
    with pytest.raises(ChangedInputError):
        record.verify({(t, 0, 0): other_plane for t, other_plane in enumerate(_read(other))})


def _read(record):
    np.asarray(record.movie)
    return [record._planes[t, 0, 0] for t in range(record.movie.shape[0])]


REJECTED = [
    ({"dtype": "float32"}, "dtype was 'uint16' and is 'float32' now"),
    ({"frames": "0:8"}, "frames was '0:9' and is '0:8' now"),
    ({"outliers": "keep"}, "outliers was 'replace' and is 'keep' now"),
    ({"missing": "drop"}, "missing was 'blank' and is 'drop' now"),
    ({"tile_size": 24}, r"tile_size was \d+ and is 24 now"),
    ({"precision": "bfloat16"}, r"precision was float32 and is bfloat16 now"),
    ({"backend": "compile"}, r"backend was torch and is compile now"),
    ({"device": "cuda"}, r"device was cpu and is cuda now"),
]


def test_restore_does_not_resume_with_options_that_change_pixels(pixels, tmp_path):
    output = tmp_path / "out.ome.zarr"
    interrupt(pixels, output)
    before = files_of(tmp_path)
    for option, change in REJECTED:
        message = f"out.ome.zarr.partial.* contains .* of another run: {change}"
        with pytest.raises(OutputExistsError, match=message) as caught:
            restore(pixels, MODEL, output, **grouped(**option))
        assert "\n" not in str(caught.value)
        assert files_of(tmp_path) == before


def test_restore_does_not_resume_with_other_tiles(rng, tmp_path):
    pixels, output = rng.integers(90, 4000, (4, 150, 90), dtype=np.uint16), tmp_path / "out.ome.zarr"
    interrupt(pixels, output, planes=1, tile_size=96, tile_overlap=40)
    for option, was in (({"tile_size": 80}, 96), ({"tile_overlap": 48}, 40)):
        ((name, value),) = option.items()
        with pytest.raises(OutputExistsError, match=rf"{name} was {was} and is {value} now"):
            restore(pixels, MODEL, output, **grouped(**({"tile_size": 96, "tile_overlap": 40} | option)))
    with restore(
        pixels, MODEL, output, inference=replace(ON_CPU, tile_size=80, tile_overlap=48), overwrite=True
    ) as restored:
        assert restored.provenance["restoration"]["tile_size"] == 80


ACCEPTED = [
    {"tile_size": 512},  # larger than the frame, like the planned one
    {"tile_size": 64, "tile_overlap": 8},
    {"device": "auto"},
    {"precision": "auto", "backend": "auto"},
    {"precision": "float32", "backend": "torch"},
    {"overwrite": True},
]


def test_restore_resumes_with_options_that_do_not_change_pixels(pixels, tmp_path):
    restore(pixels, MODEL, tmp_path / "whole.ome.zarr", **FAST).close()
    for number, options in enumerate(ACCEPTED):
        output = tmp_path / f"{number}.ome.zarr"
        interrupt(pixels, output)
        restore(pixels, MODEL, output, **grouped(**options)).close()
        assert files_of(output) == files_of(tmp_path / "whole.ome.zarr"), options


@pytest.mark.parametrize("suffix", [".ome.zarr", ".ome.tif"])
def test_restore_stores_the_metadata_of_the_last_call(pixels, tmp_path, suffix):
    output = tmp_path / f"out{suffix}"
    interrupt(open_movie(pixels, frame_interval_s=2.0), output)
    with restore(open_movie(pixels, frame_interval_s=0.5), MODEL, output, **FAST) as restored:
        assert restored.frame_interval_s == 0.5


@pytest.mark.parametrize("missing", ["blank", pytest.param("nearest", marks=pytest.mark.slow)])
def test_restore_keeps_frames_before_a_nan_if_resumed_as_advised(rng, tmp_path, missing):
    pixels = rng.integers(90, 4000, (40, 16, 16)).astype(np.float32)
    measured = {t for t, _ in sampled_planes(Movie.from_array(pixels), 0)}
    first, second = [t for t in range(10, 40) if t not in measured][:2]
    pixels[first, 4:9, 5:9] = np.nan
    pixels[second] = np.nan
    output, whole = tmp_path / "out.ome.zarr", tmp_path / "whole.ome.zarr"
    with pytest.raises(InputError, match=rf"frame {first} of movie contains NaN or infinity; pass nan='fill"):
        restore(pixels, MODEL, output, **grouped(missing=missing))
    calls, filling = [], grouped(missing=missing, nan="fill")
    restore(pixels, MODEL, output, on_plane=lambda t, c, z: calls.append(t), **filling).close()
    assert min(calls) > first - 5
    restore(pixels, MODEL, whole, **filling).close()
    assert files_of(output) == files_of(whole)


def test_restore_does_not_resume_a_fill_run_without_nan_option(pixels, tmp_path):
    output = tmp_path / "out.ome.zarr"
    interrupt(pixels.astype(np.float32), output, nan="fill")
    with pytest.raises(OutputExistsError, match="nan was 'fill' and is 'error' now"):
        restore(pixels.astype(np.float32), MODEL, output, **FAST)
    restore(pixels.astype(np.float32), MODEL, output, options=RestorationOptions(nan="zero"), **FAST).close()


def test_restore_resumes_on_another_device_with_a_warning(pixels, tmp_path, caplog, monkeypatch):
    output = tmp_path / "out.ome.zarr"
    interrupt(pixels, output)
    journal = Journal(tmp_path / "out.ome.zarr.partial" / "journal")
    journal.append_from_here()
    journal.save_state(journal.state | {"device": "cuda", "asked": {"device": "auto"}})
    journal.close()
    monkeypatch.setattr(network, "choose_device", _without_gpu)
    with pytest.raises(OutputExistsError, match="was cuda and is cpu now"):
        restore(pixels, MODEL, output, **FAST)
    restore(pixels, MODEL, output, **grouped(device="auto")).close()
    assert "resuming on cpu a run that began on cuda: the last digits may differ" in caplog.text


def _without_gpu(device):
    if str(device).startswith("cuda"):
        raise InputError("device='cuda' is not there")
    return network.torch.device("cpu")


def test_restore_reports_frames_beyond_the_end(pixels, caplog):
    assert len(restore(pixels, MODEL, options=RestorationOptions(frames="7:60"), **FAST)) == 2
    assert "frames='7:60' of movie selected 2 frames, as the movie has 9 (0 to 8)" in caplog.text
    stack = pixels[:3][None, None]
    with pytest.raises(InputError, match=r"selects no frame of movie, which has 1 frame and 3 slices"):
        restore(stack, MODEL, **grouped(frames="1:3", window_axis="Z"))
    restore(stack, MODEL, **grouped(frames="0:3", window_axis="Z"))
    assert "frames are time points, and all 3 slices are restored" in caplog.text
    caplog.clear()
    restore(pixels, MODEL, options=RestorationOptions(frames="-3:"), **FAST)
    assert "yields" not in caplog.text


def test_restore_rejects_swapped_and_unsuitable_arguments(pixels):
    for arguments in ((MODEL, pixels), ("fluorescence-movie", pixels), ("runs/model.safetensors", "cells.tif")):
        with pytest.raises(InputError, match=r"expects the movie first .* found the model .* first; swap"):
            restore(*arguments)
    with pytest.raises(InputError, match="model has type Movie, expected a Model, the name of a shipped model"):
        restore(pixels, Movie.from_array(pixels))
