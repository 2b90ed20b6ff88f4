"""HTML page of a check."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from decrappify._common.pages.page import render_page
from decrappify._common.pages.png import data_url, gray_png
from decrappify.movie import Array

_CAPTIONS = "80 % of the photons", "restored by the model", "best Gaussian filter"


def page(title: str, lines: Sequence[tuple[str, str]], verdict: str, example: Sequence[Array]) -> str:
    """Return the whole page.

    Parameters
    ----------
    title : str
        Model and movie.
    lines : sequence of (label, text)
        Parts of the check; the last one is the verdict in words.
    verdict : str
        The verdict in one word, a class of the style sheet.
    example : sequence of arrays (Y, X)
        First part of the photons, restored, and filtered; empty if the test was not possible.
    """
    from decrappify._version import __version__

    *rows, (_, words) = lines
    return render_page(
        "decrappify.checking.report",
        title=title,
        verdict=words,
        kind=verdict,
        rows=rows,
        images=_images(example),
        version=__version__,
    )


def _images(example: Sequence[Array]) -> list[tuple[str, str]]:
    """Return caption and data URL of the images, all with the same contrast."""
    if not example:
        return []
    low, high = (float(level) for level in np.percentile(example[1], (0.5, 99.8)))
    high = high if high > low else low + 1
    return [(caption, data_url(gray_png(image, low, high))) for caption, image in zip(_CAPTIONS, example, strict=True)]
