"""Writing of a trust report."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from decrappify._common.progress import Progress
from decrappify.movie import Movie
from decrappify.noise.files import check_report

if TYPE_CHECKING:
    from decrappify.trust.resolution import ConfirmedResolution


def write_report(
    trust: Movie,
    inputs: tuple[Any, Any],
    path: Path,
    *,
    spread: Movie | None,
    resolution: Sequence[ConfirmedResolution],
    overwrite: bool,
    progress: Progress | None,
) -> Path:
    """Write the page atomically; `inputs` are the measured and the restored movie, see `TrustMap.report`."""
    from decrappify.io import open_movie
    from decrappify.io.store.outputs import atomic_output
    from decrappify.trust.report.html import page

    check_report(path, overwrite=overwrite)
    opened = [open_movie(each) for each in inputs]
    try:
        text = page(trust, *opened, spread=spread, resolution=resolution, progress=progress)
    finally:
        for given, movie in zip(inputs, opened, strict=True):
            if isinstance(given, str | os.PathLike):
                movie.close()
    with atomic_output(path, overwrite=overwrite) as partial:
        partial.write_text(text, encoding="utf-8")
    return path
