"""Zeiss CZI files through pylibCZIrw: scenes, channels, Z and time, each region read without the rest of its plane."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from decrappify.errors import FormatError, InputError, MissingExtraError, MissingFileError
from decrappify.io import czi_metadata
from decrappify.movie import Array, Movie, Shape5

_DTYPES = {
    "Gray8": np.uint8,
    "Gray16": np.uint16,
    "Gray32Float": np.float32,
    "Bgr24": np.uint8,
    "Bgr48": np.uint16,
    "Bgr96Float": np.float32,
}
_RGB = ("R", "G", "B")
_RGB_COLORS = ("FF0000", "00FF00", "0000FF")


def open_czi(path: str | os.PathLike[str], scene: int = 0) -> Movie:
    """Open one scene of a CZI file; nothing but its directory and metadata is read.

    A colour camera's picture becomes three channels named R, G and B. Dimensions beside T, C, Z, Y, X (views, phases,
    illuminations, rotations) are taken at their first index.

    Parameters
    ----------
    path : path
        A ``.czi`` file.
    scene : int
        Scene number as the file counts them; a file without scenes has scene 0.

    Returns
    -------
    Movie
        (T, C, Z, Y, X) of uint8, uint16 or float32, with pixel size, frame interval, channel names and colours where
        the file knows them.

    Raises
    ------
    MissingFileError, FormatError
        If there is no such file, or it is no CZI, damaged or of an unknown pixel type.
    InputError
        If there is no such scene; the message lists those there are.
    MissingExtraError
        If pylibCZIrw is not installed.
    """
    path = Path(path)
    source = CziSource(path, scene)
    root = czi_metadata.parse_metadata(source.xml, path.name)
    names, colors = czi_metadata.channels(root, source.n_czi_channels)
    if source.is_rgb:
        prefixes = [f"{name} " for name in names] if len(names) > 1 else [""]
        names = [prefix + color for prefix in prefixes for color in _RGB]
        colors = [*_RGB_COLORS] * source.n_czi_channels
    return Movie(
        source,
        name=path.name,
        pixel_size_um=czi_metadata.pixel_size_um(root),
        frame_interval_s=czi_metadata.frame_interval_s(root, path),
        channel_names=names,
        channel_colors=colors,
    )


def scene_names(path: Path) -> list[str | None]:
    """Return the name of every scene, None where the file has no name for it."""
    reader = _open(path)
    try:
        numbers = sorted(reader.scenes_bounding_rectangle_no_pyramid) or [0]
        named = czi_metadata.scene_names(czi_metadata.parse_metadata(reader.raw_metadata, path.name))
    finally:
        reader.close()
    return [named.get(number) for number in numbers]


class CziSource:
    """Planes of one scene of a CZI file; can be sent to another process, which opens the file anew."""

    def __init__(self, path: Path, scene: int = 0) -> None:
        self._path, self._scene = path, scene
        self._reader = _open(path)
        try:
            self._read_layout()
        except BaseException:
            self.close()
            raise

    def __reduce__(self) -> tuple[type[CziSource], tuple[Path, int]]:
        return CziSource, (self._path, self._scene)

    def read(self, t: int, c: int, z: int, rows: slice, columns: slice) -> Array:
        """Read one region from the tiles that it touches."""
        channel, sample = divmod(c, 3) if self.is_rgb else (c, 0)
        roi = (self._left + columns.start, self._top + rows.start, columns.stop - columns.start, rows.stop - rows.start)
        if min(roi[2:]) < 1:
            return np.empty((roi[3], roi[2]), self.dtype)
        try:
            pixels = self._reader.read(plane={"T": t, "C": channel, "Z": z}, roi=roi, scene=self._scene_filter)
        except (RuntimeError, ValueError) as error:
            raise FormatError(
                f"frame {t} (channel {c}, slice {z}) of {self._path.name} cannot be read ({_one_line(error)}); "
                "the file is damaged or truncated, copy it again from the microscope"
            ) from error
        # Colour comes as B, G, R. The copy frees the other two colours and the library's buffer.
        plane: Array = pixels[..., 2 - sample] if self.is_rgb else pixels[..., 0]
        return np.array(plane, dtype=self.dtype, order="C")

    def close(self) -> None:
        """Release the file."""
        self._reader.close()

    def _read_layout(self) -> None:
        reader, name = self._reader, self._path.name
        try:
            sizes = {axis: stop - start for axis, (start, stop) in reader.total_bounding_box.items()}
            scenes = reader.scenes_bounding_rectangle_no_pyramid
            whole = reader.total_bounding_rectangle_no_pyramid
            pixel_types = reader.pixel_types
            self.xml: str = reader.raw_metadata
        except (RuntimeError, ValueError) as error:
            raise FormatError(
                f"{name} cannot be read ({_one_line(error)}); copy it again from the microscope"
            ) from error
        rectangle = _scene_rectangle(scenes or {0: whole}, self._scene, name)
        self._scene_filter = self._scene if scenes else None
        self._left, self._top = rectangle.x, rectangle.y
        self.is_rgb, self.dtype = _pixel_format(pixel_types, name)
        self.n_czi_channels: int = sizes["C"]
        n_channels = sizes["C"] * (3 if self.is_rgb else 1)
        self.shape: Shape5 = (sizes["T"], n_channels, sizes["Z"], rectangle.h, rectangle.w)
        if min(self.shape) < 1:
            raise FormatError(
                f"{name} holds no image, its shape is {self.shape}; was the recording stopped before it began?"
            )


def _open(path: Path) -> Any:
    if not path.exists():
        raise MissingFileError(f"there is no file {path}; check the path")
    if path.is_dir():
        raise FormatError(f"{path} is a folder, not a CZI file; name the file in it")
    with path.open("rb") as file:
        start = file.read(16)
    if not start.startswith(b"ZISRAWFILE"):
        raise FormatError(
            f"{path.name} is not a CZI file: it begins with {start!r}, not with 'ZISRAWFILE'; "
            "an HTML page or a placeholder may have been saved in its place, download or copy it again"
        )
    library = _library(path)
    try:
        return library.CziReader(str(path))
    except (RuntimeError, ValueError) as error:
        raise FormatError(
            f"{path.name} cannot be opened ({_one_line(error)}); it is damaged or truncated, copy it again"
        ) from error


def _library(path: Path) -> ModuleType:
    try:
        from pylibCZIrw import czi
    except ImportError as error:
        raise MissingExtraError(
            f"reading {path.name} needs pylibCZIrw, which is not installed; pip install pylibCZIrw"
        ) from error
    return czi  # type: ignore[no-any-return]


def _scene_rectangle(scenes: Mapping[int, Any], scene: int, name: str) -> Any:
    if scene not in scenes:
        listed = ", ".join(f"{number} ({box.h} × {box.w})" for number, box in sorted(scenes.items()))
        raise InputError(f"scene {scene} is not in {name}, which has scenes (rows × columns): {listed}")
    return scenes[scene]


def _pixel_format(pixel_types: Mapping[int, str], name: str) -> tuple[bool, np.dtype[Any]]:
    kinds = set(pixel_types.values())
    unknown = sorted(kinds - set(_DTYPES))
    if unknown:
        raise FormatError(
            f"{name} has pixels of type {', '.join(unknown)}, which cannot be read here; export it as OME-TIFF from ZEN"
        )
    is_rgb = {kind.startswith("Bgr") for kind in kinds}
    if len(is_rgb) > 1:
        raise FormatError(
            f"{name} mixes colour and grey channels ({', '.join(sorted(kinds))}); split the channels in ZEN first"
        )
    return is_rgb.pop(), np.result_type(*(_DTYPES[kind] for kind in kinds))


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__
