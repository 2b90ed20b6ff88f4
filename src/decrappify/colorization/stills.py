"""Coloring of photographs: one file, or a folder of them."""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from zlib import crc32

from decrappify._common.argument_names import setting
from decrappify._common.checks import check_whole, json_value
from decrappify._common.counting import counted
from decrappify._common.processes.processor import present_runtime, take_up_runtime, threads_put_back
from decrappify._common.progress import Cancel, Progress, check_cancel, progress_bar
from decrappify.colorization.colorizer import FORMER_STATEMENT, STATEMENT, Colorizer
from decrappify.colorization.presets import SQUARE
from decrappify.colorization.watermark import add_watermark
from decrappify.errors import FormatError, InputError, MissingFileError, OutputExistsError
from decrappify.io.folders.natural import natural_key
from decrappify.io.images.photograph_writer import check_writable, write_photograph
from decrappify.io.images.photographs import Photograph, read_description, read_photograph
from decrappify.io.recognition.registry import frame_suffixes
from decrappify.io.store.durable import json_bytes
from decrappify.io.store.locks import locked_folder
from decrappify.io.store.outputs import atomic_output, check_early, create_folder, refuse_overlap
from decrappify.movie import Array

logger = logging.getLogger(__name__)

Pair = tuple[Path, Path]  # an image and its output path
Failure = tuple[Path, Exception]

_RUN = ".decrappify-run.json"  # in the output folder, while a run is unfinished
_EXPLAINED, _NAMED = 3, 12  # images listed in the error at the end: with reasons, or only their names
_OF_ONE_IMAGE = (FormatError, InputError, MissingFileError, OutputExistsError)  # the others can still be colored


def colorize_still(
    source: Path, output: Path, colorizer: Colorizer, *, watermark: bool = False, overwrite: bool = False
) -> Path:
    """Color one image file and write it with a note on how it was created.

    Parameters
    ----------
    source : Path
        PNG, JPEG, BMP or TIFF file.
    output : Path
        PNG, JPEG or TIFF file.
    colorizer : Colorizer
        Colorizer of the image.
    watermark : bool
        Whether to write "AI-colorized" into the image.
    overwrite : bool
        Whether `output` may be replaced.

    Returns
    -------
    Path
        `output`.

    Raises
    ------
    InputError, FormatError, MissingFileError
        If `source` cannot be colored or the format of `output` cannot store it.
    OutputExistsError, OutputError
        If `output` exists and `overwrite` is False, or cannot be written.
    DeviceMemoryError
        If memory runs out.
    """
    check_still_output(source, output, overwrite=overwrite)
    note, photograph = _note(source, watermark=watermark), read_photograph(source)
    (square,) = colorizer.color_of([photograph.pixels])
    return _write(output, photograph, square, colorizer, note, watermark=watermark, overwrite=overwrite)


def check_still_output(source: Path, output: Path, *, overwrite: bool) -> None:
    """Raise the errors of `colorize_still` about its output; called before anything is computed."""
    check_writable(output)
    refuse_overlap(output, source)
    check_early(output, overwrite=overwrite)


def colorize_folder(
    source: Path,
    output: Path,
    colorizer: Colorizer,
    *,
    watermark: bool = False,
    batch_size: int | None = None,
    overwrite: bool = False,
    resume: bool = True,
    progress: Progress | None = None,
    cancel: Cancel | None = None,
) -> Path:
    """Color the images of a folder and write them to another folder under the same names (BMP as PNG).

    Images are processed in natural order; other files and folders are skipped. An image that cannot be colored does not
    stop the run. While the run is unfinished, a hidden file in `output` records its threads and processor type,
    which a resumed run uses.

    Parameters
    ----------
    source, output : Path
        Folders; `output` is created if missing.
    colorizer : Colorizer
        Colorizer of the images.
    watermark : bool
        Whether to write "AI-colorized" into the images.
    batch_size : int, optional
        Images per forward pass; 1 by default.
    overwrite : bool
        Whether images in `output` may be replaced.
    resume : bool
        Whether to skip images that an earlier run finished from the same file with the same model and settings.
    progress : callable, optional
        Like ``tqdm``.
    cancel : threading.Event, optional
        When set, the run stops before the next batch.

    Returns
    -------
    Path
        `output`.

    Raises
    ------
    InputError
        If there is no image, or, at the end, if some images could not be colored; the message lists them with reasons.
    Cancelled
        If `cancel` was set; finished images are kept.
    OutputError, DeviceMemoryError
        If the disk or the memory is full.
    """
    pairs = _pairs(source, output)
    _make_folder(output)
    size = _checked_batch_size(batch_size)
    failed: list[Failure] = []
    with locked_folder(output), threads_put_back():
        _take_up(output, colorizer, resume=resume and not overwrite)
        _color_all(
            pairs, size, colorizer, failed, watermark=watermark, overwrite=overwrite, resume=resume, progress=progress,
            cancel=cancel,
        )  # fmt: skip
        with suppress(OSError):  # the run is finished, and the next run replaces the file
            (output / _RUN).unlink(missing_ok=True)
    if failed:
        verb = "was" if len(failed) == 1 else "were"
        raise InputError(
            f"{len(failed)} of {counted(len(pairs), 'image')} {verb} not colorized, the others are in {output}: "
            f"{_listed(failed)}"
        )
    return output


def _listed(failed: Sequence[Failure]) -> str:
    """Return up to 3 failures with their reasons; for more, return the names and log the reasons as warnings."""
    failed = sorted(failed, key=lambda failure: natural_key(failure[0]))
    if len(failed) <= _EXPLAINED:
        return "; ".join(f"{path.name}: {error}" for path, error in failed)
    for path, error in failed:
        logger.warning("%s was not colorized: %s", path.name, error)
    more = len(failed) - _NAMED
    names = ", ".join(path.name for path, _ in failed[:_NAMED])
    return f"{names}{f' and {more} more' if more > 0 else ''}; the warnings state the reasons"


def _take_up(output: Path, colorizer: Colorizer, *, resume: bool) -> None:
    """Restore the number of threads of an unfinished run with the same colorizer, and record that of this run."""
    path, device = output / _RUN, colorizer.network.device
    about = {"colorizer": colorizer.identity, "render_factor": colorizer.render_factor}
    try:
        earlier = json_value(path.read_text(encoding="utf-8")) if resume else {}
        ours = about == {key: earlier.get(key) for key in about}
    except (OSError, ValueError, AttributeError):  # no record, or a damaged one
        ours = False
    runtime = take_up_runtime(earlier.get("runtime"), device) if ours else present_runtime(device)
    with atomic_output(path, overwrite=True) as partial:
        partial.write_bytes(json_bytes(about | {"runtime": runtime}))


def _color_all(
    pairs: Sequence[Pair],
    size: int,
    colorizer: Colorizer,
    failed: list[Failure],
    *,
    watermark: bool,
    overwrite: bool,
    resume: bool,
    progress: Progress | None,
    cancel: Cancel | None,
) -> None:
    """Color the unfinished images, batch by batch, and collect the failures."""
    with progress_bar(progress, total=len(pairs), desc="colorize", unit="image") as bar:
        for start in range(0, len(pairs), size):
            check_cancel(cancel, "cancelled; finished images are kept, repeat the call to colorize the rest")
            batch = pairs[start : start + size]
            todo, done = batch, list[Pair]()
            if not overwrite:
                todo, done = _unfinished(batch, colorizer, failed, watermark=watermark, resume=resume)
            if todo:
                _color_batch(todo, done, colorizer, failed, watermark=watermark, overwrite=overwrite)
            bar.update(len(batch))


def _pairs(source: Path, output: Path) -> list[Pair]:
    """List the images of a folder with their output paths."""
    refuse_overlap(output, source)
    files = [file for file in source.iterdir() if file.is_file() and not file.name.startswith(".")]
    readable = frame_suffixes()
    images = sorted((file for file in files if file.suffix.lower() in readable), key=natural_key)
    if not images:
        raise InputError(f"folder {source} contains no images; supported: {', '.join(sorted(readable))}")
    if len(images) < len(files):
        logger.info(
            "skipping %s of %s, as only images are colorized", counted(len(files) - len(images), "file"), source
        )
    taken: dict[str, Path] = {}
    for image in images:
        name = image.with_suffix(".png").name if image.suffix.lower() == ".bmp" else image.name
        if name in taken:
            raise InputError(f"{taken[name].name} and {image.name} would both be written as {name}; rename one of them")
        taken[name] = image
    read = {image.resolve() for image in images}  # a folder may contain links to images in the output
    for name in taken:
        if not (output / name).is_symlink() and (output / name).resolve() in read:
            raise InputError(f"{output / name} is one of the images that {source} links to; choose another folder")
    return [(image, output / name) for name, image in taken.items()]


def _make_folder(folder: Path) -> None:
    if folder.exists() and not folder.is_dir():
        raise OutputExistsError(f"{folder} is a file; a folder of images needs a folder for the output")
    create_folder(folder)


def _checked_batch_size(batch_size: int | None) -> int:
    if batch_size is None:
        return 1
    check_whole(1, batch_size=batch_size)
    return batch_size


def _unfinished(
    batch: Sequence[Pair], colorizer: Colorizer, failed: list[Failure], *, watermark: bool, resume: bool
) -> tuple[list[Pair], list[Pair]]:
    """Return unfinished and finished pairs; add existing outputs that may not be replaced to `failed`."""
    todo, done = [], []
    for source, output in batch:
        if not output.exists():
            todo.append((source, output))
        elif resume and _is_finished(source, output, colorizer, watermark=watermark):
            done.append((source, output))
        else:
            other = "is damaged, or is not the result of this image, model and settings"
            why = other if resume else "already exists"
            error = f"{output} {why}; replace it with {setting('overwrite', True)}, or choose another folder"
            failed.append((source, OutputExistsError(error)))
    return todo, done


def _is_finished(source: Path, output: Path, colorizer: Colorizer, *, watermark: bool) -> bool:
    note = _note(source, watermark=watermark)
    try:
        description = read_description(output)
        read_photograph(output)  # the metadata may be complete, but not the pixels
    except _OF_ONE_IMAGE:
        return False
    if not watermark:  # a watermark contains the statement, so a watermarked image of 0.1.0 is different
        description = description.replace(FORMER_STATEMENT, STATEMENT)
    factor = colorizer.render_factor
    if isinstance(factor, int):
        return colorizer.statement(factor) + note in description
    return f"{colorizer.identity}, " in description and bool(
        re.search(rf"render_factor \d+{re.escape(note)}", description)
    )


def _note(source: Path, *, watermark: bool) -> str:
    """Return the other properties that determine a colored image: watermark, and checksum of the source."""
    try:
        checksum = crc32(source.read_bytes())
    except OSError:  # reading the pixels will raise the error
        checksum = 0
    return f"{', watermark' if watermark else ''}, source CRC-32 {checksum:08x}"


def _color_batch(
    todo: Sequence[Pair],
    done: Sequence[Pair],
    colorizer: Colorizer,
    failed: list[Failure],
    *,
    watermark: bool,
    overwrite: bool,
) -> None:
    """Color a batch; finished images are included, since the batch size affects the last bits of the others."""
    photographs = []
    for source, output in sorted([*todo, *done], key=lambda pair: natural_key(pair[0])):
        try:
            photographs.append((source, output, _note(source, watermark=watermark), read_photograph(source)))
        except _OF_ONE_IMAGE as error:
            failed.append((source, error))
    squares = colorizer.color_of([photograph.pixels for *_, photograph in photographs])
    for (source, output, note, photograph), square in zip(photographs, squares, strict=True):
        if (source, output) in done:
            continue
        try:
            _write(output, photograph, square, colorizer, note, watermark=watermark, overwrite=overwrite)
        except _OF_ONE_IMAGE as error:
            failed.append((source, error))


def _write(
    output: Path,
    photograph: Photograph,
    square: Array,
    colorizer: Colorizer,
    note: str,
    *,
    watermark: bool,
    overwrite: bool,
) -> Path:
    pixels = colorizer.finish(photograph.pixels, square)
    colorized = replace(photograph, pixels=add_watermark(pixels) if watermark else pixels)
    return write_photograph(output, colorized, colorizer.statement(len(square) // SQUARE) + note, overwrite=overwrite)
