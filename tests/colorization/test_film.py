"""Colorized films: images, times, sizes and metadata."""

from __future__ import annotations

import os
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from decrappify.colorization import ColorizationOptions
from decrappify.colorization.film import colorize_film
from decrappify.errors import FormatError, InputError, OutputError, OutputExistsError

from .films import copy_packets, decoded, gray_film, gray_of, layout, luma, shown_at, tiny_model, write_film

BT601, BT709, BT2020 = (6, 6, 6), (1, 1, 1), (9, 9, 16)


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
@pytest.mark.usefixtures("short_segments")
def test_colorize_film_keeps_luma_and_times_of_all_kinds(tmp_path, film_colorizer, name, suffix, settings):
    source = write_film(tmp_path / name, gray_film(), **settings)
    output = colorize_film(source, tmp_path / f"color{suffix}", film_colorizer, batch_size=4)
    kind = layout(output)
    assert kind["codec"] == "h264"
    assert kind["format"] in ("yuv420p", "yuvj420p")  # equal except for the tagged range
    assert kind["rate"] == layout(source)["rate"]
    expected = [Fraction(t, 25) for t in range(12)] if source.suffix == ".avi" else shown_at(source)
    tolerance = 1e-3 if suffix == ".mkv" else 1e-9
    np.testing.assert_allclose(
        [float(time) for time in shown_at(output)], [float(time) for time in expected], rtol=0, atol=tolerance
    )
    assert np.abs(gray_of(decoded(output)) - gray_of(decoded(source))).mean() < 4
    assert np.ptp(decoded(output).astype(int), axis=3).max() > 8, "the result has no color"


def test_colorize_film_writes_the_images_of_the_colorizer(tmp_path, film_colorizer):
    source = write_film(tmp_path / "film.mkv", gray_film(3, 192, 256), codec="ffv1", pixel_format="yuv444p")
    output = colorize_film(source, tmp_path / "color.mkv", film_colorizer)
    expected = np.stack([film_colorizer(image) for image in decoded(source)])
    error = np.abs(decoded(output).astype(int) - expected)
    assert error.mean() < 2  # 4:2:0 and crf 17
    assert np.abs(decoded(source).astype(int) - expected).mean() > 2 * error.mean()


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
@pytest.mark.usefixtures("short_segments")
def test_colorize_film_keeps_time_stamps_of_a_variable_frame_rate(tmp_path, film_colorizer, suffix):
    times = np.cumsum([0, *([20, 40, 200, 35] * 5)]).tolist()
    source = write_film(tmp_path / "film.mp4", gray_film(21), times=times, time_base=Fraction(1, 1000))
    assert shown_at(source) == [Fraction(time, 1000) for time in times]
    output = colorize_film(source, tmp_path / f"color{suffix}", film_colorizer)
    assert shown_at(output) == shown_at(source)


@pytest.mark.parametrize(
    ("tags", "color_range"), [(BT709, 1), (BT709, 2), (BT601, 1), (BT2020, 1), ((2, 2, 2), 2), ((2, 2, 2), 0)]
)
def test_colorize_film_keeps_and_uses_color_tags(tmp_path, film_colorizer, tags, color_range):
    settings = {"pixel_format": "yuv420p10le", "codec": "libx264"} if tags == BT2020 else {}
    source = write_film(tmp_path / "film.mp4", gray_film(3), tags=(*tags, color_range), **settings)
    output = colorize_film(source, tmp_path / "color.mp4", film_colorizer)
    assert layout(output)["tags"] == layout(source)["tags"] == (*tags, color_range)
    assert np.abs(luma(output) - luma(source)).mean() < 4


@pytest.mark.parametrize(("height", "width"), [(47, 63), (48, 63), (33, 40)])
def test_colorize_film_pads_odd_sizes_with_the_edge(tmp_path, film_colorizer, height, width):
    source = write_film(tmp_path / "film.mkv", gray_film(3, height, width), codec="ffv1", pixel_format="yuv444p")
    output = colorize_film(source, tmp_path / "color.mp4", film_colorizer)
    assert layout(output)["size"] == (height + height % 2, width + width % 2)
    assert np.abs(luma(output)[:, :height, :width] - luma(source)).mean() < 4


@pytest.mark.parametrize(("rotation", "turns"), [(90, 1), (180, 2), (270, 3)])
def test_colorize_film_applies_the_rotation(tmp_path, film_colorizer, rotation, turns):
    source = write_film(tmp_path / "film.mp4", gray_film(3), rotation=rotation, sample_aspect_ratio=Fraction(4, 3))
    with av.open(str(source)) as container:
        display_rotation = next(container.decode(video=0)).rotation
    output = colorize_film(source, tmp_path / "color.mp4", film_colorizer)
    expected = np.rot90(luma(source), display_rotation // 90, axes=(1, 2))
    found = luma(output)
    assert found.shape == expected.shape
    assert np.abs(found - expected).mean() < 4
    assert layout(output)["aspect"] == (Fraction(3, 4) if turns % 2 else Fraction(4, 3))
    with av.open(str(output)) as container:
        assert next(container.decode(video=0)).rotation == 0


@pytest.mark.skipif(os.name == "nt", reason="Windows forbids such names")
@pytest.mark.parametrize("name", ["2024-11-14T22:57:44.mp4", "pipe:1.mkv", "-y.mov", "file:%03d é.mp4"])
def test_colorize_film_does_not_interpret_paths_as_protocols(tmp_path, monkeypatch, film_colorizer, name):
    monkeypatch.chdir(tmp_path)
    plain = write_film(tmp_path / f"plain{Path(name).suffix}", gray_film(3))
    (tmp_path / "in").mkdir()
    source = plain.rename(tmp_path / "in" / name)
    output = colorize_film(Path("in") / name, Path(name), film_colorizer)
    assert output.is_file()
    copy = source.rename(tmp_path / f"copy{source.suffix}")
    result = output.rename(tmp_path / f"result{output.suffix}")
    assert np.abs(luma(result) - luma(copy)).mean() < 4
    assert sorted(entry.name for entry in tmp_path.iterdir()) == sorted(["in", copy.name, result.name])


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_colorize_film_writes_the_statement_into_the_comment(tmp_path, film_colorizer, suffix):
    metadata = {"title": "Trains", "comment": "filmed in 1927"}
    source = write_film(tmp_path / "film.mp4", gray_film(3), metadata=metadata)
    output = colorize_film(source, tmp_path / f"color{suffix}", film_colorizer)
    found = layout(output)
    assert found["title"] == "Trains"
    for part in ("AI-colorized", "preset video", "tiny-0", tiny_model().sha256, "render_factor 2", "filmed in 1927"):
        assert part in found["comment"]


def test_colorize_film_adds_a_watermark_on_request(tmp_path, film_colorizer):
    source = write_film(tmp_path / "film.mp4", gray_film(3, 128, 256))
    plain = decoded(colorize_film(source, tmp_path / "plain.mp4", film_colorizer))
    marked = decoded(
        colorize_film(source, tmp_path / "marked.mp4", film_colorizer, options=ColorizationOptions(watermark=True))
    )
    change = np.abs(marked.astype(int) - plain).max(axis=(0, 3))
    assert change[64:, :128].max() > 30
    assert change[:60].max() < 30


@pytest.mark.usefixtures("short_segments")
def test_batches_do_not_cross_segments(tmp_path, film_colorizer):
    source = write_film(tmp_path / "film.mp4", gray_film(19))
    colorize_film(source, tmp_path / "color.mp4", film_colorizer, batch_size=3)
    assert film_colorizer.batches == (3, 3, 2, 3, 3, 2, 3)


def test_colorize_film_replaces_an_existing_output_on_request(tmp_path, film_colorizer):
    source, output = write_film(tmp_path / "film.mp4", gray_film(3)), tmp_path / "color.mp4"
    output.write_bytes(b"mine")
    with pytest.raises(OutputExistsError, match=r"color\.mp4 already exists"):
        colorize_film(source, output, film_colorizer)
    assert output.read_bytes() == b"mine"
    assert decoded(colorize_film(source, output, film_colorizer, overwrite=True)).shape == (3, 48, 64, 3)


def test_colorize_film_rejects_unsuitable_options(tmp_path, film_colorizer):
    source = write_film(tmp_path / "film.mp4", gray_film(3))
    with pytest.raises(
        FormatError, match=r"color\.avi cannot be written as a film, expected a name that ends in \.mp4"
    ):
        colorize_film(source, tmp_path / "color.avi", film_colorizer)
    with pytest.raises(InputError, match="is the input itself"):
        colorize_film(source, source, film_colorizer, overwrite=True)
    with pytest.raises(InputError, match="batch_size is 0, expected an integer of at least 1"):
        colorize_film(source, tmp_path / "color.mp4", film_colorizer, batch_size=0)
    with pytest.raises(InputError, match="steady is 1, expected a number from 0"):
        colorize_film(source, tmp_path / "color.mp4", film_colorizer, options=ColorizationOptions(steady=1))
    with pytest.raises(OutputError, match=r"folder .* does not exist"):
        colorize_film(source, tmp_path / "nowhere" / "color.mp4", film_colorizer)


@pytest.mark.parametrize(
    ("name", "n_frames"),
    [("colour/bikes.mp4", 10), pytest.param("movies/bulk-water_480f.mov", 15, marks=pytest.mark.slow)],
)
def test_colorize_film_keeps_layout_and_times_of_real_films(real_data, tmp_path, film_colorizer, name, n_frames):
    source, output = tmp_path / f"start{Path(name).suffix}", tmp_path / "color.mp4"
    cut(real_data / name, source, n_frames)
    colorize_film(source, output, film_colorizer, batch_size=4)
    before, after = layout(source), layout(output)
    for same in ("size", "rate", "aspect", "tags"):
        assert after[same] == before[same], same
    assert shown_at(output) == shown_at(source)
    assert len(shown_at(output)) == n_frames
    assert np.abs(gray_of(decoded(output)) - gray_of(decoded(source))).mean() < 6


def cut(source: Path, output: Path, n_frames: int) -> None:
    with av.open(str(source)) as old, av.open(str(output), "w") as new:
        copy_packets([old.streams.video[0]], new, n_frames)
