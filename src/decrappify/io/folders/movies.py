"""Movies from folders of image files: one movie, several scenes, or separate images."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from decrappify._common.argument_names import setting
from decrappify.errors import FormatError, InputError
from decrappify.io.folders.folder import FolderReading, FolderScene, check_layouts, read_folder
from decrappify.io.folders.folder_report import report
from decrappify.io.integrity.file_guard import FileGuard, GuardedSource, file_version
from decrappify.io.integrity.missing_planes import warn_of_missing
from decrappify.io.scene_names import scene_index
from decrappify.limits.files import check_extent, check_missing
from decrappify.movie import Array, FrameSource, Movie, Plane, Shape5


class GridSource(GuardedSource):
    """Frames, channels and slices stored in separate files; only the last read file is open.

    Parameters
    ----------
    files : mapping of (t, c, z) to Path
        Files by position in the grid; positions without a file are missing planes.
    grid : tuple of int
        Number of positions along T, C and Z.
    open_file : callable
        Opens one file as a movie; all must have the shape and dtype of `first`.
    first : Movie
        One of the files, opened.
    """

    def __init__(
        self, files: Mapping[Plane, Path], grid: Plane, open_file: Callable[[Path], Movie], first: Movie
    ) -> None:
        self._files, self._open_file = dict(files), open_file
        self._guard = FileGuard(self._files.values())
        self._last: tuple[Path, Movie] | None = None
        self._in_file = first.shape
        n_t, n_c, n_z = (places * inside for places, inside in zip(grid, first.shape[:3], strict=True))
        self.shape: Shape5 = (n_t, n_c, n_z, *first.shape[3:])
        self.dtype = first.dtype
        whole = len(files) == grid[0] * grid[1] * grid[2]
        folder, in_a_file = str(next(iter(files.values())).parent), first.shape[0] * first.shape[1] * first.shape[2]
        check_extent(folder, self.shape)  # before the missing planes are listed
        n_recorded = len(files) * in_a_file
        advice = f"add the missing files, or pass {setting('folder_as', 'images')} to open each separately"
        check_missing(folder, n_t * n_c * n_z - n_recorded, n_recorded, advice)
        every = ((t, c, z) for t in range(n_t) for c in range(n_c) for z in range(n_z))
        self.missing: frozenset[Plane] = (
            frozenset() if whole else frozenset(p for p in every if self._place(*p)[0] not in self._files)
        )

    def read(self, t: int, c: int, z: int, rows: slice, columns: slice) -> Array:
        """Read one region from its file."""
        place, inside = self._place(t, c, z)
        if place not in self._files:
            return np.zeros((rows.stop - rows.start, columns.stop - columns.start), self.dtype)
        file = self._files[place]
        self._guard.check(file)
        region = self._opened(file).region(*inside, rows, columns)
        self._guard.check(file)
        return region

    def version(self, t: int, c: int, z: int) -> str | None:
        """Return size, times and inode of the file that contains a plane."""
        place, _ = self._place(t, c, z)
        return None if place not in self._files else file_version(self._files[place])

    def close(self) -> None:
        """Close the last read file."""
        if self._last is not None:
            self._last[1].close()
            self._last = None

    def _place(self, t: int, c: int, z: int) -> tuple[Plane, Plane]:
        in_t, in_c, in_z = self._in_file[:3]
        return (t // in_t, c // in_c, z // in_z), (t % in_t, c % in_c, z % in_z)

    def _opened(self, file: Path) -> Movie:
        if self._last is None or self._last[0] != file:
            self.close()
            movie = self._open_file(file)
            if movie.shape != self._in_file or movie.dtype != self.dtype:
                movie.close()
                raise FormatError(
                    f"{file.name} is {_described(movie.shape, movie.dtype)}, other files in its folder are "
                    f"{_described(self._in_file, self.dtype)}; convert it to the same shape and data type, or pass "
                    f"{setting('folder_as', 'images')}"
                )
            self._last = file, movie
        return self._last[1]


class ClosingSource(FrameSource):
    """A still that is opened for every read, so that any number of them can be used at the same time."""

    def __init__(self, open_file: Callable[[], Movie], movie: Movie) -> None:
        self._open_file = open_file
        self.shape, self.dtype, self.missing = movie.shape, movie.dtype, movie.missing
        self._files = movie.files
        self._opened = movie.version(0)

    def read(self, t: int, c: int, z: int, rows: slice, columns: slice) -> Array:
        """Open the file, read one region, and close it."""
        with self._open_file() as movie:
            if movie.version(0) != self._opened:
                raise FormatError(
                    f"{movie.name} was changed after it was opened; wait until it is complete, and repeat the run"
                )
            return movie.region(t, c, z, rows, columns)

    @property
    def files(self) -> frozenset[Path]:
        """Files that are read."""
        return self._files


def open_folder(
    path: Path,
    scene: int,
    *,
    folder_as: str = "auto",
    scene_is_chosen: bool = False,
    open_file: Callable[..., Movie],
) -> Movie:
    """Open one scene of a folder, and report the classification of the folder.

    Parameters
    ----------
    path : Path
        The folder.
    scene : int
        Number of the scene.
    folder_as : {"auto", "movie", "images"}
        As for `read_folder`.
    scene_is_chosen : bool
        Whether the user chose this scene; otherwise a warning reports that there are others.
    open_file : callable
        `decrappify.io.open_movie`.
    """
    reading = read_folder(path, folder_as)
    if not 0 <= scene < len(reading.scenes):
        scene_index(scene, [each.name for each in reading.scenes], path.name)
    movie = _open_scene(reading, scene, open_file)
    report(reading, movie, scene, is_chosen=folder_as != "auto", scene_is_chosen=scene_is_chosen)
    return movie


def open_folder_scenes(path: Path, *, folder_as: str = "auto", open_file: Callable[..., Movie]) -> list[Movie]:
    """Open every scene of a folder; its files are closed between reads if each contains one plane."""
    reading = read_folder(path, folder_as)
    movies: list[Movie] = []
    try:
        for number in range(len(reading.scenes)):
            movies.append(_open_scene(reading, number, open_file, closing=True))
    except BaseException:
        for movie in movies:
            movie.close()
        raise
    report(reading, movies[0], None, is_chosen=folder_as != "auto")
    return movies


def _open_scene(
    reading: FolderReading, number: int, open_file: Callable[..., Movie], *, closing: bool = False
) -> Movie:
    scene = reading.scenes[number]
    if scene.grid is not None:
        return grid_movie(reading.path.name, scene, open_file)
    movie = open_file(scene.files[0], scene=scene.inner)
    if not closing or movie.shape[0] * movie.shape[2] > 1:
        return movie
    movie.close()
    return movie.derived(ClosingSource(partial(open_file, scene.files[0], scene=scene.inner), movie))


def frame_opener(scene: FolderScene, open_file: Callable[..., Movie]) -> Callable[[Path], Movie]:
    """Return the function that opens one file of a scene."""

    def opened(file: Path) -> Movie:
        movie = open_file(file, scene=0)
        return movie.z_as_time() if scene.pages_are_slices and movie.shape[2] == 1 else movie

    return opened


def grid_movie(folder: str, scene: FolderScene, open_file: Callable[..., Movie]) -> Movie:
    """Open the files of a scene of the folder with the name `folder` as one movie."""
    grid, opened = scene.grid, frame_opener(scene, open_file)
    assert grid is not None
    check_layouts(scene, folder)
    files = {plane: scene.files[number] for plane, number in grid.files.items()}
    with opened(files[min(files)]) as first:
        if first.shape[0] > 1 and "T" in grid.axes:
            raise InputError(
                f"{files[min(files)].name} in folder {folder} is a movie of {first.shape[0]} frames, expected one "
                f"frame per file; open the movies one by one, or pass {setting('folder_as', 'images')}"
            )
        source = GridSource(files, grid.shape, opened, first)
        if source.missing:
            message = _missing_message(f"{folder} {scene.name}".strip(), source.missing, grid.shape)
            warn_of_missing(message)
        changes: dict[str, Any] = {}
        if grid.channels:
            inner = first.channel_names if first.shape[1] > 1 else ("",)
            changes["channel_names"] = [f"{name} {part}".strip() for name in grid.channels for part in inner]
            changes["channel_colors"] = first.channel_colors * len(grid.channels)
        name = f"{folder} {scene.name}".strip()
        return first.derived(source, name=name, provenance={}, missing=source.missing, **changes)


def _missing_message(name: str, missing: frozenset[Plane], grid: Plane) -> str:
    shown = [
        ", ".join(
            f"{axis} {number}"
            for axis, number, size in zip(("frame", "channel", "slice"), plane, grid, strict=True)
            if size > 1
        )
        for plane in sorted(missing)[:3]
    ]
    more = f" and {len(missing) - 3} more" if len(missing) > 3 else ""
    planes = "this plane is" if len(missing) == 1 else "these planes are"
    return f"{name} has no file for {'; '.join(shown)}{more}; {planes} missing and read as zeros"


def _described(shape: Shape5, dtype: np.dtype[Any]) -> str:
    axes = ", ".join(f"{axis} {size}" for axis, size in zip("TCZYX", shape, strict=True) if size > 1 or axis in "YX")
    return f"{axes} {dtype}"
