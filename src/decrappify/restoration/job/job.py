"""Definition of a run: planes to restore, their windows, and the resulting movie."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from decrappify._common.argument_names import setting
from decrappify._common.planes.saturation import saturate
from decrappify.errors import InputError
from decrappify.movie import Array, Movie, Plane, Shape5, image_dtype, scaled_spacing
from decrappify.normalization import ConstantChannelError
from decrappify.restoration.frames.choice import beyond_movie, check_slices_are_not_meant, parse_frames
from decrappify.restoration.frames.missing import complete_frames, interval_of, nearest_frame, with_empty_planes
from decrappify.restoration.frames.reading import Frame, FrameReader, Part, Repairs
from decrappify.restoration.frames.sliding import SlidingWindow, Window
from decrappify.restoration.job.channel_models import (
    ModelChoice,
    assigned_models,
    channel_groups,
    check_window_axis,
    combined_multiple,
    combined_name,
    combined_sha256,
)
from decrappify.restoration.job.options import RestorationOptions
from decrappify.restoration.job.region import Region
from decrappify.restoration.measurement.channels import Channel, measure_channel
from decrappify.restoration.measurement.repair import put_back

if TYPE_CHECKING:
    from decrappify.io.store.planes.rectangles import Rectangle
    from decrappify.model import Model

P = TypeVar("P")


@dataclass(frozen=True, slots=True)
class Target:
    """Destination of the result of one window: output frame `t` and slice `z`, for the channel group `group`."""

    t: int
    z: int
    group: int


class Job:
    """The planes of a movie to restore with a model, and the properties of the result.

    Windows may extend beyond the selected frames: frames 10 to 20 restored alone equal those of a complete restoration.

    Parameters
    ----------
    movie : Movie
        The input.
    model : Model or ModelChoice
        Model for each channel separately (in_channels 1) or for all of them together, or different ones by channel.
    options : RestorationOptions
        Frames, window axis, dtype, and the handling of NaN, missing planes and outliers.

    Raises
    ------
    InputError
        If frames, channels, window axis or dtype do not match the movie or the model.
    """

    def __init__(
        self, movie: Movie, model: Model | ModelChoice, options: RestorationOptions = RestorationOptions()
    ) -> None:
        self.movie, self.options = movie, options
        self.channel_models = assigned_models(model, movie, options.window_axis)
        self.networks = list({id(one): one for one in self.channel_models}.values())
        self.window_axis = options.window_axis
        for one in self.networks:
            check_window_axis(options.window_axis, movie, one)
        first = self.networks[0]
        picked = parse_frames(options.frames)
        self.frames: Sequence[int] = range(movie.shape[0])[picked]
        self.beyond = beyond_movie(picked, movie.shape[0])
        if self.beyond and not self.frames:
            check_slices_are_not_meant(self.beyond, movie)
        part = movie.select(frames=picked)
        searched = options.missing != "blank" and options.nan != "error"
        self.lost = with_empty_planes(movie) if searched else movie.missing
        self.dropped: list[int] = []
        if options.missing == "drop" and self.lost:
            complete = complete_frames(self.frames, self.lost, movie.name)
            self.dropped = sorted(set(self.frames) - set(complete))
            self.frames = complete
        self.dtype = image_dtype(movie.dtype if options.dtype is None else options.dtype)
        self.groups = channel_groups(movie, first)
        out_channels, self.scale = first.network.out_channels, first.scale
        _, _, n_z, n_y, n_x = part.shape
        n_y, n_x = n_y * self.scale, n_x * self.scale
        self.shape: Shape5 = (len(self.frames), len(self.groups) * out_channels, n_z, n_y, n_x)
        keeps_channels = out_channels == first.in_channels
        self.copies = self._find_copies() if options.missing == "nearest" and self.lost else {}
        self.metadata: dict[str, Any] = {
            "name": movie.name,
            "frame_interval_s": part.frame_interval_s,
            **scaled_spacing(part, finer=self.scale),
            "channel_names": movie.channel_names if keeps_channels else None,
            "channel_colors": movie.channel_colors if keeps_channels else None,
            "missing": self.blanks(),
        }
        if self.dropped:
            self.metadata |= interval_of(self.frames, movie, self.metadata["unitless_spacing"])

    @property
    def model_name(self) -> str:
        """Name of the model, or of those of the channels."""
        return combined_name(self.channel_models, self.movie.channel_names)

    @property
    def model_sha256(self) -> str:
        """SHA-256 of the model, or of those of the channels."""
        return combined_sha256(self.channel_models)

    @property
    def fidelity(self) -> float | list[float | None] | None:
        """Fidelity of the model, or of those of the channels; None for models without one."""
        found = [one.fidelity for one in self.networks]
        return found[0] if len(found) == 1 or not any(one is not None for one in found) else found

    @property
    def n_frames(self) -> int:
        """Length of the longest window."""
        return max(one.n_frames for one in self.networks)

    @property
    def tile_multiple(self) -> int:
        """Number of pixels of which tile sizes are multiples."""
        return combined_multiple(self.networks)

    def model_of(self, group: int) -> Model:
        """Return the model of a channel group."""
        return self.channel_models[self.groups[group][0]]

    def network_of(self, group: int) -> int:
        """Return the index in `networks` of the model of a channel group."""
        return next(number for number, one in enumerate(self.networks) if one is self.model_of(group))

    @property
    def nan(self) -> str:
        """Handling of NaN and infinite pixels."""
        return self.options.nan

    @property
    def missing(self) -> str:
        """Handling of planes that were never recorded."""
        return self.options.missing

    @property
    def outliers(self) -> str:
        """Handling of hot and dead pixels and flash frames."""
        return self.options.outliers

    @property
    def out_channels(self) -> int:
        """Number of output planes of one window."""
        return self.shape[1] // len(self.groups)

    @property
    def n_pixels(self) -> int:
        """Number of input pixels of all windows, each counted once."""
        return self.shape[0] * self.shape[2] * len(self.groups) * self.movie.shape[3] * self.movie.shape[4]

    def measure(self) -> list[Channel]:
        """Measure normalization and outlier limits of every channel from planes spread over the movie.

        The movie, or the first of its frames if the options set their number.

        Raises
        ------
        InputError
            If every channel is constant.
        """
        rules = [one.normalization.on_source(self.scale) for one in self.channel_models]
        count = self.options.normalization_frames
        movie = self.movie if count is None else self.movie.select(frames=slice(0, count))
        along_t = self.window_axis == "T" and movie.shape[0] > 2
        channels = [
            measure_channel(movie, c, rules[c], nan=self.nan, outliers=self.outliers == "replace", flashes=along_t)
            for c in range(movie.shape[1])
        ]
        if all(channel.constant is not None for channel in channels):
            raise ConstantChannelError(movie, 0, channels[0].constant or 0.0)
        return channels

    def windows(
        self,
        channels: Sequence[Channel],
        load: Callable[[Array], P],
        is_done: Callable[[Target], bool],
        *,
        part: Part | None = None,
        known: Mapping[Plane, Repairs] | None = None,
        region: Region | None = None,
    ) -> Iterator[tuple[Target, Window[P]]]:
        """Yield every window to restore that is not done; each frame is read, normalized and passed to `load` once.

        Parameters
        ----------
        channels : sequence of Channel
            One per channel of the movie.
        load : callable
            Takes a frame (C, Y, X) float32 in network units; windows consist of its results.
        is_done : callable
            Returns whether to skip a target.
        part : tuple of slice, optional
            Rows and columns to which the frames are cropped.
        known : mapping of (t, c, z) to Repairs, optional
            Planes of which only the part is read, as for `FrameReader`.
        region : Region, optional
            Frames and slices to restore; all by default. Windows also contain the frames around them.
        """
        n_t, _, n_z = self.movie.shape[:3]
        region = region or self.whole()
        along_t = self.window_axis == "T"
        length = n_t if along_t else n_z
        over_t, over_z = [(i, self.frames[i]) for i in region.frames], [(z, z) for z in region.slices]
        outer, inner = (over_z, over_t) if along_t else (over_t, over_z)
        for number, group in enumerate(self.groups):
            if self.is_constant(number, channels):
                continue
            n_frames = self.model_of(number).n_frames
            reader = self.reader(number, channels, part=part, known=known)
            for o, fixed in outer:
                window = SlidingWindow(
                    length,
                    n_frames,
                    read=partial(self._read, reader, fixed, group),
                    load=load,
                    is_recorded=partial(self._is_recorded, fixed, number),
                )
                for i, position in inner:
                    target = Target(i, o, number) if along_t else Target(o, i, number)
                    if self._is_recorded(fixed, number, position) and not is_done(target):
                        yield target, window.at(position)

    def reader(
        self,
        group: int,
        channels: Sequence[Channel],
        *,
        part: Part | None = None,
        known: Mapping[Plane, Repairs] | None = None,
    ) -> FrameReader:
        """Return the reader of the frames of a channel group; arguments as for `windows`."""
        compares = self.outliers == "replace" and self.window_axis == "T"
        compares = compares and self.model_of(group).n_frames > 1 and self.movie.shape[0] > 2
        return FrameReader(self.movie, channels, nan=self.nan, compares=compares, part=part, known=known)

    def planes(self, target: Target) -> list[Plane]:
        """Return the output planes (t, c, z) of one window."""
        first = target.group * self.out_channels
        return [(target.t, c, target.z) for c in range(first, first + self.out_channels)]

    def places(self, target: Target) -> list[list[Plane]]:
        """Return the output planes (t, c, z) of one window, and those of its copies."""
        return [self.planes(each) for each in (target, *self.copies.get(target, ()))]

    def input_planes(self) -> list[Plane]:
        """Return the recorded planes (t, c, z) of the input that belong to the restored frames."""
        n_c, n_z = self.movie.shape[1:3]
        every = ((t, c, z) for t in self.frames for c in range(n_c) for z in range(n_z))
        return [plane for plane in every if plane not in self.lost]

    def whole(self) -> Region:
        """Return the region of all planes."""
        return Region(range(self.shape[0]), range(self.shape[2]))

    def blanks(self, region: Region | None = None) -> list[Plane]:
        """Return the output planes, of a region or all, that remain blank because they were never recorded."""
        if not self.lost:
            return []
        region = region or self.whole()
        filled = {copy for copies in self.copies.values() for copy in copies}
        targets = [
            Target(i, z, group)
            for i, t in enumerate(self.frames)
            for group in range(len(self.groups))
            for z in range(self.shape[2])
            if (i, z) in region and self._is_lost(t, z, group)
        ]
        return [place for target in targets if target not in filled for place in self.planes(target)]

    def is_constant(self, group: int, channels: Sequence[Channel]) -> bool:
        """Return whether all channels of a group are constant, so that restoration is skipped."""
        return all(channels[c].constant is not None for c in self.groups[group])

    def passed_through(
        self, channels: Sequence[Channel], region: Region | None = None
    ) -> Iterator[tuple[Target, Callable[[], tuple[list[Array], int]]]]:
        """Return the targets of constant groups, each with a function that reads its planes in the output's dtype.

        They are those of a region, or all, and the planes those in its rectangle. The function also returns the number
        of NaN pixels.
        """
        region = region or self.whole()
        for number, group in enumerate(self.groups):
            if self.is_constant(number, channels):
                for i, t in ((i, self.frames[i]) for i in region.frames):
                    for z in region.slices:
                        if not self._is_lost(t, z, number):
                            yield Target(i, z, number), partial(self._as_it_is, t, z, group, region.rectangle)

    def to_gray(
        self, restored: Array, target: Target, window: Window[Any], channels: Sequence[Channel]
    ) -> tuple[list[Array], tuple[int, int]]:
        """Convert a result (out_channels, Y, X) in network units to planes of the output's dtype.

        Also return the number of pixels clipped at the lower and at the upper limit of the dtype.

        Raises
        ------
        InputError
            If the network predicted NaN or infinity, which would appear black in an integer output.
        """
        group = self.groups[target.group]
        if not np.isfinite(restored).all():
            raise InputError(
                f"model {self.model_of(target.group).name!r} predicted NaN or infinity from the finite pixels of frame "
                f"{self.frames[target.t]} of {self.movie.name}",
                advice=f"use {setting('precision', 'float32')}, or another model",
                option="precision",
            )
        planes, below, above = [], 0, 0
        for k, plane in enumerate(restored):
            own = min(k, len(group) - 1)
            channel = channels[group[own]]
            flash = window.leveled[own] if window.leveled else None
            if flash is not None:
                plane = plane * np.float32(flash.gain) + np.float32(flash.offset)
            if channel.constant is not None and len(restored) == len(group):
                plane = np.zeros_like(plane)
            gray, clipped = channel.normalization.invert_counted(plane, self.dtype)
            below, above = below + clipped[0], above + clipped[1]
            if window.middle.unknown is not None:
                gray = put_back(gray, window.middle.unknown, self.scale)
            planes.append(gray)
        return planes, (below, above)

    def empty_planes(self, shape: tuple[int, ...] | None = None) -> list[Array]:
        """Return the planes of a window with only NaN in the middle frame, or parts of them with a shape (Y, X)."""
        value = np.nan if self.dtype.kind == "f" else 0
        return [np.full(shape or self.shape[3:], value, self.dtype) for _ in range(self.out_channels)]

    def _as_it_is(self, t: int, z: int, group: tuple[int, ...], rectangle: Rectangle | None) -> tuple[list[Array], int]:
        whole = slice(None), slice(None)
        part = whole if rectangle is None else rectangle.coarser(self.scale)
        planes = [self.movie.region(t, c, z, *part) for c in group]
        n_nan = sum(int(np.count_nonzero(np.isnan(plane))) for plane in planes if plane.dtype.kind == "f")
        if self.dtype.kind in "ui":
            planes = [np.nan_to_num(plane) for plane in planes]
        scale = self.scale
        finer = [np.repeat(np.repeat(saturate(plane, self.dtype), scale, axis=0), scale, axis=1) for plane in planes]
        return [finer[min(k, len(finer) - 1)] for k in range(self.out_channels)], n_nan

    def _place(self, fixed: int, i: int) -> tuple[int, int]:
        """Return frame and slice of position `i` along the window's axis."""
        return (i, fixed) if self.window_axis == "T" else (fixed, i)

    def _read(self, reader: FrameReader, fixed: int, group: tuple[int, ...], i: int) -> Frame:
        return reader.read(*self._place(fixed, i), group)

    def _is_recorded(self, fixed: int, group: int, i: int) -> bool:
        return not self._is_lost(*self._place(fixed, i), group)

    def _is_lost(self, t: int, z: int, group: int) -> bool:
        return bool(self.lost) and any((t, c, z) in self.lost for c in self.groups[group])

    def _find_copies(self) -> dict[Target, list[Target]]:
        """Return, for each recorded target, the missing targets that are filled with its result."""
        copies: dict[Target, list[Target]] = {}
        for group in range(len(self.groups)):
            for z in range(self.shape[2]):
                recorded = [not self._is_lost(t, z, group) for t in self.frames]
                for i, t in enumerate(self.frames):
                    nearest = None if recorded[i] else nearest_frame(t, self.frames, recorded)
                    if nearest is not None:
                        source = Target(list(self.frames).index(nearest), z, group)
                        copies.setdefault(source, []).append(Target(i, z, group))
        return copies
