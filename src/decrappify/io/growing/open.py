"""Opening of a growing input, and the movie of its frames."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from decrappify._common.argument_names import setting
from decrappify.errors import FormatError, InputError
from decrappify.io.growing.arrivals import SETTLE_S, Arrivals
from decrappify.io.growing.frames import GrowingFrames
from decrappify.io.opening.open import open_movie, scenes
from decrappify.io.recognition.file_format import format_of, is_image_folder
from decrappify.io.scene_names import scene_index
from decrappify.limits.files import MAX_PLANES
from decrappify.movie import Array, FrameSource, Movie, Plane


def open_growing(
    path: Path,
    *,
    scene: int | str | None = None,
    axes: str | None = None,
    folder_as: str = "auto",
    absent_chunks: str = "auto",
) -> GrowingFrames:
    """Open an OME-Zarr store or a folder of images to which frames are appended.

    Parameters
    ----------
    path : Path
        The store or folder.
    scene, axes, folder_as, absent_chunks
        As for `open_movie`.

    Raises
    ------
    MissingFileError, FormatError
        If the input does not exist yet, or cannot be read yet.
    InputError
        If it is of another kind, of which complete frames cannot be recognized.
    """
    if is_image_folder(path):
        from decrappify.io.growing.folder import FolderFrames

        if folder_as == "images":
            raise InputError(f"{setting('folder_as', folder_as)} has no frames to follow; omit it")
        number = scene_index(scene, scenes(path), path.name) if isinstance(scene, str) else scene or 0
        return FolderFrames(path, number, open_movie)
    form = format_of(path)
    if form is None or form.name != "OME-Zarr":
        raise InputError(
            f"{path.name} cannot be followed, expected an OME-Zarr store or a folder with a file per frame: whether "
            "the last frame of a single file is complete cannot be recognized; restore it after the acquisition"
        )
    from decrappify.io.growing.omezarr import ZarrFrames

    number = scene_index(scene, scenes(path), path.name) if isinstance(scene, str) else scene or 0
    return ZarrFrames(path, number, axes, omits_fill=absent_chunks == "fill")


class GrowingSource(FrameSource):
    """Frames of a growing input; reading one waits until it is complete.

    Parameters
    ----------
    frames : GrowingFrames
        The input, begun.
    arrivals : Arrivals
        Its complete frames.
    like : Movie
        Its first frames.
    """

    def __init__(self, frames: GrowingFrames, arrivals: Arrivals, like: Movie) -> None:
        self._frames, self._arrivals = frames, arrivals
        _, n_c, n_z, n_y, n_x = like.shape
        self.shape = (MAX_PLANES // (n_c * n_z), n_c, n_z, n_y, n_x)
        self.dtype = like.dtype

    def read(self, t: int, c: int, z: int, rows: slice, columns: slice) -> Array:
        """Read one region; repeatedly while its file changes, as it was not complete."""
        self._arrivals.wait_for(t)
        while True:
            before = self._frames.parts(t)
            try:
                return self._frames.read(t, c, z, rows, columns)
            except FormatError:
                if self._arrivals.ended.wait(SETTLE_S) or self._frames.parts(t) == before:
                    raise

    def version(self, t: int, c: int, z: int) -> str | None:
        """Return the version of a plane."""
        return self._frames.version(t, c, z)

    def close(self) -> None:
        """Close the files."""
        self._frames.close()


def growing_movie(frames: GrowingFrames, arrivals: Arrivals, like: Movie) -> Movie:
    """Return a movie of all frames that may ever be appended, with the metadata of its first ones."""
    return like.derived(GrowingSource(frames, arrivals, like), missing=())


def first_frames(movie: Movie, n_frames: int, missing: Iterable[Plane]) -> Movie:
    """Return the first frames of a growing movie, which are complete except for the planes `missing`."""
    lost = {plane for plane in missing if plane[0] < n_frames}
    return movie.select(frames=slice(0, n_frames)).replace(missing=lost)
