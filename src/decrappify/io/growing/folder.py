"""Frames of a folder to which an acquisition adds files, one or several per frame."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from decrappify.errors import FormatError, InputError
from decrappify.io.folders.folder import (
    FolderScene,
    frames_of,
    layout_of,
    listed_files,
    pages_are_slices_of,
    stem_of,
)
from decrappify.io.folders.movies import frame_opener, grid_movie
from decrappify.io.folders.name_grid import Arrangement, Grid, arrange
from decrappify.io.growing.frames import GrowingFrames, Parts
from decrappify.io.integrity.file_guard import file_version
from decrappify.movie import Array, Movie, Plane, Shape5

_NUMBERS = re.compile(r"(\d+)")


class NameRule(NamedTuple):
    """Position of the frame number in the file names of a scene, and how the numbers increase.

    Attributes
    ----------
    position : int
        Index of the number among the parts of a name, split at its numbers.
    first, step : int
        Number of frame 0, and increment per frame.
    places : dict
        Channel and slice (c, z) by the other parts of the name.
    """

    position: int
    first: int
    step: int
    places: dict[tuple[str, ...], tuple[int, int]]

    def plane(self, stem: str) -> Plane | None:
        """Return the plane (t, c, z) of a file, None for one of another series.

        >>> rule = NameRule(1, 1, 1, {("t", "_c", "0", ""): (0, 0)})
        >>> rule.plane("t0004_c0"), rule.plane("t0004_c1"), rule.plane("notes")
        ((3, 0, 0), None, None)
        """
        parts = _NUMBERS.split(stem)
        if self.position >= len(parts):
            return None
        number, place = int(parts.pop(self.position)), self.places.get(tuple(parts))
        t, rest = divmod(number - self.first, self.step)
        return None if place is None or rest or t < 0 else (t, *place)


def name_rule(stems: dict[Plane, str]) -> NameRule | None:
    """Return the rule of file names by plane; None if frames do not differ in one evenly increasing number.

    >>> name_rule({(0, 0, 0): "a_t1", (1, 0, 0): "a_t3", (2, 0, 0): "a_t5"})[:3]
    (1, 1, 2)
    >>> name_rule({(0, 0, 0): "12h05_0", (1, 0, 0): "12h07_1"}) is None
    True
    """
    series: dict[tuple[int, int], dict[int, list[str]]] = {}
    for (t, c, z), stem in stems.items():
        series.setdefault((c, z), {})[t] = _NUMBERS.split(stem)
    several = next((frames for frames in series.values() if len(frames) > 1), None)
    if several is None:
        return None
    (t0, one), (t1, other) = sorted(several.items())[:2]
    varying = [i for i, (a, b) in enumerate(zip(one, other, strict=False)) if a != b]
    if len(one) != len(other) or len(varying) != 1 or not varying[0] % 2:
        return None
    position = varying[0]
    step, rest = divmod(int(other[position]) - int(one[position]), t1 - t0)
    if rest or step < 1:
        return None
    places = {}
    for place, frames in series.items():
        for parts in frames.values():
            places[tuple(parts[:position] + parts[position + 1 :])] = place
    rule = NameRule(position, int(one[position]) - step * t0, step, places)
    return rule if all(rule.plane(stem) == plane for plane, stem in stems.items()) else None


class FolderFrames(GrowingFrames):
    """Frames of a folder of image files; one is complete when it has a file for each channel and slice.

    Parameters
    ----------
    path : Path
        The folder.
    scene : int
        Number of the scene, if the file names contain several.
    open_file : callable
        `decrappify.io.open_movie`.
    """

    def __init__(self, path: Path, scene: int, open_file: Callable[..., Movie]) -> None:
        self._path, self._scene, self._open_file = path, scene, open_file
        self._names: set[str] = set()
        self._files: dict[Plane, Path] = {}
        self._grid, self._slices = Grid("", {}, (0, 1, 1)), False
        self._rule: NameRule | None = None
        self._begun = False
        self._last: tuple[Path, str | None, Movie] | None = None
        self._suffix, self._in_file = "", (1, 1, 1)
        self._layout = ""

    def look(self) -> int:
        """Assign new files to planes by their names, and return the number of frames."""
        with os.scandir(self._path) as entries:
            new = {entry.name for entry in entries if not entry.name.startswith(".")} - self._names
        if new:
            self._names |= new
            if self._begun:
                self._add(new)
            else:
                self._arrange()
        return 1 + max((t for t, _, _ in self._files), default=-1) if not self._begun else self._count

    def parts(self, t: int) -> Parts:
        """Return the versions of the files of a frame."""
        files = (self._files.get(plane) for plane in self._planes(t))
        return tuple(None if file is None else file_version(file) for file in files)

    def is_readable(self, t: int) -> bool:
        """Return whether the headers are those of the first frame, and no file is truncated."""
        return all(self._is_whole(self._files[plane]) for plane in self._planes(t))

    def absent(self, t: int) -> frozenset[Plane]:
        """Return the planes of files that do not exist."""
        in_c, in_z = self._in_file[1:]
        return frozenset(
            (t, c * in_c + i, z * in_z + k)
            for _, c, z in self._planes(t)
            if (t, c, z) not in self._files
            for i in range(in_c)
            for k in range(in_z)
        )

    def begin(self, n_frames: int) -> Movie:
        """Open the first frames; from now on, files are assigned to planes by the rule of their names."""
        if self._rule is None:
            raise InputError(
                f"the file names in folder {self._path.name} do not number the frames by one number that increases "
                "evenly, such as t0001; rename them, or restore the folder after the acquisition"
            )
        chosen = {plane: file for plane, file in self._files.items() if plane[0] < n_frames}
        files = tuple(chosen.values())
        grid = Grid(
            self._grid.name,
            {plane: number for number, plane in enumerate(chosen)},
            (n_frames, *self._grid.shape[1:]),
            self._grid.channels,
            self._grid.axes,
        )
        scene = FolderScene(grid.name, files, grid, pages_are_slices=self._slices)
        movie = grid_movie(self._path.name, scene, self._open_file)
        self._opened = frame_opener(scene, self._open_file)
        self._in_file = (1, movie.shape[1] // grid.shape[1], movie.shape[2] // grid.shape[2])
        self._shape, self._begun, self._count = movie.shape, True, self._grid.shape[0]
        return movie

    def read(self, t: int, c: int, z: int, rows: slice, columns: slice) -> Array:
        """Read one region of a plane."""
        file, movie = self._files[self._place(t, c, z)], None
        version = file_version(file)
        if self._last is not None and self._last[:2] == (file, version):
            movie = self._last[2]
        if movie is None:
            self.close()
            movie = self._opened(file)
            self._last = file, version, movie
            expected: Shape5 = (*self._in_file, *self._shape[3:])
            if movie.shape != expected:
                raise FormatError(f"{file} has shape {movie.shape} (TCZYX), earlier frames have {expected}")
        return movie.region(0, c % self._in_file[1], z % self._in_file[2], rows, columns)

    def version(self, t: int, c: int, z: int) -> str | None:
        """Return size, times and inode of the file of a plane."""
        file = self._files.get(self._place(t, c, z))
        return None if file is None else file_version(file)

    def close(self) -> None:
        """Close the last read file."""
        if self._last is not None:
            self._last[2].close()
            self._last = None

    def _arrange(self) -> None:
        """Arrange all files by name, as on opening the folder."""
        try:
            files, _ = listed_files(self._path, "movie")
        except InputError:  # no images yet
            return
        if frames_of(files[0]) is None or files[0].is_dir():
            raise InputError(
                f"folder {self._path.name} contains files such as {files[0].name}, which are not single frames; follow "
                "one of them, or restore them after the acquisition"
            )
        found: Arrangement = arrange([stem_of(self._path, file) for file in files])
        if not self._scene < len(found.grids) or "T" not in found.grids[self._scene].axes:
            return
        self._grid, self._suffix = found.grids[self._scene], files[0].suffix
        self._files = {plane: files[number] for plane, number in self._grid.files.items()}
        self._rule = name_rule({plane: stem_of(self._path, file) for plane, file in self._files.items()})
        with suppress(FormatError, OSError):  # the header of the first file may be half-written
            self._slices = pages_are_slices_of(self._path, files, found)
            self._layout = str(layout_of(files[0]))

    def _add(self, names: set[str]) -> None:
        assert self._rule is not None, "set by begin"
        for name in names:
            file = self._path / name
            plane = self._rule.plane(stem_of(self._path, file)) if file.suffix == self._suffix else None
            if plane is not None:
                self._files[plane] = file
                self._count = max(self._count, plane[0] + 1)

    def _planes(self, t: int) -> list[Plane]:
        return [(t, c, z) for c in range(self._grid.shape[1]) for z in range(self._grid.shape[2])]

    def _place(self, t: int, c: int, z: int) -> Plane:
        return t, c // self._in_file[1], z // self._in_file[2]

    def _is_whole(self, file: Path) -> bool:
        frames = frames_of(file)
        try:
            layout = str(layout_of(file))
            self._layout = self._layout or layout
            return layout == self._layout and (frames is None or frames.is_whole is None or frames.is_whole(file))
        except (FormatError, OSError):
            return False
