"""Tiny films written by PyAV, functions that read their contents, and a fast colorizer."""

from __future__ import annotations

import itertools
import os
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any

import av
import numpy as np
import torch

from decrappify.colorization.colorizer import Colorizer
from decrappify.model import Model
from decrappify.movie import Array
from decrappify.networks import create
from decrappify.normalization import IMAGENET

RATE = Fraction(25)


@cache
def tiny_model(seed: int = 0) -> Model:
    """Create a model with random weights that colorizes an image in a millisecond."""
    with torch.random.fork_rng(), torch.no_grad():
        torch.manual_seed(seed)
        network = create("small", base_channels=16, depth=1, n_frames=1, in_channels=3, out_channels=3)
        for parameter in network.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    return Model(network, IMAGENET, card={"task": "colorization", "preset": "video", "name": f"tiny-{seed}"})


class CountingColorizer(Colorizer):
    """A colorizer that counts its images and records batch sizes and torch's number of threads."""

    n_images = 0
    batches: tuple[int, ...] = ()
    threads: tuple[int, ...] = ()

    def color_of(self, images: list[Array]) -> list[Array]:
        self.n_images += len(images)
        self.batches += (len(images),)
        self.threads += (torch.get_num_threads(),)
        return super().color_of(images)


def gray_film(n_frames: int = 12, height: int = 48, width: int = 64) -> Array:
    """Return a gray film of a disc that moves over a ramp, (T, Y, X, 3) uint8."""
    y, x = np.mgrid[:height, :width]
    frames = [
        60 + 100 * x / width + 60 * np.exp(-((y - height / 2) ** 2 + (x - 3 * t) ** 2) / 150) for t in range(n_frames)
    ]
    return np.repeat(np.rint(np.stack(frames)).astype(np.uint8)[..., None], 3, axis=3)


def write_film(
    path: Path,
    frames: Array,
    *,
    codec: str = "libx264",
    pixel_format: str = "yuv420p",
    times: list[int] | None = None,
    time_base: Fraction | None = None,
    tags: tuple[int, int, int, int] | None = None,
    sample_aspect_ratio: Fraction | None = None,
    rotation: int = 0,
    sound: str | None = None,
    n_sounds: int = 1,
    options: dict[str, str] | None = None,
    metadata: dict[str, str] | None = None,
    container_options: dict[str, str] | None = None,
) -> Path:
    """Write a film; `tags` are matrix, primaries, transfer and range."""
    with av.open(str(path), "w", options=container_options or {}) as container:
        container.metadata.update(metadata or {})
        stream = container.add_stream(codec, rate=RATE, options=options or {})
        stream.pix_fmt, stream.height, stream.width = pixel_format, frames.shape[1], frames.shape[2]
        if time_base is not None:
            stream.time_base = stream.codec_context.time_base = time_base
        if tags is not None:
            context = stream.codec_context
            context.colorspace, context.color_primaries, context.color_trc, context.color_range = tags
        if sample_aspect_ratio is not None:
            stream.codec_context.sample_aspect_ratio = sample_aspect_ratio
        if rotation:
            stream.set_display_rotation(rotation)
        sounds = [container.add_stream(sound, rate=48000, layout="mono") for _ in range(n_sounds)] if sound else []
        for track in sounds:
            track.bit_rate = 64000
        for t, pixels in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            frame = frame.reformat(
                format=pixel_format,
                src_color_range=2,
                dst_colorspace={9: 9, 1: 1}.get(tags[0] if tags else 0, 5),
                dst_color_range=tags[3] if tags and tags[3] else 1,
            )
            if tags is not None:
                frame.colorspace, frame.color_range = tags[0], tags[3]
            frame.pts = t if times is None else times[t]
            frame.time_base = time_base or 1 / RATE
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
        for number, track in enumerate(sounds):
            _write_sound(container, track, len(frames), number)
    return path


def _write_sound(container: Any, stream: Any, n_frames: int, seed: int) -> None:
    n_samples = 48000 * n_frames // int(RATE)
    noise = np.random.default_rng(seed).integers(-9000, 9000, (1, n_samples), np.int16)
    frame = av.AudioFrame.from_ndarray(noise, format="s16", layout="mono")
    frame.sample_rate, frame.pts, frame.time_base = 48000, 0, Fraction(1, 48000)
    resampler = av.AudioResampler(stream.format.name, "mono", 48000, frame_size=stream.frame_size or 1024)
    for part in [*resampler.resample(frame), *resampler.resample(None)]:
        container.mux(stream.encode(part))
    container.mux(stream.encode())


def copy_packets(streams: list[Any], container: Any, n_packets: int | None = None) -> None:
    """Copy streams of other containers into this one unchanged, or the first packets of each."""
    for source, stream in [(source, container.add_stream_from_template(source)) for source in streams]:
        for packet in itertools.islice(source.container.demux(source), n_packets):
            if packet.size:
                packet.stream = stream
                container.mux(packet)


def change_file(path: Path, change: str) -> None:
    """Extend, truncate, replace (by a file of the same size), rewrite in place or remove a file, or change its mode."""
    content, before = path.read_bytes(), path.stat()
    if change == "rewrite":
        with path.open("r+b") as file:
            file.write(content[:-2000] + bytes(1000) + content[-1000:])
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    elif change == "mode":
        path.chmod(0o600)
    elif change == "grow":
        path.write_bytes(content + content)
    elif change == "cut":
        path.write_bytes(content[: len(content) // 2])
    else:
        path.unlink()
    if change == "replace":
        path.with_name("other").write_bytes(content[::-1])
        path.with_name("other").rename(path)


def decoded(path: Path) -> Array:
    """Return the decoded frames, (T, Y, X, 3) uint8, without rotation."""
    with av.open(str(path)) as container:
        return np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)])


def luma(path: Path) -> Array:
    """Return the stored Y planes in 8 bits, (T, Y, X)."""
    with av.open(str(path)) as container:
        return np.stack([_plane(frame.reformat(format="yuv420p")) for frame in container.decode(video=0)])


def _plane(frame: Any) -> Array:
    plane = frame.planes[0]
    rows = np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)
    return rows[: frame.height, : frame.width].astype(int)


def gray_of(images: Array) -> Array:
    return images @ np.array([0.299, 0.587, 0.114])


def shown_at(path: Path) -> list[Fraction]:
    """Return the presentation time of each frame in seconds."""
    with av.open(str(path)) as container:
        return [frame.pts * frame.time_base for frame in container.decode(video=0)]


def packets(path: Path, kind: str) -> list[list[tuple[bytes, Fraction, Fraction]]]:
    """Return the bytes, presentation and decoding times of the packets, for each stream of a kind."""
    with av.open(str(path)) as container:
        streams = [stream for stream in container.streams if stream.type == kind]
        found: dict[int, list[tuple[bytes, Fraction, Fraction]]] = {stream.index: [] for stream in streams}
        for packet in container.demux(streams) if streams else ():
            if packet.size:
                base = packet.time_base
                found[packet.stream_index].append((bytes(packet), packet.pts * base, packet.dts * base))
        return list(found.values())


def layout(path: Path) -> dict[str, Any]:
    """Return tags, rate and sizes of the video stream."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        codec = stream.codec_context
        return {
            "codec": codec.name,
            "format": codec.pix_fmt,
            "size": (codec.height, codec.width),
            "rate": stream.average_rate,
            "aspect": stream.sample_aspect_ratio,
            "tags": (codec.colorspace, codec.color_primaries, codec.color_trc, codec.color_range),
            "comment": container.metadata.get("comment") or container.metadata.get("COMMENT"),
            "title": container.metadata.get("title"),
        }
