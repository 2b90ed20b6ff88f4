from __future__ import annotations

import csv
import re
import shutil
import threading

import numpy as np
import pytest
import tifffile
from tests.registries import isolated

import decrappify as dc
from decrappify.batch import estimate_restoration
from decrappify.batch import run as batch_run
from decrappify.errors import Cancelled, InputError, OutputError, OutputExistsError
from decrappify.inference import reuse
from decrappify.io import Format, register_format, save_movie
from decrappify.io.store.locks import locked
from decrappify.io.store.outputs import atomic_output
from decrappify.restoration import RestorationOptions

from .folders import frames, mixed_folder, write_czi

ON_CPU = {"inference": dc.InferenceOptions(device="cpu", precision="float32")}


@pytest.fixture
def stills(tmp_path, rng):
    """A folder of three stills; the second is damaged."""
    folder = tmp_path / "raw"
    folder.mkdir()
    for name in "abc":
        tifffile.imwrite(folder / f"{name}.tif", frames(rng, 24, 32))
    (folder / "b.tif").write_bytes(b"II*\0 damaged")
    return folder


def statuses(summary):
    return [row.status for row in summary]


def test_mixed_folder_is_restored_with_the_model_that_fits(tmp_path, rng, tiny_models, monkeypatch):
    mixed_folder(tmp_path / "raw", rng)
    prepared = []
    network = reuse.InferenceNetwork
    monkeypatch.setattr(reuse, "InferenceNetwork", lambda *a, **s: prepared.append(a) or network(*a, **s))
    models = [tiny_models["movie"], tiny_models["still"]]
    summary = dc.restore_many(tmp_path / "raw", models, tmp_path / "out", scene="all", **ON_CPU)
    assert statuses(summary) == ["restored"] * 13
    assert summary.complete
    assert len(prepared) == 2
    by_model = {name: [row.frames for row in summary if row.model == name] for name in ("tiny-movie", "tiny-still")}
    assert by_model == {"tiny-movie": [4] * 7, "tiny-still": [1] * 6}
    assert [row.scene for row in summary if row.scene] == ["scene 0", "scene 1", "scene 2"]
    outputs = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert outputs[5:8] == [f"plate_scene_{number}.ome.zarr" for number in range(3)]
    assert len(outputs) == 13
    alone = dc.restore(dc.open_movie(tmp_path / "raw" / "plate.czi", scene=1), models[0], **ON_CPU)
    with dc.open_movie(tmp_path / "out" / "plate_scene_1.ome.zarr") as movie:
        np.testing.assert_array_equal(np.asarray(movie), np.asarray(alone))
        assert movie.pixel_size_um == alone.pixel_size_um

    again = dc.restore_many(tmp_path / "raw", models, tmp_path / "out", scene="all", **ON_CPU)
    assert statuses(again) == ["finished earlier"] * 13
    assert again.complete


def test_failure_of_one_input_does_not_stop_the_others(stills, tmp_path, tiny_models):
    seen = []
    arguments = (stills, tiny_models["still"], tmp_path / "out")
    summary = dc.restore_many(*arguments, summary=tmp_path / "run.csv", on_row=seen.append, **ON_CPU)
    assert statuses(summary) == ["restored", "failed", "restored"]
    assert "b.tif" in summary.failed[0].error
    assert not summary.complete
    assert {row.input for row in seen} == {str(stills / f"{name}.tif") for name in "abc"}
    with (tmp_path / "run.csv").open(newline="") as file:
        assert [row["status"] for row in csv.DictReader(file)] == statuses(summary)
    shutil.copy(stills / "a.tif", stills / "b.tif")
    assert statuses(dc.restore_many(*arguments, **ON_CPU)) == ["finished earlier", "restored", "finished earlier"]


def test_errors_of_any_type_are_those_of_one_input(stills, tmp_path, tiny_models, monkeypatch):
    restore = batch_run.restore_unless_finished

    def fails_at_a(movie, *arguments, **settings):
        if movie.name == "a.tif":
            raise RuntimeError("a bug")
        return restore(movie, *arguments, **settings)

    monkeypatch.setattr(batch_run, "restore_unless_finished", fails_at_a)
    summary = dc.restore_many(stills, tiny_models["still"], tmp_path / "out", **ON_CPU)
    assert statuses(summary) == ["failed", "failed", "restored"]
    assert summary.rows[0].error == "unexpected RuntimeError: a bug; please report it"


def test_run_ends_when_the_disk_is_full(stills, tmp_path, tiny_models, monkeypatch):
    def fails(*arguments, **settings):
        try:
            raise OSError(28, "No space left on device")
        except OSError as error:
            raise OutputError("the disk is full") from error

    monkeypatch.setattr(batch_run, "restore_unless_finished", fails)
    summary = dc.restore_many(stills, tiny_models["still"], tmp_path / "out", **ON_CPU)
    assert statuses(summary) == ["failed", "failed", "not started"]


def test_stills_with_a_movie_model_only_are_errors_with_advice(tmp_path, rng, tiny_models, caplog):
    mixed_folder(tmp_path / "raw", rng, n_frames=2, side=16)
    with pytest.warns(UserWarning, match="plate.czi contains 3 scenes"):
        summary = dc.restore_many(tmp_path / "raw", tiny_models["movie"], tmp_path / "out", dry_run=True, **ON_CPU)
    failed = [row for row in summary if row.status == "failed"]
    assert len(failed) == 6
    assert all("is one still image, expected windows of 3" in row.error for row in failed)
    assert "6 of 11 outputs cannot be restored" in caplog.text
    assert not (tmp_path / "out").exists()


def test_interrupted_run_is_resumed_with_the_same_call(tmp_path, rng, tiny_models, bar):
    (tmp_path / "raw").mkdir()
    for name in "abc":
        dc.save_movie(dc.Movie.from_array(frames(rng, 6, 24, 32)), tmp_path / "raw" / f"{name}.ome.tif")
    arguments = (tmp_path / "raw", tiny_models["movie"], tmp_path / "out")
    settings = {"summary": tmp_path / "run.json", **ON_CPU}

    class SecondBar:
        """Bars of which the second one sets `event` after two planes."""

        event, count = threading.Event(), 0

        def __call__(self, **words):
            type(self).count += 1
            self.planes = 0
            return self

        def update(self, n=1):
            self.planes += n
            if self.count == 2 and self.planes == 2:
                self.event.set()

        def close(self):
            pass

    bars = SecondBar()
    with pytest.raises(Cancelled, match="cancelled after 1 of 3 outputs; finished outputs and frames are kept"):
        dc.restore_many(*arguments, progress=bars, cancel=bars.event, **settings)
    text = (tmp_path / "run.json").read_text()
    assert [text.count(f'"status": "{status}"') for status in ("restored", "interrupted", "not started")] == [1, 1, 1]
    summary = dc.restore_many(*arguments, progress=bar, **settings)
    assert statuses(summary) == ["finished earlier", "resumed", "restored"]
    assert bar.settings["desc"].startswith("3/3 restoring c.ome.tif")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [f"{name}.ome.zarr" for name in "abc"]


def test_output_of_another_process_is_skipped_and_finished_later(stills, tmp_path, tiny_models):
    arguments = (stills, tiny_models["still"], tmp_path / "out")
    (tmp_path / "out").mkdir()
    seen = []
    with locked(tmp_path / "out" / "a.ome.zarr"):
        summary = dc.restore_many(*arguments, on_row=seen.append, **ON_CPU)
    assert statuses(summary) == ["in progress elsewhere", "failed", "restored"]
    assert "is being written by process" in summary.rows[0].warnings
    assert [row.status for row in seen] == ["failed", "restored", "in progress elsewhere"]
    assert [row.input for row in summary.failed] == [summary.rows[1].input]
    assert not summary.complete
    assert statuses(dc.restore_many(*arguments, **ON_CPU)) == ["restored", "failed", "finished earlier"]


def test_other_outputs_are_replaced_only_with_overwrite(stills, tmp_path, tiny_models):
    (stills / "b.tif").unlink()
    out = tmp_path / "out"
    dc.restore_many(stills, tiny_models["still"], out, **ON_CPU)
    other = {"options": dc.RestorationOptions(dtype="float32"), **ON_CPU}
    summary = dc.restore_many(stills, tiny_models["still"], out, **other)
    assert statuses(summary) == ["failed", "failed"]
    assert "is not the result of this scene, model and options" in summary.rows[0].error
    assert dc.open_movie(out / "a.ome.zarr").dtype == np.uint16
    assert statuses(dc.restore_many(stills, tiny_models["still"], out, overwrite=True, **other)) == ["restored"] * 2
    assert dc.open_movie(out / "a.ome.zarr").dtype == np.float32
    assert sorted(path.name for path in out.iterdir()) == ["a.ome.zarr", "c.ome.zarr"]


def test_unfinished_call_with_overwrite_keeps_what_it_has_replaced(stills, tmp_path, tiny_models):
    arguments = (stills, tiny_models["still"], tmp_path / "out")
    settings = {"overwrite": True, **ON_CPU}
    expected = ["restored", "failed", "restored"], ["finished earlier", "failed", "finished earlier"]
    assert statuses(dc.restore_many(*arguments, **ON_CPU)) == expected[0]
    assert statuses(dc.restore_many(*arguments, **settings)) == expected[0]
    assert statuses(dc.restore_many(*arguments, **settings)) == expected[1]
    assert statuses(dc.restore_many(*arguments, resume=False, **settings)) == expected[0]
    (stills / "b.tif").unlink()
    assert statuses(dc.restore_many(*arguments, **settings)) == ["finished earlier"] * 2
    assert statuses(dc.restore_many(*arguments, **settings)) == ["restored"] * 2  # the earlier call was complete


@pytest.mark.parametrize("name", ["{stem}.mp4", "{stem}_restored.ome.tif"])
def test_exports_are_recognized_as_finished(stills, tmp_path, tiny_models, name):
    arguments = (stills / "a.tif", tiny_models["still"], tmp_path / "out")
    assert statuses(dc.restore_many(*arguments, name=name, **ON_CPU)) == ["restored"]
    assert statuses(dc.restore_many(*arguments, name=name, **ON_CPU)) == ["finished earlier"]
    (output,) = (path for path in (tmp_path / "out").iterdir() if not path.name.startswith("."))
    assert output.name == name.format(stem="a")
    save_movie(dc.open_movie(stills / "a.tif"), output, overwrite=True)
    (row,) = dc.restore_many(*arguments, name=name, **ON_CPU)
    assert "already exists and contains no record of its run" in row.error


def write_npy(movie, path, *, overwrite=False, progress=None):
    with atomic_output(path, overwrite=overwrite) as partial, partial.open("wb") as file:
        np.save(file, np.asarray(movie))
    return path


def test_outputs_in_a_format_without_a_record_are_recognized_as_finished(stills, tmp_path, tiny_models):
    arguments = (stills / "a.tif", tiny_models["still"], tmp_path / "out")
    npy = Format(
        name="npy",
        suffixes=(".npy",),
        signatures=((0, b"\x93NUMPY"),),
        open=lambda path: dc.Movie.from_array(np.load(path), name=path.name),
        write=write_npy,
        write_suffixes=(".npy",),
    )
    with isolated():
        register_format(npy)
        for expected in ("restored", "finished earlier"):
            assert statuses(dc.restore_many(*arguments, name="{stem}.npy", **ON_CPU)) == [expected]
        output = tmp_path / "out" / "a.npy"
        output.write_bytes(output.read_bytes() + b"\0")
        (row,) = dc.restore_many(*arguments, name="{stem}.npy", **ON_CPU)
    assert "already exists and contains no record of its run" in row.error


def test_inputs_with_the_same_stem_are_an_error_before_anything_is_written(stills, tmp_path, tiny_models):
    shutil.copy(stills / "a.tif", stills / "a.tiff")
    arguments = (stills, tiny_models["still"], tmp_path / "out")
    with pytest.raises(InputError, match=r"a.tif and .*a.tiff would both be written to .*a.ome.zarr; use a template"):
        dc.restore_many(*arguments, **ON_CPU)
    assert not (tmp_path / "out").exists()
    summary = dc.restore_many(*arguments, name="{name}.ome.zarr", **ON_CPU)
    assert [row.output.rpartition("/")[2] for row in summary][:2] == ["a.tif.ome.zarr", "a.tiff.ome.zarr"]


def test_models_of_channels_apply_to_files_with_other_channels(tmp_path, rng, tiny_models, caplog):
    for name, channels in (("both", ("GFP", "DAPI")), ("one", ("GFP",)), ("third", ("GFP", "RFP"))):
        write_czi(tmp_path / f"{name}.czi", [frames(rng, 3, len(channels), 20, 24)], channels)
    models = {"GFP": tiny_models["movie"], "DAPI": tiny_models["still"], "Cy5": tiny_models["still"]}
    summary = dc.restore_many(tmp_path / "*.czi", models, tmp_path / "out", **ON_CPU)
    assert [(row.status, row.model) for row in summary][:2] == [
        ("restored", "GFP=tiny-movie, DAPI=tiny-still"), ("restored", "tiny-movie"),
    ]  # fmt: skip
    assert "channel 'RFP' of third.czi has no model, models are set for GFP; add a model" in summary.rows[2].error
    assert "no input has a channel 'Cy5', for which a model is set" in caplog.text
    with dc.open_movie(tmp_path / "out" / "both.ome.zarr") as movie:
        assert movie.channel_names == ("GFP", "DAPI")


def test_dry_run_estimates_time_and_writes_nothing(stills, tmp_path, tiny_models):
    out = tmp_path / "out"
    arguments = (stills, tiny_models["still"], out)
    summary = dc.restore_many(*arguments, dry_run=True, summary=tmp_path / "run.csv", **ON_CPU)
    assert statuses(summary) == ["planned", "failed", "planned"]
    assert all(row.seconds > 0 for row in summary if row.status == "planned")
    assert summary.rows[0].megabytes == pytest.approx(24 * 32 * 2 / 1e6, abs=1e-3)
    assert not out.exists()
    assert not (tmp_path / "run.csv").exists()
    dc.restore_many(stills / "a.tif", tiny_models["still"], out, **ON_CPU)
    assert statuses(dc.restore_many(*arguments, dry_run=True, **ON_CPU)) == ["finished earlier", "failed", "planned"]


def test_estimate_of_one_restoration_states_time_device_and_disk(tmp_path, tiny_models):
    movie = dc.Movie.from_array(np.zeros((6, 40, 32), np.uint16))
    few = RestorationOptions(frames="0:3")
    output = tmp_path / "none" / "a.ome.zarr"
    found = estimate_restoration(movie, dc.load_model(tiny_models["movie"]), output, options=few, **ON_CPU)
    assert found.seconds > 0
    assert found.n_bytes == 3 * 40 * 32 * 2 * 4 // 3
    assert (found.device, found.fits) == ("cpu", True)
    assert re.fullmatch(r"about .* s \(cpu, \w+\) and up to 0.0102 MB on disk, of which .* are free", found.text())
    assert not list(tmp_path.iterdir())


def test_warnings_of_each_output_are_in_its_row(tmp_path, rng, tiny_models):
    write_czi(tmp_path / "plate.czi", [frames(rng, 2, 1, 20, 24)] * 2)
    movie = frames(rng, 2, 20, 24).astype(np.float32)
    movie[0, :2, :2] = np.nan
    tifffile.imwrite(tmp_path / "nan.tif", movie)
    with pytest.warns(UserWarning, match="plate.czi contains 2 scenes"):
        summary = dc.restore_many(
            [tmp_path / "plate.czi", tmp_path / "nan.tif"], tiny_models["movie"], tmp_path / "out",
            options=dc.RestorationOptions(nan="fill"), **ON_CPU,
        )  # fmt: skip
    assert "plate.czi contains 2 scenes" in summary.rows[0].warnings
    assert "NaN" in summary.rows[1].warnings


@pytest.mark.parametrize(
    ("place", "error", "message"),
    [
        ("raw", InputError, "is the folder of both inputs and outputs"),
        ("raw/a.tif", OutputError, "a.tif is not a folder; choose a folder for the outputs"),
        ("raw/a.tif/deep", OutputError, "a.tif is not a folder"),
        ("store.ome.zarr/out", InputError, "is in the Zarr store"),
    ],
)
def test_unsuitable_output_folders_are_errors(stills, tmp_path, tiny_models, place, error, message):
    dc.save_movie(dc.Movie.from_array(np.zeros((2, 8, 8), np.uint8)), tmp_path / "store.ome.zarr")
    with pytest.raises(error, match=message):
        dc.restore_many(stills, tiny_models["still"], tmp_path / place, **ON_CPU)


def test_summary_never_replaces_another_file(stills, tmp_path, tiny_models):
    (tmp_path / "run.csv").write_text("my,data\n")
    with pytest.raises(OutputExistsError, match="is not a summary of a run"):
        dc.restore_many(stills, tiny_models["still"], tmp_path / "out", summary=tmp_path / "run.csv", **ON_CPU)
    assert not (tmp_path / "out").exists()


def test_summary_may_be_in_the_new_folder_of_the_outputs(stills, tmp_path, tiny_models):
    path = tmp_path / "out" / "run.csv"
    for status in ("restored", "finished earlier"):
        dc.restore_many(stills / "a.tif", tiny_models["still"], tmp_path / "out", summary=path, **ON_CPU)
        assert status in path.read_text()


def test_folders_of_a_recursive_search_are_kept(tmp_path, rng, tiny_models):
    for day in ("monday", "tuesday"):
        (tmp_path / "raw" / day).mkdir(parents=True)
        tifffile.imwrite(tmp_path / "raw" / day / "cell.tif", frames(rng, 24, 32))
    (tmp_path / "raw" / "tuesday" / "damaged.czi").write_bytes(b"ZISRAWFILE")
    out = tmp_path / "raw" / "restored"
    settings = {"recursive": True, **ON_CPU}
    for status in ("restored", "finished earlier"):
        summary = dc.restore_many(tmp_path / "raw", tiny_models["still"], out, **settings)
        assert statuses(summary) == [status, status, "failed"]
    found = sorted(path.relative_to(out).as_posix() for path in out.glob("*/*"))
    assert found == ["monday/cell.ome.zarr", "tuesday/cell.ome.zarr"]
