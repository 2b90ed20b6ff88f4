"""Record of a file format: recognition, reading and writing; one per format, built-in or of another package."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

from decrappify.errors import InputError
from decrappify.movie import Movie

Support = Literal["axes", "absent_chunks", "scene_text", "remote"]


@dataclass(frozen=True, kw_only=True)
class FrameFiles:
    """Use of the files of a format as frames, channels or slices of a folder.

    Attributes
    ----------
    suffixes : tuple of str
        Suffixes of such files, lowercase.
    layout : callable
        ``layout(path)`` reads the header of a file; files with the same string have the same size and data type.
    axes : callable, optional
        ``axes(path)`` returns the axes that a file names, and its number of planes; without it a file has one plane.
    members : callable, optional
        ``members(path)`` returns the names of the files of one recording to which a file refers.
    is_whole : callable, optional
        ``is_whole(path)`` returns whether a file contains all pixels that its header states, for one that may be being
        written; by default a truncated file is found when it is decoded.
    spellings : mapping of str to str
        Alternative spellings of suffixes, and the preferred one.
    of_cameras : tuple of str
        Suffixes of files that cameras number although they are unrelated.
    """

    suffixes: tuple[str, ...]
    layout: Callable[[Path], object]
    axes: Callable[[Path], tuple[str, int]] | None = None
    members: Callable[[Path], set[str]] | None = None
    is_whole: Callable[[Path], bool] | None = None
    spellings: Mapping[str, str] = field(default_factory=dict)
    of_cameras: tuple[str, ...] = ()


@dataclass(frozen=True)
class SceneDetails:
    """Details of one scene.

    Attributes
    ----------
    position_um : (float, float) or None
        Stage position (y, x) of its first pixel in micrometers, relative to the other scenes of the file; None if
        unknown.
    further : mapping of str to tuple of int
        Indices along further dimensions that have several, such as ``{"H": (0, 1, 2)}`` for three phases. One of them
        is opened by a scene such as ``"A1, H 2"``.
    kinds : mapping of str to str
        What these dimensions are, such as ``"detector elements or phases"``.
    """

    position_um: tuple[float, float] | None = None
    further: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    kinds: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Format:
    """A file format. Its module must not import a large library, but the functions may.

    Attributes
    ----------
    name : str
        Unique name, for messages.
    open : callable
        ``open(path)`` returns a `Movie` that reads pixels on access. Further arguments are passed by keyword:
        ``scene`` (a number) with `scenes`, ``level`` (from 1) with `levels`, and those of `supports`.
    suffixes : tuple of str
        Suffixes of files and folders to read, lowercase and with a dot. No other format may have them.
    signatures : tuple of (int, bytes)
        Alternatives: offset and bytes within the first 512 bytes of every file. Without signatures the suffix decides.
    accepts : callable, optional
        ``accepts(head)`` returns whether a file with a suffix and without a signature of the format can be read;
        by default none.
    is_folder : callable, optional
        ``is_folder(path)`` returns whether an existing folder is one movie or store of this format.
    scenes : callable, optional
        ``scenes(path)`` returns the name of every scene, None for one without a name; by default there is one scene.
    scene_details : callable, optional
        ``scene_details(path)`` returns one `SceneDetails` per scene; by default unknown.
    levels : callable, optional
        ``levels(path, scene=0)`` returns the number of resolution levels; by default there is one.
    write : callable, optional
        ``write(movie, path, overwrite=False, progress=None)`` writes one file or folder, which appears under its name
        when it is complete, see `atomic_output`. `restore` writes a working store and calls it at the end.
    write_scenes : callable, optional
        ``write_scenes(movies, path, overwrite=False, progress=None)`` writes several movies as the scenes of one file,
        named after them; by default a file has one scene.
    write_suffixes : tuple of str
        Suffixes to write.
    long_suffixes : tuple of str
        Suffixes with two dots, such as ``.ome.tif``, that are removed from names as a whole; the first one is
        recommended in messages.
    supports : set of {"axes", "absent_chunks", "scene_text", "remote"}
        Arguments of `open_movie` that are passed to `open`; with ``"scene_text"`` also scenes by name. With
        ``"remote"`` the functions also accept a `decrappify.io.remote.path.RemotePath`.
    frames : FrameFiles, optional
        Use of files as single frames of a folder; by default each file of a folder is a movie.
    keeps_files_open : bool
        Whether an open movie keeps a file open.
    is_for_viewing : bool
        Whether written movies have gray levels of 8 bits and merged channels, as in a video.
    is_working_store : bool
        Whether a restoration writes directly into this format, plane by plane; True for OME-Zarr only.
    """

    name: str
    open: Callable[..., Movie]
    suffixes: tuple[str, ...] = ()
    signatures: tuple[tuple[int, bytes], ...] = ()
    accepts: Callable[[bytes], bool] | None = None
    is_folder: Callable[[Path], bool] | None = None
    scenes: Callable[..., Sequence[str | None]] | None = None
    scene_details: Callable[..., Sequence[SceneDetails]] | None = None
    levels: Callable[..., int] | None = None
    write: Callable[..., Any] | None = None
    write_scenes: Callable[..., Any] | None = None
    write_suffixes: tuple[str, ...] = ()
    long_suffixes: tuple[str, ...] = ()
    supports: frozenset[Support] = frozenset()
    frames: FrameFiles | None = None
    keeps_files_open: bool = True
    is_for_viewing: bool = False
    is_working_store: bool = False

    def __post_init__(self) -> None:
        """Raise InputError if the values are inconsistent."""
        for suffix in (*self.suffixes, *self.write_suffixes, *self.long_suffixes):
            if not suffix.startswith(".") or suffix != suffix.lower():
                raise InputError(
                    f"format {self.name} has suffix {suffix!r}, expected lowercase with a dot, such as '.tif'"
                )
        if (self.write is None) != (not self.write_suffixes):
            raise InputError(f"format {self.name} needs both write and write_suffixes, or neither of them")
        if unknown := sorted(set(self.supports) - set(get_args(Support))):
            raise InputError(f"format {self.name} supports {unknown[0]!r}, expected {', '.join(get_args(Support))}")

    def has_signature(self, head: bytes) -> bool:
        """Return whether the first bytes of a file contain a signature of the format."""
        return any(head[offset:].startswith(signature) for offset, signature in self.signatures)

    @property
    def is_in_folders_only(self) -> bool:
        """Return whether a movie of this format is never a file."""
        return self.is_folder is not None and not self.signatures and self.accepts is None
