"""The report as a folder of files: page, CSV, JSON, plots and images."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from decrappify.benchmarking.report import html, images, plots, tables
from decrappify.benchmarking.report.results import Results
from decrappify.errors import OutputError
from decrappify.io.durable import json_bytes
from decrappify.io.outputs import atomic_output, check_output

FILES = ("report.html", "report.csv", "report.json")


def save_html(results: Results, path: str | os.PathLike[str], *, overwrite: bool = False) -> Path:
    """Write the report as one self-contained HTML file.

    Raises
    ------
    OutputExistsError
        If the file exists and `overwrite` is False.
    OutputError
        If it cannot be written.
    """
    with atomic_output(path, overwrite=overwrite) as partial:
        partial.write_text(html.page(results), encoding="utf-8")
    return Path(path)


def save_folder(results: Results, folder: str | os.PathLike[str], *, overwrite: bool = False) -> Path:
    """Write ``report.html``, ``report.csv``, ``report.json``, and plots and images as PNG files.

    Raises
    ------
    OutputExistsError
        If one of the three exists and `overwrite` is False.
    OutputError
        If the folder or a file cannot be written; files that are new are deleted again.
    """
    folder, is_new = Path(folder), not Path(folder).exists()
    check_folder(folder, overwrite=overwrite)
    written: list[Path] = []
    try:
        for name, data in _files(results):
            existed = (folder / name).exists()
            with atomic_output(folder / name, overwrite=overwrite) as partial:
                partial.write_bytes(data)
            if not existed:
                written.append(folder / name)
    except BaseException:
        # An incomplete report would block a rerun of the same command.
        with suppress(OSError):
            for path in written:
                path.unlink()
            if is_new:
                folder.rmdir()
        raise
    return folder


def _files(results: Results) -> Iterator[tuple[str, bytes]]:
    """Iterate over all files as (file name, content); the page is the last."""
    yield from png_files(results)
    yield "report.csv", tables.csv_text(results).encode()
    yield "report.json", json_bytes(tables.json_values(results))
    yield "report.html", html.page(results).encode()


def png_files(results: Results) -> Iterator[tuple[str, bytes]]:
    """Iterate over plots and image sheets as (file name, PNG)."""
    whole = plots.dots(results)
    if whole is not None:
        yield "images.png", plots.png(whole)
    for number, view in enumerate(plots.shown_images(results), start=1):
        for stem, drawing in (
            ("frc", plots.frc_curves(results, view)),
            ("spectra", plots.spectra(results, view)),
            ("brightness", plots.brightness(results, view)),
        ):
            if drawing is not None:
                yield f"{stem}_{number}.png", plots.png(drawing)
        yield f"pictures_{number}.png", images.sheet_png(results, view)


def check_folder(folder: str | os.PathLike[str], *, overwrite: bool = False) -> Path:
    """Create the folder of a report; raise if it contains a report, before anything is computed."""
    folder = Path(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"cannot use {folder} as folder for the report: {error.strerror}") from error
    for name in FILES:
        check_output(folder / name, overwrite=overwrite)
    return folder
