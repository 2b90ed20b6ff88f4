"""The report as a folder of files: page, CSV, JSON, plots and images."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from decrappify._common.files.atomic import sync_file, sync_folder
from decrappify.benchmarking.report import html, images, plots, tables
from decrappify.benchmarking.report.results import Results
from decrappify.errors import OutputError, OutputExistsError
from decrappify.io.store.durable import identity, json_bytes, output_errors
from decrappify.io.store.interrupts import interrupts_held
from decrappify.io.store.locks import locked
from decrappify.io.store.outputs import atomic_output, check_output

FILES = ("report.html", "report.csv", "report.json")
_IMAGES = ("images.png", "frc_*.png", "spectra_*.png", "brightness_*.png", "sheet_*.png")


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

    The files are renamed to their final names, the page last, when all of them are on the disk.

    Raises
    ------
    OutputExistsError
        If one of the files exists and `overwrite` is False, or the folder contains other files without a report.
    OutputError
        If the folder or a file cannot be written; new files are then deleted.
    """
    folder, is_new = Path(folder), not Path(folder).exists()
    check_folder(folder, overwrite=overwrite)
    try:
        with output_errors(folder), locked(folder / FILES[0]) as lock:
            working = lock.temporary("new")  # deleted with its content when the lock is released
            working.mkdir()
            names = []
            for name, data in _files(results):
                check_output(folder / name, overwrite=overwrite)
                (working / name).write_bytes(data)
                sync_file(working / name)
                names.append(name)
            _place(working, names, folder)
    except BaseException:
        if is_new:
            with suppress(OSError):
                folder.rmdir()  # only if it is empty
        raise
    return folder


def _place(working: Path, names: Sequence[str], folder: Path) -> None:
    """Rename the files of a report to their final names; delete the new ones if one cannot be renamed."""
    placed: list[Path] = []
    with interrupts_held():
        try:
            for name in names:
                if not (folder / name).exists():
                    placed.append(folder / name)
                (working / name).replace(folder / name)
            sync_folder(folder)
        except OSError:
            for path in placed:
                path.unlink(missing_ok=True)
            raise


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
        yield f"sheet_{number}.png", images.sheet_png(results, view)


def check_folder(folder: str | os.PathLike[str], *, overwrite: bool = False) -> Path:
    """Create the folder of a report.

    Raises
    ------
    OutputExistsError
        If it contains a report and `overwrite` is False, or other files without a report.
    OutputError
        If it cannot be used.
    """
    folder = Path(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        foreign = _foreign(folder)
    except OSError as error:
        raise OutputError(f"cannot use {folder} as folder for the report: {error.strerror}") from error
    if foreign is not None:
        raise OutputExistsError(
            f"{folder} contains {foreign.name}, which does not belong to a report; choose a new or empty folder"
        )
    for name in FILES:
        check_output(folder / name, overwrite=overwrite)
    return folder


def _foreign(folder: Path) -> Path | None:
    """Return an entry that does not belong to a report; None if the folder contains a report, or no such entry."""
    if any(os.path.lexists(folder / name) for name in FILES):
        return None
    entries = (entry for entry in folder.iterdir() if not entry.name.startswith("."))
    return min((entry for entry in entries if not any(map(entry.match, _IMAGES))), default=None)


@contextmanager
def begun_report(folder: Path, *, overwrite: bool = False) -> Iterator[None]:
    """Check the folder of a report with `check_folder`, and delete it on exit if it is new and empty.

    Raises
    ------
    KeyboardInterrupt
        On Ctrl-C; its message states if the report is already complete.
    """
    is_new, page = not folder.exists(), folder / FILES[0]
    before = identity(page)
    check_folder(folder, overwrite=overwrite)
    try:
        yield
    except KeyboardInterrupt as error:
        if identity(page) not in (None, before):
            raise KeyboardInterrupt(f"the report in {folder} is complete") from error
        raise
    finally:
        if is_new:
            with suppress(OSError):
                folder.rmdir()  # only if it is empty
