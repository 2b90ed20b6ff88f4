"""Outputs of restored movies: memory, store and export."""

from __future__ import annotations

import threading

import numpy as np
import pytest
from tests.restoration.conftest import FAST, Breaks, CountingSource, PoolingNetwork, WindowMean, as_model, files_of

from decrappify.errors import Cancelled, DeviceMemoryError, FormatError, InputError, OutputError, OutputExistsError
from decrappify.inference.options import InferenceOptions
from decrappify.io import open_movie, partial_path, save_movie
from decrappify.io.store.working_folder import WorkingFolder
from decrappify.movie import Movie
from decrappify.restoration import RestorationOptions, restore


def test_result_too_large_for_memory_raises_and_advises_an_output(rng):
    class Huge(CountingSource):
        def __init__(self):
            super().__init__(rng.random((1, 128, 128), np.float32))
            self.shape = (10**7, *self.shape[1:])

        def read(self, t, c, z, rows, columns):
            return super().read(0, c, z, rows, columns)

    with pytest.raises(DeviceMemoryError, match=r"needs 655.4 GB, .*pass an output such as 'restored.ome.zarr'"):
        restore(Movie(Huge()), as_model(WindowMean(1)), **FAST)


def test_store_equals_memory_and_keeps_metadata(movie, tmp_path):
    expected = restore(movie, as_model(PoolingNetwork(3, scale=2)), **FAST)
    output = tmp_path / "restored.ome.zarr"
    with restore(movie, as_model(PoolingNetwork(3, scale=2)), output, **FAST) as restored:
        np.testing.assert_array_equal(np.asarray(restored), np.asarray(expected))
        assert restored.pixel_size_um[1:] == (0.1, 0.1)
        assert restored.frame_interval_s == 2.5
        assert restored.channel_names == ("actin", "nuclei")
        assert restored.provenance == expected.provenance
    assert [path.name for path in tmp_path.iterdir()] == ["restored.ome.zarr"]


def test_existing_output_raises_before_reading_and_is_replaced_on_request(movie, tmp_path):
    output = tmp_path / "restored.ome.zarr"
    model = as_model(WindowMean(1))
    restore(movie, model, output, options=RestorationOptions(frames="0:2"), **FAST).close()
    source = CountingSource(np.asarray(movie))
    with pytest.raises(OutputExistsError, match="overwrite"):
        restore(Movie(source), model, output, **FAST)
    assert max(source.counts.values()) == 1  # a few planes, to identify the input
    with restore(movie, model, output, overwrite=True, **FAST) as restored:
        assert restored.shape[0] == 6


def test_restore_rejects_the_input_as_output(movie, tmp_path):
    path = tmp_path / "cells.ome.zarr"
    restore(movie, as_model(WindowMean(1)), path, **FAST).close()
    with pytest.raises(InputError, match="is the input itself; choose another name"):
        restore(path, as_model(WindowMean(1)), path, overwrite=True, **FAST)


def test_exports_can_be_resumed(movie, tmp_path):
    model = as_model(PoolingNetwork(3, scale=2))
    whole, output = tmp_path / "whole.ome.tif", tmp_path / "restored.ome.tif"
    with restore(movie, model, whole, **FAST) as restored:
        np.testing.assert_array_equal(np.asarray(restored), np.asarray(restore(movie, model, **FAST)))
    cancel = threading.Event()
    cancel.set()
    with pytest.raises(Cancelled):
        restore(movie, model, output, cancel=cancel, **FAST)
    assert not output.exists()
    restore(movie, model, output, **FAST).close()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["restored.ome.tif", "whole.ome.tif"]
    assert output.read_bytes() == whole.read_bytes()


def test_unsupported_output_raises_before_computing(rng, tmp_path):
    source = CountingSource(rng.integers(0, 99, (40, 16, 16)))
    with pytest.raises(InputError, match="int64, which OME-TIFF cannot store"):
        restore(Movie(source), as_model(Breaks(2, ValueError("computed"))), tmp_path / "restored.ome.tif", **FAST)
    assert not list(tmp_path.iterdir())
    with pytest.raises(FormatError, match=r"restored.docx has an unsupported output format"):
        restore(Movie(source), as_model(WindowMean(1)), tmp_path / "restored.docx", **FAST)


def test_run_killed_between_export_and_cleanup_is_complete(movie, tmp_path, monkeypatch):
    def killed(folder):
        raise KeyboardInterrupt

    output = tmp_path / "restored.ome.tif"
    monkeypatch.setattr(WorkingFolder, "remove", killed)
    with pytest.raises(KeyboardInterrupt):
        restore(movie, as_model(WindowMean(1)), output, **FAST)
    monkeypatch.undo()
    with restore(movie, as_model(WindowMean(1)), output, **FAST) as restored:
        np.testing.assert_array_equal(np.asarray(restored), np.asarray(movie))
    assert [path.name for path in tmp_path.iterdir()] == ["restored.ome.tif"]
    with pytest.raises(OutputExistsError):
        restore(movie, as_model(WindowMean(1)), output, **FAST)


def test_film_is_exported_and_its_store_removed(movie, tmp_path):
    output = tmp_path / "restored.mp4"
    restore(movie.select(channels=0), as_model(WindowMean(1)), output, **FAST).close()
    assert [path.name for path in tmp_path.iterdir()] == ["restored.mp4"]
    with open_movie(output) as film:
        assert film.shape[0] == 6


def test_on_plane_is_called_when_the_plane_can_be_read(movie, tmp_path):
    output, reported = tmp_path / "out.ome.zarr", []

    def on_plane(t, c, z):
        with open_movie(partial_path(output)) as growing:
            reported.append(((t, c, z), bool(growing.frame(t, c, z).any())))

    restored = restore(
        movie, as_model(WindowMean(3)), output, inference=InferenceOptions(device="cpu"), on_plane=on_plane
    )
    assert sorted(reported) == [((t, c, 0), True) for t in range(6) for c in range(2)]
    assert restored.shape == movie.shape
    assert not partial_path(output).exists()


@pytest.mark.parametrize("overwrite", [False, True])
def test_input_named_like_a_temporary_output_is_kept(movie, tmp_path, overwrite):
    model, output = as_model(WindowMean(1)), tmp_path / "cells.ome.zarr"
    source = save_movie(movie, tmp_path / "raw.ome.zarr").rename(tmp_path / "cells.ome.zarr.old")
    if overwrite:
        save_movie(movie[:1], output)
    before = files_of(source)
    restore(source, model, output, overwrite=overwrite, **FAST).close()
    assert files_of(source) == before
    partial = source.rename(tmp_path / "cells.ome.zarr.partial")
    with pytest.raises(InputError, match="is in the working folder of"):
        restore(partial, model, output, overwrite=True, **FAST)
    with pytest.raises(InputError, match="contains the input"):
        restore(output / "0", model, output, overwrite=True, **FAST)
    assert files_of(partial) == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cells.ome.zarr", "cells.ome.zarr.partial"]


@pytest.mark.parametrize("suffix", [".ome.zarr", pytest.param(".ome.tif", marks=pytest.mark.slow)])
def test_output_that_exists_meanwhile_keeps_the_unfinished_run(movie, tmp_path, suffix):
    model, output = as_model(PoolingNetwork(3)), tmp_path / f"restored{suffix}"
    whole = tmp_path / f"whole{suffix}"
    restore(movie, model, whole, **FAST).close()
    with pytest.raises(ValueError, match="network"):
        restore(movie, as_model(Breaks(4, ValueError("network"))), output, **FAST)
    save_movie(movie[:2], tmp_path / f"other{suffix}").rename(output)
    before = files_of(output)
    with pytest.raises(OutputExistsError, match="already exists, and its unfinished run is kept; move it"):
        restore(movie, model, output, **FAST)
    assert files_of(output) == before
    output.rename(tmp_path / f"moved{suffix}")
    restore(movie, model, output, **FAST).close()
    assert files_of(output) == files_of(whole)


def test_second_restoration_of_one_output_in_one_process_raises(movie, tmp_path):
    model, output, errors = as_model(WindowMean(1)), tmp_path / "restored.ome.zarr", []

    def again(t, c, z):
        if not errors:
            with pytest.raises(OutputError, match="is being written by process") as caught:
                restore(movie, model, output, overwrite=True, **FAST)
            errors.append(caught.value)
            restore(movie, model, tmp_path / "other.ome.zarr", **FAST).close()

    restore(movie, model, output, on_plane=again, **FAST).close()
    assert len(errors) == 1
    assert files_of(output) == files_of(tmp_path / "other.ome.zarr")
