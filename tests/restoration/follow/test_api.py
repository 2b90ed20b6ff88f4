"""Restoration during an acquisition: equal to a plain run afterwards, without half-written frames, and resumable."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace

import numpy as np
import pytest
import tifffile
import zarr
from tests.restoration.conftest import FAST, PoolingNetwork, as_model, files_of

import decrappify as dc
from decrappify.errors import Cancelled, InputError, MissingFileError, OutputExistsError
from decrappify.io import partial_path
from decrappify.io.growing import arrivals as arrivals_module

OPTIONS = dc.RestorationOptions(normalization_frames=3)
FRAMES = 9


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    monkeypatch.setattr(arrivals_module, "POLL_S", 0.01)
    monkeypatch.setattr(arrivals_module, "SETTLE_S", 0.05)
    monkeypatch.setattr(arrivals_module, "_LATE_S", 0.3)


@pytest.fixture
def movie_model():
    return as_model(PoolingNetwork(n_frames=3))


@pytest.fixture
def pixels(rng):
    frames = rng.poisson(40, (FRAMES, 2, 24, 26)).astype(np.uint16)
    frames[:, :, 8:16, 8:16] += 200
    return frames


class Acquisition(threading.Thread):
    """A thread that appends frames, each by a call of `append`."""

    def __init__(self, append, frames, pause_s=0.04):
        super().__init__(daemon=True)
        self.append_frame, self.frames, self.pause_s = append, frames, pause_s
        self.start()

    def run(self):
        for t in self.frames:
            time.sleep(self.pause_s)
            self.append_frame(t)


def new_store(path, pixels, *, n_frames, chunk_t=1):
    shape = (n_frames, *pixels.shape[1:])
    return zarr.create_array(
        path, shape=shape, chunks=(chunk_t, 1, 16, 16), dtype=pixels.dtype, dimension_names=list("tcyx")
    )


def growing_store(path, pixels, chunk_t=1):
    array = new_store(path, pixels, n_frames=0, chunk_t=chunk_t)

    def append(t):
        array.resize((t + 1, *pixels.shape[1:]))
        array[t] = pixels[t]

    return append


def full_store(path, pixels):
    array = new_store(path, pixels, n_frames=len(pixels))

    def append(t):
        array[t] = pixels[t]

    return append


def tiff_folder(path, pixels):
    path.mkdir()

    def append(t):
        for c, plane in enumerate(pixels[t]):
            tifffile.imwrite(path / f"cell_t{t + 1:04d}_c{c + 1}.tif", plane)

    return append


SERIES = {"growing.zarr": growing_store, "full.zarr": full_store, "files": tiff_folder}


def follow(source, model, output, timeout_s=0.6, **settings):
    return dc.follow(source, model, output, timeout_s=timeout_s, **({"options": OPTIONS} | FAST | settings))


def assert_equal_to_plain_run(source, model, output, folder, options=OPTIONS):
    folder.mkdir()
    dc.restore(source, model, folder / output.name, options=options, **FAST).close()
    assert files_of(output) == files_of(folder / output.name)


@pytest.mark.parametrize("name", SERIES)
def test_followed_acquisition_equals_plain_run(tmp_path, movie_model, pixels, name):
    source, output = tmp_path / name, tmp_path / "restored.ome.zarr"
    append, is_restored, written = SERIES[name](source, pixels), threading.Event(), []

    def acquire(t):
        if t == FRAMES - 2:  # the earlier frames are restored during the acquisition
            assert is_restored.wait(60)
        append(t)

    def on_plane(t, c, z):
        written.append(t)
        if t == 2:
            assert zarr.open_array(partial_path(output) / "0", mode="r").shape[0] == 3
            is_restored.set()

    acquisition = Acquisition(acquire, range(FRAMES))
    with follow(source, movie_model, output, timeout_s=3, on_plane=on_plane) as restored:
        assert restored.shape == (FRAMES, 2, 1, 24, 26)
        assert restored.provenance["restoration"]["normalization_frames"] == 3
    acquisition.join()
    assert written == sorted(written)
    assert len(written) == 2 * FRAMES
    assert_equal_to_plain_run(source, movie_model, output, tmp_path / "plain")


def test_interrupted_follow_is_resumed_after_the_acquisition(tmp_path, movie_model, pixels):
    source, output, cancel = tmp_path / "live.zarr", tmp_path / "restored.ome.zarr", threading.Event()
    append = growing_store(source, pixels)
    for t in range(6):
        append(t)
    written = []

    def stop(t, c, z):
        written.append((t, c, z))
        if (t, c) == (1, 1):
            cancel.set()

    with pytest.raises(Cancelled, match=r"cancelled after [0-9]+ planes; they are kept"):
        follow(source, movie_model, output, timeout_s=60, cancel=cancel, on_plane=stop)
    with pytest.raises(OutputExistsError, match="unfinished output of another run: it follows an acquisition; repeat"):
        dc.restore(source, movie_model, output, options=OPTIONS, **FAST)
    for t in range(6, FRAMES):
        append(t)
    follow(source, movie_model, output, timeout_s=0.2, on_plane=lambda *plane: written.append(plane)).close()
    assert sorted(written) == [(t, c, 0) for t in range(FRAMES) for c in range(2)], "each plane once"
    assert_equal_to_plain_run(source, movie_model, output, tmp_path / "plain")


def test_interrupt_ends_the_wait_for_frames_and_keeps_finished_ones(tmp_path, movie_model, pixels):
    source, output = tmp_path / "live.zarr", tmp_path / "restored.ome.zarr"
    append = growing_store(source, pixels)
    for t in range(5):
        append(t)

    def interrupt(t, c, z):
        if (t, c) == (3, 1):
            threading.Timer(0.3, signal.raise_signal, (signal.SIGINT,)).start()

    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # background jobs of a shell ignore it
    try:
        with pytest.raises(KeyboardInterrupt):
            follow(source, movie_model, output, timeout_s=60, on_plane=interrupt)
    finally:
        signal.signal(signal.SIGINT, before)
    assert zarr.open_array(partial_path(output) / "0", mode="r").shape[0] == 4
    follow(source, movie_model, output, timeout_s=0.1).close()
    assert_equal_to_plain_run(source, movie_model, output, tmp_path / "plain")


def test_truncated_files_are_not_read_before_they_are_complete(tmp_path, movie_model, pixels):
    source, output = tmp_path / "files", tmp_path / "restored.ome.zarr"
    append, halves = tiff_folder(source, pixels), []

    def append_slowly(t):
        append(t)
        if t == 5:
            file = source / "cell_t0006_c1.tif"
            whole = file.read_bytes()
            file.write_bytes(whole[: len(whole) // 2])
            halves.append(file)
            time.sleep(0.2)  # longer than a file without changes is regarded as being written
            file.write_bytes(whole)

    acquisition = Acquisition(append_slowly, range(FRAMES))
    follow(source, movie_model, output, timeout_s=1).close()
    acquisition.join()
    assert halves
    assert_equal_to_plain_run(source, movie_model, output, tmp_path / "plain")


@pytest.mark.parametrize("arrives_late", [False, True])
@pytest.mark.slow
def test_lost_frame_is_left_blank_and_restored_if_it_arrives_late(tmp_path, movie_model, pixels, arrives_late):
    source, output = tmp_path / "live.zarr", tmp_path / "restored.ome.zarr"
    append, is_beyond = full_store(source, pixels), threading.Event()
    for t in range(FRAMES):
        if t != 4:
            append(t)

    def on_plane(t, c, z):
        if (t, c) == (7, 1):
            if arrives_late and not is_beyond.is_set():
                append(4)
            is_beyond.set()

    with follow(source, movie_model, output, timeout_s=0.6, on_plane=on_plane) as restored:
        assert restored.missing == (frozenset() if arrives_late else {(4, 0, 0), (4, 1, 0)})
    assert is_beyond.is_set()
    assert_equal_to_plain_run(source, movie_model, output, tmp_path / "plain")


def test_acquisition_shorter_than_the_normalization_is_restored_at_its_end(tmp_path, movie_model, pixels):
    source, output = tmp_path / "live.zarr", tmp_path / "restored.ome.zarr"
    append = growing_store(source, pixels)
    for t in range(4):
        append(t)
    options = dc.RestorationOptions()
    follow(source, movie_model, output, timeout_s=0.1, options=options).close()
    assert_equal_to_plain_run(source, movie_model, output, tmp_path / "plain", replace(options, normalization_frames=8))


def test_changed_frame_ends_the_run_with_one_line(tmp_path, movie_model, pixels):
    source, output = tmp_path / "live.zarr", tmp_path / "restored.ome.zarr"
    append = growing_store(source, pixels)
    for t in range(FRAMES):
        append(t)

    def change(t, c, z):
        if t == 5:
            zarr.open_array(source, mode="r+")[1] = 7

    with pytest.raises(InputError, match=r"frame 1 .* has changed since it was first read"):
        follow(source, movie_model, output, timeout_s=0.3, on_plane=change)
    assert not output.exists()


def test_only_frames_of_folders_and_stores_can_be_followed(tmp_path, movie_model, pixels):
    output, film = tmp_path / "restored.ome.zarr", tmp_path / "movie.tif"
    tifffile.imwrite(film, pixels[:, 0])
    wrong = [
        (film, {}, r"movie.tif cannot be followed, expected an OME-Zarr store or a folder"),
        (tmp_path / "a.zarr", {"timeout_s": 0.0}, r"timeout_s=0.0 is not valid"),
        (tmp_path / "a.zarr", {"options": dc.RestorationOptions(frames="2:5")}, r"frames='2:5' cannot be followed"),
        (tmp_path / "a.zarr", {"options": dc.RestorationOptions(missing="drop")}, r"missing='drop' cannot be followed"),
        ("https://example.org/a.zarr", {}, r"is on a server"),
    ]
    for source, settings, message in wrong:
        with pytest.raises(InputError, match=message):
            follow(source, movie_model, output, **settings)
    with pytest.raises(MissingFileError, match="does not exist"):
        follow(tmp_path / "never.zarr", movie_model, output, timeout_s=0.05)


FOLLOW = """
import sys, torch
torch.set_num_threads(1)
import decrappify as dc
options = dc.RestorationOptions(normalization_frames=3)
inference = dc.InferenceOptions(device="cpu", precision="float32")
dc.follow(*sys.argv[1:4], timeout_s=float(sys.argv[4]), options=options, inference=inference).close()
"""


@pytest.mark.slow
@pytest.mark.parametrize("delay_s", [0.003])
def test_killed_follow_resumes_byte_for_byte(tmp_path, tiny_models, rng, delay_s):
    pixels = rng.poisson(40, (30, 1, 200, 180)).astype(np.uint16)
    source, output = tmp_path / "live.zarr", tmp_path / "restored.ome.zarr"
    append = growing_store(source, pixels)
    for t in range(20):
        append(t)

    def command(timeout_s):
        words = [sys.executable, "-c", FOLLOW, source, tiny_models["movie"], output, timeout_s]
        return subprocess.Popen([*map(str, words)])

    process, journal = command(60), partial_path(output).parent / "journal"
    while not (journal.is_file() and journal.read_bytes().count(b"\n[") >= 8):
        time.sleep(0.002)
        assert process.poll() is None
    time.sleep(delay_s)
    process.kill()
    process.wait()
    for t in range(20, 30):
        append(t)
    assert command(1).wait(timeout=120) == 0
    assert_equal_to_plain_run(source, tiny_models["movie"], output, tmp_path / "plain")
