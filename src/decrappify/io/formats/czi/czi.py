"""Reader of Zeiss CZI files through pylibCZIrw: scenes, channels, Z and time; reads regions without complete planes."""

from __future__ import annotations

import os
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from decrappify._common.caller_warning import warn_caller
from decrappify.errors import FormatError, InputError, MissingExtraError, MissingFileError
from decrappify.io.formats.czi import metadata as czi_metadata
from decrappify.io.formats.czi.directory import COPY_AGAIN, Blocks, grid_of_blocks, read_blocks
from decrappify.io.formats.czi.layout import (
    SceneLayout,
    further_numbers,
    numbering,
    rectangle,
    scene_blocks,
    scene_layout,
    scene_numbers,
)
from decrappify.io.formats.czi.segments import SegmentCheck
from decrappify.io.formats.czi.selection import check_picks, left_out_message, parse_scene
from decrappify.io.integrity.damage import damage_errors
from decrappify.io.integrity.file_guard import FileGuard, GuardedSource
from decrappify.io.integrity.missing_planes import describe_missing, list_planes, warn_of_missing
from decrappify.io.scene_names import unique_names
from decrappify.limits.files import check_regular
from decrappify.movie import Array, Movie, Shape5

# Number in the file, name in the library, dtype.
_PIXEL_TYPES = {
    0: ("Gray8", np.uint8),
    1: ("Gray16", np.uint16),
    2: ("Gray32Float", np.float32),
    3: ("Bgr24", np.uint8),
    4: ("Bgr48", np.uint16),
    8: ("Bgr96Float", np.float32),
}
_UNREADABLE = {9: "Bgra32", 10: "Gray64ComplexFloat", 11: "Bgr192ComplexFloat", 12: "Gray32", 13: "Gray64"}
_RGB = ("R", "G", "B")
_RGB_COLORS = ("FF0000", "00FF00", "0000FF")
_EXACT_IN_FLOAT32 = 2**24
_LISTED = 12  # scenes named in a message


def open_czi(path: str | os.PathLike[str], scene: int | str = 0) -> Movie:
    """Open one scene of a CZI file; only its directory and metadata are read.

    Frames, channels and slices are those of the scene, counted from 0 independently of their numbers in the file.
    Planes within this range that were never recorded are listed in `Movie.missing` and a warning, and read as zeros.
    An image of a color camera becomes three channels named R, G and B.

    Further dimensions (H: detector elements or phases, V: views, R: rotations, I: illuminations, B: blocks) are opened
    at their first index, with a warning, unless `scene` selects another: ``"A1, H 3"``, or ``"A1, H sum"`` for the sum
    over all of them, as of the 32 elements of an Airyscan detector. Sums of integers are float32.

    Parameters
    ----------
    path : path
        A ``.czi`` file.
    scene : int or str
        Number of the scene, from 0 in the order of the file, or its name (see `decrappify.scenes`), and indices along
        further dimensions after commas.

    Returns
    -------
    Movie
        (T, C, Z, Y, X) of uint8, uint16 or float32, with the pixel size, frame interval, channel names and colors
        that the file states.

    Raises
    ------
    MissingFileError, FormatError
        If the file does not exist, or is not a CZI, is damaged or has an unknown pixel type.
    InputError
        If the scene or index does not exist; the message lists the existing ones.
    MissingExtraError
        If pylibCZIrw is not installed.
    """
    path = Path(path)
    source = CziSource(path, scene)
    if source.layout.missing:
        warn_of_missing(f"{path.name}: {source.missing_note()}")
    for message in source.notes():
        warn_caller(f"{path.name}{message}")
    with damage_errors(f"the metadata of {path.name} cannot be read", COPY_AGAIN):
        return _movie(source, path)


def _movie(source: CziSource, path: Path) -> Movie:
    root = source.metadata
    names, colors = czi_metadata.channels(root, source.layout.axes[1], source.channel_numbers)
    if source.is_rgb:
        prefixes = [f"{name} " for name in names] if len(names) > 1 else [""]
        colors = [*_RGB_COLORS] * len(names)
        names = [prefix + color for prefix in prefixes for color in _RGB]
    return Movie(
        source,
        name=path.name,
        pixel_size_um=czi_metadata.pixel_size_um(root),
        frame_interval_s=czi_metadata.frame_interval_s(root, path),
        channel_names=names,
        channel_colors=colors,
    )


def scene_names(path: Path) -> list[str | None]:
    """Return the name of every scene, None for a scene without a name."""
    reader, blocks = open_blocks(path)
    try:
        with damage_errors(f"{path.name} cannot be read", COPY_AGAIN):
            root = czi_metadata.parse_metadata(reader.raw_metadata, path.name)
            return czi_metadata.scene_names(root, scene_numbers(blocks))
    finally:
        reader.close()


class CziSource(GuardedSource):
    """Planes of one scene of a CZI file; can be pickled to another process, which opens the file again."""

    def __init__(self, path: Path, scene: int | str = 0) -> None:
        self._path, self._scene, self._closed = path, scene, False
        self._reader, blocks = open_blocks(path)
        self._guard = FileGuard([path])
        try:
            with damage_errors(f"{path.name} cannot be read", COPY_AGAIN):
                self._set_layout(self._reader.raw_metadata, blocks)
        except BaseException:
            self.close()
            raise

    def __reduce__(self) -> tuple[type[CziSource], tuple[Path, int | str], dict[str, Any]]:
        return CziSource, (self._path, self._scene), {"_guard": self._guard}

    def read(self, t: int, c: int, z: int, rows: slice, columns: slice) -> Array:
        """Read one region from the tiles that it intersects; zeros if the plane was not recorded."""
        width, height = columns.stop - columns.start, rows.stop - rows.start
        if min(width, height) < 1 or (t, c, z) in self.missing:
            return np.zeros((max(height, 0), max(width, 0)), self.dtype)
        roi = (self.layout.x + columns.start, self.layout.y + rows.start, width, height)
        if len(self.layout.indices) == 1:
            plane = self._read_one(t, c, z, roi, self.layout.indices[0])
        else:
            plane = np.zeros((height, width), np.float64)
            for index in self.layout.indices:
                plane += self._read_one(t, c, z, roi, index)
        self._guard.check()
        return plane.astype(self.dtype, copy=False)

    def close(self) -> None:
        """Close the file; a second call has no effect."""
        if not self._closed:
            self._closed = True
            self._reader.close()

    def missing_note(self) -> str:
        """Return number and positions of the missing planes as text."""
        layout = self.layout
        other = f"; {layout.elsewhere} of them are in other files of the recording" if layout.elsewhere else ""
        return f"{describe_missing(layout.missing, self._n_planes)}{other}; they are read as zeros"

    @property
    def _n_planes(self) -> tuple[int, int, int]:
        frames, channels, slices = self.layout.axes
        return len(frames), len(channels), len(slices)

    def notes(self) -> list[str]:
        """Return further notes about the scene for the user, one line each, to follow the file name."""
        layout = self.layout
        found = [self._left_out] if self._left_out else []
        if layout.partial:
            most = max(whole for _, whole in layout.partial.values())
            where = list_planes(layout.partial, self._n_planes)
            planes = "1 plane lacks" if len(layout.partial) == 1 else f"{len(layout.partial)} planes lack"
            found.append(f": {planes} some of {most} tiles ({where}); the gaps are read as zeros")
        found += [
            f": the metadata state {announced} {what}, the file contains {held}; the recording was stopped early, or "
            "this is a part of it"
            for what, announced, held in self._absent
        ]
        for letter, length in self._longest.items():
            if length > 1 and letter not in "SM":
                found.append(
                    f" stores {length} positions along {letter} in one block, as a line scan does, and only the first "
                    "is read; export it as OME-TIFF from ZEN"
                )
        return found

    def _read_one(self, t: int, c: int, z: int, roi: tuple[int, int, int, int], index: dict[str, int]) -> Array:
        channel, sample = divmod(c, 3) if self.is_rgb else (c, 0)
        place = dict(
            zip("TCZ", (axis[i] for axis, i in zip(self.layout.axes, (t, channel, z), strict=True)), strict=True)
        )
        if self._closed:
            raise InputError(f"{self._path.name} is closed; open it again with open_movie")
        pixel_type, _ = _PIXEL_TYPES[self.layout.pixel_types[channel]]
        what = f"frame {t} (channel {channel}, slice {z}) of {self._path.name} cannot be read"
        with damage_errors(what, f"the file is damaged or truncated, {COPY_AGAIN}", self._guard.check):
            self._check_segments(place | index)
            pixels = self._reader.read(plane=place | index, roi=roi, scene=self.layout.scene, pixel_type=pixel_type)
            if pixels.shape[:2] != (roi[3], roi[2]):
                raise ValueError(f"it is {pixels.shape[0]} × {pixels.shape[1]}, expected {roi[3]} × {roi[2]}")
        # Colors are in the order B, G, R. The copy frees the other two colors and the library's buffer.
        plane: Array = pixels[..., 2 - sample] if self.is_rgb else pixels[..., 0]
        return np.array(plane, dtype=self.dtype, order="C")

    def _set_layout(self, xml: str, blocks: Blocks) -> None:
        name = self._path.name
        if not len(blocks):
            raise FormatError(f"{name} contains no image; the recording may have been stopped before the first one")
        self.metadata = czi_metadata.parse_metadata(xml, name)
        numbers = scene_numbers(blocks)
        names = czi_metadata.scene_names(self.metadata, numbers)
        self.scene_names = names
        number, picks = self._choose(blocks, numbers, names)
        check_picks(picks, further_numbers(scene_blocks(blocks, numbers[number])), name)
        try:
            listed = czi_metadata.listed_sizes(self.metadata)
            steps = numbering(blocks, listed)
            self.layout: SceneLayout = scene_layout(blocks, numbers[number], picks, steps)
        except FormatError as error:
            raise FormatError(f"{name} is damaged, {error}; copy it again from the microscope") from error
        except InputError as error:
            raise InputError(f"{error} in {name}; choose other indices") from error
        layout = self.layout
        self._check_segments = SegmentCheck(self._path, scene_blocks(blocks, layout.scene))
        self.channel_numbers = [int(c) for c in steps["C"]]
        self._longest = blocks.longest
        label = unique_names(names)[number] if len(names) > 1 else None
        self._left_out = left_out_message(label, picks, layout.further, layout.indices[0])
        self.is_rgb, self.dtype = _pixel_format(layout.pixel_types, name)
        self._absent = [
            (what, listed[letter], len(steps[letter]))
            for letter, what in (("T", "frames"), ("C", "channels"), ("Z", "slices"))
            if not (letter == "C" and self.is_rgb)  # some files count the colors
            and listed.get(letter, 0) > len(steps[letter])
            and blocks.longest.get(letter, 1) == 1
        ]
        n_samples = 3 if self.is_rgb else 1
        self.dtype = _sum_dtype(self.dtype, len(layout.indices))
        n_t, n_c, n_z = map(len, layout.axes)
        self.shape: Shape5 = (n_t, n_c * n_samples, n_z, layout.height, layout.width)
        self.missing = frozenset((t, c * n_samples + i, z) for t, c, z in layout.missing for i in range(n_samples))

    def _choose(
        self, blocks: Blocks, numbers: list[int | None], names: list[str | None]
    ) -> tuple[int, dict[str, int | None]]:
        """Return the position of the chosen scene among all, and the indices along further dimensions."""
        name = self._path.name
        if not isinstance(self._scene, str):
            if self._scene not in range(len(numbers)):
                raise InputError(
                    f"scene {self._scene} is not in {name}, which has {_list_scenes(blocks, numbers, names)}"
                )
            return self._scene, {}
        return parse_scene(self._scene, unique_names(names), name)


def open_blocks(path: Path) -> tuple[Any, Blocks]:
    """Return pylibCZIrw's reader of a file, and its sub-blocks."""
    if not path.exists():
        raise MissingFileError(f"{path} does not exist; check the path")
    if path.is_dir():
        raise FormatError(f"{path} is a folder, not a CZI file; pass the file in it")
    check_regular(path)
    with path.open("rb") as file:
        start = file.read(16)
    if not start.startswith(b"ZISRAWFILE"):
        raise FormatError(
            f"{path.name} is not a CZI file: it begins with {start!r}, not with 'ZISRAWFILE'; "
            "an HTML page or a placeholder may have been saved in its place, download or copy it again"
        )
    library = _library(path)
    blocks = read_blocks(path)  # first: the library crashes on a damaged directory
    with damage_errors(f"{path.name} cannot be opened", f"it is damaged or truncated, {COPY_AGAIN}"):
        reader = library.CziReader(str(path))
    try:
        with damage_errors(f"{path.name} cannot be read", COPY_AGAIN):
            return reader, _summarized_blocks(reader) if blocks is None else blocks
    except BaseException:
        reader.close()
        raise


def _library(path: Path) -> ModuleType:
    try:
        from pylibCZIrw import czi
    except ImportError as error:
        raise MissingExtraError(
            f"reading {path.name} needs pylibCZIrw, which is not installed; pip install pylibCZIrw"
        ) from error
    return czi  # type: ignore[no-any-return]


def _summarized_blocks(reader: Any) -> Blocks:
    """Return the sub-blocks implied by the library's summary of a file."""
    codes = {name: code for code, (name, _) in _PIXEL_TYPES.items()} | {
        name: code for code, name in _UNREADABLE.items()
    }
    boxes = {number: tuple(box) for number, box in reader.scenes_bounding_rectangle_no_pyramid.items()}
    sizes = {axis: stop - start for axis, (start, stop) in reader.total_bounding_box.items()}
    types = {channel: codes.get(name, -1) for channel, name in reader.pixel_types.items()}
    return grid_of_blocks(sizes, boxes or {None: tuple(reader.total_bounding_rectangle_no_pyramid)}, types)


def _list_scenes(blocks: Blocks, numbers: list[int | None], names: list[str | None]) -> str:
    entries = []
    for position, (number, name) in enumerate(zip(numbers[:_LISTED], names[:_LISTED], strict=True)):
        _, _, width, height = rectangle(scene_blocks(blocks, number))
        entries.append(f"{position} ({name + ', ' if name else ''}{height} × {width})")
    more = f" and {len(numbers) - _LISTED} more" if len(numbers) > _LISTED else ""
    return f"scenes (rows × columns): {', '.join(entries)}{more}"


def _pixel_format(pixel_types: tuple[int, ...], name: str) -> tuple[bool, np.dtype[Any]]:
    unknown = sorted(set(pixel_types) - set(_PIXEL_TYPES))
    if unknown:
        listed = ", ".join(_UNREADABLE.get(code, f"number {code}") for code in unknown)
        raise FormatError(f"{name} has pixels of type {listed}, which cannot be read; export it as OME-TIFF from ZEN")
    kinds = {_PIXEL_TYPES[code][0] for code in pixel_types}
    is_rgb = {kind.startswith("Bgr") for kind in kinds}
    if len(is_rgb) > 1:
        raise FormatError(
            f"{name} mixes color and gray channels ({', '.join(sorted(kinds))}); split the channels in ZEN first"
        )
    return is_rgb.pop(), np.result_type(*(_PIXEL_TYPES[code][1] for code in pixel_types))


def _sum_dtype(dtype: np.dtype[Any], n_terms: int) -> np.dtype[Any]:
    """Return a dtype that represents the sum of `n_terms` values exactly, within the limits of floats."""
    if n_terms == 1 or dtype.kind == "f":
        return dtype
    exact = n_terms * int(np.iinfo(dtype).max) <= _EXACT_IN_FLOAT32
    return np.dtype(np.float32 if exact else np.float64)
