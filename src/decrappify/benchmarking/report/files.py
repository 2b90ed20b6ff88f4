"""The report as a folder of files: page, CSV, JSON, plots and images."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from decrappify.benchmarking.report import html, images, plots, tables
from decrappify.benchmarking.report.results import Results
from decrappify.errors import OutputError
from decrappify.io.durable import write_json
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
        If the folder or a file cannot be written.
    """
    folder = check_folder(folder, overwrite=overwrite)
    for name, data in png_files(results):
        with atomic_output(folder / name, overwrite=overwrite) as partial:
            partial.write_bytes(data)
    with atomic_output(folder / "report.csv", overwrite=overwrite) as partial:
        partial.write_text(tables.csv_text(results), encoding="utf-8", newline="")
    with atomic_output(folder / "report.json", overwrite=overwrite) as partial:
        write_json(partial, tables.json_values(results))
    save_html(results, folder / "report.html", overwrite=overwrite)
    return folder


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
