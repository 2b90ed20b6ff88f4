"""`decrappify benchmark`."""

from __future__ import annotations

import shlex
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from decrappify._common.terminal import echo, echo_lines
from decrappify.cli.common import progress_bars
from decrappify.cli.group import Command
from decrappify.cli.options import FOLDER_AS, PATH, UNRELATED, taken
from decrappify.errors import InputError, without_secrets


@click.command(cls=Command)
@click.argument("low", metavar="LOW", type=PATH)
@click.argument("high", metavar="[HIGH]", required=False, type=PATH)
@click.option("--model", "models", multiple=True, required=True, help="A shipped model or a file; may be repeated.")
@click.option("--output", type=PATH, default=Path("benchmark"), show_default=True, help="Folder for the report.")
@click.option(
    "--baselines",
    default="input,gaussian,nlm",
    show_default=True,
    help="Baselines, separated by commas: input, gaussian, nlm, tv, bm3d (if installed).",
)
@click.option("--psf", type=float, help="Sigma of the point spread function in input pixels; adds Richardson-Lucy.")
@click.option(
    "--data-range",
    type=float,
    help="Data range of PSNR and SSIM in gray levels; max - min of the reference by default.",
)
@click.option(
    "--levels",
    type=click.Choice(["auto", "same", "fit"]),
    default="auto",
    show_default=True,
    help="Gray levels of LOW and HIGH: same; fit: every result is fitted to HIGH first, as for a short and a long "
    "exposure; auto: fit if they differ.",
)
@UNRELATED
@click.option(
    "--group-by",
    metavar="REGEX",
    help="Searched in the names of the images: its first group is the field of view, which counts once in every "
    "interval; named groups, such as (?P<channel>c[0-9]), add tables.",
)
@click.option("--gain", type=float, help="Gray levels per photon; adds the comparison with half of the photons.")
@click.option("--offset", type=float, default=0.0, show_default=True, help="Gray level without light.")
@click.option(
    "--read-noise",
    type=float,
    default=0.0,
    show_default=True,
    help="Standard deviation of the read noise in photons, with --gain.",
)
@click.option(
    "--noise-correlation",
    type=float,
    default=0.0,
    show_default=True,
    help="Correlation of the noise of neighboring pixels, as measured by calibrate, with --gain.",
)
@click.option(
    "--static", is_flag=True, help="The scene is static: without --gain, even and odd frames are the two halves."
)
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of the bootstrap.")
@FOLDER_AS
@click.option("--device", default="auto", show_default=True, help="Device: auto, cpu, cuda or mps.")
@click.option("--overwrite", is_flag=True, help="Replace the report in the folder.")
def benchmark(
    low: Path,
    high: Path | None,
    models: tuple[str, ...],
    output: Path,
    baselines: str,
    gain: float | None,
    offset: float,
    read_noise: float,
    noise_correlation: float,
    overwrite: bool,
    **settings: Any,
) -> None:
    """Compare models with baselines on pairs, and write a report.

    LOW and HIGH are two files or OME-Zarr stores, two folders (one pair of movies if their files are named like
    frames, otherwise files paired by name, --as images), or two quoted patterns, whose files are paired by name. LOW
    alone is a folder with low/ and high/, or files without reference.
    """
    from decrappify.benchmarking import BenchmarkOptions, Camera
    from decrappify.benchmarking import benchmark as compare
    from decrappify.benchmarking.methods.names import unique_names
    from decrappify.benchmarking.report.files import begun_report
    from decrappify.inference.options import InferenceOptions
    from decrappify.io.store.outputs import refuse_overlap

    parts = [low / "low", low / "high"] if (low / "low").is_dir() and (low / "high").is_dir() else [low, high]
    refuse_overlap(output, *parts)
    pairs: Any = _pairs(low, high)
    if high is None and (low / "low").is_dir() and (low / "high").is_dir():
        pairs = low
    names = [name for name in baselines.split(",") if name]
    camera = Camera(gain, offset, read_noise, noise_correlation)
    methods = unique_names(models)
    inference, options = taken(InferenceOptions, settings), taken(BenchmarkOptions, settings)
    with begun_report(output, overwrite=overwrite):
        report = compare(
            methods,
            pairs,
            baselines=names,
            camera=camera,
            options=options,
            inference=inference,
            progress=progress_bars(),
        )
        report = replace(
            report, origin={**report.origin, "command": without_secrets(shlex.join(["decrappify", *sys.argv[1:]]))}
        )
        report.save(output, overwrite=overwrite)
        echo_lines(report.table())
        echo(f"wrote {output / 'report.html'}")


def _pairs(low: Path, high: Path | None) -> list[tuple[Path, Path | None]]:
    """Return LOW and HIGH, or the files that match two patterns, paired by their names without suffix."""
    import glob

    from decrappify.io.recognition.registry import plain_stem

    if not glob.has_magic(str(low)) or low.exists():
        return [(low, high)]
    lows, highs = (_matches(each) for each in (low, high))
    if high is None:
        return [(path, None) for path in lows]
    by_stem = {plain_stem(path.name): path for path in highs}
    missing = [path for path in lows if plain_stem(path.name) not in by_stem]
    if missing or len(by_stem) < len(highs):
        name = missing[0].name if missing else highs[0].name
        raise InputError(f"{name} has not exactly one partner of the same name in {high}; rename the files in pairs")
    return [(path, by_stem[plain_stem(path.name)]) for path in lows]


def _matches(pattern: Path | None) -> list[Path]:
    from decrappify.batch import find_sources

    sources = [] if pattern is None else find_sources([pattern])
    for source in sources:
        if source.error is not None:
            raise source.error
    return [source.path for source in sources]
