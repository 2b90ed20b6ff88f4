"""Reader of TIFF files of microscope programs and ImageJ, one frame or one region at a time."""

from __future__ import annotations

import os
from pathlib import Path

from decrappify._common.caller_warning import warn_caller
from decrappify.errors import FormatError, MissingFileError
from decrappify.io.formats.tiff.files.document import TiffDocument, ndtiff_file
from decrappify.io.formats.tiff.files.messages import tifffile_messages
from decrappify.io.formats.tiff.source import TiffSource, unreadable
from decrappify.io.integrity.missing_planes import warn_of_missing
from decrappify.movie import Movie


def open_tiff(path: str | os.PathLike[str], *, scene: int = 0, axes: str | None = None) -> Movie:
    """Open an OME-TIFF, an ImageJ hyperstack, a file of a microscope program or a plain TIFF (stack) as a lazy movie.

    Parameters
    ----------
    path : path
        The file; of an OME-TIFF or Micro-Manager recording in several files, any one; of an NDTiff data set of
        Micro-Manager also its folder.
    scene : int
        Number of the image, if the file or set has several; 0 is the first with planes in this file.
    axes : str, optional
        One letter of ``TCZYX`` per dimension longer than 1, in the order of the file, if the axes of the file are wrong
        or absent. By default, pages without axes in the file are frames (T); ``axes="ZYX"`` makes them a Z-stack.

    Returns
    -------
    Movie
        Samples of one pixel (RGB) are channels. Of a pyramid, the full resolution is read. Pages are rotated upright by
        the Orientation tag. Planes that were declared but never recorded are in `Movie.missing`; trailing time points
        (slices, channels) without any plane are omitted. Signed integers that ImageJ stores as unsigned ones are
        converted back; with any other gray level calibration, the gray levels are read as stored, and its coefficients
        are stored as ``imagej_calibration`` in the provenance.

    Warns
    -----
    UserWarning
        If there are fewer planes than declared, files of a set are missing, or gray levels are calibrated.

    Raises
    ------
    MissingFileError
        If the file does not exist.
    FormatError
        If it is not a TIFF, truncated or damaged; also raised when a damaged frame is read.
    InputError
        If the scene does not exist, the axes are ambiguous, or `axes` does not match the file.
    """
    path = Path(path)
    name = path.name
    if not path.exists():
        raise MissingFileError(f"{path} does not exist; check the path")
    path = _file_of(path)
    source = TiffSource(path, scene=scene, axes=axes)
    if source.missing_note is not None:
        warn_of_missing(*source.missing_note)
    for note in source.notes:
        warn_caller(note)
    metadata = source.metadata
    z, y, x = metadata.pixel_size_um
    known = "TZYX" if axes is None else axes.upper() + "YX"  # the spacing of an axis that is read as another is unknown
    count = source.shape[1]
    return Movie(
        source,
        name=name,
        pixel_size_um=(z if "Z" in known else None, y, x),
        frame_interval_s=metadata.frame_interval_s if "T" in known else None,
        channel_names=metadata.channel_names if len(metadata.channel_names) == count else None,
        channel_colors=metadata.channel_colors if len(metadata.channel_colors) == count else None,
        provenance=metadata.provenance,
        unitless_spacing={axis: value for axis, value in metadata.unitless_spacing.items() if axis in known},
    )


def scene_names(path: Path) -> list[str | None]:
    """Return the name of every scene, None for a scene without a name.

    Scenes are the images of OME-XML, positions, mosaic tiles and other series of pages; thumbnails, labels and levels
    of pyramids are not. In a set of files, those with planes in the file at `path` are first.
    """
    path = _file_of(path)
    with unreadable(path), tifffile_messages(path):
        document = TiffDocument(path)
        document.close()
        if not document.scenes:
            raise FormatError(f"{path} is a TIFF file without images; it is damaged: copy it again")
        return [scene.name for scene in document.scenes]


def _file_of(path: Path) -> Path:
    if not path.is_dir():
        return path
    file = ndtiff_file(path)
    if file is None or not file.exists():
        raise FormatError(
            f"{path} contains an NDTiff index but not the files that it lists; copy the whole folder again"
        )
    return file
