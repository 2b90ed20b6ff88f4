"""`decrappify info`."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
from tests.io.formats.czi.czi_files import write_planes
from tests.io.formats.tiff.tiff_files import ome_xml, pages_with

from decrappify.io import open_movie, save_movie
from decrappify.io.formats.omezarr.writing.writer import ZarrMovieWriter
from decrappify.io.integrity.missing_planes import MissingPlanesWarning
from decrappify.movie import Movie


@pytest.fixture
def unfinished(tmp_path, rng):
    """An output of 5 frames, of which 2 were written before the run stopped."""
    output = tmp_path / "cells.ome.zarr"
    with ZarrMovieWriter(output, shape=(5, 1, 1, 16, 16), dtype=np.uint8) as writer:
        for t in range(2):
            writer.write_plane(t, 0, 0, rng.integers(1, 99, (16, 16), dtype=np.uint8))
    return output


@pytest.mark.parametrize("inside", ["", "store.ome.zarr"])
def test_info_lists_the_unwritten_planes_of_an_unfinished_run(unfinished, command, inside):
    path = unfinished.with_name("cells.ome.zarr.partial") / inside
    lines = command("info", path).stdout.splitlines()
    assert (
        f"unfinished: 3 of 5 planes not written yet (frames 2 to 4); repeat the command that writes {unfinished} "
        in ("\n".join(lines))
    )


def test_info_of_a_run_folder_is_one_line(tmp_path, command):
    (tmp_path / "log.csv").write_text("phase,step,seconds\ncycle 1: critic,3,1.5\ncycle 1: crit")
    (tmp_path / "checkpoint.pt").write_bytes(b"")
    (tmp_path / "log.png").write_bytes(b"")
    found = command("info", tmp_path)
    assert found.stdout == (
        f"{tmp_path}: unfinished NoGAN training run, last logged at step 3 of phase 'cycle 1: critic'; "
        "'decrappify train' with its run file and --resume resumes it\n"
    )
    assert not found.stderr


def test_info_of_a_model_prints_its_card_with_its_fidelity(nogan_model, tiny_models, command):
    lines = command("info", nogan_model).stdout.splitlines()
    assert "name: tiny-nogan" in lines
    assert any(line.startswith("fidelity: any from 0 (the selected checkpoint") for line in lines)
    assert "fidelity" not in command("info", tiny_models["still"]).stdout


def test_info_of_the_output_of_an_unfinished_run_states_its_path(unfinished, command):
    error = command("info", unfinished, exit_code=2).stderr
    assert "is not complete: repeat the command that writes it" in error
    assert f"{unfinished}.partial" in error


def test_info_and_restore_report_missing_planes_in_one_line(tmp_path, rng, tiny_models, command):
    path = save_movie(rng.integers(9, 99, (4, 16, 16), dtype=np.uint8), tmp_path / "cells.ome.zarr")
    shutil.rmtree(path / "0" / "c" / "2")
    found = command("info", path)
    assert found.output.count("frame 2") == 1
    assert "1 of 4 planes missing (frame 2): chunk c/2/0/0/0/0 is not in the store" in found.stderr
    output = tmp_path / "restored.ome.tif"
    assert command("restore", path, output, "--model", tiny_models["still"]).output.count("frame 2") == 1
    with pytest.warns(MissingPlanesWarning, match="frame 2"):
        assert open_movie(output).missing == {(2, 0, 0)}


def _aborted_czi(folder):
    planes = {(0, t, c, 0): np.full((16, 16), 1 + t + c, np.uint8) for t in range(3) for c in range(2)}
    del planes[0, 2, 1, 0]
    return write_planes(folder / "cells.czi", planes)


def _aborted_tiff(folder):
    pages = np.random.default_rng(0).integers(9, 99, (5, 16, 16), dtype=np.uint8)
    places = [(n // 2, n % 2, 0, "cells.ome.tif", n) for n in range(5)]
    image = {"name": "a", "sizes": {"T": 9, "C": 2, "Y": 16, "X": 16}, "channels": ["a", "b"], "planes": places}
    return pages_with(folder / "cells.ome.tif", pages, ome_xml([image], {"cells.ome.tif": "1"}, "1"))


@pytest.mark.parametrize(("write", "other"), [(_aborted_czi, ""), (_aborted_tiff, "states 9 frames and contains 3")])
def test_restore_reports_missing_planes_of_an_aborted_recording_in_one_line(
    tmp_path, tiny_models, command, write, other
):
    restored = command("restore", write(tmp_path), tmp_path / "out.ome.zarr", "--model", tiny_models["still"])
    assert restored.stderr.count("frame 2: channel 1") == restored.stderr.count("planes missing") == 1
    assert "not recorded" not in restored.stderr
    assert other in restored.stderr


def test_info_shows_stated_missing_planes(tmp_path, rng, command):
    movie = Movie.from_array(rng.integers(9, 99, (4, 16, 16), dtype=np.uint8), missing=[(1, 0, 0), (2, 0, 0)])
    path = save_movie(movie, tmp_path / "cells.ome.zarr")
    assert "missing: 2 of 4 planes (frames 1, 2)\n" in command("info", path).stdout


def test_info_of_a_folder_reports_bad_files_and_lists_the_others(tmp_path, rng, command):
    for name in ("alpha", "gamma"):
        save_movie(rng.integers(9, 99, (4, 16, 16), dtype=np.uint8), tmp_path / f"{name}.ome.tif")
    (tmp_path / "beta.ome.tif").write_bytes((tmp_path / "alpha.ome.tif").read_bytes()[:300])
    found = command("info", tmp_path, exit_code=2)
    assert "  0  alpha: T 4" in found.stdout
    assert "  1  beta: " in found.stdout
    assert "  2  gamma: T 4" in found.stdout
    assert "1 of 3 scenes of " in found.stderr


def test_info_shows_provenance_as_indented_text(tmp_path, rng, command):
    provenance = {
        "restoration": {"model": "mine", "frames": [0, 4, 1], "normalization": [{"offset": 3.0, "scale": 76.2}]}
    }
    movie = Movie.from_array(rng.integers(9, 99, (2, 16, 16), dtype=np.uint8), provenance=provenance)
    lines = command("info", save_movie(movie, tmp_path / "cells.ome.zarr")).stdout.splitlines()
    assert lines[lines.index("restoration:") :] == [
        "restoration:",
        "  model: mine",
        "  frames: 0, 4, 1",
        "  normalization:",
        "    - offset: 3.0",
        "      scale: 76.2",
    ]
