"""Frames of one scene of a TIFF file, read on access."""

from __future__ import annotations

import math
import os
import weakref
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element

import numpy as np
import tifffile

from decrappify._common.argument_names import setting
from decrappify._common.counting import counted
from decrappify.errors import FormatError, InputError
from decrappify.io.formats.tiff.files.document import TiffDocument, opened_file
from decrappify.io.formats.tiff.files.messages import tifffile_messages
from decrappify.io.formats.tiff.metadata.namespaces import MOVIE_NAMESPACE
from decrappify.io.formats.tiff.metadata.ome import map_annotation, read_ome
from decrappify.io.formats.tiff.metadata.record import SAMPLE_COLORS, TiffMetadata, merged, sample_names
from decrappify.io.formats.tiff.pages.integers import (
    calibration,
    extended_sign,
    shifted_back,
    signed_depth,
    signed_dtype,
    use_whole_words,
)
from decrappify.io.formats.tiff.pages.layout import mark_missing, recorded_note
from decrappify.io.formats.tiff.pages.series import (
    is_recorded,
    is_stacked,
    keyframes,
    refuse_cut_short,
    refuse_missing_bytes,
    series_layout,
)
from decrappify.io.formats.tiff.pages.series_metadata import collected_metadata
from decrappify.io.integrity.damage import damage_errors
from decrappify.io.integrity.file_guard import FileGuard, GuardedSource, file_version
from decrappify.io.integrity.missing_planes import MissingNote
from decrappify.io.orientation import stored_region, upright, upright_pair
from decrappify.limits.files import check_decoded_size
from decrappify.limits.memory import check_memory
from decrappify.limits.threads import check_zarr_threads
from decrappify.movie import AXES, Array, Plane, Shape5, parse_axes

_COLOR = (tifffile.PHOTOMETRIC.RGB, tifffile.PHOTOMETRIC.YCBCR)
_ORIENTATION = 274


class TiffSource(GuardedSource):
    """Frames of one scene; can be pickled, and reopens its file in a forked process.

    Attributes
    ----------
    missing : frozenset of (t, c, z)
        Planes that were never recorded.
    metadata : TiffMetadata
        Metadata in the file.
    notes : list of str
        Notes about the file for the user, one line each.
    missing_note : MissingNote or None
        Note about missing planes.
    scene_names : list of (str or None)
        Same as the result of `decrappify.io.formats.tiff.open.scene_names`.
    """

    def __init__(self, path: Path, *, scene: int = 0, axes: str | None = None) -> None:
        self._path, self._scene, self._given_axes = path, scene, axes
        self._closing: weakref.finalize[Any, Any] | None = None
        self._guard = FileGuard([path])
        try:
            self._open()
        except BaseException:
            self.close()
            raise

    def read(self, t: int, c: int, z: int, rows: slice, columns: slice) -> Array:
        """Read one region as a (Y, X) array; of a large compressed page, only its strips or tiles are decoded."""
        if (t, c, z) in self.missing:
            return np.zeros((rows.stop - rows.start, columns.stop - columns.start), self.dtype)
        if self._process != os.getpid():  # a forked process shares the file position with its parent
            self._open()
            self._guard.check()
        channel, sample = divmod(c, self._n_samples)
        rows, columns = stored_region(rows, columns, (self._sizes["Y"], self._sizes["X"]), self._orientation)
        index = {"T": t, "C": channel, "Z": z, "S": sample, "Y": rows, "X": columns}
        what = f"frame {t} (channel {c}, slice {z}) of {self._path} cannot be decoded"
        with (
            damage_errors(what, "the file is truncated or damaged: copy it again", self._guard.check),
            tifffile_messages(self._path),
        ):
            plane = self._read(index)
            self._check_plane(plane, rows, columns)
        self._guard.check(self._path_of(index))
        return upright(self._true_values(plane), self._orientation).astype(self.dtype, copy=False)

    def version(self, t: int, c: int, z: int) -> str | None:
        """Return size, times and inode of the file that contains a plane."""
        index = {"T": t, "C": c // self._n_samples, "Z": z, "S": c % self._n_samples}
        return file_version(self._path_of(index))

    def close(self) -> None:
        """Close the file; also called when the source is garbage-collected."""
        if self._closing is not None:
            self._closing()

    def __getstate__(self) -> dict[str, Any]:
        return {"path": self._path, "scene": self._scene, "axes": self._given_axes, "guard": self._guard}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(state["path"], scene=state["scene"], axes=state["axes"])  # type: ignore[misc]
        self._guard = state["guard"]
        self._guard.check()

    def _open(self) -> None:
        with unreadable(self._path), tifffile_messages(self._path) as messages:
            self._open_series(messages)
        self._process = os.getpid()
        self._regions: Any = None
        self._last_page: tuple[int, Array] | None = None

    def _open_series(self, messages: list[str]) -> None:
        document = TiffDocument(self._path)
        self._closing = weakref.finalize(self, document.close)
        self.scene_names = [scene.name for scene in document.scenes]
        count = len(document.scenes)
        if not count:
            raise FormatError(f"{self._path} is a TIFF file without images; it is damaged: copy it again")
        if not 0 <= self._scene < count:
            raise InputError(
                f"scene {self._scene} is not in {self._path.name}, which has {counted(count, 'scene')}, numbered from 0"
            )
        scene = document.scenes[self._scene]
        opened = document.open(scene, self._scene)
        if opened.file is not document.file:
            document.close()
            self._closing = weakref.finalize(self, opened.file.close)
        self._file, self._series = opened.file, opened.series
        self._guard_pages()
        unclosed = refuse_cut_short(self._path, self._file, self._series, messages)
        image = document.image(scene)
        self._set_layout(opened.fixed, image)
        self.notes = [*document.notes, *self._doubt_of_frames()]
        self.missing_note: MissingNote | None = None
        root = document.root
        own = root is not None and "missing_planes" in map_annotation(root, image, MOVIE_NAMESPACE)
        self._find_missing(opened.missing_files, trim=not opened.missing_files and not own)
        if unclosed and not self._layout.announced:
            self.notes.append(
                f"{self._path.name} was not closed by the program that wrote it: opened with the "
                f"{counted(len(self._series.pages), 'plane')} found"
            )
        self._set_values()
        self.metadata = self._read_metadata(document.root, image)

    def _set_layout(self, fixed: dict[str, int], image: Element | None) -> None:
        series, page = self._series, self._series.keyframe
        self._layout = series_layout(self._file, series, fixed, image, self._given_axes, self._path.name)
        self._axes = self._layout.axes
        self._sizes = self._layout.sizes
        self._n_samples = self._sizes.get("S", 1)
        if self._n_samples == 4 and page.photometric in _COLOR and page.planarconfig == 1 and page.extrasamples:
            self._n_samples = 3  # the fourth is transparency; as a separate plane it may also be a fourth frame
        self._leading, self._page_axes = self._axes[: -page.ndim], self._axes[-page.ndim :]
        n_planes = math.prod(self._layout.shape[: len(self._leading)])
        # False if the axes of the user spread a plane over many pages, as in an array (Y, X, T).
        self._pages_are_planes = set("YX") <= set(self._page_axes) and self._layout.shape[-page.ndim :] == page.shape
        self._one_page_a_plane = self._pages_are_planes and not is_stacked(series)
        whole = self._layout.shape == series.shape and len(series.pages) == n_planes
        self._contiguous_at = series.dataoffset if self._is_in_one_file() else None
        self._series_is_whole = whole

    def _doubt_of_frames(self) -> list[str]:
        """Return a note on frames one pixel wide, or narrow ones as in an array (Y, X, T) if the file names no axes."""
        page, (height, width) = self._series.keyframe, self._layout.shape[-2:]
        if self._given_axes is None and width == 1 and not self._pages_are_planes and self._file.is_imagej:
            rows, columns = page.shape
            axes = "YX" if len(self._series.pages) == 1 else "TYX"
            return [
                f"{self._path.name} states more planes than its pages contain; read as planes of {height} x 1 pixels, "
                f"which tifffile stores as rows; pass {setting('axes', axes)} for planes of {rows} x {columns} pixels"
            ]
        if self._given_axes is not None or not set("QI") & set(self._series.axes) or len(self._layout.shape) != 3:
            return []
        try:
            parse_axes(self._layout.shape, what=self._path.name)
        except InputError as error:
            return [str(error)]
        return []

    def _find_missing(self, lost: list[str], *, trim: bool) -> None:
        series, layout = self._series, self._layout
        if self._one_page_a_plane:
            mark_missing(layout, self._leading, lambda number: is_recorded(series, number), trim=trim)
        n_planes, n_pages = math.prod(layout.shape[: len(self._leading)]), len(series.pages)
        if self._one_page_a_plane and n_pages > n_planes:
            omitted = f"{n_pages - n_planes} at the end {'is' if n_pages == n_planes + 1 else 'are'} omitted"
            self.notes.append(
                f"{self._path.name} states {counted(n_planes, 'plane')} and contains {n_pages}: {omitted}; pass the "
                f"axes, such as {setting('axes', 'TYX')}, to open all"
            )
        note = recorded_note(self._path.name, layout, lost)
        if note and layout.missing:
            self.missing_note = note
        elif note:
            self.notes.append(note.message)
        self.missing: frozenset[Plane] = frozenset(
            (t, c * self._n_samples + sample, z) for t, c, z in layout.missing for sample in range(self._n_samples)
        )
        sizes = self._sizes | {"C": self._sizes.get("C", 1) * self._n_samples}
        sizes["Y"], sizes["X"] = upright_pair((sizes["Y"], sizes["X"]), self._orientation_of(series.keyframe))
        self.shape: Shape5 = tuple(sizes.get(axis, 1) for axis in AXES)  # type: ignore[assignment]

    def _set_values(self) -> None:
        series = self._series
        self._orientation = self._orientation_of(series.keyframe)
        self._bits = None
        for page in keyframes(series):
            self._bits = signed_depth(page)
            use_whole_words(page)
        found = series.keyframe.dtype if series.transform is None else series.dtype
        dtype = np.dtype(np.int16) if self._bits is not None else None if found is None else np.dtype(found)
        if dtype is None or dtype.kind not in "uifb":
            held = dtype or f"samples of {series.keyframe.bitspersample} bits"
            raise FormatError(f"{self._path} contains {held}, which is not an image, expected integers or real floats")
        self.dtype = np.dtype(np.uint8) if dtype.kind == "b" else dtype.newbyteorder("=")
        words = (self._file.imagej_metadata if self._file.is_imagej else None) or {}
        self._signed = signed_dtype(words, self.dtype)
        if self._signed is not None:
            self.dtype = self._signed
        self._calibration = calibration(words) if self._signed is None else None
        if self._calibration is not None:
            unit = self._calibration["unit"] or "other values"
            self.notes.append(
                f"{self._path.name}: ImageJ's calibration of gray levels to {unit} is not applied; the gray levels are "
                "read as stored"
            )

    def _read_metadata(self, root: Element | None, image: Element | None) -> TiffMetadata:
        keyframe = self._series.keyframe
        metadata = merged(read_ome(root, image), collected_metadata(self._file, self._series, self._layout))
        n_channels = self.shape[1]
        if keyframe.photometric in _COLOR and len(metadata.channel_names) < n_channels:
            parts = sample_names(self._n_samples)
            n_pixels = n_channels // len(parts)
            metadata.channel_names = parts if n_pixels == 1 else [f"C{c} {p}" for c in range(n_pixels) for p in parts]
            metadata.channel_colors = [SAMPLE_COLORS.get(part) for part in parts] * n_pixels
        # A recording that ended before its last channels still lists the names of all.
        metadata.channel_names = metadata.channel_names[:n_channels]
        metadata.channel_colors = metadata.channel_colors[:n_channels]
        z, y, x = metadata.pixel_size_um
        metadata.pixel_size_um = (z, *upright_pair((y, x), self._orientation))
        spacing = metadata.unitless_spacing
        spacing_y, spacing_x = upright_pair((spacing.get("Y"), spacing.get("X")), self._orientation)
        for axis, value in (("Y", spacing_y), ("X", spacing_x)):
            spacing.pop(axis, None)
            if value is not None:
                spacing[axis] = value
        if self._calibration is not None:
            metadata.provenance = {"imagej_calibration": self._calibration} | metadata.provenance
        return metadata

    def _orientation_of(self, page: Any) -> int:
        value = page.tags.valueof(_ORIENTATION, default=1)
        return int(value) if isinstance(value, int) else 1

    def _guard_pages(self) -> None:
        """Guard the other files of a set; finding the file of each page would read all of a large single file."""
        self._other_files = bool(self._series.is_multifile) or not self._is_in_one_file()
        if self._other_files:
            for page in self._series.pages:
                if page is not None:
                    self._guard.add(page.parent.filehandle.path)

    def _check_plane(self, plane: Array, rows: slice, columns: slice) -> None:
        """Raise ValueError if a page has another size or type than the first one."""
        expected = rows.stop - rows.start, columns.stop - columns.start
        if plane.shape != expected or plane.dtype.kind not in "uifb":
            raise ValueError(f"it is {plane.shape} {plane.dtype}, expected {expected} {self.dtype}")

    def _path_of(self, index: dict[str, Any]) -> Path:
        """Return the file of the page at an index; the file itself if there is only one."""
        if not self._other_files or not self._pages_are_planes:
            return self._path
        page = self._series.pages[self._layout.page_number(self._leading, index)]
        return self._path if page is None else Path(page.parent.filehandle.path)

    def _is_in_one_file(self) -> bool:
        pages = self._series.pages
        ends = [pages[number] for number in {0, len(pages) - 1}]
        return all(page is not None and page.parent is self._file for page in ends)

    def _true_values(self, plane: Array) -> Array:
        if self._bits is not None:
            plane = extended_sign(plane, self._bits)
        if self._signed is not None:
            plane = shifted_back(plane.astype(plane.dtype.newbyteorder("="), copy=False), self._signed)
        return plane

    def _read(self, index: dict[str, Any]) -> Array:
        whole = all(index[axis] == slice(0, self._sizes[axis]) for axis in "YX")
        in_page = tuple(index[axis] for axis in self._page_axes)
        small = whole or self._sizes["Y"] * self._sizes["X"] <= 1 << 20
        number = self._layout.page_number(self._leading, index) if self._pages_are_planes else 0
        if not self._pages_are_planes:
            plane = self._lazy_array()[tuple(index[axis] for axis in self._axes)]
        elif self._contiguous_at is not None:
            plane = self._from_disk(self._contiguous_at, number, in_page)
        elif self._one_page_a_plane and (small or not self._series_is_whole):
            plane = self._page(number)[in_page]
        else:
            if self._one_page_a_plane:
                refuse_missing_bytes(self._path, self._series.pages[number])
            plane = self._lazy_array()[tuple({**index, **self._layout.fixed}[axis] for axis in self._axes)]
        if self._series.transform is not None:
            plane = self._series.transform(np.asarray(plane))
        plane = np.array(plane)  # a copy, to neither keep the file mapped nor share the cached page
        return plane.T if self._axes.index("Y") > self._axes.index("X") else plane

    def _from_disk(self, start: int, number: int, in_page: tuple[Any, ...]) -> Array:
        """Read a part of an uncompressed page, not mapped: truncation of a mapped file would end the process."""
        shape = tuple(self._sizes[axis] for axis in self._page_axes)
        dtype = np.dtype(self._series.keyframe.dtype).newbyteorder(self._file.byteorder)
        first = in_page[0] if isinstance(in_page[0], slice) else slice(in_page[0], in_page[0] + 1)
        row = math.prod(shape[1:])
        count = (first.stop - first.start) * row
        with self._path.open("rb") as file:
            file.seek(start + (number * math.prod(shape) + first.start * row) * dtype.itemsize)
            values = np.fromfile(file, dtype, count)
        if len(values) < count:
            raise ValueError("the file ends within the page")
        part = values.reshape(-1, *shape[1:])
        return np.asarray(part[(slice(None) if isinstance(in_page[0], slice) else 0, *in_page[1:])])

    def _page(self, number: int) -> Array:
        # Tiles and RGB samples read the same page one after another.
        if self._last_page is None or self._last_page[0] != number:
            page = self._series.pages[number]
            refuse_missing_bytes(self._path, page)
            self._check_size(page, page.nbytes, sum(page.databytecounts))
            with opened_file(page):
                self._last_page = (number, page.asarray())
        return self._last_page[1]

    def _check_size(self, page: Any, nbytes: int, stored: int) -> None:
        """Raise FormatError for implausible compressed sizes; uncompressed pixels are read directly from the file."""
        if page.compression != 1:
            check_decoded_size(self._path.name, nbytes, stored)

    def _lazy_array(self) -> Any:
        if self._regions is None:
            import zarr

            check_zarr_threads()
            page = self._series.keyframe
            part = math.prod(page.chunks) * (page.dtype.itemsize if page.dtype is not None else 1)
            self._check_size(page, part, max(page.databytecounts, default=0))
            self._regions = zarr.open(self._series.aszarr(level=0), mode="r")
            if self._regions.shape != self._layout.shape:  # other axes than tifffile's
                check_memory(self._series.nbytes, self._path.name, "omit axes, or name those of the file")
                self._regions = self._series.asarray().reshape(self._layout.shape)
        return self._regions


def unreadable(path: Path) -> AbstractContextManager[None]:
    """Convert the errors of tifffile on opening a file into one line."""
    return damage_errors(f"{path} cannot be read as TIFF", "it is truncated or damaged: copy it again")
