"""Worker of the Restore widget: restoration into a store, and previews; without Qt and napari."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from itertools import count, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from decrappify import Model, Movie, load_model
from decrappify.errors import OutputExistsError
from decrappify.io import partial_path
from napari_decrappify.layers import LayerImage
from napari_decrappify.task import Task

if TYPE_CHECKING:
    from decrappify.restoration import Preview

_NAMES_TRIED = 100
_PREVIEW_S = 1.0


@dataclass(frozen=True, kw_only=True)
class RestoreRequest:
    """Values of the widget at the time of the click.

    Attributes
    ----------
    image : LayerImage
        The input.
    model : str or Path
        As for `decrappify.load_model`.
    folder : Path
        Folder of the result, ``<layer>-<model>.ome.zarr``, numbered if the name is taken.
    first, stop : int
        Frames ``first:stop``.
    channel : int or None
        The channel to restore of a layer with several.
    device : str
        As for `decrappify.restore`.
    """

    image: LayerImage
    model: str | Path
    folder: Path
    first: int
    stop: int
    channel: int | None = None
    device: str = "auto"

    @property
    def model_name(self) -> str:
        """Short name of the model for layers and files."""
        path = Path(self.model)
        return path.parent.name if path.stem == "model" else path.name.removesuffix(".safetensors")


@dataclass(frozen=True)
class Opened:
    """Report of the first plane in the store, which can then be shown."""

    store: Path
    output: Path
    scale: int
    n_planes: int


@dataclass(frozen=True)
class PlaneDone:
    """Report of a plane of the result that can be read."""

    t: int
    c: int
    z: int


@dataclass(frozen=True)
class Restored:
    """Result of a finished restoration."""

    output: Path
    opened: Opened
    provenance: dict[str, Any]
    seconds: float


def run_restoration(task: Task, request: RestoreRequest) -> Restored:
    """Restore into the first free name; an unfinished run of the same input, model and frames is resumed."""
    started = time.monotonic()
    model = load_model(request.model)
    with closing(request.image.movie()) as movie:
        for output in _outputs(request):
            try:
                restored = _restore(task, request, movie, model, output)
            except OutputExistsError:
                continue  # finished, or an unfinished run of other data
            with closing(restored):
                n_planes = int(np.prod(restored.shape[:3]))
                opened = Opened(output, output, model.scale, n_planes)
                return Restored(output, opened, dict(restored.provenance), time.monotonic() - started)
    raise OutputExistsError(
        f"{request.folder} already holds {_NAMES_TRIED} results of {request.image.name!r} with "
        f"{request.model_name!r}; choose another folder, or delete some"
    )


def _restore(task: Task, request: RestoreRequest, movie: Movie, model: Model, output: Path) -> Movie:
    from decrappify import restore

    seen = count()

    def on_plane(t: int, c: int, z: int) -> None:
        if next(seen) == 0:
            n_channels = movie.shape[1] if request.channel is None else 1
            n_planes = (request.stop - request.first) * n_channels * movie.shape[2]
            task.report(Opened(partial_path(output), output, model.scale, n_planes))
        task.report(PlaneDone(t, c, z))

    restored: Movie = restore(
        movie,
        model,
        output,
        frames=slice(request.first, request.stop),
        channel=request.channel,
        device=request.device,
        window_axis=window_axis(movie, model),
        progress=task.progress,
        cancel=task.cancel,
        on_plane=on_plane,
    )
    return restored


def window_axis(movie: Movie, model: Model) -> str:
    """Return the axis of the window: Z for a single stack and a model of several frames, else T."""
    n_t, _, n_z = movie.shape[:3]
    return "Z" if model.n_frames > 1 and n_t == 1 and n_z > 1 else "T"


def _outputs(request: RestoreRequest) -> Iterator[Path]:
    name = f"{safe_name(request.image.name)}-{safe_name(request.model_name)}"
    names = (f"{name}.ome.zarr" if number == 1 else f"{name}-{number}.ome.zarr" for number in count(1))
    return (request.folder / name for name in islice(names, _NAMES_TRIED))


def safe_name(name: str) -> str:
    """Convert a layer's name to a file name.

    >>> safe_name("cells.ome.tif · actin/2")
    'cells-actin-2'
    """
    from decrappify.io import readable_suffixes

    for ending in sorted(readable_suffixes(), key=len, reverse=True):
        name = name.replace(f".ome{ending}", "").replace(ending, "")
    kept = "".join(letter if letter.isalnum() or letter in "_-." else " " for letter in name)
    return "-".join(kept.split()).strip(".") or "movie"


@dataclass(frozen=True, kw_only=True)
class PreviewRequest:
    """A region of one plane to preview.

    Attributes
    ----------
    image, model, device
        As for `RestoreRequest`.
    t, c, z : int
        The plane.
    rows, columns : slice
        The region, in pixels of the layer.
    """

    image: LayerImage
    model: str | Path
    device: str
    t: int
    c: int
    z: int
    rows: slice
    columns: slice


@dataclass(frozen=True)
class Previewed:
    """A restored region and its position."""

    request: PreviewRequest
    pixels: NDArray[Any]
    scale: int
    seconds: float


class Previewer:
    """Restoration of regions, with model, movie and normalization cached per layer, model and device.

    Used from one thread at a time.
    """

    def __init__(self) -> None:
        self._key: tuple[Any, ...] = ()
        self._movie: Movie | None = None
        self._preview: Preview | None = None
        self._scale = 1
        self.pixels_per_second = 0.0

    def run(self, task: Task, request: PreviewRequest) -> Previewed:
        """Restore the middle of the region, as large as possible within a second."""
        preview = self._prepared(task, request)
        rows, columns = middle(request.rows, request.columns, self._affordable())
        started = time.monotonic()
        pixels = preview.region(request.t, request.c, request.z, rows, columns, cancel=task.cancel)
        seconds = time.monotonic() - started
        self.pixels_per_second = (rows.stop - rows.start) * (columns.stop - columns.start) / max(seconds, 1e-3)
        return Previewed(replace(request, rows=rows, columns=columns), pixels, self._scale, seconds)

    def close(self) -> None:
        """Release the movie."""
        if self._movie is not None:
            self._movie.close()
        self._key, self._movie, self._preview = (), None, None

    def _affordable(self) -> int:
        return int(self.pixels_per_second * _PREVIEW_S) or 256 * 256

    def _prepared(self, task: Task, request: PreviewRequest) -> Preview:
        from decrappify.restoration import Preview

        key = (id(request.image.data), request.image.axes, str(request.model), request.device)
        if self._preview is None or key != self._key:
            self.close()
            task.report("measuring the movie and loading the model …")
            model = load_model(request.model)
            self._movie = request.image.movie()
            self._preview = Preview(
                self._movie, model, device=request.device, window_axis=window_axis(self._movie, model)
            )
            self._key, self._scale, self.pixels_per_second = key, model.scale, 0.0
        return self._preview


def middle(rows: slice, columns: slice, pixels: int) -> tuple[slice, slice]:
    """Crop a region to its middle with at most `pixels`, at least 32 × 32 if it is that large.

    >>> middle(slice(0, 100), slice(0, 400), 10000)
    (slice(0, 100, None), slice(150, 250, None))
    >>> middle(slice(10, 20), slice(5, 9), 10000)
    (slice(10, 20, None), slice(5, 9, None))
    """
    height, width = rows.stop - rows.start, columns.stop - columns.start
    if height * width <= pixels:
        return rows, columns
    side = max(32, int(np.sqrt(pixels)))
    new_height = min(height, max(side, pixels // max(width, 1)))
    new_width = min(width, max(32, pixels // new_height))
    top, left = rows.start + (height - new_height) // 2, columns.start + (width - new_width) // 2
    return slice(top, top + new_height), slice(left, left + new_width)
