"""Read TIFF of every kind microscopes and ImageJ write, one frame or one region at a time."""

from __future__ import annotations

import logging
import math
import os
import struct
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import tifffile

from decrappify.errors import FormatError, InputError, MissingFileError
from decrappify.io.tiff_metadata import SAMPLE_COLORS, TiffMetadata, read_imagej, read_ome, read_plain, sample_names
from decrappify.io.tiff_writer import write_ome_tiff as write_ome_tiff
from decrappify.movie import AXES, Array, Movie, Shape5

# What tifffile and its codecs raise for damaged files.
_DAMAGE = (
    OSError,
    ValueError,
    TypeError,
    IndexError,
    KeyError,
    RuntimeError,
    AttributeError,
    struct.error,
    tifffile.TiffFileError,
)
_COLOUR = (tifffile.PHOTOMETRIC.RGB, tifffile.PHOTOMETRIC.YCBCR)


def open_tiff(path: str | os.PathLike[str], *, scene: int = 0, axes: str | None = None) -> Movie:
    """Open an OME-TIFF, an ImageJ hyperstack or a plain TIFF (stack) as a lazy movie.

    Parameters
    ----------
    path : path
        The file; of an OME-TIFF in several files, any one.
    scene : int
        Which image, where the file holds several.
    axes : str, optional
        One letter of ``TCZYX`` per dimension longer than 1, in the order of the file, where the file is wrong or
        silent. Without it, pages that the file says nothing about are frames (T); ``axes="ZYX"`` makes them a Z-stack.

    Returns
    -------
    Movie
        Samples of one pixel (RGB) are channels. Of a pyramid the full resolution is read.

    Raises
    ------
    MissingFileError
        If there is no such file.
    FormatError
        If it is no TIFF, or cut short, or damaged; also when a damaged frame is read.
    InputError
        If there is no such scene, or the axes are ambiguous, or `axes` does not fit.
    """
    path = Path(path)
    if not path.exists():
        raise MissingFileError(f"{path} does not exist; check the path")
    source = TiffSource(path, scene=scene, axes=axes)
    metadata = source.metadata
    count = source.shape[1]
    return Movie(
        source,
        name=path.name,
        pixel_size_um=metadata.pixel_size_um,
        frame_interval_s=metadata.frame_interval_s,
        channel_names=metadata.channel_names if len(metadata.channel_names) == count else None,
        channel_colors=metadata.channel_colors if len(metadata.channel_colors) == count else None,
        provenance=metadata.provenance,
    )


def scene_names(path: Path) -> list[str | None]:
    """Return the name of every image series, None where the file has no name for it."""
    try:
        with _tifffile_messages(), tifffile.TiffFile(path) as file:
            return [series.name or None for series in file.series]
    except _DAMAGE as error:
        raise _unreadable(path, error) from error


class TiffSource:
    """Frames of one image series; may be pickled, and reopens its file in a forked process."""

    def __init__(self, path: Path, *, scene: int = 0, axes: str | None = None) -> None:
        self._path, self._scene, self._given_axes = path, scene, axes
        self._file: Any = None
        self._series: Any = None
        self._contiguous_at: int | None = None
        self._closing: weakref.finalize[Any, Any] | None = None
        try:
            self._open()
        except BaseException:
            self.close()
            raise

    def read(self, t: int, c: int, z: int, rows: slice, columns: slice) -> Array:
        """Read one region as a (Y, X) array; of a compressed file, only the strips or tiles under it are decoded."""
        if self._process != os.getpid():  # a forked process shares the file's position with its parent
            self._open()
        channel, sample = divmod(c, self._n_samples)
        index = {"T": t, "C": channel, "Z": z, "S": sample, "Y": rows, "X": columns}
        try:
            with _tifffile_messages():
                plane = self._read(index)
        except _DAMAGE as error:
            if isinstance(error, FormatError):
                raise
            raise FormatError(
                f"frame {t} (channel {c}, slice {z}) of {self._path} cannot be decoded; "
                "the file is cut short or damaged: copy it again"
            ) from error
        return plane.astype(self.dtype, copy=False)

    def close(self) -> None:
        """Close the file; also done when the source is no longer used."""
        if self._closing is not None:
            self._closing()

    def __getstate__(self) -> dict[str, Any]:
        return {"path": self._path, "scene": self._scene, "axes": self._given_axes}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(state["path"], scene=state["scene"], axes=state["axes"])  # type: ignore[misc]

    def _open(self) -> None:
        path = self._path
        try:
            with _tifffile_messages() as messages:
                self._file = tifffile.TiffFile(path)
                self._closing = weakref.finalize(self, self._file.close)
                all_series = self._file.series
                if 0 <= self._scene < len(all_series):
                    self._series = all_series[self._scene]
                    self._refuse_cut_short(messages)
                    self._contiguous_at = self._series.dataoffset if self._is_in_one_file() else None
        except _DAMAGE as error:
            if isinstance(error, FormatError):
                raise
            raise _unreadable(path, error) from error
        if not all_series:
            raise FormatError(f"{path} is a TIFF file without images; it is damaged: copy it again")
        if not 0 <= self._scene < len(all_series):
            raise InputError(
                f"scene {self._scene} is not in {path.name}, which has {len(all_series)} (0 to {len(all_series) - 1})"
            )
        self._process = os.getpid()
        self._regions: Any = None
        self._last_page: tuple[int, Array] | None = None
        self._set_axes()
        self.metadata = self._read_metadata()

    def _set_axes(self) -> None:
        series, page = self._series, self._series.keyframe
        self._axes = _to_tczyx(series.axes, series.shape, self._given_axes, self._path)
        self._sizes = dict(zip(self._axes, series.shape, strict=True))
        self._n_samples = self._sizes.get("S", 1)
        if self._n_samples == 4 and page.photometric in _COLOUR and page.planarconfig == 1 and page.extrasamples:
            self._n_samples = 3  # the fourth is transparency; in planes of its own it may as well be a fourth frame
        sizes = self._sizes | {"C": self._sizes.get("C", 1) * self._n_samples}
        self.shape: Shape5 = tuple(sizes.get(axis, 1) for axis in AXES)
        dtype = np.dtype(series.dtype)
        if dtype.kind not in "uifb":
            raise FormatError(f"{self._path} holds {dtype}, which is no image; needs integers or real floats")
        self.dtype = np.dtype(np.uint8) if dtype.kind == "b" else dtype.newbyteorder("=")
        self._leading, self._page_axes = self._axes[: -page.ndim], self._axes[-page.ndim :]
        self._one_page_a_plane = len(series.pages) == math.prod(self._sizes[axis] for axis in self._leading)

    def _refuse_cut_short(self, messages: list[str]) -> None:
        series, found = self._series, [page for page in self._series.pages if page is not None]
        expected = math.prod(series.shape) // math.prod(series.keyframe.shape)
        named = (self._file.imagej_metadata or {}).get("images", 0) if series.kind != "imagej" else 0
        stacked = len(series.pages) == 1 and expected > 1
        if not found or len(found) < len(series.pages) or max(expected, named) > (expected if stacked else len(found)):
            raise FormatError(
                f"{self._path} is cut short: {len(found)} of {max(expected, named)} frames are there; copy it again"
            )
        if any("invalid page offset" in message for message in messages):
            raise FormatError(
                f"{self._path} is cut short: {len(found)} frames are there and more are announced; copy it again"
            )
        self._refuse_missing_bytes(len(series.pages) - 1)
        if stacked and series.dataoffset is not None:
            end = series.dataoffset + math.prod(series.shape) * series.dtype.itemsize
            if end > self._file.filehandle.size:
                raise FormatError(
                    f"{self._path} is cut short: {self._file.filehandle.size} of {end} bytes are there; copy it again"
                )

    def _refuse_missing_bytes(self, number: int) -> None:
        page = self._series.pages[number]
        end = max(
            (offset + count for offset, count in zip(page.dataoffsets, page.databytecounts, strict=False)), default=0
        )
        size = page.parent.filehandle.size
        if end > size:
            raise FormatError(
                f"{self._path} is cut short: frame {number} ends at byte {end}, the file at {size}; copy it again"
            )

    def _is_in_one_file(self) -> bool:
        pages = self._series.pages
        return all(pages[number].parent is self._file for number in {0, len(pages) - 1})

    def _read_metadata(self) -> TiffMetadata:
        file, series = self._file, self._series
        tags = series.keyframe.tags
        if series.kind == "ome":
            metadata = read_ome(file.ome_metadata, self._scene)
        elif file.is_imagej and file.imagej_metadata:
            metadata = read_imagej(file.imagej_metadata, tags, self.shape[1])
        elif series.kind == "shaped" and file.shaped_metadata:
            metadata = read_imagej(
                file.shaped_metadata[min(self._scene, len(file.shaped_metadata) - 1)], tags, self.shape[1]
            )
        else:
            metadata = read_plain(tags)
        if series.keyframe.photometric in _COLOUR and len(metadata.channel_names) != self.shape[1]:
            parts = sample_names(self._n_samples)
            n_channels = self.shape[1] // len(parts)
            metadata.channel_names = (
                parts if n_channels == 1 else [f"C{c} {part}" for c in range(n_channels) for part in parts]
            )
            metadata.channel_colors = [SAMPLE_COLORS.get(part) for part in parts] * n_channels
        return metadata

    def _read(self, index: dict[str, Any]) -> Array:
        number = 0
        for axis in self._leading:
            number = number * self._sizes[axis] + index[axis]
        whole = all(index[axis] == slice(0, self._sizes[axis]) for axis in "YX")
        in_page = tuple(index[axis] for axis in self._page_axes)
        if self._contiguous_at is not None:
            plane = self._from_disk(self._contiguous_at, number)[in_page]
        elif self._one_page_a_plane and (whole or self._sizes["Y"] * self._sizes["X"] <= 1 << 20):
            plane = self._page(number)[in_page]
        else:
            if self._one_page_a_plane:
                self._refuse_missing_bytes(number)
            plane = self._lazy_array()[tuple(index[axis] for axis in self._axes)]
        plane = np.array(plane)  # a copy: nothing keeps the file mapped or the cached page shared
        return plane.T if self._axes.index("Y") > self._axes.index("X") else plane

    def _from_disk(self, start: int, number: int) -> Array:
        shape = tuple(self._sizes[axis] for axis in self._page_axes)
        dtype = np.dtype(self._series.dtype).newbyteorder(self._file.byteorder)
        offset = start + number * math.prod(shape) * dtype.itemsize
        return np.memmap(self._path, dtype=dtype, mode="r", offset=offset, shape=shape)

    def _page(self, number: int) -> Array:
        # Tiles and RGB samples ask for the same page one after another.
        if self._last_page is None or self._last_page[0] != number:
            self._refuse_missing_bytes(number)
            self._last_page = (number, self._series.pages[number].asarray())
        return self._last_page[1]

    def _lazy_array(self) -> Any:
        if self._regions is None:
            import zarr

            self._regions = zarr.open(self._series.aszarr(level=0), mode="r")
        return self._regions


def _to_tczyx(found: str, shape: tuple[int, ...], given: str | None, path: Path) -> str:
    """Name the dimensions of a series by TCZYX (and S for samples)."""
    if given is not None:
        axes = given.upper()
        if len(axes) != len(shape) or len(set(axes)) != len(axes) or not set("YX") <= set(axes) <= set(AXES):
            raise InputError(
                f"axes={given!r} does not fit {path.name}, whose dimensions are {shape} ({found}); "
                "needs one letter of TCZYX for each"
            )
        return axes
    axes = found
    unnamed = [axis for axis in axes if axis not in "TCZYXS"]
    if len(unnamed) == 1 and unnamed[0] in "QI" and "T" not in axes:
        axes = axes.replace(unnamed[0], "T")
        unnamed = []
    if unnamed or len(set(axes)) != len(axes) or not set("YX") <= set(axes):
        raise InputError(
            f"{path.name} has dimensions {shape} and does not say what they are ({found}); say it, such as axes='TCYX'"
        )
    return axes


@contextmanager
def _tifffile_messages() -> Iterator[list[str]]:
    """Collect what tifffile would log; the file's state is told in one line of ours."""
    log = logging.getLogger("tifffile")
    messages: list[str] = []

    def keep(record: logging.LogRecord) -> bool:
        messages.append(record.getMessage())
        return False

    log.addFilter(keep)
    try:
        yield messages
    finally:
        log.removeFilter(keep)


def _unreadable(path: Path, error: BaseException) -> FormatError:
    return FormatError(
        f"{path} is not a readable TIFF file ({_first_line(error)}); it is cut short or damaged: copy it again"
    )


def _first_line(error: BaseException) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__
