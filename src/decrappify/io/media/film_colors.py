"""Conversion between the color coding of a video and RGB, by its tags or the defaults of video players."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from decrappify.movie import Array

# Numbers of H.273, as ffmpeg uses them.
_BT709, _UNSPECIFIED, _FCC, _BT470BG, _SMPTE170M, _SMPTE240M, _BT2020 = 1, 2, 4, 5, 6, 7, 9
_LIMITED, _FULL = 1, 2
_CONVERTED_BY = {_BT709: 1, _FCC: 4, _BT470BG: 5, _SMPTE170M: 5, _SMPTE240M: 7, _BT2020: 9}  # matrix to ffmpeg's scaler
_HD_HEIGHT, _HD_WIDTH = 720, 1280
# Bilinear, accurate rounding, full chroma input and output: without them grays change by up to 2 levels.
_SCALER = 0x2 | 0x40000 | 0x4000 | 0x2000


@dataclass(frozen=True, slots=True)
class FilmColors:
    """Color coding of the frames of a video.

    Its `repr` is part of `VideoReader.content`, by which unfinished films are compared.

    Attributes
    ----------
    matrix, primaries, transfer : int
        Tags of H.273, written to the output; 2 (unspecified) if the video has none.
    range : int
        1 for limited (16 to 235), 2 for full, 0 for no tag.
    converts_by : int
        Matrix of the conversion: that of the tag, else BT.709 for HD and BT.601 for smaller videos.
    converts_range : int
        Range of the conversion.
    """

    matrix: int
    primaries: int
    transfer: int
    range: int
    converts_by: int
    converts_range: int

    @classmethod
    def of_frame(cls, frame: Any, stream_tags: tuple[int, int, int]) -> FilmColors:
        """Read the tags of a decoded frame; the matrix of RGB films is the usual one for their size.

        Parameters
        ----------
        frame : av.VideoFrame
            The first one.
        stream_tags : (int, int, int)
            Matrix, primaries and transfer that the container or the decoder states.
        """
        guess = _BT709 if frame.height >= _HD_HEIGHT or frame.width >= _HD_WIDTH else _SMPTE170M
        tagged, primaries, transfer = stream_tags
        if frame.format.is_rgb or frame.format.has_palette:
            return cls(guess, primaries, transfer, _LIMITED, guess, _LIMITED)
        tagged = tagged if frame.colorspace == _UNSPECIFIED else frame.colorspace
        converts_by = tagged if tagged in _CONVERTED_BY else guess
        matrix = _UNSPECIFIED if tagged == _UNSPECIFIED else converts_by
        name = frame.format.name
        color_range = frame.color_range or (_FULL if name.startswith("yuvj") else 0)
        usual = _FULL if name.startswith("gray") else _LIMITED
        if not color_range and usual == _FULL:  # a gray film without a tag is full range, a color film is not
            color_range = _FULL
        return cls(matrix, primaries, transfer, color_range, converts_by, color_range or usual)

    def to_rgb(self, frame: Any, height: int, width: int) -> Array:
        """Convert a decoded frame to (Y, X, 3) uint8 of `height` and `width`."""
        coded = not (frame.format.is_rgb or frame.format.has_palette)
        image: Array = frame.reformat(
            width=width,
            height=height,
            format="rgb24",
            interpolation=_SCALER,
            src_colorspace=_CONVERTED_BY[self.converts_by] if coded else None,
            src_color_range=self.converts_range if coded else _FULL,
            dst_color_range=_FULL,
        ).to_ndarray()
        return image

    def to_frame(self, image: Array) -> Any:
        """Convert (Y, X, 3) uint8, of even sides, to a tagged yuv420p frame."""
        import av

        frame = av.VideoFrame.from_ndarray(image, format="rgb24").reformat(
            format="yuv420p",
            interpolation=_SCALER,
            src_color_range=_FULL,
            dst_colorspace=_CONVERTED_BY[self.converts_by],
            dst_color_range=self.converts_range,
        )
        frame.colorspace, frame.color_range = self.matrix, self.range
        return frame

    def tag(self, codec: Any) -> None:
        """Set the tags of an encoder that is not open yet."""
        codec.colorspace, codec.color_primaries, codec.color_trc = self.matrix, self.primaries, self.transfer
        codec.color_range = self.range


HD_COLORS = FilmColors(_BT709, _BT709, _BT709, _LIMITED, _BT709, _LIMITED)
