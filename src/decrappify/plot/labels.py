"""`trust_overlay`: the labels of a trust map over a restored frame."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import numpy as np

from decrappify.errors import InputError
from decrappify.io.opening.arguments import channel_index
from decrappify.movie import Movie
from decrappify.plot.figure import TITLE_SIZE, add_scale_bar, axes_grid, figure_of, show_image
from decrappify.plot.panels import Contrast, levels, row_and_column_slices, shown_movies
from decrappify.trust import LABEL_COLORS, Label, TrustMap
from decrappify.trust.maps import MAPS
from decrappify.trust.report.frames import overlay, percent

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, SubFigure

_WIDTH = 4.4  # inches, that of the legend


def trust_overlay(
    restored: Any,
    trust: TrustMap | Movie | str | os.PathLike[str],
    *,
    t: int = 0,
    c: int | str = 0,
    z: int = 0,
    crop: Any = None,
    contrast: Contrast = 0,
    title: str = "",
    axes: Axes | None = None,
    figure: Figure | SubFigure | None = None,
) -> Figure:
    """Draw a restored frame with the labels of its trust map in color: confirmed, untestable and contradicted.

    The colors are those of the trust report; the legend states the share of each label in the displayed pixels.

    Parameters
    ----------
    restored : path, Movie or array
        The restored movie.
    trust : TrustMap, path or Movie
        Result of `trust_map`, or the file or movie of its maps.
    t : int
        Frame.
    c : int or str
        Channel of the restored movie, by number or name.
    z : int
        Slice of a stack.
    crop : (y, x, height, width) or (slice, slice), optional
        Displayed rows and columns in pixels.
    contrast : 0 or (float, float)
        Gray levels of the frame shown as black and white, by default its percentiles 0.5 and 99.8.
    title : str
        Title of the panel.
    axes : Axes, optional
        Axes to draw in; by default those of a new figure.
    figure : Figure or SubFigure, optional
        Figure to draw in, such as ``plt.figure()``.

    Returns
    -------
    Figure
        Displayed by notebooks, and saved by its method ``savefig``.

    Raises
    ------
    InputError
        If the map is not that of a movie of this size, or a frame, channel or crop does not exist.

    Examples
    --------
    >>> restored = np.full((2, 32, 32), 100.0)
    >>> maps = np.ones((2, 3, 1, 32, 32))
    >>> maps[1, 0, 0, :8] = 3
    >>> figure = trust_overlay(restored, Movie.from_array(maps), t=1)
    >>> [text.get_text() for text in figure.axes[0].get_legend().get_texts()]
    ['confirmed (75 %)', 'untestable (0 %)', 'contradicted (25 %)']
    """
    maps = trust.movie if isinstance(trust, TrustMap) else trust
    with shown_movies([restored, maps], "trust_overlay") as (movie, labels_movie):
        _check_fit(movie, labels_movie)
        channel = channel_index(movie, c)
        part = row_and_column_slices(crop, movie.shape[3:], movie.name)
        image = np.nan_to_num(movie.region(t, channel, z, *part).astype(np.float32))
        labels = labels_movie.region(t, len(MAPS) * channel, z, *part)
        low, high = levels([image], contrast)
        height, width = image.shape
        size = (_WIDTH, _WIDTH * min(1.0, height / width) + 0.5)
        ((panel,),) = axes_grid(axes, figure, 1, 1, size)
        show_image(panel, overlay(image, labels, low, high), low, high, title)
        add_scale_bar(panel, width, height, movie.pixel_size_um[2])
        _add_legend(panel, labels)
        return figure_of(panel)


def _check_fit(restored: Movie, maps: Movie) -> None:
    n_t, n_c, n_z, n_y, n_x = restored.shape
    expected = (n_t, len(MAPS) * n_c, n_z, n_y, n_x)
    if maps.shape != expected:
        raise InputError(
            f"{maps.name} has shape {maps.shape}, expected {expected}, that of the trust map of {restored.name}"
        )


def _add_legend(axes: Axes, labels: Any) -> None:
    """Draw the colors of the labels with their shares of the labeled pixels below the image."""
    from matplotlib.patches import Patch

    counts = {label: int(np.count_nonzero(labels == label)) for label in Label}
    total = max(sum(counts.values()), 1)
    patches = [
        Patch(color=LABEL_COLORS[label], label=f"{label.name.lower()} ({percent(count / total)})")
        for label, count in counts.items()
    ]
    axes.legend(
        handles=patches,
        loc="upper center",
        bbox_to_anchor=(0.5, 0.0),
        ncols=3,
        fontsize=TITLE_SIZE - 1,
        frameon=False,
        handlelength=1.0,
        columnspacing=1.2,
    )
