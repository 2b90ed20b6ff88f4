"""Muxing of an encoded film: its segments, and the sound and subtitles of the original, into one file."""

from __future__ import annotations

import heapq
import io
import logging
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import Any

from decrappify._common.argument_names import setting
from decrappify.errors import FormatError, OutputError
from decrappify.io.media.encoder import EncoderSettings, Segment, check_written, encoding_errors
from decrappify.io.media.opening import ffmpeg_url, open_container
from decrappify.io.media.reader import VideoReader

logger = logging.getLogger(__name__)

FORMATS = {".mp4": "mp4", ".m4v": "mp4", ".mov": "mov", ".mkv": "matroska"}
_OF_THE_CONTAINER = {"major_brand", "minor_version", "compatible_brands", "encoder", "duration", "comment"}
_OPTIONS = {
    "matroska": {"avoid_negative_ts": "disabled"},  # otherwise, sound that begins early shifts the video
    "mp4": {"movflags": "faststart"},
    "mov": {"movflags": "faststart"},
}
_UNIT_OF_MATROSKA_S = Fraction(1, 1000)
# Otherwise, mkv contains a random number. The plus keeps the muxers' conversions, such as of AAC in transport streams.
_BITEXACT = {"fflags": "+bitexact"}
_TRIED_PACKETS = 500  # subtitles may begin late
_QUALITY = {"crf": "17", "preset": "medium"}

Pieces = Callable[[], Iterable[tuple[Path, Segment]]]


def check_container(path: Path) -> str:
    """Return ffmpeg's name for the format of an output.

    Raises
    ------
    FormatError
        If the extension is not that of a supported format.
    """
    if path.suffix.lower() not in FORMATS:
        raise FormatError(f"{path.name} cannot be written as a film, expected a name that ends in {', '.join(FORMATS)}")
    return FORMATS[path.suffix.lower()]


def encoder_settings(reader: VideoReader) -> EncoderSettings:
    """Return the encoder settings of a film, for its segments and for the final stream."""
    return EncoderSettings(
        size=(reader.height, reader.width),
        time_base=reader.time_base,
        rate=reader.rate,
        colors=reader.colors,
        quality=_QUALITY,
        sample_aspect_ratio=reader.sample_aspect_ratio,
    )


def check_tracks(reader: VideoReader, output: Path) -> None:
    """Write the header and the first packets in memory, so that errors occur before the film is processed.

    Raises
    ------
    FormatError
        If the format cannot store the sound or the time stamps of the original.
    """
    import av

    kind = check_container(output)
    if kind == "matroska" and 0 < reader.shortest_s < _UNIT_OF_MATROSKA_S:
        raise FormatError(
            f"{reader.path.name} has frames {float(reader.shortest_s):.1e} s apart, {output.suffix} stores times "
            "in milliseconds; use an output name that ends in .mp4"
        )
    with (
        open_container(reader.path) as source,
        encoding_errors(output, "the container does not support the film's streams", ValueError),
        av.open(io.BytesIO(), "w", format=kind, options=_BITEXACT) as trial,
    ):
        passed = _Passed(source, trial, output)
        encoder_settings(reader).add_stream(trial)
        passed.add()
        trial.start_encoding()
        passed.try_packets(reader)
    for line in passed.left_out:
        logger.warning("%s", line)


def write_film(path: Path, reader: VideoReader, pieces: Pieces, output: Path, comment: str) -> None:
    """Join the finished segments and the original's other streams, interleaved by time.

    Sound and subtitle packets are copied. Memory does not grow with the length of the film.

    Parameters
    ----------
    path : Path
        The file to write.
    reader : VideoReader
        The original film.
    pieces : callable
        Returns an iterable over the file and the record of each segment.
    output : Path
        Final name, for its format and for messages.
    comment : str
        Added to the film's metadata.
    """
    import av

    kind = check_container(output)
    with (
        open_container(reader.path) as source,
        encoding_errors(output, "the container does not accept a packet", ValueError),
        av.open(ffmpeg_url(path), "w", format=kind, options=_BITEXACT | _OPTIONS[kind]) as container,
    ):
        container.metadata.update(_metadata(source.metadata, comment))
        images = encoder_settings(reader).add_stream(container)
        passed = _Passed(source, container, output)
        passed.add()
        if hasattr(container, "set_chapters"):
            container.set_chapters(source.chapters())
        container.start_encoding()
        own = ((float(packet.dts * reader.time_base), packet) for packet in _image_packets(images, reader, pieces))
        for _, packet in heapq.merge(own, passed.packets(reader), key=lambda timed: timed[0]):
            if packet.stream is images:
                container.mux(packet)
            else:
                passed.mux(packet)
    passed.warn_of_refused()
    check_written(path, sum(len(segment.packets) for _, segment in pieces()), output)


class _Passed:
    """Streams that are copied from one container to another."""

    def __init__(self, source: Any, container: Any, output: Path) -> None:
        self._source, self._container, self._output = source, container, output
        self._name = Path(source.name).name
        self._streams: dict[int, Any] = {}
        self._framed = {stream.index for stream in source.streams if _is_adts(source, stream)}
        self.left_out: list[str] = []
        self._n_refused = 0

    def add(self) -> None:
        """Add the streams to the header of the output."""
        for stream in self._source.streams:
            if stream.type not in ("audio", "subtitle"):
                continue
            codec = stream.codec_context and stream.codec_context.codec.canonical_name
            if codec in self._container.supported_codecs:
                copy = self._container.add_stream_from_template(stream)
                copy.time_base = stream.time_base
                copy.metadata.update(stream.metadata)
                with suppress(AttributeError):
                    copy.disposition = stream.disposition
                self._streams[stream.index] = copy
            elif stream.type == "audio":
                raise FormatError(
                    f"{self._output.suffix} cannot store the sound of {self._name} ({codec or 'an unknown codec'}) "
                    f"unchanged; {_way_out(codec)}"
                )
            else:
                self.left_out.append(
                    f"{self._output.suffix} cannot store the subtitles of {self._name} "
                    f"({codec or 'of an unknown kind'}), which are omitted"
                )

    def try_packets(self, reader: VideoReader) -> None:
        """Write the first packet of each stream that begins within the first packets of the file."""
        tried = set[int]()
        for _, packet in islice(self.packets(reader), _TRIED_PACKETS):
            if packet.stream_index not in tried:
                tried.add(packet.stream_index)
                self.mux(packet)
            if len(tried) == len(self._streams):
                return

    def mux(self, packet: Any) -> None:
        """Write a packet, or count it if it is damaged, such as AAC that the container needs in another form."""
        import av

        try:
            self._container.mux(packet)
        except (av.InvalidDataError, av.PatchWelcomeError):  # the second for channels that AAC does not have
            self._n_refused += 1

    def warn_of_refused(self) -> None:
        """Warn of the packets that were omitted because they are damaged."""
        if self._n_refused:
            packets = "1 packet" if self._n_refused == 1 else f"{self._n_refused} packets"
            states = "is damaged and was" if self._n_refused == 1 else "are damaged and were"
            logger.warning("%s: %s of the sound or subtitles %s omitted", self._name, packets, states)

    def packets(self, reader: VideoReader) -> Iterator[tuple[float, Any]]:
        """Iterate over packets with their times in seconds, in the order of the file."""
        if not self._streams:
            return
        last: dict[int, int] = {}
        wanted = [stream for stream in self._source.streams if stream.index in self._streams]
        for packet in reader.packets(self._source, wanted):
            index, shift = packet.stream_index, round(reader.offset_s / packet.time_base)
            dts = packet.pts if packet.dts is None else packet.dts
            if packet.size == 0 or dts is None:
                continue
            if index in self._framed and not _has_adts_header(packet):
                self._n_refused += 1
                continue
            pts = dts if packet.pts is None else packet.pts
            packet.dts = last[index] = max(dts - shift, last.get(index, dts - shift - 1) + 1)
            packet.pts = max(pts - shift, packet.dts)
            packet.stream = self._streams[index]
            yield float(packet.dts * packet.time_base), packet


def _is_adts(source: Any, stream: Any) -> bool:
    """Return whether the packets of a stream are AAC with an ADTS header each, as in a transport stream."""
    codec = stream.codec_context and stream.codec_context.codec.canonical_name
    return bool(source.format.name == "mpegts" and stream.type == "audio" and codec == "aac")


def _has_adts_header(packet: Any) -> bool:
    """Return whether a packet begins with an ADTS header; muxers decide by the first one whether to convert all."""
    head = bytes(memoryview(packet)[:2])
    return len(head) == 2 and head[0] == 0xFF and head[1] & 0xF0 == 0xF0


def _way_out(codec: str | None) -> str:
    import av

    for suffix in (".mkv", ".mov"):
        with av.open(io.BytesIO(), "w", format=FORMATS[suffix]) as other:
            if codec in other.supported_codecs:
                return f"use an output name that ends in {suffix}"
    return "convert the sound first, for example to AAC"


def _image_packets(stream: Any, reader: VideoReader, pieces: Pieces) -> Iterator[Any]:
    """Iterate over the packets of all segments as one stream, with decoding times a fixed number of frames ahead."""
    import av

    ahead = max(segment.delay for _, segment in pieces())
    step = max(1, round(1 / (reader.rate * reader.time_base)))
    header, decoding = bytes(stream.codec_context.extradata), deque[int]()
    for number, (media, segment) in enumerate(pieces()):
        times = segment.times
        if number == 0:
            decoding.extend(times[0] - step * early for early in range(ahead, 0, -1))
        decoding.extend(times)
        with media.open("rb") as file:
            if file.read(segment.header_size) != header:
                raise OutputError(
                    f"{media.parent} was begun by another version of the H.264 encoder; start again with "
                    f"{setting('resume', False)}"
                )
            for time, duration, size, is_key in segment.packets:
                packet = av.Packet(file.read(size))
                packet.time_base, packet.stream = reader.time_base, stream
                packet.pts, packet.dts, packet.duration, packet.is_keyframe = time, decoding.popleft(), duration, is_key
                yield packet


def _metadata(original: dict[str, str], comment: str) -> dict[str, str]:
    kept = {key: value for key, value in original.items() if key not in _OF_THE_CONTAINER}
    before = original.get("comment") or original.get("COMMENT")
    return kept | {"comment": f"{comment}; {before}" if before else comment}
