from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import tifffile
import torch
from PIL import Image

from decrappify._common.processes.processor import processor_type, threads_put_back
from decrappify.colorization.colorizer import Colorizer
from decrappify.colorization.stills import colorize_folder, colorize_still
from decrappify.errors import Cancelled, FormatError, InputError, OutputError, OutputExistsError
from decrappify.inference.options import InferenceOptions
from decrappify.io.images.photographs import read_description, read_photograph


def described(path):
    """Return the description of an image without its source."""
    return read_description(path).partition(", source CRC-32")[0]


def names(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".tif"])
def test_colorize_still_writes_a_colorized_image(tmp_path, album, colorizer, photo, suffix):
    output = colorize_still(album / "p10.png", tmp_path / f"out{suffix}", colorizer)
    assert described(output) == colorizer.statement(4)
    difference = np.abs(read_photograph(output).pixels.astype(int) - colorizer(photo)).mean()
    assert difference == 0 if suffix != ".jpg" else difference < 4


def test_colorize_still_keeps_16_bits(tmp_path, colorizer, photo):
    from decrappify.io.images.photograph_writer import write_photograph
    from decrappify.io.images.photographs import Photograph

    deep = photo.astype(np.uint16) * 257 + 3
    source = write_photograph(tmp_path / "deep.tif", Photograph(pixels=deep), "a scan")
    read = read_photograph(colorize_still(source, tmp_path / "out.png", colorizer))
    np.testing.assert_array_equal(read.pixels, colorizer(deep))
    assert described(tmp_path / "out.png") == f"a scan; {colorizer.statement(4)}"


def test_colorize_still_adds_a_watermark_on_request(tmp_path, album, colorizer):
    plain = read_photograph(colorize_still(album / "p10.png", tmp_path / "a.png", colorizer)).pixels
    marked = colorize_still(album / "p10.png", tmp_path / "b.png", colorizer, watermark=True)
    differs = (read_photograph(marked).pixels != plain).any(axis=2)
    assert differs[40:, :70].any()
    assert not differs[:30].any()


def test_colorize_still_rejects_unsuitable_outputs(tmp_path, album, colorizer):
    with pytest.raises(InputError, match=r"p10.png is the input itself; choose another name"):
        colorize_still(album / "p10.png", album / "p10.png", colorizer, overwrite=True)
    with pytest.raises(FormatError, match="has an unsupported image format"):
        colorize_still(album / "p10.png", tmp_path / "a.gif", colorizer)
    with pytest.raises(OutputError, match=r"folder .* does not exist"):
        colorize_still(album / "p10.png", tmp_path / "missing" / "a.png", colorizer)


@pytest.mark.parametrize("batch_size", [None, 2, 10])
def test_colorize_folder_colorizes_all_images(tmp_path, album, colorizer, bar, batch_size):
    output = colorize_folder(album, tmp_path / "new" / "out", colorizer, batch_size=batch_size, progress=bar)
    assert names(output) == ["p1.png", "p10.png", "p2.jpg"]
    assert bar.settings == {"total": 3, "desc": "colorize", "unit": "image", "initial": 0}
    assert (bar.n, bar.closed) == (3, True)
    assert all(described(path) == colorizer.statement(4) for path in output.iterdir())


def test_colorize_folder_uses_natural_order_and_resumes(tmp_path, album, colorizer, bar):
    output, cancel = tmp_path / "out", bar.cancel_at(1)
    with pytest.raises(Cancelled, match="finished images are kept, repeat the call"):
        colorize_folder(album, output, colorizer, progress=bar, cancel=cancel)
    assert names(output) == [".decrappify-run.json", "p1.png"]
    first = (output / "p1.png").stat().st_mtime_ns
    colorize_folder(album, output, colorizer)
    assert names(output) == ["p1.png", "p10.png", "p2.jpg"]
    assert (output / "p1.png").stat().st_mtime_ns == first


@pytest.mark.cpu_sensitive
@pytest.mark.parametrize(("then", "now"), [(2, 1), pytest.param(1, 2, marks=pytest.mark.slow)])
def test_resumed_folder_uses_its_original_batches_and_threads(tmp_path, album, bar, film_colorizer, then, now):
    with threads_put_back():
        torch.set_num_threads(then)
        whole = colorize_folder(album, tmp_path / "whole", film_colorizer, batch_size=2)
        output = tmp_path / "out"
        with pytest.raises(Cancelled):
            colorize_folder(album, output, film_colorizer, batch_size=2, progress=bar, cancel=bar.cancel_at(1))
        run = json.loads((output / ".decrappify-run.json").read_text(encoding="utf-8"))
        assert run["runtime"] == {"threads": then, "processor": processor_type()}
        assert names(output) == [".decrappify-run.json", "p1.png", "p2.jpg"]
        (output / "p2.jpg").unlink()  # as if killed before it was written
        torch.set_num_threads(now)
        film_colorizer.batches = film_colorizer.threads = ()
        colorize_folder(album, output, film_colorizer, batch_size=2)
        assert film_colorizer.batches == (2, 1)
        assert film_colorizer.threads == (then, then)
        assert torch.get_num_threads() == now
    assert {path.name: path.read_bytes() for path in output.iterdir()} == {
        path.name: path.read_bytes() for path in whole.iterdir()
    }


def test_colorize_folder_ignores_the_record_of_another_or_damaged_run(tmp_path, album, film_colorizer, caplog):
    other = {"colorizer": "another", "render_factor": 2, "runtime": {"threads": 7, "processor": "riscv64"}}
    for number, content in enumerate((json.dumps(other), "{", "[]")):
        output = tmp_path / str(number)
        output.mkdir()
        (output / ".decrappify-run.json").write_text(content, encoding="utf-8")
        film_colorizer.threads = ()
        colorize_folder(album, output, film_colorizer)
        assert set(film_colorizer.threads) == {torch.get_num_threads()}
        assert names(output) == ["p1.png", "p10.png", "p2.jpg"]
    assert not [record for record in caplog.records if record.levelname == "WARNING"]


def damaged_tiff(path: Path, tag: int, place: int, value: int) -> None:
    """Write a TIFF file of 12 rows and replace the type (2), count (4) or value (8) of a directory entry."""
    tifffile.imwrite(path, np.full((12, 9), 700, np.uint16), photometric="minisblack", byteorder="<")
    content = bytearray(path.read_bytes())
    entry = content.find(tag.to_bytes(2, "little"), 10)
    content[entry + place : entry + place + 4] = value.to_bytes(4, "little")
    path.write_bytes(content)


def test_colorize_folder_names_damaged_images_at_the_end(tmp_path, album, film_colorizer, caplog):
    whole = (album / "p10.png").read_bytes()
    damage = [(258, 4, 0), (258, 8, 0), (273, 2, 0x10002), (278, 8, 0), (256, 8, 0xFFFFFFFF), (257, 4, 0xFFFFFFFF)]
    for number, (tag, place, value) in enumerate(damage):
        damaged_tiff(album / f"q{number}.tif", tag, place, value)
    (album / "r.png").write_bytes(whole[: len(whole) // 2])
    (album / "s.png").write_bytes(whole.replace(b"IHDR", b"IHDR\0"))
    (album / "t.jpg").write_bytes(b"")
    with pytest.raises(InputError, match=r"\d of 12 images were not colorized, the others are in") as caught:
        colorize_folder(album, tmp_path / "out", film_colorizer)
    message = str(caught.value)
    assert message.isprintable()
    done = names(tmp_path / "out")
    assert {"p1.png", "p10.png", "p2.jpg"} <= set(done)
    for path in album.iterdir():
        if path.suffix in (".tif", ".png", ".jpg") and not path.name.startswith("."):
            assert (path.name in message) != (path.name in done), path.name
    assert message.startswith(f"{12 - len(done)} of 12")
    assert len([record for record in caplog.records if "was not colorized" in record.message]) == 12 - len(done)


def test_colorize_folder_continues_after_unreadable_images(tmp_path, album, colorizer):
    (album / "p0.jpg").write_text("<html>")
    Image.new("CMYK", (8, 8)).save(album / "p3.jpg")
    with pytest.raises(
        InputError, match=r"2 of 5 images were not colorized, .*: p0.jpg: .*; p3.jpg: .* CMYK"
    ) as caught:
        colorize_folder(album, tmp_path / "out", colorizer, batch_size=2)
    assert len(str(caught.value).splitlines()) == 1
    assert names(tmp_path / "out") == ["p1.png", "p10.png", "p2.jpg"]


def test_colorize_folder_does_not_accept_other_files_as_finished(tmp_path, album, colorizer, color_model):
    output = tmp_path / "out"
    other = Colorizer(color_model, render_factor=3, inference=InferenceOptions(device="cpu", precision="float32"))
    colorize_folder(album, output, other)
    (output / "p1.png").unlink()
    (output / "p2.jpg").write_text("my notes")
    with pytest.raises(
        InputError,
        match=r"2 of 3 .*p2.jpg is damaged, or is not the result of this image.*; replace it with",
    ):
        colorize_folder(album, output, colorizer)
    assert (output / "p2.jpg").read_text() == "my notes"
    assert described(output / "p1.png") == colorizer.statement(4)
    colorize_folder(album, output, colorizer, overwrite=True)
    assert all(described(path) == colorizer.statement(4) for path in output.iterdir())


def test_colorize_folder_resumes_with_the_chosen_render_factor(tmp_path, album, color_model):
    auto = Colorizer(color_model, render_factor="auto", inference=InferenceOptions(device="cpu", precision="float32"))
    colorize_folder(album, tmp_path / "out", auto)
    assert described(tmp_path / "out" / "p1.png") == auto.statement(12)
    colorize_folder(album, tmp_path / "out", auto)


@pytest.mark.parametrize("watermark", [False, True])
def test_image_with_the_former_statement_is_finished_unless_watermarked(
    tmp_path, album, colorizer, monkeypatch, watermark
):
    former = colorizer.identity.replace("AI-colorized", "AI-coloured")
    with monkeypatch.context() as patch:
        patch.setattr(colorizer, "identity", former)
        colorize_folder(album, tmp_path / "out", colorizer, watermark=watermark)
    if watermark:
        with pytest.raises(InputError, match="3 of 3 images were not colorized"):
            colorize_folder(album, tmp_path / "out", colorizer, watermark=True)
    else:
        colorize_folder(album, tmp_path / "out", colorizer)


def test_colorize_folder_without_resume_rejects_finished_images(tmp_path, album, colorizer):
    colorize_folder(album, tmp_path / "out", colorizer)
    with pytest.raises(InputError, match=r"3 of 3 images .*p1.png already exists; replace it with overwrite=True"):
        colorize_folder(album, tmp_path / "out", colorizer, resume=False)


def test_colorize_folder_rejects_unsuitable_folders(tmp_path, album, colorizer):
    with pytest.raises(InputError, match="is the input itself"):
        colorize_folder(album, album, colorizer)
    with pytest.raises(InputError, match=r"batch_size is 0, expected an integer of at least 1"):
        colorize_folder(album, tmp_path / "out", colorizer, batch_size=0)
    (tmp_path / "file").touch()
    with pytest.raises(OutputExistsError, match="file is a file; a folder of images needs a folder"):
        colorize_folder(album, tmp_path / "file", colorizer)
    with pytest.raises(OutputError, match="cannot be created"):
        colorize_folder(album, tmp_path / "file" / "out", colorizer)
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=r"contains no images; supported: .bmp"):
        colorize_folder(tmp_path / "empty", tmp_path / "out", colorizer)
    Image.new("L", (8, 8)).save(album / "p1.png")
    with pytest.raises(InputError, match=r"p1.bmp and p1.png would both be written as p1.png; rename one"):
        colorize_folder(album, tmp_path / "out", colorizer)


def test_colorize_folder_names_a_finished_image_with_damaged_pixels(tmp_path, album, colorizer):
    output = colorize_folder(album, tmp_path / "out", colorizer)
    path = next(output.glob("*.png"))
    content = path.read_bytes()
    at = content.index(b"IDAT") + 12
    path.write_bytes(content[:at] + bytes([content[at] ^ 255]) + content[at + 1 :])
    with pytest.raises(InputError, match=rf"1 of 3 .*{path.name} is damaged, or .*; replace it with overwrite=True"):
        colorize_folder(album, output, colorizer)


def test_finished_image_is_kept_only_for_the_same_file_and_watermark(tmp_path, album, colorizer):
    output = colorize_folder(album, tmp_path / "out", colorizer)
    (album / "p10.png").write_bytes((album / "p10.png").read_bytes() + b"changed")
    with pytest.raises(InputError, match=r"1 of 3 .*p10.png is damaged, or is not the result of this image"):
        colorize_folder(album, output, colorizer)
    with pytest.raises(InputError, match=r"3 of 3 .*is not the result of this image, model and settings"):
        colorize_folder(album, output, colorizer, watermark=True)


def test_colorize_folder_does_not_replace_the_targets_of_links(tmp_path, album, colorizer):
    (tmp_path / "links").mkdir()
    (tmp_path / "links" / "p10.png").symlink_to(album / "p10.png")
    before = (album / "p10.png").read_bytes()
    with pytest.raises(InputError, match=r"p10.png is one of the images that .*links links to"):
        colorize_folder(tmp_path / "links", album, colorizer, overwrite=True)
    assert (album / "p10.png").read_bytes() == before
