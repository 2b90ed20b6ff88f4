from __future__ import annotations

import re

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter
from tests.noise.specimens import record, spots

from decrappify.errors import FormatError, OutputExistsError
from decrappify.io import save_movie
from decrappify.movie import Movie
from decrappify.noise import calibrate
from decrappify.noise.calibration import Calibration
from decrappify.noise.report.comparison import compare


def blurred(seeds: range, sigma: float) -> np.ndarray:
    return np.concatenate([gaussian_filter(spots(seed, 192), (0, sigma, sigma)) for seed in seeds])


@pytest.fixture(scope="module")
def movie() -> np.ndarray:
    still = np.repeat(blurred(range(1), 2.0), 6, 0)
    return record(still + 0.05, 100.0)


@pytest.fixture(scope="module")
def good() -> np.ndarray:
    return record(blurred(range(20, 25), 0.0) + 0.02, 2000.0)


@pytest.fixture(scope="module")
def found(movie, good) -> Calibration:
    return calibrate(movie, good)


def external(page: str) -> list[str]:
    """Return the links to other files and hosts, except the names of XML schemas."""
    links = re.findall(r"""(?:src|href|url|@import)\s*[=( ]\s*["']?([^"')\s>]+)""", page)
    return [link for link in links if not link.startswith(("data:image/png;base64,", "#", "http://www.w3.org/"))]


def test_report_contains_the_values_and_no_links(found, tmp_path):
    path = found.report(tmp_path / "report.html")
    page = path.read_text(encoding="utf-8")
    for estimate in (found.noise.gain, found.noise.noise_sd, found.noise.correlation_x[1], found.optics.blur):
        assert estimate.value is not None
        assert estimate.text() in page
    assert found.noise.offset.note in page
    assert external(page) == []
    assert page.count("<svg") == 6
    assert page.count("data:image/png") == 2
    for title in ("Photon-transfer curve", "Autocorrelation of the noise", "Radial spectra", "Noise against mean"):
        assert title in page
    with pytest.raises(OutputExistsError):
        found.report(path)


def test_report_with_another_suffix_raises(found, tmp_path):
    with pytest.raises(FormatError, match=r"report\.pdf has the suffix of another format; a report ends in \.html"):
        found.report(tmp_path / "report.pdf")
    assert not list(tmp_path.iterdir())


def test_comparison_matches_the_simulated_microscope(found):
    samples = found.samples
    compared = compare(found.noise, found.optics, found.transfer, samples.low, samples.high)
    assert compared.crappified.shape == (192, 192)
    assert compared.crappified.dtype == np.uint16
    assert compared.ks < 0.15
    assert abs(compared.largest_noise[0] - 1) < 0.15
    fine = compared.frequency > 0.2
    assert np.abs(compared.decibel[fine]).max() < 1.5


def test_comparison_detects_a_wrong_gain_and_a_missing_blur(found):
    from dataclasses import replace

    from decrappify.noise import Estimate, Optics

    noise = replace(found.noise, gain=Estimate(4 * found.noise.gain.value), intercept=Estimate(0.0))
    compared = compare(noise, Optics(), found.transfer, found.samples.low, found.samples.high)
    met = {text.split(":")[0]: is_met for is_met, text in compared.sentences()}
    assert not met["Radial spectra"]
    assert not met["Noise against mean"]


def test_report_omits_unknown_values(movie, tmp_path):
    without = calibrate(movie[:1])
    page = without.report(tmp_path / "image.html").read_text(encoding="utf-8")
    assert "No good images were passed (high)." in page
    assert "requires successive frames" in page
    assert "data:image" not in page
    loaded = Calibration.load(without.save(tmp_path / "scope.toml"))
    page = loaded.report(tmp_path / "loaded.html").read_text(encoding="utf-8")
    assert "was read from a file" in page
    assert without.noise.noise_sd.text() in page


@pytest.mark.slow
def test_calibrate_command_writes_a_report(movie, good, tmp_path, command):
    low, high, report = tmp_path / "low.ome.tif", tmp_path / "high.ome.tif", tmp_path / "report.html"
    save_movie(Movie.from_array(movie[:2, :128, :128], axes="TYX"), low)
    save_movie(Movie.from_array(good[:2, :128, :128], axes="TYX"), high)
    shown = command("calibrate", low, "--high", high, "--report", report).stdout
    assert "blur (sigma)" in shown
    assert f"{report}: written" in shown
    assert "<svg" in report.read_text(encoding="utf-8")
    assert "--overwrite" in command("calibrate", low, "--report", report, exit_code=2).stderr
    assert "a report ends in .html" in command("calibrate", low, "--report", low, "--overwrite", exit_code=2).stderr


@pytest.mark.slow
def test_calibrate_command_reads_a_real_pair(real_data, tmp_path, command):
    pair = real_data / "pairs" / "acsn_tirf"
    low, high = pair / "tirf_200hz_5ms_20f.tif", pair / "tirf_9hz_111ms_gt.tif"
    output, report = tmp_path / "scope.toml", tmp_path / "report.html"
    command("calibrate", low, "--axes", "TYX", "--high", high, "-o", output, "--report", report)
    found = Calibration.load(output)
    assert found.noise.noise_sd.value == pytest.approx(4.2, rel=0.05)
    assert found.optics.line_jitter.value is None, "a camera"
    assert "Radial spectra: largest difference" in report.read_text(encoding="utf-8")
