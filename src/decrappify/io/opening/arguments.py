"""Checks of the arguments of `open_movie`."""

from __future__ import annotations

from collections.abc import Sequence

from decrappify._common.argument_names import argument, setting
from decrappify.errors import InputError
from decrappify.io.format import Format
from decrappify.movie import Movie, PixelSize


def channel_index(movie: Movie, channel: int | str) -> int:
    """Return the number of a channel from its number, its name, or a number in a string (from a command line)."""
    if not isinstance(channel, str):
        return channel
    same = [i for i, name in enumerate(movie.channel_names) if name == channel]
    if len(same) > 1:
        raise InputError(
            f"{movie.name} has {len(same)} channels named {channel!r}; pass the number of one: "
            f"{', '.join(map(str, same))}"
        )
    similar = same or [i for i, name in enumerate(movie.channel_names) if name.lower() == channel.lower()]
    if len(similar) == 1:
        return similar[0]
    if channel.removeprefix("-").isdecimal():
        return int(channel)
    names = ", ".join(map(repr, movie.channel_names))
    expected = names if len(movie.channel_names) == 1 else f"one of {names}"
    raise InputError(f"{movie.name} has no channel {channel!r}, expected {expected}")


def check_supported(form: Format, name: str, axes: str | None, absent_chunks: str) -> None:
    """Raise InputError for an argument that the format of the file `name` does not support."""
    if "absent_chunks" not in form.supports:
        check_not_absent(absent_chunks, name)
    if axes is not None and "axes" not in form.supports:
        raise InputError(f"{setting('axes', axes)} is for arrays and TIFF, and {name} states its own axes; omit it")


def check_not_absent(absent_chunks: str, name: str) -> None:
    """Raise InputError for a value of `absent_chunks` other than "auto", for a source without chunks."""
    if absent_chunks != "auto":
        raise InputError(
            f"{setting('absent_chunks', absent_chunks)} is for Zarr, and {name} is not stored as Zarr; omit it"
        )


def check_only_scene(scene: int | str, name: str) -> None:
    """Raise InputError for a scene other than the only one of a source."""
    if scene not in (0, "0"):
        raise InputError(f"scene {scene!r} is not in {name}, which has only scene 0")


def positive_value(value: float, name: str, unit: str) -> float:
    """Return a number above 0; raise InputError for other values."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < float("inf"):
        raise InputError(f"{argument(name)} is {value!r}, expected a number of {unit} above 0")
    return float(value)


def pixel_size(given: float | Sequence[float | None], own: PixelSize) -> PixelSize:
    """Return the pixel size (z, y, x) in micrometers from the value of the user and that of the movie."""
    if isinstance(given, int | float):
        given = (given, given)
    sizes = []
    if not isinstance(given, str):
        sizes = [None if size is None else positive_value(size, "pixel_size_um", "micrometers") for size in given]
    if len(sizes) not in (2, 3):
        raise InputError(f"pixel_size_um is {given!r}, expected one number, (y, x) or (z, y, x) in micrometers")
    return (sizes[0] if len(sizes) == 3 else own[0], sizes[-2], sizes[-1])
