from __future__ import annotations

import hashlib

import numpy as np

from decrappify.benchmarking import benchmark
from decrappify.benchmarking.report.origin import checksum
from decrappify.inference.options import InferenceOptions
from decrappify.io import save_movie


def test_checksum_of_a_folder_is_that_of_its_list_of_files(tmp_path):
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "1").write_bytes(b"one")
    (tmp_path / "a").write_bytes(b"two")
    one, two = (hashlib.sha256(text).hexdigest() for text in (b"one", b"two"))
    assert checksum(tmp_path / "a") == two
    assert checksum(tmp_path) == hashlib.sha256(f"{two}  a\n{one}  b/1\n".encode()).hexdigest()


def test_report_states_models_and_files_with_checksums(tmp_path, tiny_models, noisy, reference):
    for name, frame in (("low", noisy[0]), ("high", reference[0])):
        save_movie(frame.astype(np.uint16), tmp_path / f"{name}.tif")
    pairs = [(tmp_path / "low.tif", tmp_path / "high.tif"), (noisy[1], reference[1])]
    options = InferenceOptions(device="cpu")
    report = benchmark({"mine": tiny_models["still"]}, pairs, baselines=("input",), inference=options)
    (model,) = report.origin["models"]
    assert (model["name"], model["card_name"], model["file"]) == ("mine", "tiny-still", str(tiny_models["still"]))
    assert model["file_sha256"] == checksum(tiny_models["still"])
    assert len(model["weights_sha256"]) == 64
    first, second = report.origin["files"]
    assert first["source"] == {"path": str(tmp_path / "low.tif"), "sha256": checksum(tmp_path / "low.tif")}
    assert first["reference"]["sha256"] == checksum(tmp_path / "high.tif")
    assert second["source"] is None, "an array in memory has no file"
    page = report.to_html(tmp_path / "page.html").read_text(encoding="utf-8")
    for text in (model["weights_sha256"], first["source"]["sha256"], report.origin["date"], "threads"):
        assert text in page
