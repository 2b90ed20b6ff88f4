"""Live layers of a running restoration: views of the growing store on disk."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from decrappify import Movie, open_movie
from decrappify.errors import FormatError, MissingFileError
from napari_decrappify.layers.attributes import restored_attributes
from napari_decrappify.layers.canvas.region import current_position
from napari_decrappify.layers.files.scenes import layer_of, origin_of
from napari_decrappify.layers.image import METADATA, LayerImage
from napari_decrappify.layers.lazy import MovieArray
from napari_decrappify.layers.results.growing import GrowingStore, PlaneDone


class LiveResult:
    """Layers of one run, one per channel; only the displayed planes are in memory.

    If the input has an axis C, each layer has one, too, of length 1, so that napari, which aligns the last axes of all
    layers, shows it at the place of its channel.

    The layer data are lazy views without dask, whose cache would show outdated pixels.

    Parameters
    ----------
    viewer : napari.Viewer
        Viewer of the layers.
    images : sequence of LayerImage
        The input of the run: one layer, or one for each channel of the result.
    store : GrowingStore
        The store, with its first plane.
    models : sequence of str
        Name of the model of each image, for the names of the layers.
    first : int
        First restored frame of the input.
    recorded : dict
        Added to the metadata of the layers: ``frames`` and so on.
    """

    def __init__(
        self,
        viewer: Any,
        images: Sequence[LayerImage],
        store: GrowingStore,
        *,
        models: Sequence[str],
        first: int,
        recorded: dict[str, Any],
    ) -> None:
        self._viewer, self._images, self._store = viewer, images, store
        self._models = models
        self._first, self._recorded = first, recorded
        self._planes: set[PlaneDone] = set()
        self._changed: set[PlaneDone] = set()
        self._remove_earlier()
        movie = store.movie()
        self._channel_names = movie.channel_names
        self._views = self._create_views(movie)
        self.layers = [self._add(view, channel, movie) for view, channel in self._views]
        self._given_names = [layer.name for layer in self.layers]

    def add(self, plane: PlaneDone) -> None:
        """Record that a plane can be read; `refresh` displays it."""
        self._planes.add(plane)
        self._changed.add(plane)

    def refresh(self) -> None:
        """Redraw layers whose displayed plane was finished since the last call."""
        changed, self._changed = self._changed, set()
        for layer, (view, channel) in zip(self.layers, self._views, strict=True):
            if layer in self._viewer.layers and self._is_shown(layer, view, channel, changed):
                _redraw(layer)

    def finish(self, output: Path, provenance: dict[str, Any]) -> None:
        """Show the finished store under its final name."""
        movie = open_movie(output)
        for layer, (view, channel) in zip(self.layers, self._views, strict=True):
            view.show(self._of_view(movie, channel))
            layer.metadata = {METADATA: self._metadata(view, channel, output, provenance)}
            self._rename(layer, self._name(channel))
            layer.refresh(extent=False)
        self._hide_mixed_inputs()

    def _hide_mixed_inputs(self) -> None:
        """Hide inputs that are displayed as the sum of all layers, in which they would brighten their results."""
        for image in self._images:
            source = layer_of(self._viewer.layers, image)
            if source is not None and source.blending == "additive":
                source.visible = False

    def stop(self) -> None:
        """Keep the layers with the planes finished so far, and mark them as partial in their names."""
        part = f"partial: {len(self._planes)} of {self._store.n_planes} planes"
        for layer, (_, channel) in zip(self.layers, self._views, strict=True):
            self._rename(layer, f"{self._name(channel)} ({part})")
            _redraw(layer)

    def _rename(self, layer: Any, name: str) -> None:
        """Name a layer, unless the user has renamed it."""
        if layer.name == self._given_names[self.layers.index(layer)]:
            layer.name = name

    def _create_views(self, movie: Movie) -> list[tuple[MovieArray, int]]:
        image = self._images[0]
        if image.is_rgb and movie.shape[1] == 3:
            return [(MovieArray(movie, image.axes), 0)]
        channels = range(movie.shape[1])
        if self._has_channel_axis:
            return [(MovieArray(self._of_view(movie, channel), image.axes), channel) for channel in channels]
        return [(MovieArray(movie, image.layer_axes, channel), channel) for channel in channels]

    @property
    def _has_channel_axis(self) -> bool:
        return "C" in self._images[0].layer_axes

    def _of_view(self, movie: Movie, channel: int) -> Movie:
        """Return the movie of a view, which is one channel if the view has an axis C."""
        return movie.select(channels=channel) if self._has_channel_axis else movie

    def _input_channel(self, channel: int) -> int:
        """Return the channel of the input for one of the result."""
        return int(self._recorded.get("restored_channel", channel))

    def _add(self, view: MovieArray, channel: int, movie: Movie) -> Any:
        axes = self._image(channel).layer_axes
        start = {"T": self._first, "C": self._input_channel(channel)}
        attributes = restored_attributes(self._image(channel), axes=axes, scale=self._store.scale, start=start)
        recorded = self._metadata(view, channel, self._store.path, movie.provenance) | {"is_partial": True}
        return self._viewer.add_image(
            view,
            name=f"{self._name(channel)} (running)",
            rgb=self._is_rgb(view),
            multiscale=False,
            metadata={METADATA: recorded},
            **attributes,
        )

    @property
    def _is_split(self) -> bool:
        """Whether one layer of several channels is restored into several layers."""
        return len(self._images) == 1 and len(self._views) > 1

    def _is_rgb(self, view: MovieArray) -> bool:
        return view.axes.endswith("C")

    def _image(self, channel: int) -> LayerImage:
        return self._images[channel if len(self._images) > 1 else 0]

    def _model(self, channel: int) -> str:
        return self._models[channel if len(self._models) > 1 else 0]

    def _name(self, channel: int) -> str:
        of_several = f" C{channel}" if self._is_split else ""
        return f"{self._image(channel).name}{of_several} [{self._model(channel)}]"

    def _metadata(self, view: MovieArray, channel: int, path: Path, provenance: dict[str, Any]) -> dict[str, Any]:
        image = self._image(channel)
        return self._recorded | {
            "model": self._model(channel),
            "path": str(path.absolute()),
            "scene": 0,
            "channel": None if self._is_rgb(view) else channel,
            "array": view.name,
            "restored_from": image.name,
            "source": origin_of(image) | ({"channel": self._input_channel(channel)} if self._has_channel_axis else {}),
            "channel_name": self._channel_names[channel],
            "provenance": provenance,
        }

    def _is_shown(self, layer: Any, view: MovieArray, channel: int, changed: set[PlaneDone]) -> bool:
        axes = self._image(channel).layer_axes
        position = current_position(self._viewer, layer, axes)
        t, z = position.get("T", 0), position.get("Z", 0)
        channels = range(3) if self._is_rgb(view) else (channel,)
        if self._viewer.dims.ndisplay == 3:  # reading a volume is slow: once, when its last plane is finished
            n_slices = self._image(channel).sizes.get("Z", 1)
            return {"T", "Z"} <= set(axes) and self._completes_volume(t, channels, n_slices, changed)
        return any(plane.t == t and plane.z == z and plane.c in channels for plane in changed)

    def _completes_volume(self, t: int, channels: Sequence[int], n_slices: int, changed: set[PlaneDone]) -> bool:
        of_volume = [plane for plane in self._planes if plane.t == t and plane.c in channels]
        return len(of_volume) == n_slices * len(channels) and not changed.isdisjoint(of_volume)

    def _remove_earlier(self) -> None:
        """Remove the layers of an earlier, unfinished run that this one resumes."""
        for layer in list(self._viewer.layers):
            if layer.metadata.get(METADATA, {}).get("path") == str(self._store.path.absolute()):
                self._viewer.layers.remove(layer)


def _redraw(layer: Any) -> None:
    """Redraw a layer, unless its store was deleted: the run that writes it ends with an error that states this."""
    with suppress(MissingFileError, FormatError):
        layer.refresh(extent=False)
