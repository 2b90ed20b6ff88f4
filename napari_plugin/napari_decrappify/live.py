"""Live layers of a running restoration: views of the growing store on disk."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from decrappify import Movie, open_movie
from decrappify.errors import FormatError, MissingFileError
from napari_decrappify.layers import METADATA, is_rgb, restored_attributes
from napari_decrappify.lazy import MovieArray
from napari_decrappify.restore_job import Opened, PlaneDone, Restored, RestoreRequest
from napari_decrappify.visible import current_position


class LiveResult:
    """Layers of one run, one per channel; only the displayed planes are in memory.

    The data are plain lazy views, without dask, since its cache would show outdated pixels.

    Parameters
    ----------
    viewer : napari.Viewer
        Viewer of the layers.
    request : RestoreRequest
        Request of the run.
    opened : Opened
        The store, with its first plane.
    """

    def __init__(self, viewer: Any, request: RestoreRequest, opened: Opened) -> None:
        self._viewer, self._request, self._opened = viewer, request, opened
        self._planes: set[PlaneDone] = set()
        self._changed: set[PlaneDone] = set()
        _remove_layers_of(viewer, opened.store)
        movie = _open(opened)
        self._views = self._make_views(movie)
        self.layers = [self._add(view, channel, movie) for view, channel in self._views]

    def add(self, plane: PlaneDone) -> None:
        """Record that a plane can be read; `refresh` shows it."""
        self._planes.add(plane)
        self._changed.add(plane)

    def refresh(self) -> None:
        """Redraw layers whose displayed plane was finished since the last call."""
        changed, self._changed = self._changed, set()
        for layer, (view, channel) in zip(self.layers, self._views, strict=True):
            if layer in self._viewer.layers and self._is_shown(layer, view, channel, changed):
                layer.refresh(extent=False)

    def finish(self, result: Restored) -> None:
        """Show the finished store under its final name."""
        movie = open_movie(result.output)
        for layer, (view, channel) in zip(self.layers, self._views, strict=True):
            view.show(movie)
            layer.metadata = {METADATA: self._record(view, channel, result.output, result.provenance)}
            layer.name = self._name(channel)
            layer.refresh(extent=False)

    def stop(self) -> None:
        """Finish the layers with the planes so far, under a name that marks them as partial."""
        done = len(self._planes)
        for layer, (_, channel) in zip(self.layers, self._views, strict=True):
            layer.name = f"{self._name(channel)} (partial: {done} of {self._opened.n_planes} planes)"
            layer.refresh(extent=False)

    def _make_views(self, movie: Movie) -> list[tuple[MovieArray, int]]:
        image = self._request.image
        axes = image.axes.replace("C", "")
        if image.is_rgb and is_rgb(movie):
            return [(MovieArray(movie, f"{axes}C"), 0)]
        return [(MovieArray(movie, axes, channel), channel) for channel in range(movie.shape[1])]

    def _add(self, view: MovieArray, channel: int, movie: Movie) -> Any:
        request, axes = self._request, view.axes.replace("C", "")
        attributes = restored_attributes(request.image, axes=axes, scale=self._opened.scale, start={"T": request.first})
        if len(self._views) > 1:
            attributes.pop("colormap", None)
        return self._viewer.add_image(
            view,
            name=f"{self._name(channel)} (running)",
            rgb=view.axes.endswith("C"),
            multiscale=False,
            metadata={METADATA: self._record(view, channel, self._opened.store, movie.provenance)},
            **attributes,
        )

    def _name(self, channel: int) -> str:
        of_several = f" C{channel}" if len(self._views) > 1 else ""
        return f"{self._request.image.name}{of_several} [{self._request.model_name}]"

    def _record(self, view: MovieArray, channel: int, path: Path, provenance: dict[str, Any]) -> dict[str, Any]:
        request = self._request
        return {
            "path": str(path.absolute()),
            "scene": 0,
            "channel": None if view.axes.endswith("C") else channel,
            "array": view.name,
            "restored_from": request.image.name,
            "model": request.model_name,
            "frames": [request.first, request.stop],
            "device": request.device,
            "provenance": provenance,
        }

    def _is_shown(self, layer: Any, view: MovieArray, channel: int, changed: set[PlaneDone]) -> bool:
        if self._viewer.dims.ndisplay == 3:
            return bool(changed)
        position = current_position(self._viewer, layer, view.axes.replace("C", ""))
        t, z = position.get("T", 0), position.get("Z", 0)
        channels = range(3) if view.axes.endswith("C") else (channel,)
        return any(plane.t == t and plane.z == z and plane.c in channels for plane in changed)


def growing(movie: Movie, output: Path) -> Movie:
    """Return a movie of the planes of a growing store, and after its renaming of the output; blank if neither exists.

    Parameters
    ----------
    movie : Movie
        The growing store.
    output : Path
        Its final name.
    """

    def region(t: int, c: int, z: int, rows: slice, columns: slice) -> Any:
        try:
            return movie.region(t, c, z, rows, columns)
        except (MissingFileError, FormatError):  # renamed, or discarded
            with suppress(MissingFileError, FormatError), open_movie(output) as finished:
                return finished.region(t, c, z, rows, columns)
        return np.zeros((rows.stop - rows.start, columns.stop - columns.start), movie.dtype)

    return movie.map_regions(region)


def _open(opened: Opened) -> Movie:
    """Open the growing store, or the finished one if the run has already ended."""
    try:
        movie = open_movie(opened.store, absent_chunks="fill")  # unfinished planes are black
    except (MissingFileError, FormatError):  # renamed before, or while, it was opened
        return open_movie(opened.output)
    return growing(movie, opened.output)


def _remove_layers_of(viewer: Any, store: Path) -> None:
    """Remove the layers of an earlier, unfinished run that this one resumes."""
    for layer in list(viewer.layers):
        if layer.metadata.get(METADATA, {}).get("path") == str(store.absolute()):
            viewer.layers.remove(layer)
