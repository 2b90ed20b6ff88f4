"""`decrappify calibrate`."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import click

from decrappify._common.terminal import echo, echo_lines
from decrappify.cli.batch import OUTPUT_DIR, RECURSIVE, echo_row, finish, found_sources, only_input
from decrappify.cli.common import describe, open_input
from decrappify.cli.group import Command
from decrappify.cli.options import PATH, input_options
from decrappify.errors import InputError


@click.command(cls=Command)
@click.argument("lows", metavar="LOW...", nargs=-1, required=True, type=PATH)
@click.option("--dark", type=PATH, help="Frames recorded without light, at the same settings.")
@click.option(
    "--high",
    type=PATH,
    multiple=True,
    help="Good images of the same kind of specimen, for the blur and the scale factor; repeat it for several files.",
)
@click.option("-o", "--output", type=PATH, help="File (.toml) for the noise model.")
@OUTPUT_DIR
@RECURSIVE
@click.option("--report", type=PATH, help="File (.html) for a report with plots.")
@input_options
@click.option("--overwrite", is_flag=True, help="Replace the outputs.")
def calibrate(
    lows: tuple[Path, ...],
    dark: Path | None,
    high: tuple[Path, ...],
    output: Path | None,
    output_dir: Path | None,
    recursive: bool,
    report: Path | None,
    overwrite: bool,
    **options: Any,
) -> None:
    """Measure the noise of a microscope from the raw movie LOW, and show it as a table.

    With --output-dir, the noise model of each of many files, folders or patterns is written to DIR/STEM.toml.
    """
    if output_dir is not None:
        if output is not None or report is not None:
            raise InputError("--output and --report are for one input, found --output-dir; omit them")
        _calibrate_many(lows, output_dir, high, dark, recursive=recursive, overwrite=overwrite, options=options)
        return
    low = only_input(lows, recursive=recursive)
    from decrappify.io.store.outputs import refuse_overlap
    from decrappify.io.store.reports import check_report
    from decrappify.noise import calibrate as measure
    from decrappify.noise.files import check_output

    if output is not None:
        check_output(output, overwrite=overwrite)
    if report is not None:
        check_report(report, overwrite=overwrite)
        refuse_overlap(report, low, *high, *([] if dark is None else [dark]))
    movie = open_input(low, output=output, **options)
    result = measure(movie, list(high) or None, dark=dark, channel=options["channel"])
    echo(f"{low}: {describe(movie)}")
    echo_lines(result.table())
    if output is not None:
        echo(f"{result.save(output, overwrite=overwrite)}: written")
    if report is not None:
        echo(f"{result.report(report, overwrite=overwrite)}: written")


def _calibrate_many(
    lows: tuple[Path, ...],
    output_dir: Path,
    high: tuple[Path, ...],
    dark: Path | None,
    *,
    recursive: bool,
    overwrite: bool,
    options: dict[str, Any],
) -> None:
    from decrappify.batch import write_each
    from decrappify.io.integrity.file_guard import file_version
    from decrappify.io.recognition.registry import plain_stem
    from decrappify.noise import calibrate as measure

    folder_as = options.pop("folder_as")

    def work(source: Path, path: Path) -> None:
        from decrappify.io.recognition.file_format import is_image_folder

        of_folder = {"folder_as": folder_as} if is_image_folder(source) else {}
        with open_input(source, **options, **of_folder) as movie:
            result = measure(movie, list(high) or None, dark=dark, channel=options["channel"])
            result.save(path, overwrite=overwrite)

    sources = found_sources(lows, output_dir, recursive=recursive, folder_as=folder_as)
    files = [str(file) + str(file_version(file)) for file in (*high, *([] if dark is None else [dark]))]
    summary = write_each(
        sources,
        [Path(source.folder) / f"{plain_stem(source.path.absolute().name)}.toml" for source in sources],
        work,
        folder=output_dir,
        settings=options | {"command": "calibrate", "files": files},
        overwrite=overwrite,
        on_row=partial(echo_row, quiet=False),
    )
    finish(summary, None, quiet=False)
