"""Interrupted runs, resumed from their segments by the same call."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch

from decrappify._common.processes.processor import processor_type, threads_put_back
from decrappify.colorization import ColorizationOptions, film
from decrappify.colorization.colorizer import Colorizer
from decrappify.colorization.film import colorize_film
from decrappify.errors import Cancelled, InputError, OutputError, OutputExistsError
from decrappify.inference.options import InferenceOptions
from decrappify.io.media import muxer
from decrappify.io.media.encoder import SegmentWriter
from decrappify.io.media.muxer import encoder_settings
from decrappify.io.media.reader import VideoReader

from .films import CountingColorizer, gray_film, tiny_model, write_film


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def stopped_film(folder: Path, colorizer: Colorizer, bar: Any, n_frames: int) -> tuple[Path, Path]:
    """Return a film of 20 frames, and the output of a run cancelled after `n_frames` frames."""
    source, output = write_film(folder / "film.mp4", gray_film(20)), folder / "color.mp4"
    with pytest.raises(Cancelled):
        colorize_film(source, output, colorizer, cancel=bar.cancel_at(n_frames), progress=bar)
    return source, output


@pytest.mark.cpu_sensitive
@pytest.mark.parametrize(
    ("steady", "suffix"),
    [
        (0.0, ".mp4"),
        (0.6, ".mkv"),
        *(pytest.param(*case, marks=pytest.mark.slow) for case in ((0.0, ".mkv"), (0.6, ".mp4"))),
    ],
)
@pytest.mark.usefixtures("short_segments")
def test_cancelled_run_resumes_byte_for_byte(tmp_path, film_colorizer, bar, suffix, steady):
    source = write_film(tmp_path / "film.mp4", gray_film(30), sound="aac")
    whole = colorize_film(
        source, tmp_path / f"whole{suffix}", film_colorizer, options=ColorizationOptions(steady=steady), batch_size=2
    )
    assert film_colorizer.n_images == 30
    output, cancel = tmp_path / f"color{suffix}", bar.cancel_at(20)
    with pytest.raises(Cancelled, match="finished segments are kept, repeat the call to colorize the rest"):
        colorize_film(
            source,
            output,
            film_colorizer,
            options=ColorizationOptions(steady=steady),
            batch_size=2,
            cancel=cancel,
            progress=bar,
        )
    assert (bar.settings["total"], bar.settings["unit"], bar.n, bar.closed) == (30, "frame", 20, True)
    assert not output.exists()
    film_colorizer.n_images = 0
    assert (
        colorize_film(
            source, output, film_colorizer, options=ColorizationOptions(steady=steady), batch_size=2, progress=bar
        )
        == output
    )
    assert film_colorizer.n_images == 14  # two segments of 8 were finished
    assert bar.n == 30
    assert digest(output) == digest(whole)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(["film.mp4", whole.name, output.name])


@pytest.mark.usefixtures("short_segments")
def test_resumed_run_requires_its_original_batch_size(tmp_path, film_colorizer, bar):
    source, output = write_film(tmp_path / "film.mp4", gray_film(20)), tmp_path / "color.mp4"
    with pytest.raises(Cancelled):
        colorize_film(source, output, film_colorizer, batch_size=2, cancel=bar.cancel_at(9), progress=bar)
    with pytest.raises(InputError, match=r"was started with batch_size=2, found 3: .* omit batch_size"):
        colorize_film(source, output, film_colorizer, batch_size=3)
    whole = colorize_film(source, tmp_path / "whole.mp4", film_colorizer, batch_size=2)
    assert digest(colorize_film(source, output, film_colorizer)) == digest(whole)


@pytest.mark.usefixtures("short_segments")
def test_segments_of_another_run_are_neither_used_nor_removed(tmp_path, film_colorizer, bar):
    source, output = stopped_film(tmp_path, film_colorizer, bar, 9)
    segments = sorted(path.name for path in (tmp_path / "color.mp4.partial").iterdir())
    assert {"00000.h264", "00000.json", "run.json"} <= set(segments)
    other = CountingColorizer(tiny_model(seed=1), render_factor=2, inference=InferenceOptions(device="cpu"))
    larger = CountingColorizer(tiny_model(), render_factor=3, inference=InferenceOptions(device="cpu"))
    for different in (other, larger):
        with pytest.raises(
            OutputExistsError,
            match=r"contains the unfinished output of another run: .* was .* and is .* now; .*overwrite=True",
        ):
            colorize_film(source, output, different)
        assert different.n_images == 0
    with pytest.raises(OutputExistsError, match="of another run: watermark was False and is 'AI-colorized' now"):
        colorize_film(source, output, film_colorizer, options=ColorizationOptions(watermark=True))
    assert sorted(path.name for path in (tmp_path / "color.mp4.partial").iterdir()) == segments
    colorize_film(source, output, other, overwrite=True)
    assert other.n_images == 20
    fresh = colorize_film(source, tmp_path / "fresh.mp4", other)
    assert digest(fresh) == digest(output)


@pytest.mark.usefixtures("short_segments")
def test_run_with_the_former_statement_is_resumed(tmp_path, film_colorizer, bar):
    source, output = stopped_film(tmp_path, film_colorizer, bar, 9)
    recorded = json.loads((tmp_path / "color.mp4.partial" / "run.json").read_text())["colorizer"]
    assert recorded.startswith("AI-coloured by decrappify")  # as in 0.1.0
    film_colorizer.n_images = 0
    colorize_film(source, output, film_colorizer)
    assert film_colorizer.n_images < 20


def raw_film(path: Path, frames: Any, times: tuple[int, int] | None = None) -> Path:
    """Write a film, whose size does not depend on its pixels, into the file at `path` in place."""
    new = write_film(path.with_name("new.avi"), frames, codec="rawvideo")
    path.touch()
    with path.open("r+b") as file:
        file.write(new.read_bytes())
    new.unlink()
    if times is not None:
        os.utime(path, ns=times)
    return path


@pytest.mark.usefixtures("short_segments")
def test_colorize_film_resumes_a_moved_but_not_a_changed_film(tmp_path, film_colorizer, bar):
    source, output = raw_film(tmp_path / "film.avi", gray_film(20)), tmp_path / "color.mp4"
    with pytest.raises(Cancelled):
        colorize_film(source, output, film_colorizer, cancel=bar.cancel_at(9), progress=bar)
    before, moved = source.stat(), shutil.copy(source, tmp_path / "moved.avi")
    times = (before.st_atime_ns, before.st_mtime_ns)
    changed = gray_film(20)
    changed[3] = 255 - changed[3]  # in the finished segment
    raw_film(source, changed, times)
    assert (source.stat().st_size, source.stat().st_mtime_ns) == (before.st_size, before.st_mtime_ns)
    content = r"'20 frames of 48 x 64 pixels, CRC-32 \w{8}'"
    with pytest.raises(
        OutputExistsError, match=rf"run: film was {content} and is {content} now; .*overwrite=True"
    ) as error:
        colorize_film(source, output, film_colorizer)
    assert "\n" not in str(error.value)
    film_colorizer.n_images = 0
    colorize_film(moved, output, film_colorizer)
    assert film_colorizer.n_images == 12
    whole = colorize_film(moved, tmp_path / "whole.mp4", film_colorizer)
    assert digest(output) == digest(whole)


@pytest.mark.cpu_sensitive
def test_segment_writer_is_reproducible(tmp_path, film_colorizer):
    reader = VideoReader(write_film(tmp_path / "film.mp4", gray_film(8)))
    frames = [reader.image(frame) for frame in reader.frames()]
    tinted = [film_colorizer.finish(frame, film_colorizer.color_of([frame])[0]) for frame in frames]
    found = set()
    for _ in range(40):
        writer = SegmentWriter(tmp_path / "segment.h264", encoder_settings(reader))
        for t, image in enumerate(tinted):
            writer.add(image, t, 1)
        writer.finish()
        found.add(digest(tmp_path / "segment.h264"))
    assert len(found) == 1


@pytest.mark.usefixtures("short_segments")
@pytest.mark.parametrize(("then", "now"), [(2, 1), pytest.param(1, 2, marks=pytest.mark.slow)])
def test_resumed_run_uses_its_original_number_of_threads(tmp_path, film_colorizer, bar, caplog, then, now):
    with threads_put_back():
        torch.set_num_threads(then)
        source, output = stopped_film(tmp_path, film_colorizer, bar, 9)
        run = json.loads((tmp_path / "color.mp4.partial" / "run.json").read_text(encoding="utf-8"))
        assert run["runtime"] == {"threads": then, "processor": processor_type()}
        whole = colorize_film(source, tmp_path / "whole.mp4", film_colorizer)
        torch.set_num_threads(now)
        film_colorizer.threads = ()
        with caplog.at_level(logging.WARNING):
            colorize_film(source, output, film_colorizer)
        assert set(film_colorizer.threads) == {then}
        assert torch.get_num_threads() == now
    assert digest(output) == digest(whole)
    assert not caplog.records


@pytest.mark.usefixtures("short_segments")
@pytest.mark.parametrize("recorded", [None, {"threads": 1, "processor": "riscv64"}])
def test_resuming_on_another_or_unknown_processor_warns(tmp_path, film_colorizer, bar, caplog, recorded):
    source, output = stopped_film(tmp_path, film_colorizer, bar, 9)
    path = tmp_path / "color.mp4.partial" / "run.json"
    run = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps(run | {"runtime": recorded}), encoding="utf-8")
    film_colorizer.n_images = 0
    with caplog.at_level(logging.WARNING):
        colorize_film(source, output, film_colorizer)
    (warning,) = caplog.messages
    assert warning.endswith("last digits may differ")
    assert film_colorizer.n_images == 12


@pytest.mark.usefixtures("short_segments")
def test_colorize_film_without_resume_starts_again(tmp_path, film_colorizer, bar):
    source, output = stopped_film(tmp_path, film_colorizer, bar, 17)
    film_colorizer.n_images = 0
    colorize_film(source, output, film_colorizer, resume=False)
    assert film_colorizer.n_images == 20


def flip_a_bit(path):
    content = bytearray(path.read_bytes())
    content[-9] ^= 4
    path.write_bytes(content)


@pytest.mark.usefixtures("short_segments")
@pytest.mark.parametrize(
    ("name", "damage"),
    [
        ("00001.h264", lambda path: path.write_bytes(path.read_bytes()[:-5])),
        ("00001.h264", flip_a_bit),
        ("00001.json", lambda path: path.write_text(path.read_text().replace('"packets"', '"packet"'))),
        ("00001.json", lambda path: path.write_text(re.sub(r"\d+,", "9,", path.read_text(), count=1))),
    ],
)
@pytest.mark.slow
def test_damaged_segment_is_colorized_again(tmp_path, film_colorizer, bar, name, damage):
    source, output = stopped_film(tmp_path, film_colorizer, bar, 18)
    path = tmp_path / "color.mp4.partial" / name
    before = path.read_bytes()
    damage(path)
    assert path.read_bytes() != before
    film_colorizer.n_images = 0
    colorize_film(source, output, film_colorizer)
    assert film_colorizer.n_images == 12
    assert digest(output) == digest(colorize_film(source, tmp_path / "whole.mp4", film_colorizer))


KILLED = """
import sys, time
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from films import tiny_model
from decrappify.colorization import ColorizationOptions, Colorizer, film
from decrappify.inference.options import InferenceOptions

class SlowBar:
    def __init__(self, **_): pass
    def update(self, n): time.sleep(0.1)
    def close(self): pass

film.SEGMENT_FRAMES = 8
inference = InferenceOptions(device="cpu")
colorizer = Colorizer(tiny_model(), render_factor=2, inference=inference)
film.colorize_film(sys.argv[2], sys.argv[3], colorizer, options=ColorizationOptions(steady=0.5), progress=SlowBar)
"""


@pytest.mark.slow
@pytest.mark.cpu_sensitive
@pytest.mark.usefixtures("short_segments")
def test_killed_run_resumes_byte_for_byte(tmp_path, film_colorizer):
    source, output = write_film(tmp_path / "film.mp4", gray_film(40), sound="aac"), tmp_path / "color.mp4"
    folder = Path(__file__).parent
    run = subprocess.Popen([sys.executable, "-c", KILLED, str(folder), str(source), str(output)])
    try:
        deadline = time.monotonic() + 200
        while not (output.with_name("color.mp4.partial") / "00001.json").exists():
            assert run.poll() is None, "ended before it was killed"
            assert time.monotonic() < deadline
            time.sleep(0.01)
    finally:
        run.kill()
        run.wait()
    assert not output.exists()
    colorize_film(source, output, film_colorizer, options=ColorizationOptions(steady=0.5))
    assert 0 < film_colorizer.n_images <= 24
    assert not output.with_name("color.mp4.partial").exists()
    assert digest(output) == digest(
        colorize_film(source, tmp_path / "whole.mp4", film_colorizer, options=ColorizationOptions(steady=0.5))
    )


def test_run_stopped_after_the_rename_is_complete(tmp_path, film_colorizer, monkeypatch):
    source, output = write_film(tmp_path / "film.mp4", gray_film(6)), tmp_path / "color.mp4"
    with monkeypatch.context() as patch:
        patch.setattr(film.SegmentFolder, "remove", lambda folder: None)
        colorize_film(source, output, film_colorizer)
    assert (tmp_path / "color.mp4.partial").is_dir()
    film_colorizer.n_images = 0
    assert colorize_film(source, output, film_colorizer) == output
    assert film_colorizer.n_images == 0
    assert not (tmp_path / "color.mp4.partial").exists()


def test_run_of_another_encoder_version_is_not_resumed(tmp_path, film_colorizer, monkeypatch):
    source, output = write_film(tmp_path / "film.mp4", gray_film(3)), tmp_path / "color.mp4"
    with monkeypatch.context() as patch:
        patch.setitem(film.__dict__, "write_film", lambda *arguments: (_ for _ in ()).throw(KeyboardInterrupt))
        patch.setattr(muxer, "_QUALITY", {"crf": "17", "preset": "ultrafast"})  # other parameter sets
        with pytest.raises(KeyboardInterrupt):
            colorize_film(source, output, film_colorizer)
    with pytest.raises(OutputError, match=r"begun by another version of the H\.264 encoder"):
        colorize_film(source, output, film_colorizer)
    assert not output.exists()
