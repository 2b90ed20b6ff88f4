"""Single pictures, and folders of pictures that play as a movie: frame after frame in the order people count."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from decrappify.errors import FormatError, InputError, MissingFileError
from decrappify.io.picture_files import PICTURE_SUFFIXES, PictureLayout, picture_layout, read_picture
from decrappify.movie import Array, Movie, Shape5

_TIFF_SUFFIXES = frozenset({".tif", ".tiff"})
_KIND = {".tiff": ".tif", ".jpeg": ".jpg"}  # two spellings of one kind

Layout = TypeVar("Layout")


def open_pictures(path: str | os.PathLike[str], frame_interval_s: float | None = None) -> Movie:
    """Open one picture as a still, or a folder of pictures as a movie with one frame per file.

    A folder's files are taken in natural order (``frame2`` before ``frame10``), hidden files and files that are no
    pictures are passed over. Several pages in the TIFF files of a folder are Z slices. The pictures must be of one
    kind, size and dtype, which is checked here for all of them; pixels are read one frame at a time.

    Parameters
    ----------
    path : path
        A ``.png``, ``.jpg`` or ``.bmp`` file, or a folder of those or of ``.tif`` files.
    frame_interval_s : float, optional
        Seconds between frames, which pictures cannot tell.

    Returns
    -------
    Movie
        (T, C, Z, Y, X) of the pictures' dtype; colour pictures have channels R, G and B. A folder of TIFF files takes
        pixel size and channel names from its first file.

    Raises
    ------
    MissingFileError, FormatError
        If there is no such path, or a file is no picture.
    InputError
        If the folder holds no pictures, several kinds, or pictures that differ; the message names two of those.
    """
    path = Path(path)
    if not path.exists():
        raise MissingFileError(f"there is no file or folder {path}; check the path")
    if not path.is_dir():
        return _picture_movie([path], path.name, frame_interval_s)
    files = _folder_files(path)
    if files[0].suffix.lower() in _TIFF_SUFFIXES:
        return _tiff_movie(files, path.name, frame_interval_s)
    return _picture_movie(files, path.name, frame_interval_s)


def natural_key(path: Path) -> tuple[list[str | int], str]:
    """Sort key that counts numbers in file names as people do.

    >>> [p.name for p in sorted([Path("t10.png"), Path("t2.png"), Path("T1.png")], key=natural_key)]
    ['T1.png', 't2.png', 't10.png']
    """
    parts = re.split(r"([0-9]+)", path.name.casefold())
    return [int(part) if odd % 2 else part for odd, part in enumerate(parts)], path.name


class PicturesSource:
    """Frames from one picture file each; the last decoded one is kept, since its colours are asked for one by one."""

    def __init__(self, files: Sequence[Path], layout: PictureLayout) -> None:
        self._files = tuple(files)
        self._last: tuple[int, Array] | None = None
        self.shape: Shape5 = (len(files), layout.channels, 1, layout.rows, layout.columns)
        self.dtype = layout.dtype

    def read(self, t: int, c: int, z: int, rows: slice, columns: slice) -> Array:
        """Read one region; the whole picture is decoded for it."""
        last = self._last
        if last is None or last[0] != t:
            last = self._last = t, read_picture(self._files[t])
            self._check(last[1], self._files[t])
        return last[1][c, rows, columns].copy()

    def close(self) -> None:
        """Forget the last decoded picture."""
        self._last = None

    def _check(self, picture: Array, file: Path) -> None:
        expected = (self.shape[1], *self.shape[3:])
        if picture.shape != expected or picture.dtype != self.dtype:
            raise FormatError(
                f"{file.name} is now {picture.shape} {picture.dtype}, was {expected} {self.dtype} when opened"
            )


class TiffFramesSource:
    """Frames from one TIFF file each; only the file last read from is open."""

    def __init__(self, files: Sequence[Path], open_file: Callable[[Path], Movie], first: Movie) -> None:
        self._files, self._open_file = tuple(files), open_file
        self._last: tuple[int, Movie] = 0, first
        self.shape: Shape5 = (len(files), *first.shape[1:])
        self.dtype = first.dtype

    def read(self, t: int, c: int, z: int, rows: slice, columns: slice) -> Array:
        """Read one region from its own file."""
        if self._last[0] != t:
            self._last[1].close()
            self._last = t, self._open_file(self._files[t])
        return self._last[1].region(0, c, z, rows, columns)

    def close(self) -> None:
        """Release the file last read from."""
        self._last[1].close()
        self._last = -1, self._last[1]


def _folder_files(folder: Path) -> list[Path]:
    files = [
        file
        for file in folder.iterdir()
        if file.suffix.lower() in PICTURE_SUFFIXES | _TIFF_SUFFIXES and not file.name.startswith(".") and file.is_file()
    ]
    kinds = Counter(_KIND.get(file.suffix.lower(), file.suffix.lower()) for file in files)
    if not files:
        raise InputError(f"folder {folder} holds no pictures; needs .tif, .png, .jpg or .bmp files, one per frame")
    if len(kinds) > 1:
        found = " and ".join(f"{count} {kind}" for kind, count in kinds.most_common())
        raise InputError(
            f"folder {folder} holds {found} files; leave one kind in it, so that it is clear which are the frames"
        )
    return sorted(files, key=natural_key)


def _picture_movie(files: Sequence[Path], name: str, frame_interval_s: float | None) -> Movie:
    layout = _one_layout(files, picture_layout)
    colors: dict[str, Any] = {}
    if layout.channels == 3:
        colors = {"channel_names": ("R", "G", "B"), "channel_colors": ("FF0000", "00FF00", "0000FF")}
    return Movie(PicturesSource(files, layout), name=name, frame_interval_s=frame_interval_s, **colors)


def _tiff_movie(files: Sequence[Path], name: str, frame_interval_s: float | None) -> Movie:
    from decrappify.io.tiff import open_tiff

    pages, axes = _one_layout(files, _tiff_layout).pages, _tiff_axes(files[0])
    first = open_tiff(files[0])
    if len(first) > pages:
        return first  # the first file describes the whole folder as one OME movie
    slices_play_time = len(first) > 1 and "T" not in axes and first.shape[2] == 1

    def open_file(file: Path) -> Movie:
        movie = open_tiff(file)
        return movie.z_as_time() if slices_play_time else movie

    if slices_play_time:
        first = first.z_as_time()
    if len(first) > 1:
        first.close()
        raise InputError(
            f"{files[0].name} in folder {name} is a movie of {len(first)} frames; a folder needs one frame per file, "
            "open the movies one by one"
        )
    interval = first.frame_interval_s if frame_interval_s is None else frame_interval_s
    source = TiffFramesSource(files, open_file, first)
    return first.derived(source, name=name, frame_interval_s=interval, provenance={})


class _TiffLayout(NamedTuple):
    pages: int
    shape: tuple[int, ...]
    dtype: str

    def __str__(self) -> str:
        return f"{' × '.join(map(str, self.shape))} {self.dtype} with {self.pages} page{'s' if self.pages > 1 else ''}"


def _tiff_layout(file: Path) -> _TiffLayout:
    import tifffile

    try:
        with tifffile.TiffFile(file) as tiff:
            page = tiff.pages.first
            return _TiffLayout(len(tiff.pages), page.shape, str(page.dtype))
    except (OSError, ValueError, tifffile.TiffFileError) as error:
        raise FormatError(
            f"{file.name} is no readable TIFF ({error}); it is damaged or another kind of file"
        ) from error


def _tiff_axes(file: Path) -> str:
    import tifffile

    with tifffile.TiffFile(file) as tiff:
        return str(tiff.series[0].axes)


def _one_layout(files: Sequence[Path], layout_of: Callable[[Path], Layout]) -> Layout:
    first = layout_of(files[0])
    for file in files[1:]:
        layout = layout_of(file)
        if layout != first:
            raise InputError(
                f"frames of folder {file.parent.name} differ: {files[0].name} is {first}, {file.name} is {layout}; "
                "make them alike, or move the odd one out"
            )
    return first
