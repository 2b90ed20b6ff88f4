from __future__ import annotations

import hashlib
import itertools
import logging
import subprocess
import sys
import threading
import time
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from decrappify.colorization import film
from decrappify.colorization.colorizer import ColorizationCancelled, Colorizer
from decrappify.colorization.film import colorize_film
from decrappify.errors import FormatError, InputError, MissingFileError, OutputError, OutputExistsError
from decrappify.metrics.chroma import chroma_flicker
from decrappify.model import Model
from decrappify.movie import Array

from .films import decoded, grey_film, layout, luma, packets, shown_at, tiny_model, write_film

BT601, BT709, BT2020 = (6, 6, 6), (1, 1, 1), (9, 9, 16)


def grey_of(pictures: Array) -> Array:
    return pictures @ np.array([0.299, 0.587, 0.114])


class Counting(Colorizer):
    """Counts the pictures that go through the network."""

    n_pictures = 0
    batches: tuple[int, ...] = ()

    def colour_of(self, pictures: list[Array]) -> list[Array]:
        self.n_pictures += len(pictures)
        self.batches += (len(pictures),)
        return super().colour_of(pictures)


@pytest.fixture(scope="module")
def model() -> Model:
    return tiny_model()


@pytest.fixture
def colorizer(model: Model) -> Counting:
    return Counting(model, render_factor=2, device="cpu")


@pytest.fixture
def short_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(film, "SEGMENT_FRAMES", 8)


@pytest.mark.parametrize(
    ("name", "suffix", "settings"),
    [
        ("film.mp4", ".mp4", {}),
        ("film.mp4", ".mkv", {}),
        ("film.mp4", ".m4v", {"options": {"bf": "0"}}),
        ("film.mov", ".mov", {"codec": "mjpeg", "pixel_format": "yuvj420p", "tags": (5, 2, 2, 2)}),
        ("film.mkv", ".mp4", {"codec": "ffv1", "pixel_format": "yuv444p"}),
        ("film.mkv", ".mkv", {"codec": "ffv1", "pixel_format": "gray"}),
        ("film.mkv", ".mp4", {"codec": "libx264rgb", "pixel_format": "rgb24"}),
        ("film.mp4", ".mp4", {"pixel_format": "yuv422p10le"}),
        ("film.avi", ".mp4", {"codec": "mpeg4"}),
        ("film.avi", ".mkv", {"options": {"bf": "2"}}),
        ("film.webm", ".mkv", {"codec": "libvpx-vp9"}),
        ("film.gif", ".mp4", {"codec": "gif", "pixel_format": "rgb8"}),
    ],
)
@pytest.mark.usefixtures("short_pieces")
def test_films_of_all_kinds_keep_luma_and_times(tmp_path, colorizer, name, suffix, settings):
    source = write_film(tmp_path / name, grey_film(), **settings)
    output = colorize_film(source, tmp_path / f"colour{suffix}", colorizer, batch_size=4)
    kind = layout(output)
    assert kind["codec"] == "h264"
    assert kind["format"] in ("yuv420p", "yuvj420p")  # the same, but for the range that is tagged
    assert kind["rate"] == layout(source)["rate"]
    expected = [Fraction(t, 25) for t in range(12)] if source.suffix == ".avi" else shown_at(source)
    tolerance = 1e-3 if suffix == ".mkv" else 1e-9
    np.testing.assert_allclose(
        [float(time) for time in shown_at(output)], [float(time) for time in expected], rtol=0, atol=tolerance
    )
    assert np.abs(grey_of(decoded(output)) - grey_of(decoded(source))).mean() < 4
    assert np.ptp(decoded(output).astype(int), axis=3).max() > 8, "the result has no colour"


def test_the_coloured_pictures_are_those_of_the_colorizer(tmp_path, colorizer):
    source = write_film(tmp_path / "film.mkv", grey_film(3, 192, 256), codec="ffv1", pixel_format="yuv444p")
    output = colorize_film(source, tmp_path / "colour.mkv", colorizer)
    expected = np.stack([colorizer(picture) for picture in decoded(source)])
    error = np.abs(decoded(output).astype(int) - expected)
    assert error.mean() < 2  # 4:2:0 and crf 17
    assert np.abs(decoded(source).astype(int) - expected).mean() > 2 * error.mean()


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
@pytest.mark.usefixtures("short_pieces")
def test_variable_frame_rate_keeps_every_time_stamp(tmp_path, colorizer, suffix):
    times = np.cumsum([0, *([20, 40, 200, 35] * 5)]).tolist()
    source = write_film(tmp_path / "film.mp4", grey_film(21), times=times, time_base=Fraction(1, 1000))
    assert shown_at(source) == [Fraction(time, 1000) for time in times]
    output = colorize_film(source, tmp_path / f"colour{suffix}", colorizer)
    assert shown_at(output) == shown_at(source)


@pytest.mark.parametrize(
    ("tags", "color_range"), [(BT709, 1), (BT709, 2), (BT601, 1), (BT2020, 1), ((2, 2, 2), 2), ((2, 2, 2), 0)]
)
def test_colour_tags_are_kept_and_used(tmp_path, colorizer, tags, color_range):
    settings = {"pixel_format": "yuv420p10le", "codec": "libx264"} if tags == BT2020 else {}
    source = write_film(tmp_path / "film.mp4", grey_film(3), tags=(*tags, color_range), **settings)
    output = colorize_film(source, tmp_path / "colour.mp4", colorizer)
    assert layout(output)["tags"] == layout(source)["tags"] == (*tags, color_range)
    assert np.abs(luma(output) - luma(source)).mean() < 4


def test_a_film_without_tags_is_taken_by_its_size(tmp_path):
    from decrappify.colorization.film_colours import FilmColours

    frames = {
        height: av.VideoFrame(width, height, "yuv420p") for height, width in ((576, 720), (720, 960), (480, 1280))
    }
    guessed = {height: FilmColours.of_frame(frame, (2, 2, 2)).converts_by for height, frame in frames.items()}
    assert guessed == {576: 6, 720: 1, 480: 1}
    tagged = FilmColours.of_frame(frames[720], (5, 5, 6))
    assert (tagged.matrix, tagged.converts_by, tagged.primaries, tagged.transfer) == (5, 5, 5, 6)
    unknown = FilmColours.of_frame(frames[720], (8, 2, 2))  # YCgCo, which is converted to what is then written
    assert (unknown.matrix, unknown.converts_by) == (1, 1)


@pytest.mark.parametrize("color_range", [1, 2])
@pytest.mark.parametrize("matrix", [1, 5, 6, 7, 9])
def test_pixels_are_converted_there_and_back(rng, matrix, color_range):
    from decrappify.colorization.film_colours import FilmColours

    colours = FilmColours(matrix, 2, 2, color_range, matrix, color_range)
    blocks = rng.integers(60, 190, (6, 8, 3))
    picture = np.kron(blocks, np.ones((8, 8, 1))).astype(np.uint8)
    again = colours.to_rgb(colours.to_frame(picture), 48, 64)
    inside = np.zeros((48, 64), bool)
    inside[:] = (np.abs(np.mgrid[:48, :64] % 8 - 3.5) < 1).all(axis=0)
    assert np.abs(again.astype(int) - picture)[inside].max() <= 3
    grey = np.tile(np.arange(16, 236, 2, dtype=np.uint8)[:, None, None], (1, 64, 3))
    assert np.abs(colours.to_rgb(colours.to_frame(grey), 110, 64).astype(int) - grey).max() <= 1


@pytest.mark.parametrize(("height", "width"), [(47, 63), (48, 63), (33, 40)])
def test_odd_sizes_repeat_the_edge(tmp_path, colorizer, height, width):
    source = write_film(tmp_path / "film.mkv", grey_film(3, height, width), codec="ffv1", pixel_format="yuv444p")
    output = colorize_film(source, tmp_path / "colour.mp4", colorizer)
    assert layout(output)["size"] == (height + height % 2, width + width % 2)
    assert np.abs(luma(output)[:, :height, :width] - luma(source)).mean() < 4


@pytest.mark.parametrize(("turned", "turns"), [(90, 1), (180, 2), (270, 3)])
def test_a_turned_film_becomes_upright(tmp_path, colorizer, turned, turns):
    source = write_film(tmp_path / "film.mp4", grey_film(3), turned=turned, sample_aspect_ratio=Fraction(4, 3))
    with av.open(str(source)) as container:
        rotation = next(container.decode(video=0)).rotation
    output = colorize_film(source, tmp_path / "colour.mp4", colorizer)
    expected = np.rot90(luma(source), rotation // 90, axes=(1, 2))
    found = luma(output)
    assert found.shape == expected.shape
    assert np.abs(found - expected).mean() < 4
    assert layout(output)["aspect"] == (Fraction(3, 4) if turns % 2 else Fraction(4, 3))
    with av.open(str(output)) as container:
        assert next(container.decode(video=0)).rotation == 0


@pytest.mark.parametrize(
    ("source_name", "output_name", "sound"),
    [
        ("film.mp4", "colour.mp4", "aac"),
        ("film.mp4", "colour.mkv", "aac"),
        ("film.mkv", "colour.mp4", "flac"),
        ("film.mov", "colour.mov", "pcm_s16le"),
        ("film.avi", "colour.mkv", "mp2"),
        ("film.mkv", "colour.mkv", "libopus"),
    ],
)
@pytest.mark.usefixtures("short_pieces")
def test_sound_is_passed_on_byte_for_byte(tmp_path, colorizer, source_name, output_name, sound):
    source = write_film(tmp_path / source_name, grey_film(), sound=sound, n_sounds=2)
    output = colorize_film(source, tmp_path / output_name, colorizer, batch_size=4)
    before, after = packets(source, "audio"), packets(output, "audio")
    assert len(before) == len(after) == 2
    for old, new in zip(before, after, strict=True):
        assert len(old) > 3
        assert [packet[0] for packet in new] == [packet[0] for packet in old]
        np.testing.assert_allclose([float(p[1]) for p in new], [float(p[1]) for p in old], atol=1e-3)
    expected = [Fraction(t, 25) for t in range(12)] if source.suffix == ".avi" else shown_at(source)
    assert np.abs(np.subtract(shown_at(output), expected).astype(float)).max() <= 1e-3


def test_sound_is_interleaved_with_the_pictures(tmp_path, colorizer):
    source = write_film(tmp_path / "film.mp4", grey_film(60, 16, 16), sound="aac")
    output = colorize_film(source, tmp_path / "colour.mp4", colorizer, batch_size=8)
    with av.open(str(output)) as container:
        kinds = [(p.stream.type, float(p.dts * p.time_base)) for p in container.demux() if p.size]
    seen = {"video": 0.0, "audio": 0.0}
    for kind, second in kinds:
        seen[kind] = second
        assert abs(seen["video"] - seen["audio"]) < 1.2


@pytest.mark.parametrize(
    ("codec", "way"),
    [("pcm_u8", r"name ending in \.mkv"), ("pcm_mulaw", r"name ending in \.mov"), ("wmav2", "convert the sound first")],
)
def test_sound_that_the_container_cannot_hold_is_refused_early(tmp_path, colorizer, codec, way):
    pictures = "wmv2" if codec == "wmav2" else "mpeg4"
    name = "film.wmv" if codec == "wmav2" else "film.avi"
    source = write_film(tmp_path / name, grey_film(4), codec=pictures, sound=codec)
    with pytest.raises(FormatError, match=rf"\.mp4 cannot hold the sound of film\.\w+ \({codec}\) as it is; .*{way}"):
        colorize_film(source, tmp_path / "colour.mp4", colorizer)
    assert colorizer.n_pictures == 0
    assert [path.name for path in tmp_path.iterdir()] == [name]
    if "mk" in way or "mov" in way:
        output = colorize_film(source, tmp_path / f"colour{way[-4:]}", colorizer)
        assert [p[0] for p in packets(output, "audio")[0]] == [p[0] for p in packets(source, "audio")[0]]


def write_subtitled(path: Path) -> Path:
    film = write_film(path.with_name("silent.mkv"), grey_film(6))
    words = path.with_name("words.srt")
    words.write_text("1\n00:00:00,040 --> 00:00:00,120\nHello\n")
    with av.open(str(film)) as pictures, av.open(str(words)) as subtitles, av.open(str(path), "w") as container:
        sources = pictures.streams.video[0], subtitles.streams.subtitles[0]
        for source, stream in [(source, container.add_stream_from_template(source)) for source in sources]:
            for packet in source.container.demux(source):
                if packet.size:
                    packet.stream = stream
                    container.mux(packet)
    return path


def test_subtitles_go_where_they_can(tmp_path, colorizer, caplog):
    source = write_subtitled(tmp_path / "film.mkv")
    kept = colorize_film(source, tmp_path / "colour.mkv", colorizer)
    assert packets(kept, "subtitle") == packets(source, "subtitle")
    assert packets(kept, "subtitle")[0][0][0] == b"Hello"
    with caplog.at_level(logging.WARNING):
        left_out = colorize_film(source, tmp_path / "colour.mp4", colorizer)
    assert packets(left_out, "subtitle") == []
    assert ".mp4 cannot hold the subtitles of film.mkv (subrip), which are left out" in caplog.text


def test_broadcast_streams_begin_at_zero(tmp_path, colorizer):
    source = write_film(tmp_path / "film.ts", grey_film(10), sound="mp2")
    assert shown_at(source)[0] > 0
    output = colorize_film(source, tmp_path / "colour.mp4", colorizer)
    start = min(shown_at(source)[0], packets(source, "audio")[0][0][1])
    np.testing.assert_allclose(
        [float(t) for t in shown_at(output)], [float(t - start) for t in shown_at(source)], atol=1e-4
    )
    old, new = packets(source, "audio")[0], packets(output, "audio")[0]
    assert [p[0] for p in new] == [p[0] for p in old]
    np.testing.assert_allclose([float(p[1]) for p in new], [float(p[1] - start) for p in old], atol=1e-4)


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_the_file_says_that_it_is_coloured_by_an_ai(tmp_path, colorizer, model, suffix):
    metadata = {"title": "Trains", "comment": "filmed in 1927"}
    source = write_film(tmp_path / "film.mp4", grey_film(3), metadata=metadata)
    output = colorize_film(source, tmp_path / f"colour{suffix}", colorizer)
    found = layout(output)
    assert found["title"] == "Trains"
    for part in ("AI-coloured", "preset video", "tiny-0", model.sha256, "render_factor 2", "filmed in 1927"):
        assert part in found["comment"]


def test_watermark_is_in_the_pictures_if_asked_for(tmp_path, colorizer):
    source = write_film(tmp_path / "film.mp4", grey_film(3, 128, 256))
    plain = decoded(colorize_film(source, tmp_path / "plain.mp4", colorizer))
    marked = decoded(colorize_film(source, tmp_path / "marked.mp4", colorizer, watermark=True))
    change = np.abs(marked.astype(int) - plain).max(axis=(0, 3))
    assert change[64:, :128].max() > 30
    assert change[:60].max() < 30


@pytest.mark.usefixtures("short_pieces")
def test_batches_end_with_their_piece(tmp_path, colorizer):
    source = write_film(tmp_path / "film.mp4", grey_film(19))
    colorize_film(source, tmp_path / "colour.mp4", colorizer, batch_size=3)
    assert colorizer.batches == (3, 3, 2, 3, 3, 2, 3)


class Bar:
    """Records what a progress bar is told, and may stop the run."""

    def __init__(self, cancel: threading.Event | None = None, after: int = 0) -> None:
        self.cancel, self.after, self.n, self.closed = cancel, after, 0, False

    def __call__(self, *, total: int, desc: str, unit: str) -> Bar:
        self.total, self.desc, self.unit = total, desc, unit
        return self

    def update(self, n: int) -> None:
        self.n += n
        if self.cancel is not None and self.n >= self.after:
            self.cancel.set()

    def close(self) -> None:
        self.closed = True


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
@pytest.mark.parametrize("steady", [0.0, 0.6])
@pytest.mark.usefixtures("short_pieces")
def test_a_cancelled_run_goes_on_and_gives_the_same_bytes(tmp_path, colorizer, suffix, steady):
    source = write_film(tmp_path / "film.mp4", grey_film(30), sound="aac")
    whole = colorize_film(source, tmp_path / f"whole{suffix}", colorizer, steady=steady, batch_size=2)
    assert colorizer.n_pictures == 30
    output, cancel = tmp_path / f"colour{suffix}", threading.Event()
    bar = Bar(cancel, after=20)
    with pytest.raises(ColorizationCancelled, match="finished pieces are kept, and the same call colours the rest"):
        colorize_film(source, output, colorizer, steady=steady, batch_size=2, cancel=cancel, progress=bar)
    assert (bar.total, bar.n, bar.unit, bar.closed) == (30, 20, "frame", True)
    assert not output.exists()
    colorizer.n_pictures = 0
    again = Bar()
    assert colorize_film(source, output, colorizer, steady=steady, batch_size=2, progress=again) == output
    assert colorizer.n_pictures == 14  # two pieces of 8 were there
    assert again.n == 30
    assert digest(output) == digest(whole)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(["film.mp4", whole.name, output.name])


@pytest.mark.usefixtures("short_pieces")
def test_another_runs_pieces_are_neither_used_nor_lost(tmp_path, colorizer):
    source, output, cancel = (
        write_film(tmp_path / "film.mp4", grey_film(20)),
        tmp_path / "colour.mp4",
        threading.Event(),
    )
    with pytest.raises(ColorizationCancelled):
        colorize_film(source, output, colorizer, cancel=cancel, progress=Bar(cancel, after=9))
    pieces = sorted(path.name for path in (tmp_path / "colour.mp4.partial").iterdir())
    assert {"00000.h264", "00000.json", "run.json"} <= set(pieces)
    other = Counting(tiny_model(seed=1), render_factor=2, device="cpu")
    larger = Counting(tiny_model(), render_factor=3, device="cpu")
    for different in (other, larger):
        with pytest.raises(OutputExistsError, match=r"holds the unfinished film of another run .*--overwrite"):
            colorize_film(source, output, different)
        assert different.n_pictures == 0
    with pytest.raises(OutputExistsError, match="holds the unfinished film of another run"):
        colorize_film(source, output, colorizer, watermark=True)
    assert sorted(path.name for path in (tmp_path / "colour.mp4.partial").iterdir()) == pieces
    colorize_film(source, output, other, overwrite=True)
    assert other.n_pictures == 20
    fresh = colorize_film(source, tmp_path / "fresh.mp4", other)
    assert digest(fresh) == digest(output)


@pytest.mark.usefixtures("short_pieces")
def test_resume_false_starts_again(tmp_path, colorizer):
    source, output, cancel = (
        write_film(tmp_path / "film.mp4", grey_film(20)),
        tmp_path / "colour.mp4",
        threading.Event(),
    )
    with pytest.raises(ColorizationCancelled):
        colorize_film(source, output, colorizer, cancel=cancel, progress=Bar(cancel, after=17))
    colorizer.n_pictures = 0
    colorize_film(source, output, colorizer, resume=False)
    assert colorizer.n_pictures == 20


@pytest.mark.usefixtures("short_pieces")
def test_a_piece_that_is_cut_short_is_made_again(tmp_path, colorizer):
    source, output, cancel = (
        write_film(tmp_path / "film.mp4", grey_film(20)),
        tmp_path / "colour.mp4",
        threading.Event(),
    )
    with pytest.raises(ColorizationCancelled):
        colorize_film(source, output, colorizer, cancel=cancel, progress=Bar(cancel, after=18))
    damaged = tmp_path / "colour.mp4.partial" / "00001.h264"
    damaged.write_bytes(damaged.read_bytes()[:-5])
    colorizer.n_pictures = 0
    colorize_film(source, output, colorizer)
    assert colorizer.n_pictures == 12
    assert digest(output) == digest(colorize_film(source, tmp_path / "whole.mp4", colorizer))


KILLED = """
import sys, time
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from films import tiny_model
from decrappify.colorization import Colorizer, film

class SlowBar:
    def __init__(self, **_): pass
    def update(self, n): time.sleep(0.1)
    def close(self): pass

film.SEGMENT_FRAMES = 8
colorizer = Colorizer(tiny_model(), render_factor=2, device="cpu")
film.colorize_film(sys.argv[2], sys.argv[3], colorizer, steady=0.5, progress=SlowBar)
"""


@pytest.mark.slow
@pytest.mark.usefixtures("short_pieces")
def test_a_killed_run_goes_on_and_gives_the_same_bytes(tmp_path, colorizer):
    source, output = write_film(tmp_path / "film.mp4", grey_film(40), sound="aac"), tmp_path / "colour.mp4"
    folder = Path(__file__).parent
    run = subprocess.Popen([sys.executable, "-c", KILLED, str(folder), str(source), str(output)])
    try:
        deadline = time.monotonic() + 200
        while not (output.with_name("colour.mp4.partial") / "00001.json").exists():
            assert run.poll() is None, "ended before it was killed"
            assert time.monotonic() < deadline
            time.sleep(0.01)
    finally:
        run.kill()
        run.wait()
    assert not output.exists()
    colorize_film(source, output, colorizer, steady=0.5)
    assert 0 < colorizer.n_pictures <= 24
    assert not output.with_name("colour.mp4.partial").exists()
    assert digest(output) == digest(colorize_film(source, tmp_path / "whole.mp4", colorizer, steady=0.5))


def test_stopped_between_the_rename_and_the_end(tmp_path, colorizer, monkeypatch):
    source, output = write_film(tmp_path / "film.mp4", grey_film(6)), tmp_path / "colour.mp4"
    with monkeypatch.context() as patch:
        patch.setattr(film.SegmentFolder, "remove", lambda folder: None)
        colorize_film(source, output, colorizer)
    assert (tmp_path / "colour.mp4.partial").is_dir()
    colorizer.n_pictures = 0
    assert colorize_film(source, output, colorizer) == output
    assert colorizer.n_pictures == 0
    assert not (tmp_path / "colour.mp4.partial").exists()


def test_an_existing_output_is_replaced_only_if_asked(tmp_path, colorizer):
    source, output = write_film(tmp_path / "film.mp4", grey_film(3)), tmp_path / "colour.mp4"
    output.write_bytes(b"mine")
    with pytest.raises(OutputExistsError, match=r"colour\.mp4 already exists"):
        colorize_film(source, output, colorizer)
    assert output.read_bytes() == b"mine"
    assert decoded(colorize_film(source, output, colorizer, overwrite=True)).shape == (3, 48, 64, 3)


def test_a_film_that_an_encoder_of_another_version_began_is_not_mixed(tmp_path, colorizer, monkeypatch):
    source, output = write_film(tmp_path / "film.mp4", grey_film(3)), tmp_path / "colour.mp4"
    with monkeypatch.context() as patch:
        patch.setitem(film.__dict__, "write_film", lambda *arguments: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            colorize_film(source, output, colorizer)
    media = tmp_path / "colour.mp4.partial" / "00000.h264"
    content = bytearray(media.read_bytes())
    content[6] ^= 1
    media.write_bytes(content)
    with pytest.raises(OutputError, match=r"begun by another version of the H\.264 encoder"):
        colorize_film(source, output, colorizer)
    assert not output.exists()


@pytest.mark.parametrize(
    ("name", "content", "error", "message"),
    [
        ("no.mp4", None, MissingFileError, "there is no file"),
        ("text.mp4", b"a letter to my aunt " * 20, FormatError, "text.mp4 is no readable film"),
        ("empty.mkv", b"", FormatError, "empty.mkv is no readable film"),
    ],
)
def test_what_is_no_film_is_refused(tmp_path, colorizer, name, content, error, message):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(error, match=message):
        colorize_film(tmp_path / name, tmp_path / "colour.mp4", colorizer)
    assert not list(tmp_path.glob("colour*"))


def test_stills_and_sound_are_no_films(tmp_path, colorizer):
    from PIL import Image

    Image.fromarray(grey_film(1)[0]).save(tmp_path / "still.png")
    with pytest.raises(InputError, match=r"still\.png is a still picture, not a film"):
        colorize_film(tmp_path / "still.png", tmp_path / "colour.mp4", colorizer)
    source = write_film(tmp_path / "film.mkv", grey_film(3), sound="aac")
    with av.open(str(source)) as old, av.open(str(tmp_path / "sound.mp4"), "w") as new:
        stream = new.add_stream_from_template(old.streams.audio[0])
        for packet in old.demux(audio=0):
            if packet.dts is not None:
                packet.stream = stream
                new.mux(packet)
    with pytest.raises(FormatError, match=r"sound\.mp4 holds no picture stream"):
        colorize_film(tmp_path / "sound.mp4", tmp_path / "colour.mp4", colorizer)


def test_options_out_of_range_are_refused(tmp_path, colorizer):
    source = write_film(tmp_path / "film.mp4", grey_film(3))
    with pytest.raises(FormatError, match=r"colour\.avi cannot be written as a film; needs a name ending in \.mp4"):
        colorize_film(source, tmp_path / "colour.avi", colorizer)
    with pytest.raises(InputError, match="is the input itself"):
        colorize_film(source, source, colorizer, overwrite=True)
    with pytest.raises(InputError, match="batch_size is 0, needs a whole number of at least 1"):
        colorize_film(source, tmp_path / "colour.mp4", colorizer, batch_size=0)
    with pytest.raises(InputError, match="steady is 1, needs a number from 0"):
        colorize_film(source, tmp_path / "colour.mp4", colorizer, steady=1)
    with pytest.raises(OutputError, match="there is no folder"):
        colorize_film(source, tmp_path / "nowhere" / "colour.mp4", colorizer)


def test_a_truncated_film_is_refused(tmp_path, colorizer):
    whole = write_film(tmp_path / "film.mp4", grey_film(40), container_options={"movflags": "faststart"})
    content = whole.read_bytes()
    (tmp_path / "half.mp4").write_bytes(content[: len(content) * 3 // 4])
    with pytest.raises(
        FormatError, match=r"half.mp4 is truncated: it announces 40 frames and holds \d+; copy it again"
    ):
        colorize_film(tmp_path / "half.mp4", tmp_path / "colour.mp4", colorizer)


def test_a_damaged_film_is_coloured_with_a_warning(tmp_path, colorizer, caplog):
    source = write_film(tmp_path / "film.mkv", grey_film(30), codec="mpeg4", sound="aac", options={"g": "5"})
    content = bytearray(source.read_bytes())
    for packet in [p[0] for p in packets(source, "video")[0]][7:9]:
        start = content.find(packet)
        content[start : start + len(packet)] = b"\xff" * len(packet)
    source.write_bytes(content)
    with caplog.at_level(logging.WARNING):
        output = colorize_film(source, tmp_path / "colour.mp4", colorizer)
    assert "film.mkv is damaged" in caplog.text
    assert 26 <= len(decoded(output)) <= 30
    times = shown_at(output)
    assert times[0] == 0
    assert times[-1] == pytest.approx(29 / 25, abs=1e-3)


def test_pictures_of_another_size_are_scaled_and_times_keep_growing(tmp_path, colorizer, caplog):
    first = write_film(tmp_path / "first.ts", grey_film(10), codec="mpeg2video")
    second = write_film(tmp_path / "second.ts", grey_film(8, 96, 128), codec="mpeg2video")
    source = tmp_path / "film.ts"
    source.write_bytes(first.read_bytes() + second.read_bytes())
    with caplog.at_level(logging.WARNING):
        output = colorize_film(source, tmp_path / "colour.mp4", colorizer)
    assert "did not grow" in caplog.text
    times = shown_at(output)
    assert len(times) in (17, 18)  # the joint costs one
    assert (np.diff(times) > 0).all()
    assert decoded(output).shape[1:] == (48, 64, 3)
    assert np.abs(luma(output)[-8:] - luma(second)[:, ::2, ::2]).mean() < 8


def test_a_disk_that_goes_away_is_no_end_of_the_film(tmp_path, colorizer):
    from decrappify.colorization.film_reader import FilmReader

    class Lost:
        def demux(self, streams):
            raise av.error.InvalidDataError(5, "Input/output error")
            yield

    reader = FilmReader(write_film(tmp_path / "film.mp4", grey_film(3)))
    with pytest.raises(FormatError, match=r"film\.mp4 could be read before and cannot be now \(Input/output error\)"):
        list(reader.packets(Lost(), ()))


def test_chapters_are_kept(tmp_path, colorizer):
    plain, source = write_film(tmp_path / "plain.mkv", grey_film(6)), tmp_path / "film.mkv"
    chapters = [
        {"id": id, "start": start, "end": end, "time_base": Fraction(1, 1000), "metadata": {"title": title}}
        for id, start, end, title in ((1, 0, 80, "Departure"), (2, 80, 240, "Arrival"))
    ]
    with av.open(str(plain)) as old, av.open(str(source), "w") as new:
        stream = new.add_stream_from_template(old.streams.video[0])
        new.set_chapters(chapters)
        for packet in old.demux(video=0):
            if packet.size:
                packet.stream = stream
                new.mux(packet)
    with av.open(str(colorize_film(source, tmp_path / "colour.mp4", colorizer))) as container:
        found = container.chapters()
    assert [chapter["metadata"]["title"] for chapter in found] == ["Departure", "Arrival"]
    assert [chapter["start"] * chapter["time_base"] for chapter in found] == [0, Fraction(2, 25)]


def test_steady_colours_flicker_less(tmp_path, model):
    noise = np.random.default_rng(0).normal(0, 25, (30, 48, 64, 1))
    frames = np.clip(grey_film(30) + noise, 0, 255).astype(np.uint8)
    source = write_film(tmp_path / "film.mkv", frames, codec="ffv1", pixel_format="yuv444p")
    colorizer = Colorizer(model, render_factor=4, device="cpu")
    plain = chroma_flicker(decoded(colorize_film(source, tmp_path / "plain.mkv", colorizer)))
    steady = chroma_flicker(decoded(colorize_film(source, tmp_path / "steady.mkv", colorizer, steady=0.8)))
    assert steady["chroma"] < 0.8 * plain["chroma"]
    assert steady["luma"] == pytest.approx(plain["luma"], rel=0.1)


def test_steady_begins_anew_at_a_cut():
    from decrappify.colorization.steady import Steadier

    red, blue = (np.tile(np.array(colour, np.uint8), (4, 4, 1)) for colour in ((200, 0, 0), (0, 0, 200)))
    dark, bright = np.zeros((40, 40, 3), np.uint8), np.full((40, 40, 3), 150, np.uint8)
    same = Steadier(0.75)([dark, dark], [red, blue])
    np.testing.assert_array_equal(same[1][0, 0], [150, 0, 50])
    cut = Steadier(0.75)([dark, bright], [red, blue])
    np.testing.assert_array_equal(cut[1], blue)
    np.testing.assert_array_equal(Steadier(0)([dark, dark], [red, blue])[1], blue)


@pytest.mark.parametrize(("name", "n_frames"), [("colour/bikes.mp4", 25), ("movies/bulk-water_480f.mov", 15)])
def test_the_beginning_of_real_films(real_data, tmp_path, colorizer, name, n_frames):
    source, output = tmp_path / f"start{Path(name).suffix}", tmp_path / "colour.mp4"
    cut(real_data / name, source, n_frames)
    colorize_film(source, output, colorizer, batch_size=4)
    before, after = layout(source), layout(output)
    for same in ("size", "rate", "aspect", "tags"):
        assert after[same] == before[same], same
    assert shown_at(output) == shown_at(source)
    assert len(shown_at(output)) == n_frames
    assert np.abs(grey_of(decoded(output)) - grey_of(decoded(source))).mean() < 6


def cut(source: Path, output: Path, n_frames: int) -> None:
    with av.open(str(source)) as old, av.open(str(output), "w") as new:
        stream = new.add_stream_from_template(old.streams.video[0])
        for packet in itertools.islice(old.demux(video=0), n_frames):
            packet.stream = stream
            new.mux(packet)
