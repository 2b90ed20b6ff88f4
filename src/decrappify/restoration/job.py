"""What one run restores: which planes, from which windows, into which movie."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import DTypeLike

from decrappify._version import __version__
from decrappify.errors import InputError
from decrappify.intensity import Normalization, finite_frame, measure
from decrappify.movie import Array, Movie, Shape5
from decrappify.restoration.restorer import FrameRing

if TYPE_CHECKING:
    from decrappify.model import Model

P = TypeVar("P")


@dataclass(frozen=True, slots=True)
class Target:
    """Where one window's result goes: output frame `t` and slice `z`, for the channel group `group`."""

    t: int
    z: int
    group: int


class Job:
    """The planes of a movie to restore with a model, and what the result looks like.

    Windows look at the whole movie, so frames 10 to 20 restored alone equal those of the whole movie restored.

    Parameters
    ----------
    movie : Movie
        The input.
    model : Model
        Takes each channel alone (in_channels 1) or all of them together.
    frames : slice, int, str or None
        Frames to restore, such as ``"10:50"``; None for all.
    dtype : dtype, optional
        Of the result; that of the movie by default.
    window_axis : {"T", "Z"}
        The axis that a window runs along.
    nan : {"error", "zero"}
        What to do with NaN or infinite pixels.

    Raises
    ------
    InputError
        If frames, channels, window axis or dtype do not fit the movie or the model.
    """

    def __init__(
        self,
        movie: Movie,
        model: Model,
        *,
        frames: slice | int | str | None = None,
        dtype: DTypeLike | None = None,
        window_axis: str = "T",
        nan: str = "error",
    ) -> None:
        if nan not in ("error", "zero"):
            raise InputError(f"nan={nan!r} is not known, needs 'error' or 'zero'")
        if model.card.get("task") == "colorization":
            raise InputError(f"model {model.name!r} colours pictures; use colorize (decrappify colorize) instead")
        self.movie, self.model, self.nan = movie, model, nan
        self.window_axis = _checked_window_axis(window_axis, movie, model)
        picked = parse_frames(frames)
        part = movie.select(frames=picked)
        self.frames = range(movie.shape[0])[picked]
        self.dtype = _checked_dtype(movie.dtype if dtype is None else dtype)
        self.groups = _channel_groups(movie, model)
        out_channels, scale = int(model.network.out_channels), model.scale
        n_t, _, n_z, n_y, n_x = part.shape
        self.shape: Shape5 = (n_t, len(self.groups) * out_channels, n_z, n_y * scale, n_x * scale)
        keeps_channels = out_channels == model.in_channels
        _, size_y, size_x = movie.pixel_size_um
        self.metadata: dict[str, Any] = {
            "name": movie.name,
            "pixel_size_um": (part.pixel_size_um[0], size_y and size_y / scale, size_x and size_x / scale),
            "frame_interval_s": part.frame_interval_s,
            "channel_names": movie.channel_names if keeps_channels else None,
            "channel_colors": movie.channel_colors if keeps_channels else None,
        }

    @property
    def out_channels(self) -> int:
        """Output planes of one window."""
        return self.shape[1] // len(self.groups)

    @property
    def n_pixels(self) -> int:
        """Input pixels of all windows, each counted once."""
        return self.shape[0] * self.shape[2] * len(self.groups) * self.movie.shape[3] * self.movie.shape[4]

    def measure(self) -> list[Normalization]:
        """Measure the normalisation of every channel from planes spread over the whole movie."""
        rule = self.model.normalization.on_source(self.model.scale)
        return [measure(self.movie, c, rule, nan=self.nan) for c in range(self.movie.shape[1])]

    def windows(
        self,
        normalizations: Sequence[Normalization],
        load: Callable[[Array], P],
        is_done: Callable[[Target], bool],
    ) -> Iterator[tuple[Target, list[P]]]:
        """Every window that is not done, each frame read, normalised and passed through `load` once.

        Parameters
        ----------
        normalizations : sequence of Normalization
            One per channel.
        load : callable
            Gets a frame (C, Y, X) float32 in network units; what it returns makes the window.
        is_done : callable
            Says which targets to leave out.
        """
        n_t, _, n_z = self.movie.shape[:3]
        along_t = self.window_axis == "T"
        length = n_t if along_t else n_z
        outer = range(n_z) if along_t else self.frames
        inner = self.frames if along_t else range(n_z)
        for group, channels in enumerate(self.groups):
            for o, fixed in enumerate(outer):

                def read(i: int, channels: tuple[int, ...] = channels, fixed: int = fixed) -> P:
                    t, z = (i, fixed) if along_t else (fixed, i)
                    frame = [normalizations[c].apply(finite_frame(self.movie, t, c, z, nan=self.nan)) for c in channels]
                    return load(np.stack(frame))

                ring = FrameRing(length, self.model.n_frames, read)
                for i, position in enumerate(inner):
                    target = Target(i, o, group) if along_t else Target(o, i, group)
                    if not is_done(target):
                        yield target, ring.window(position)

    def planes(self, target: Target) -> list[tuple[int, int, int]]:
        """List the output planes (t, c, z) that one window gives."""
        first = target.group * self.out_channels
        return [(target.t, c, target.z) for c in range(first, first + self.out_channels)]

    def to_grey(self, restored: Array, target: Target, normalizations: Sequence[Normalization]) -> list[Array]:
        """Turn a result (out_channels, Y, X) in network units into planes of the output's dtype."""
        channels = self.groups[target.group]
        return [
            normalizations[channels[min(k, len(channels) - 1)]].invert(plane, self.dtype)
            for k, plane in enumerate(restored)
        ]

    def provenance(self, normalizations: Sequence[Normalization], settings: Mapping[str, Any]) -> dict[str, Any]:
        """Add what this run does to the movie's provenance; no dates, so that equal runs give equal files."""
        entry = {
            "software": f"decrappify {__version__}",
            "model": self.model.name,
            "model_sha256": self.model.sha256,
            "n_frames": self.model.n_frames,
            "scale": self.model.scale,
            "window_axis": self.window_axis,
            "frames": [self.frames.start, self.frames.stop, self.frames.step],
            "normalization": [{"offset": norm.offset, "scale": norm.scale} for norm in normalizations],
            "nan": self.nan,
        }
        return self.movie.provenance | {"restoration": entry | dict(settings)}

    def run_key(self, path: Path | None, precision: str, backend: str) -> str:
        """Digest (SHA-256, hex) all that decides the pixels; a partial output is only continued by its own key."""
        identity = {
            "software": __version__,
            "model": self.model.sha256,
            "input": _identity(self.movie, path),
            "shape": self.movie.shape,
            "dtype": self.movie.dtype.str,
            "channels": self.movie.channel_names,
            "frames": [self.frames.start, self.frames.stop, self.frames.step],
            "output_dtype": self.dtype.str,
            "nan": self.nan,
            "precision": precision,
            "backend": backend,
            "window_axis": self.window_axis,
        }
        return hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()


def parse_frames(frames: slice | int | str | None) -> slice:
    """Frames as a slice.

    >>> parse_frames("10:50"), parse_frames("7"), parse_frames(None)
    (slice(10, 50, None), slice(7, 8, None), slice(None, None, None))
    """
    if frames is None:
        return slice(None)
    bounds: list[Any] = [None, None, 0]
    if isinstance(frames, slice):
        bounds = [frames.start, frames.stop, frames.step]
    elif isinstance(frames, str):
        with suppress(ValueError):
            bounds = [int(part) if part.strip() else None for part in frames.split(":")]
    else:
        bounds = [frames]
    whole = [isinstance(bound, int) and not isinstance(bound, bool) for bound in bounds]
    if len(bounds) == 1 and whole[0]:
        return slice(bounds[0], bounds[0] + 1 or None)
    known = all(is_whole or bound is None for is_whole, bound in zip(whole, bounds, strict=True))
    if not known or len(bounds) not in (2, 3) or bounds[2:] == [0]:
        raise InputError(f"frames={frames!r} is not understood, needs 'start:stop' such as '10:50', or one such as '7'")
    return slice(*bounds)


def _checked_window_axis(axis: str, movie: Movie, model: Model) -> str:
    if axis not in ("T", "Z"):
        raise InputError(f"window_axis={axis!r} is not known, needs 'T' or 'Z'")
    n_t, _, n_z = movie.shape[:3]
    if (n_t if axis == "T" else n_z) > 1 or model.n_frames == 1:
        return axis
    what = "one still image" if axis == "T" else "one slice"
    ways = ["use a model with n_frames=1, such as 'fluorescence-still'"]
    if axis == "T" and n_z >= model.n_frames:
        ways.append(f"pass window_axis='Z' to let its {n_z} slices play the window")
    if axis == "Z" and n_t > 1:
        ways.append(f"pass window_axis='T' to use its {n_t} frames")
    needs = f"model {model.name!r} needs windows of {model.n_frames}"
    raise InputError(f"{movie.name} is {what}, but {needs}; {', or '.join(ways)}")


def _checked_dtype(dtype: DTypeLike) -> np.dtype[Any]:
    try:
        checked = np.dtype(dtype)
    except TypeError as error:
        raise InputError(f"dtype={dtype!r} is not known, needs one such as 'uint16' or 'float32'") from error
    if checked.kind not in "uif":
        raise InputError(f"dtype={checked.name!r} cannot hold an image, needs one such as 'uint16' or 'float32'")
    return checked


def _channel_groups(movie: Movie, model: Model) -> list[tuple[int, ...]]:
    n_channels = movie.shape[1]
    if model.in_channels == 1:
        return [(c,) for c in range(n_channels)]
    if model.in_channels == n_channels:
        return [tuple(range(n_channels))]
    raise InputError(
        f"{movie.name} has {n_channels} channels, but model {model.name!r} takes {model.in_channels} together; "
        "choose a movie with as many channels, or a model that takes one"
    )


def _identity(movie: Movie, path: Path | None) -> Any:
    """Tell one input from another: a file by its place, size and time, everything else by a digest of a few planes."""
    if path is not None and path.is_file():
        status = path.stat()
        return [str(path.resolve()), status.st_size, status.st_mtime_ns]
    digest = hashlib.sha256()
    n_t, _, n_z = movie.shape[:3]
    for t in sorted({0, n_t // 2, n_t - 1}):
        digest.update(np.ascontiguousarray(movie.frame(t, 0, n_z // 2)).tobytes())
    return [None if path is None else str(path.resolve()), digest.hexdigest()]
