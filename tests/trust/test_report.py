"""HTML report of a trust map."""

from __future__ import annotations

import re
from types import SimpleNamespace

import numpy as np
import pytest
from click.testing import CliRunner

import decrappify as dc
from decrappify.cli import main
from decrappify.errors import FormatError, InputError, OutputExistsError
from decrappify.movie import Movie
from decrappify.noise import Estimate, NoiseModel
from decrappify.trust import open_trust_map
from decrappify.trust.report.survey import survey

NOISE = NoiseModel(gain=Estimate(2.0), intercept=Estimate(-200.0), levels=(100, 180), source="camera <A>")
BAR = SimpleNamespace(update=lambda n: None)


@pytest.fixture
def pair():
    """A measured movie, and its expected image with a false spot in frame 2, and another one in all frames."""
    expected = np.tile(100 + 2 * np.linspace(10, 40, 64, dtype=np.float32), (6, 1, 1, 64, 1))
    measured = np.random.default_rng(0).poisson((expected - 100) / 2).astype(np.uint16) * 2 + 100
    expected[2, 0, 0, 31:34, 19:22] += 120
    expected[:, 0, 0, 9:12, 49:52] += 120
    record = {"restoration": {"model": "fluorescence-still", "model_sha256": "abc123", "frames": "0:6"}}
    spacing = (None, 0.1, 0.1)
    return (
        Movie.from_array(measured, name="cells", pixel_size_um=spacing),
        Movie.from_array(expected, name="result", pixel_size_um=spacing, provenance=record),
    )


def test_survey_joins_a_place_that_is_contradicted_in_several_frames(pair):
    found = survey(dc.trust_map(*pair, NOISE).movie, 0, BAR)
    assert [each.plane[0] for each in found.planes] == list(range(6))
    assert np.argmax([each.contradicted for each in found.planes]) == 2
    places = {(place.n_frames, place.first, place.last): (place.y, place.x) for place in found.places}
    assert places.keys() == {(6, 0, 5), (1, 2, 2)}
    np.testing.assert_allclose([places[6, 0, 5], places[1, 2, 2]], [(10, 50), (32, 20)], atol=1)
    assert all(place.score < -4 for place in found.places)


def test_report_shows_summary_frames_contradictions_and_origin(pair, tmp_path):
    trust = dc.trust_map(*pair, NOISE)
    text = trust.report(tmp_path / "trust.html").read_text(encoding="utf-8")
    assert f"{trust.summary}." in text
    assert re.findall(r"<h3>(.*?)</h3>", text)[0] == "Frame 2: most contradicted pixels"
    assert "whole frame (64 × 64 px, 6.4 × 6.4 µm)" in text
    assert "6 frames, 0 to 5" in text
    assert text.count("data:image/png") == 3 * 4
    for recorded in ("fluorescence-still", "abc123", "camera &lt;A&gt;", "result (in memory)"):
        assert recorded in text
    assert not re.search(r"(src|href)=.(?!data:|#)", text.replace("xlink:href", "")), "needs other files"
    with pytest.raises(OutputExistsError):
        trust.report(tmp_path / "trust.html")
    with pytest.raises(FormatError, match=r"a report ends in \.html"):
        trust.report(tmp_path / "trust.pdf")


def test_report_of_a_stack_counts_slices_and_omits_missing_planes(pair, tmp_path):
    measured, restored = (Movie.from_array(np.asarray(movie).swapaxes(0, 2)) for movie in pair)
    trust = dc.trust_map(measured.replace(missing=[(0, 0, 4)]), restored, NOISE)
    text = trust.report(tmp_path / "trust.html").read_text(encoding="utf-8")
    assert "Slice 2: most contradicted pixels" in text
    assert "in 5 of 5 slices" in text


def test_report_of_a_perfect_still_states_that_no_pixel_is_contradicted(pair, tmp_path):
    still = pair[0][:1]
    text = dc.trust_map(still, still, NOISE).report(tmp_path / "trust.html").read_text(encoding="utf-8")
    assert "No pixel is contradicted." in text
    assert "<h3>Frame 0</h3>" in text


def test_trust_command_reports_a_finished_map_and_refuses_that_of_another_result(pair, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    dc.save_movie(pair[0], "cells.ome.tif")
    dc.save_movie(pair[1], "result.ome.tif")
    NOISE.save("camera.toml")
    command = ["trust", "result.ome.tif", "cells.ome.tif", "--noise", "camera.toml", "--report"]
    first = CliRunner().invoke(main, [*command, "a.html"])
    assert first.exit_code == 0, first.output
    again = CliRunner().invoke(main, [*command, "b.html"])
    assert again.exit_code == 0, again.output
    lines = again.output.splitlines()
    assert lines == [first.output.splitlines()[0], "b.html: written"]
    assert (tmp_path / "a.html").read_text() == (tmp_path / "b.html").read_text()
    dc.save_movie(pair[1].replace(provenance={}), "result.ome.tif", overwrite=True)
    other = CliRunner().invoke(main, [*command, "c.html"])
    assert other.exit_code == 2
    assert "the trust map of another result" in other.output
    with pytest.raises(InputError, match="not a trust map"):
        open_trust_map("cells.ome.tif", "cells.ome.tif", "result.ome.tif")
