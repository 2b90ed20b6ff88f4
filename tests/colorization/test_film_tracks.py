"""Sound, subtitles and chapters of colorized films."""

from __future__ import annotations

import logging
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from decrappify.colorization.film import colorize_film
from decrappify.errors import FormatError, OutputError
from decrappify.io.media import muxer

from .films import copy_packets, gray_film, packets, shown_at, write_film


@pytest.mark.parametrize(
    ("source_name", "output_name", "sound"),
    [
        ("film.mp4", "color.mp4", "aac"),
        ("film.mp4", "color.mkv", "aac"),
        ("film.mkv", "color.mp4", "flac"),
        ("film.mov", "color.mov", "pcm_s16le"),
        ("film.avi", "color.mkv", "mp2"),
        ("film.mkv", "color.mkv", "libopus"),
    ],
)
@pytest.mark.usefixtures("short_segments")
def test_sound_is_copied_byte_for_byte(tmp_path, film_colorizer, source_name, output_name, sound):
    source = write_film(tmp_path / source_name, gray_film(), sound=sound, n_sounds=2)
    output = colorize_film(source, tmp_path / output_name, film_colorizer, batch_size=4)
    before, after = packets(source, "audio"), packets(output, "audio")
    assert len(before) == len(after) == 2
    for old, new in zip(before, after, strict=True):
        assert len(old) > 3
        assert [packet[0] for packet in new] == [packet[0] for packet in old]
        np.testing.assert_allclose([float(p[1]) for p in new], [float(p[1]) for p in old], atol=1e-3)
    expected = [Fraction(t, 25) for t in range(12)] if source.suffix == ".avi" else shown_at(source)
    assert np.abs(np.subtract(shown_at(output), expected).astype(float)).max() <= 1e-3


def test_sound_is_interleaved_with_the_images(tmp_path, film_colorizer):
    source = write_film(tmp_path / "film.mp4", gray_film(60, 16, 16), sound="aac")
    output = colorize_film(source, tmp_path / "color.mp4", film_colorizer, batch_size=8)
    with av.open(str(output)) as container:
        kinds = [(p.stream.type, float(p.dts * p.time_base)) for p in container.demux() if p.size]
    latest = {"video": 0.0, "audio": 0.0}
    for kind, second in kinds:
        latest[kind] = second
        assert abs(latest["video"] - latest["audio"]) < 1.2


@pytest.mark.parametrize(
    ("codec", "fix"),
    [
        ("pcm_u8", r"name that ends in \.mkv"),
        ("pcm_mulaw", r"name that ends in \.mov"),
        ("wmav2", "convert the sound first"),
    ],
)
def test_unsupported_sound_raises_before_colorizing(tmp_path, film_colorizer, codec, fix):
    video = "wmv2" if codec == "wmav2" else "mpeg4"
    name = "film.wmv" if codec == "wmav2" else "film.avi"
    source = write_film(tmp_path / name, gray_film(4), codec=video, sound=codec)
    with pytest.raises(FormatError, match=rf"\.mp4 cannot store the sound of film\.\w+ \({codec}\) unchanged; .*{fix}"):
        colorize_film(source, tmp_path / "color.mp4", film_colorizer)
    assert film_colorizer.n_images == 0
    assert [path.name for path in tmp_path.iterdir()] == [name]
    if "mk" in fix or "mov" in fix:
        output = colorize_film(source, tmp_path / f"color{fix[-4:]}", film_colorizer)
        assert [p[0] for p in packets(output, "audio")[0]] == [p[0] for p in packets(source, "audio")[0]]


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_aac_of_a_transport_stream_is_copied_without_its_headers(tmp_path, film_colorizer, suffix):
    source = write_film(tmp_path / "film.ts", gray_film(4), sound="aac")
    output = colorize_film(source, tmp_path / f"color{suffix}", film_colorizer)
    before, after = packets(source, "audio")[0], packets(output, "audio")[0]
    assert [packet[0] for packet in after] == [packet[0][7:] for packet in before]


@pytest.mark.parametrize("name", ["color.mp4", "color.mkv"])
@pytest.mark.parametrize(("number", "byte", "bits"), [(5, 0, 0xFF), (0, 1, 0x40), (0, 3, 0x40)])
def test_damaged_sound_packets_are_omitted_with_a_warning(tmp_path, film_colorizer, caplog, name, number, byte, bits):
    source = write_film(tmp_path / "film.ts", gray_film(12), sound="aac")
    content = bytearray(source.read_bytes())
    sound = packets(source, "audio")[0]
    content[content.index(sound[number][0][:12]) + byte] ^= bits  # the sync word of a packet, or its channels
    source.write_bytes(content)
    output = colorize_film(source, tmp_path / name, film_colorizer)
    assert "film.ts: 1 packet of the sound or subtitles is damaged and was omitted" in caplog.text
    assert len(shown_at(output)) == 12
    assert len(packets(output, "audio")[0]) == len(sound) - 1
    with av.open(str(output)) as film:
        assert sum(frame.samples for frame in film.decode(audio=0)) >= 1024 * (len(sound) - 2)


def test_sound_packets_that_cannot_be_muxed_raise_before_colorizing(tmp_path, film_colorizer, monkeypatch):
    monkeypatch.setattr(muxer, "_BITEXACT", {"fflags": "-autobsf"})
    source = write_film(tmp_path / "film.ts", gray_film(4), sound="aac")
    with pytest.raises(OutputError, match=r"could not be written: the container does not support the film's streams"):
        colorize_film(source, tmp_path / "color.mkv", film_colorizer)
    assert film_colorizer.n_images == 0


def write_subtitled(path: Path) -> Path:
    film = write_film(path.with_name("silent.mkv"), gray_film(6))
    text = path.with_name("text.srt")
    text.write_text("1\n00:00:00,040 --> 00:00:00,120\nHello\n")
    with av.open(str(film)) as images, av.open(str(text)) as subtitles, av.open(str(path), "w") as container:
        copy_packets([images.streams.video[0], subtitles.streams.subtitles[0]], container)
    return path


def test_subtitles_are_copied_if_supported(tmp_path, film_colorizer, caplog):
    source = write_subtitled(tmp_path / "film.mkv")
    kept = colorize_film(source, tmp_path / "color.mkv", film_colorizer)
    assert packets(kept, "subtitle") == packets(source, "subtitle")
    assert packets(kept, "subtitle")[0][0][0] == b"Hello"
    with caplog.at_level(logging.WARNING):
        without = colorize_film(source, tmp_path / "color.mp4", film_colorizer)
    assert packets(without, "subtitle") == []
    assert ".mp4 cannot store the subtitles of film.mkv (subrip), which are omitted" in caplog.text


def test_times_of_a_transport_stream_start_at_zero(tmp_path, film_colorizer):
    source = write_film(tmp_path / "film.ts", gray_film(10), sound="mp2")
    assert shown_at(source)[0] > 0
    output = colorize_film(source, tmp_path / "color.mp4", film_colorizer)
    start = min(shown_at(source)[0], packets(source, "audio")[0][0][1])
    np.testing.assert_allclose(
        [float(t) for t in shown_at(output)], [float(t - start) for t in shown_at(source)], atol=1e-4
    )
    old, new = packets(source, "audio")[0], packets(output, "audio")[0]
    assert [p[0] for p in new] == [p[0] for p in old]
    np.testing.assert_allclose([float(p[1]) for p in new], [float(p[1] - start) for p in old], atol=1e-4)


def test_chapters_are_kept(tmp_path, film_colorizer):
    plain, source = write_film(tmp_path / "plain.mkv", gray_film(6)), tmp_path / "film.mkv"
    chapters = [
        {"id": id, "start": start, "end": end, "time_base": Fraction(1, 1000), "metadata": {"title": title}}
        for id, start, end, title in ((1, 0, 80, "Departure"), (2, 80, 240, "Arrival"))
    ]
    with av.open(str(plain)) as old, av.open(str(source), "w") as new:
        new.set_chapters(chapters)
        copy_packets([old.streams.video[0]], new)
    with av.open(str(colorize_film(source, tmp_path / "color.mp4", film_colorizer))) as container:
        found = container.chapters()
    assert [chapter["metadata"]["title"] for chapter in found] == ["Departure", "Arrival"]
    assert [chapter["start"] * chapter["time_base"] for chapter in found] == [0, Fraction(2, 25)]


def test_unsupported_time_stamps_raise_before_colorizing(tmp_path, film_colorizer):
    source = write_film(tmp_path / "film.mp4", gray_film(6), times=[0, 3, 6, 9, 12, 15], time_base=Fraction(1, 10_000))
    with pytest.raises(FormatError, match=r"film\.mp4 has frames 3\.0e-04 s apart, \.mkv .* name that ends in \.mp4"):
        colorize_film(source, tmp_path / "color.mkv", film_colorizer)
    assert film_colorizer.n_images == 0
    assert shown_at(colorize_film(source, tmp_path / "color.mp4", film_colorizer)) == shown_at(source)
