"""The `decrappify` command: parse, call the library, print. Everything heavy is imported inside a command."""

from __future__ import annotations

import logging
import shlex
import sys
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import click

from decrappify._version import __version__
from decrappify.cli_errors import (
    CommandGroup,
    Interrupted,
    OptionFormatter,
    flags_of,
    global_options,
    is_verbose,
    with_options,
)
from decrappify.errors import DecrappifyError, InputError
from decrappify.terminal import echo, echo_lines


class _Path(click.Path):
    """A path whose file the library checks; an empty one, as of a variable that is not set, is no name of a folder."""

    def convert(self, value: Any, parameter: click.Parameter | None, context: click.Context | None) -> Any:
        if value == "":
            self.fail("the path is empty; needs the name of a file or folder", parameter, context)
        return super().convert(value, parameter, context)


_PATH = _Path(path_type=Path, readable=False)


class _Once(logging.Filter):
    """Drops messages that were shown before, such as what a folder was taken for at each of its scenes."""

    def __init__(self) -> None:
        super().__init__()
        self._shown: set[str] = set()

    def filter(self, record: logging.LogRecord) -> bool:
        is_new = record.getMessage() not in self._shown
        self._shown.add(record.getMessage())
        return is_new


@click.group(
    cls=CommandGroup,
    params=global_options(),
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
)
@click.version_option(__version__, prog_name="decrappify")
@click.pass_context
def main(context: click.Context) -> None:
    """Restore microscopy stills and movies; train restorers from good images made bad on purpose."""
    flags = flags_of(main.commands.get(context.invoked_subcommand or ""))
    handler = logging.StreamHandler()
    handler.setFormatter(OptionFormatter(flags))
    logger = logging.getLogger("decrappify")
    if not is_verbose(context):
        context.call_on_close(partial(logger.setLevel, logger.level))
        logger.setLevel(logging.WARNING)
    logger.addHandler(handler)
    folders = logging.getLogger("decrappify.io.folder")  # what a folder was taken for is always shown
    context.call_on_close(partial(folders.setLevel, folders.level))
    folders.setLevel(logging.INFO)
    handler.addFilter(_Once())
    silent = logging.NullHandler()  # what tifffile logs of a damaged file, an error of ours states in one line
    logging.getLogger("tifffile").addHandler(silent)
    context.call_on_close(partial(logging.getLogger("tifffile").removeHandler, silent))
    context.call_on_close(partial(logger.removeHandler, handler))
    context.with_resource(warnings.catch_warnings())
    warnings.simplefilter("always", UserWarning)
    shown: set[str] = set()  # each warning once, also where every scene of a file repeats it

    def show(message: Warning | str, *_: Any, **__: Any) -> None:
        if str(message) not in shown:
            shown.add(str(message))
            echo(f"decrappify: {with_options(str(message), flags)}", err=True)

    warnings.showwarning = show


def _progress() -> Any:
    """Give a tqdm bar where a person looks at it, else nothing."""
    if not sys.stderr.isatty():
        return None
    from tqdm import tqdm

    return tqdm


def _log_status() -> None:
    """Log how far a training run is, where no progress bar shows it."""
    if _progress() is None:
        status = logging.getLogger("decrappify.training.engine.status")
        click.get_current_context().find_root().call_on_close(partial(status.setLevel, status.level))
        status.setLevel(logging.INFO)


_AS = click.option(
    "--as",
    "folder_as",
    type=click.Choice(["auto", "movie", "images"]),
    default="auto",
    show_default=True,
    help="How to read a folder: the files are frames of one movie, or images (or movies) of their own; auto decides by "
    "the file names.",
)


def _input_options(command: Callable[..., None]) -> Callable[..., None]:
    for option in (
        click.option("--frame-interval-s", type=float, help="Seconds between frames, where the file does not say."),
        click.option("--axes", help="For arrays and TIFF: a letter of TCZYX per dimension, such as ZYX or YXC."),
        click.option(
            "--absent-chunks",
            type=click.Choice(["auto", "missing", "fill"]),
            default="auto",
            show_default=True,
            help="For Zarr: chunks that are not in the store are planes not recorded, or hold the fill value; auto "
            "decides by the chunks that are there.",
        ),
        click.option("--channel", help="Only this channel: its name, or a number from 0."),
        _AS,
        click.option("--scene", help="Scene of a file with several: its name, or a number from 0 (see `info`)."),
    ):
        command = option(command)
    return command


def _open(source: Path, *, output: Path | None = None, **options: Any) -> Any:
    from decrappify.io import open_movie

    movie = open_movie(source, **options)
    if output is not None and output.exists() and output.samefile(source):
        raise InputError(f"{output} is the input itself; choose another name for the output")
    return movie


@main.command()
@click.argument("source", metavar="IN", type=_PATH)
@click.argument("output", metavar="OUT", type=_PATH)
@click.option("--model", required=True, help="A shipped model (see `decrappify models`) or a .safetensors file.")
@_input_options
@click.option("--frames", help="Only these frames, such as 10:50.")
@click.option("--tile-size", type=int, help="Side of a tile in input pixels; planned from free memory by default.")
@click.option("--tile-overlap", type=int, help="Overlap of neighboring tiles in input pixels.")
@click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda, cuda:1 or mps.")
@click.option("--precision", default="auto", show_default=True, help="auto, float32, bfloat16 or float16.")
@click.option("--backend", default="auto", show_default=True, help="auto, torch, compile, onnxruntime or openvino.")
@click.option("--dtype", help="Data type of the output, such as float32; the input's by default.")
@click.option(
    "--window-axis",
    default="T",
    show_default=True,
    type=click.Choice(["T", "Z"]),
    help="Axis of the window; Z lets a stack play time.",
)
@click.option(
    "--nan",
    default="error",
    show_default=True,
    type=click.Choice(["error", "fill", "zero"]),
    help="NaN pixels: refuse them, or fill them from their neighborhood and put them back (zero is the older name).",
)
@click.option(
    "--missing",
    default="blank",
    show_default=True,
    type=click.Choice(["blank", "drop", "nearest"]),
    help="Planes that were never recorded: leave blank, leave out their frames, or fill from the nearest frame.",
)
@click.option(
    "--outliers",
    default="replace",
    show_default=True,
    type=click.Choice(["replace", "keep"]),
    help="Hot and dead pixels and flash frames: replace before the network, or keep.",
)
@click.option("--overwrite", is_flag=True, help="Replace OUT and any unfinished run of it.")
@click.option("--no-resume", is_flag=True, help="Do not go on from an unfinished run.")
def restore(
    source: Path,
    output: Path,
    model: str,
    scene: str | None,
    channel: str | None,
    frame_interval_s: float | None,
    axes: str | None,
    folder_as: str,
    absent_chunks: str,
    no_resume: bool,
    **options: Any,
) -> None:
    """Restore the movie IN with a model and write OUT (.ome.zarr, .ome.tif or .mp4).

    --scene all restores every scene, into outputs named OUT_SCENE. If interrupted, rerun the same command to resume.
    """
    from decrappify.restoration import restore as restore_movie

    opening = {"channel": channel, "frame_interval_s": frame_interval_s, "axes": axes, "folder_as": folder_as}
    opening["absent_chunks"] = absent_chunks
    options |= {"resume": not no_resume, "progress": _progress()}
    if scene != "all":
        movie = _open(source, output=output, scene=scene, **opening)
        echo(f"{output}: {_describe(restore_movie(movie, model, output, **options))}")
        return
    _restore_all_scenes(source, model, output, opening, options)


def _restore_all_scenes(
    source: Path, model: str, output: Path, opening: dict[str, Any], options: dict[str, Any]
) -> None:
    from decrappify.restoration.scenes import restore_scenes

    failed, restored = 0, 0
    for outcome in restore_scenes(source, model, output, opening=opening, **options):
        failed += outcome.error is not None
        restored += outcome.error is None
        if outcome.error is not None:
            error = with_options(str(outcome.error), flags_of(main.commands["restore"]))
            echo(f"decrappify: scene {outcome.scene}: {error}", err=True)
        else:
            kept = ", restored before" if outcome.was_finished else ""
            echo(f"{outcome.output}: {_describe(outcome.movie)}{kept}")
    if failed:
        raise InputError(f"{failed} of {failed + restored} scenes of {source.name} were not restored, see above")


@main.command()
@click.argument("source", metavar="IN", type=_PATH)
@click.argument("output", metavar="OUT", type=_PATH)
@click.option("--preset", help="A crappifier preset; see `decrappify presets`.")
@click.option("--crappifier", type=_PATH, help="A crappifier file (.toml or .json).")
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of the noise.")
@_input_options
@click.option("--overwrite", is_flag=True, help="Replace OUT.")
def crappify(
    source: Path, output: Path, preset: str | None, crappifier: Path | None, seed: int, overwrite: bool, **options: Any
) -> None:
    """Make the good movie IN bad on purpose and write OUT."""
    from decrappify.crappify import Crappifier, crappifier_preset, crappify_movie
    from decrappify.io import save_movie

    if crappifier is not None and preset is None:
        degrade = Crappifier.load(crappifier)
    elif preset is not None and crappifier is None:
        degrade = crappifier_preset(preset)
    else:
        raise InputError("crappify needs either --preset or --crappifier; see 'decrappify presets'")
    movie = crappify_movie(_open(source, output=output, **options), degrade, seed=seed)
    save_movie(movie, output, overwrite=overwrite, progress=_progress())
    echo(f"{output}: {_describe(movie)}")


@main.command()
@click.argument("run", metavar="RUN.TOML", type=_PATH)
@click.option("--output", type=_PATH, help="Run folder; overrides the file's.")
@click.option("--resume", is_flag=True, help="Go on from the last checkpoint of the run folder.")
@click.option("--overwrite", is_flag=True, help="Replace the run in the folder.")
@click.option("--device", help="Overrides the file's device.")
@click.option(
    "--as",
    "folder_as",
    type=click.Choice(["auto", "movie", "images"]),
    help="How to read folders of data; overrides the file's data.folder_as.",
)
def train(
    run: Path, output: Path | None, resume: bool, overwrite: bool, device: str | None, folder_as: str | None
) -> None:
    """Train a model from the settings in RUN.TOML (supervised or NoGAN).

    Ctrl-C saves a checkpoint and ends with exit code 130; --resume continues. Without a terminal, a line a minute
    states how far the run is.
    """
    from decrappify.training.config.run_file import train_from_file

    _log_status()
    model, folder = train_from_file(
        run,
        output=output,
        resume=resume,
        overwrite=overwrite,
        device=device,
        folder_as=folder_as,
        progress=_progress(),
    )
    if "unfinished" in model.card:
        given = {"--output": output, "--device": device, "--as": folder_as}
        options = [str(part) for option in given.items() if option[1] is not None for part in option]
        again = shlex.join(["decrappify", "train", str(run), *options, "--resume"])
        raise Interrupted(
            f"{model.card['unfinished']}; resume with '{again}' ({folder / 'model.safetensors'} has the best weights "
            "so far, its card states that it is unfinished)"
        )
    if "verdict" in model.card:
        echo(f"{folder / 'model.safetensors'}: {model.card['verdict']}")
        return
    score = model.card["validation"]
    echo(
        f"{folder / 'model.safetensors'}: validation PSNR {score['psnr_source_db']:.2f} -> {score['psnr_db']:.2f} dB "
        f"(step {model.card['best_step']} of {model.card['steps']})"
    )


@main.command()
@click.argument("source", metavar="IN", type=_PATH)
@click.argument("output", metavar="OUT", type=_PATH)
@click.option("--preset", help="artistic, stable, video or own; the model's by default.")
@click.option("--model", help="A model file, or published weights such as ColorizeArtistic_gen.pth.")
@click.option("--render-factor", help="Such as 35, or auto; lower for more colour, higher for steadier colour.")
@click.option("--watermark", is_flag=True, help="Write 'AI-coloured' into the pictures' corner too.")
@click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda, cuda:1 or mps.")
@click.option("--precision", default="auto", show_default=True, help="auto, float32, bfloat16 or float16.")
@click.option("--backend", default="auto", show_default=True, help="auto, torch, compile, onnxruntime or openvino.")
@click.option("--batch-size", type=int, help="Pictures or frames that go through the network together.")
@click.option("--steady", type=float, default=0.0, show_default=True, help="For films: such as 0.5, less flicker.")
@click.option(
    "--damaged",
    default="error",
    show_default=True,
    type=click.Choice(["error", "skip", "keep"]),
    help="For films: frames that are missing or not whole stop the run, are left out, or are colored as decoded.",
)
@click.option("--overwrite", is_flag=True, help="Replace OUT, or pictures in that folder.")
@click.option("--no-resume", is_flag=True, help="Do not go on from an unfinished run.")
def colorize(source: Path, output: Path, render_factor: str | None, no_resume: bool, **options: Any) -> None:
    """Colour the photograph, folder of photographs or film IN and write OUT.

    The luma stays that of IN. The metadata of OUT always say that an AI coloured it.
    """
    from decrappify.colorization import colorize as colorize_any

    colorize_any(
        source,
        output,
        render_factor=int(render_factor) if render_factor and render_factor.isdecimal() else render_factor,
        resume=not no_resume,
        progress=_progress(),
        **options,
    )
    echo(f"{output}: coloured")


@main.command("import-weights")
@click.argument("weights", metavar="FILE", type=_PATH)
@click.option("-o", "--output", metavar="MODEL", required=True, type=_PATH, help="Model file to write, .safetensors.")
@click.option("--preset", help="Which published network it is, where the file does not show it, such as video.")
@click.option("--overwrite", is_flag=True, help="Replace MODEL.")
def import_weights(weights: Path, output: Path, preset: str | None, overwrite: bool) -> None:
    """Turn published weights (DeOldify, PSSR, fastai v1) into a model file.

    Nothing is downloaded: give the .pth file.
    """
    from decrappify import importing

    for line in importing.import_weights(weights, output, preset=preset, overwrite=overwrite):
        echo(line)


@main.command()
@click.argument("low", metavar="LOW", type=_PATH)
@click.argument("high", metavar="[HIGH]", required=False, type=_PATH)
@click.option("--model", "models", multiple=True, required=True, help="A shipped model or a file; may be repeated.")
@click.option("--output", type=_PATH, default=Path("benchmark"), show_default=True, help="Folder for the report.")
@click.option(
    "--baselines", default="input,gaussian,nlm", show_default=True, help="From input, gaussian, nlm, tv; with commas."
)
@click.option("--psf", type=float, help="Sigma of the point spread function in input pixels; adds Richardson-Lucy.")
@click.option("--data-range", type=float, help="D of PSNR and SSIM in grey levels; max - min of the truth by default.")
@click.option(
    "--levels",
    type=click.Choice(["same", "fit"]),
    default="same",
    show_default=True,
    help="fit: the two have different grey levels, such as a short and a long exposure.",
)
@click.option("--gain", type=float, help="Grey levels per photon; adds the resolution that half the photons confirm.")
@click.option("--offset", type=float, default=0.0, show_default=True, help="Grey level of no light.")
@click.option("--read-noise", type=float, default=0.0, show_default=True, help="Its sd, in photons; for --gain.")
@click.option("--static", is_flag=True, help="Nothing moves: without --gain, even and odd frames are the halves.")
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of the bootstrap.")
@_AS
@click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda or mps.")
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
    overwrite: bool,
    **options: Any,
) -> None:
    """Compare models with the usual baselines on pairs, and write a report.

    LOW and HIGH are two files or OME-Zarr stores, or two folders: one pair of movies where the names of their files
    are those of frames, else their files are paired by name (--as images). LOW alone is a folder with low/ and high/,
    or a file or folder without truth.
    """
    from decrappify.benchmarking import Camera
    from decrappify.benchmarking import benchmark as compare
    from decrappify.benchmarking.names import unique_names
    from decrappify.benchmarking.report.files import begun_report
    from decrappify.io.outputs import refuse_overlap

    parts = [low / "low", low / "high"] if (low / "low").is_dir() and (low / "high").is_dir() else [low, high]
    refuse_overlap(output, *parts)
    pairs: Any = [(low, high)]
    if high is None and (low / "low").is_dir() and (low / "high").is_dir():
        pairs = low
    names = [name for name in baselines.split(",") if name]
    camera = Camera(gain, offset, read_noise)
    with begun_report(output, overwrite=overwrite):
        report = compare(unique_names(models), pairs, baselines=names, camera=camera, progress=_progress(), **options)
        report.save(output, overwrite=overwrite)
        echo_lines(report.table())
        echo(f"wrote {output / 'report.html'}")


@main.command()
@click.argument("name", required=False)
def models(name: str | None) -> None:
    """List the shipped models, or print the card of one (a name or a model file)."""
    from decrappify.cards import card_text, model_table

    echo_lines(model_table() if name is None else card_text(name))


@main.command()
def presets() -> None:
    """List the crappifier presets."""
    from decrappify.crappify import preset_description, preset_names

    width = max(map(len, preset_names()))
    for name in preset_names():
        echo(f"{name:<{width}}  {preset_description(name)}")


@main.command()
@click.argument("source", metavar="IN", type=_PATH)
@_input_options
def info(source: Path, scene: str | None, **options: Any) -> None:
    """Show the metadata of IN: scenes, axes, data type, pixel size, frame interval, channels."""
    from decrappify.io import scenes

    names = scenes(source, folder_as=options["folder_as"])
    shown: int | str = 0 if scene is None else scene
    failed = 0
    if scene is None and len(names) > 1:
        echo(f"{source}: {len(names)} scenes")
        readable = []
        for number, name in enumerate(names):
            try:
                shared = {name: options[name] for name in ("axes", "folder_as", "absent_chunks")}
                with _open(source, scene=number, **shared) as one:
                    echo(f"  {number}  {name}: {_describe(one)}")
                    readable.append(number)
            except DecrappifyError as error:
                echo(f"  {number}  {name}: {error}")
        failed = len(names) - len(readable)
        shown = readable[0] if readable else 0
        echo(f"scene {shown}:")
    movie = _open(source, scene=shown, **options)
    size = ["unknown" if value is None else f"{value:g}" for value in movie.pixel_size_um]
    interval = "unknown" if movie.frame_interval_s is None else f"{movie.frame_interval_s:g}"
    echo(f"{source}: {_describe(movie)}")
    echo(f"pixel_size_um (Z, Y, X): {', '.join(size)}")
    echo(f"frame_interval_s: {interval}")
    if movie.unitless_spacing:
        spacing = ", ".join(f"{axis} {value:g}" for axis, value in movie.unitless_spacing.items())
        echo(f"spacing without unit: {spacing}")
    echo(f"channels: {', '.join(movie.channel_names)}")
    for key, value in movie.provenance.items():
        echo(f"{key}: {value}")
    if failed:
        raise InputError(f"{failed} of {len(names)} scenes of {source.name} cannot be opened, see above")


@main.command()
@click.argument("movie", required=False, type=_PATH)
@click.option("--output", type=_PATH, default=Path("demo"), show_default=True, help="Folder for the results.")
@click.option("--model", help="Model to use; chosen by the number of frames by default.")
@click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda or mps.")
def demo(movie: Path | None, output: Path, model: str | None, device: str) -> None:
    """Restore a simulated movie with known truth, or MOVIE, and show what was gained."""
    from decrappify.demo import run_demo

    for line in run_demo(movie, output, model=model, device=device, progress=_progress()):
        echo(line)


def _describe(movie: Any) -> str:
    axes = ", ".join(f"{axis} {size}" for axis, size in zip("TCZYX", movie.shape, strict=True))
    return f"{axes}, {movie.dtype}"
