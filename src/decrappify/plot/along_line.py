"""`kymograph`: gray levels along a line over time."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from decrappify._common.checks import check_whole, short
from decrappify.errors import InputError
from decrappify.io.opening.arguments import channel_index
from decrappify.movie import Array, Movie
from decrappify.plot.figure import TITLE_SIZE, axes_grid, figure_of
from decrappify.plot.panels import Contrast, labels_of, levels, shown_movies

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, SubFigure

Point = tuple[float, float]
_PANEL = (3.0, 3.0)  # inches


@dataclass(frozen=True, slots=True)
class Line:
    """Points (y, x) at distances of one pixel on a line, each with its neighbors across the line.

    Attributes
    ----------
    y, x : array (width, length)
        Coordinates in pixels.
    step_um : float or None
        Distance of the points; None if the pixel size is unknown.
    """

    y: Array
    x: Array
    step_um: float | None


def kymograph(
    *movies: Any,
    y: int | None = None,
    x: int | None = None,
    line: tuple[Point, Point] | None = None,
    width: int = 1,
    c: int | str = 0,
    z: int = 0,
    labels: Sequence[str] | None = None,
    contrast: Contrast = 0,
    axes: Axes | Sequence[Axes] | None = None,
    figure: Figure | SubFigure | None = None,
) -> Figure:
    """Draw the gray levels along a line (horizontal) over time (downward), of one or several movies.

    The axes are in micrometers and seconds if pixel size and frame interval are known, else in pixels and frames. Only
    the region around the line is read, frame by frame.

    Parameters
    ----------
    *movies : path, Movie or array
        Of the same field of view and size.
    y, x : int, optional
        Row or column; by default the middle row.
    line : ((float, float), (float, float)), optional
        Start and end (y, x) of another line in pixels; values between pixels are interpolated linearly.
    width : int
        Number of pixels across the line that are averaged.
    c : int or str
        Channel by number or name.
    z : int
        Slice of a stack.
    labels : sequence of str, optional
        Titles, one per movie, by default their names.
    contrast : int or (float, float)
        Number of the movie that determines the gray levels, or the levels shown as black and white.
    axes : Axes or sequence of Axes, optional
        Axes to draw in, one per movie; by default those of a new figure.
    figure : Figure or SubFigure, optional
        Figure to divide into panels, such as ``plt.figure()``.

    Returns
    -------
    Figure
        Displayed by notebooks, and saved by its method ``savefig``.

    Raises
    ------
    InputError
        If the line is not within the frames of a movie, or several lines are passed.

    Examples
    --------
    >>> from decrappify.samples import simulate
    >>> movie = simulate("vesicles", n_frames=3, size=(32, 48), pixel_size_um=0.1, frame_interval_s=2.0).noisy
    >>> figure = kymograph(movie, y=16, width=3)
    >>> figure.axes[0].get_xlabel(), figure.axes[0].get_ylabel(), figure.axes[0].images[0].get_array().shape
    ('x (µm)', 'time (s)', (3, 48))
    """
    check_whole(1, width=width)
    if sum(each is not None for each in (y, x, line)) > 1:
        raise InputError("a kymograph has one line, expected only one of y, x and line")
    with shown_movies(movies, "kymograph") as shown:
        titles = labels_of(shown, labels)
        across = "y" if x is not None else "x" if line is None else "distance"
        lines = [_line(movie, y, x, line, width) for movie in shown]
        images = [_over_time(movie, each, c, z) for movie, each in zip(shown, lines, strict=True)]
        low, high = levels(images, contrast)
        grid = axes_grid(axes, figure, 1, len(shown), _PANEL)[0]
        for each, movie, along, image, title in zip(grid, shown, lines, images, titles, strict=True):
            _draw(each, movie, along, image, (low, high))
            each.set_title(title, fontsize=TITLE_SIZE)
            each.set_xlabel(f"{across} (px)" if along.step_um is None else f"{across} (µm)", fontsize=TITLE_SIZE)
        grid[0].set_ylabel("frame" if shown[0].frame_interval_s is None else "time (s)", fontsize=TITLE_SIZE)
        return figure_of(grid[0])


def _line(movie: Movie, y: int | None, x: int | None, line: tuple[Point, Point] | None, width: int) -> Line:
    """Return the points of the line, checked to be within the frames of a movie."""
    n_y, n_x = movie.shape[3:]
    if line is None and x is None:
        row = n_y // 2 if y is None else y
        ends = ((row, 0), (row, n_x - 1))
    elif line is None:
        ends = ((0, x), (n_y - 1, x))  # type: ignore[assignment]
    else:
        ends = line  # type: ignore[assignment]
    try:
        (y0, x0), (y1, x1) = ((float(a), float(b)) for a, b in ends)
    except (TypeError, ValueError):
        raise InputError(f"line is {short(line)}, expected its two ends ((y, x), (y, x)) in pixels") from None
    length = math.hypot(y1 - y0, x1 - x0)
    if not length >= 1:
        raise InputError(f"the line from {(y0, x0)} to {(y1, x1)} is shorter than 1 pixel, expected separate ends")
    at = np.arange(math.floor(length) + 1) / length
    offsets = (np.arange(width) - (width - 1) / 2)[:, None]
    along_y, along_x = (y1 - y0) / length, (x1 - x0) / length
    points_y = y0 + at * (y1 - y0) - offsets * along_x
    points_x = x0 + at * (x1 - x0) + offsets * along_y
    outside = points_y.min() < -1e-6 or points_x.min() < -1e-6
    if outside or points_y.max() > n_y - 1 + 1e-6 or points_x.max() > n_x - 1 + 1e-6:
        raise InputError(
            f"the line from {(y0, x0)} to {(y1, x1)} with width {width} is not within {movie.name}, whose frames have "
            f"{(n_y, n_x)} pixels (Y, X)"
        )
    size_y, size_x = movie.pixel_size_um[1:]
    step = None if size_y is None or size_x is None else math.hypot(along_y * size_y, along_x * size_x)
    return Line(points_y, points_x, step)


def _over_time(movie: Movie, line: Line, c: int | str, z: int) -> Array:
    """Return the mean gray levels along the line, (T, length)."""
    from scipy.ndimage import map_coordinates

    channel = channel_index(movie, c)
    top, left = int(line.y.min() + 1e-6), int(line.x.min() + 1e-6)
    rows = slice(top, min(math.ceil(line.y.max() - 1e-6), movie.shape[3] - 1) + 1)
    columns = slice(left, min(math.ceil(line.x.max() - 1e-6), movie.shape[4] - 1) + 1)
    points = np.stack([line.y - top, line.x - left])
    found = np.empty((movie.shape[0], line.y.shape[1]), np.float32)
    for t in range(movie.shape[0]):
        region = movie.region(t, channel, z, rows, columns).astype(np.float32)
        found[t] = map_coordinates(region, points, order=1, mode="nearest").mean(axis=0)
    return found


def _draw(axes: Axes, movie: Movie, line: Line, image: Array, contrast: tuple[float, float]) -> None:
    """Draw an image (T, length) with physical axes; the first frame is at the top."""
    step, interval = line.step_um or 1.0, movie.frame_interval_s or 1.0
    n_t, length = image.shape
    axes.imshow(
        image,
        cmap="gray",
        vmin=contrast[0],
        vmax=contrast[1],
        interpolation="nearest",
        aspect="auto",
        extent=(-step / 2, (length - 0.5) * step, (n_t - 0.5) * interval, -interval / 2),
    )
    axes.tick_params(labelsize=8)
