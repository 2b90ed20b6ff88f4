"""`compare`: panels of the same frames of several movies, with one contrast per row."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from decrappify._common.checks import short
from decrappify.errors import InputError
from decrappify.io.opening.arguments import channel_index
from decrappify.movie import Array, Movie
from decrappify.plot.figure import TITLE_SIZE, add_scale_bar, axes_grid, figure_of, row_text, show_image
from decrappify.plot.panels import RGB, Contrast, labels_of, levels, row_and_column_slices, shown_movies

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, SubFigure

_PANEL = 3.0  # inches


def compare(
    *movies: Any,
    labels: Sequence[str] | None = None,
    t: int | Iterable[int] = 0,
    c: int | str | Iterable[int | str] = 0,
    z: int = 0,
    crop: Any = None,
    contrast: Contrast = 0,
    axes: Axes | Sequence[Axes] | None = None,
    figure: Figure | SubFigure | None = None,
) -> Figure:
    """Draw the same frame of several movies next to each other, with the same contrast and a scale bar.

    Only the displayed planes are read. Movies of red, green and blue (8 bits) are drawn in color.

    Parameters
    ----------
    *movies : path, Movie or array
        Of the same field of view; their frames may have different numbers of pixels, as those of a model with a scale.
    labels : sequence of str, optional
        Titles, one per movie, by default their names.
    t, c : int or sequence of int
        Frames and channels, one row for each; channels also by name.
    z : int
        Slice of a stack.
    crop : (y, x, height, width) or (slice, slice), optional
        Displayed rows and columns, in pixels of the first movie.
    contrast : int or (float, float)
        Number of the movie that determines the gray levels of each row (percentiles 0.5 and 99.8; -1 is the last
        movie, such as a reference), or the levels shown as black and white in all rows.
    axes : Axes or sequence of Axes, optional
        Axes to draw in, row by row; by default those of a new figure.
    figure : Figure or SubFigure, optional
        Figure to divide into panels, such as ``plt.figure()``.

    Returns
    -------
    Figure
        Displayed by notebooks, and saved by its method ``savefig``.

    Raises
    ------
    InputError
        If a frame, channel or crop does not exist in a movie, or the numbers of labels, axes and movies differ.

    Examples
    --------
    >>> from decrappify.samples import simulate
    >>> movie = simulate("vesicles", n_frames=2, size=(32, 48))
    >>> figure = compare(movie.noisy, movie.truth, labels=["noisy", "reference"], t=[0, 1], contrast=-1)
    >>> [axes.get_title() for axes in figure.axes], figure.axes[2].get_ylabel()
    (['noisy', 'reference', '', ''], 'frame 1')
    """
    with shown_movies(movies, "compare") as shown:
        titles = labels_of(shown, labels)
        frames, channels = _several(t), _several(c)
        rows = [(frame, channel) for frame in frames for channel in channels]
        crops = _crops(shown, crop)
        height, width = crops[0][0].stop - crops[0][0].start, crops[0][1].stop - crops[0][1].start
        panel = (_PANEL * min(1.0, width / height), _PANEL * min(1.0, height / width) + 0.2)
        grid = axes_grid(axes, figure, len(rows), len(shown), panel)
        for number, (frame, channel) in enumerate(rows):
            images = [_image(movie, frame, channel, z, part) for movie, part in zip(shown, crops, strict=True)]
            low, high = levels([image if image.ndim == 2 else image[..., 1] for image in images], contrast)
            for each, image, title in zip(grid[number], images, titles, strict=True):
                show_image(each, image, low, high, "" if number else title)
            names = [f"frame {frame}" if len(frames) > 1 else "", _channel_text(channel, channels)]
            grid[number][0].set_ylabel(row_text(names), fontsize=TITLE_SIZE)
        add_scale_bar(grid[0][0], width, height, shown[0].pixel_size_um[2])
        return figure_of(grid[0][0])


def _several(value: Any) -> list[Any]:
    """Return an index or name as a list, and a sequence of them as it is."""
    found = list(value) if isinstance(value, Iterable) and not isinstance(value, str) else [value]
    if not found:
        raise InputError(f"t or c is {short(value)}, expected at least one frame and one channel")
    return found


def _channel_text(channel: int | str, channels: Sequence[int | str]) -> str:
    if len(channels) == 1:
        return ""
    return channel if isinstance(channel, str) else f"channel {channel}"


def _crops(movies: Sequence[Movie], crop: Any) -> list[tuple[slice, slice]]:
    """Return the displayed rows and columns of each movie; a crop is in pixels of the first one."""
    first = movies[0]
    rows, columns = row_and_column_slices(crop, first.shape[3:], first.name)
    found = []
    for movie in movies:
        factors = [own / size for own, size in zip(movie.shape[3:], first.shape[3:], strict=True)]
        if crop is None:
            found.append((slice(0, movie.shape[3]), slice(0, movie.shape[4])))
            continue
        if abs(factors[0] / factors[1] - 1) > 0.02:
            raise InputError(
                f"{movie.name} has {movie.shape[3:]} pixels (Y, X), expected the proportions of the {first.shape[3:]} "
                f"pixels of {first.name} for a common crop"
            )
        found.append(_scaled(rows, factors[0]) + _scaled(columns, factors[1]))
    return [(rows, columns) for rows, columns in found]


def _scaled(part: slice, factor: float) -> tuple[slice]:
    start = round(part.start * factor)
    return (slice(start, max(start + 1, round(part.stop * factor))),)


def _image(movie: Movie, t: int, c: int | str, z: int, part: tuple[slice, slice]) -> Array:
    """Read the displayed part of a frame: (Y, X), or (Y, X, 3) uint8 of a color movie."""
    if movie.channel_names == RGB and movie.dtype == np.uint8 and c == 0:
        return np.stack([movie.region(t, channel, z, *part) for channel in range(3)], axis=-1)
    return movie.region(t, channel_index(movie, c), z, *part)
