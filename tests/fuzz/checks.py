"""Checks of readers of damaged files: a one-line error, or a valid result. Run in a worker."""

from __future__ import annotations

import math
import re
import traceback
import unicodedata
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

LONGEST = 500  # characters of a message
_PLANES = 4  # read of every movie
_LARGEST = 128 << 20  # bytes of a frame, all channels, that is read


class Fault(AssertionError):
    """An effect that a damaged file must not have, with a description."""


def check_message(text: str, path: Path) -> None:
    """Check that a message is one printable line of limited length."""
    bad = sorted({character for character in text if not is_printable(character)})
    if bad:
        raise Fault(f"message with {bad!r}: {text!r}")
    if not text.strip() or len(text) > LONGEST + len(str(path)):
        raise Fault(f"message of {len(text)} characters: {text[:300]!r}")
    if "Traceback" in text or re.search(r"<\w+ object at 0x|\bNoneType\b|^Errno", text):
        raise Fault(f"message with internal details: {text!r}")


def is_printable(character: str) -> bool:
    return character.isprintable() or unicodedata.category(character) == "Zs"


def attempt(name: str, function: Callable[[], Any], path: Path) -> tuple[str, Any]:
    """Call `function`; return ``"read"`` and its result, or ``"refused"``; raise Fault for any other outcome."""
    from decrappify.errors import DecrappifyError

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            result = "read", function()
        except DecrappifyError as error:
            check_message(str(error), path)
            result = "refused", None
        except Fault as fault:
            raise Fault(f"{name}: {fault}") from fault
        except Exception as error:
            raise Fault(f"{name}: {describe_error(error)}") from error
    for warning in caught:
        if issubclass(warning.category, ResourceWarning):  # a file closed by the garbage collector
            continue
        if not issubclass(warning.category, UserWarning):
            raise Fault(
                f"{name}: {warning.category.__name__} from {warning.filename}:{warning.lineno}: {warning.message}"
            )
        if issubclass(warning.category, UserWarning) and "decrappify" in warning.filename:
            check_message(str(warning.message), path)
    return result


def check_movie(path: Path) -> str:
    """Check `scenes`, `open_movie` with its metadata and some frames, and ``decrappify info``."""
    from decrappify.io import open_movie, scenes

    known, names = attempt("scenes", lambda: scenes(path), path)
    if known == "read" and not (names and all(isinstance(name, str) and name for name in names)):
        raise Fault(f"scenes: {names!r}")
    outcome, _ = attempt("open_movie", lambda: _read(open_movie(path)), path)
    if known == "read" and len(names) > 1:
        attempt("last scene", lambda: _read(open_movie(path, scene=len(names) - 1)), path)
    check_command("info", path)
    return outcome


def _read(movie: Any) -> None:
    try:
        check_metadata(movie)
        planes = list(_some_planes(movie.shape))
        if movie.shape[1] * movie.shape[3] * movie.shape[4] * movie.dtype.itemsize > _LARGEST:
            planes = []
        for t, c, z in planes:
            plane = movie.frame(t, c, z)
            if plane.shape != movie.shape[3:] or plane.dtype != movie.dtype:
                raise Fault(f"frame {t, c, z} is {plane.shape} {plane.dtype} of a movie {movie.shape} {movie.dtype}")
        part = movie.region(0, 0, 0, slice(1, 3), slice(0, 2))
        if part.shape != (min(max(movie.shape[3] - 1, 0), 2), min(movie.shape[4], 2)):
            raise Fault(f"region is {part.shape} of {movie.shape}")
    finally:
        movie.close()


def _some_planes(shape: tuple[int, ...]) -> set[tuple[int, int, int]]:
    n_t, n_c, n_z = shape[:3]
    return {(0, 0, 0), (n_t - 1, n_c - 1, n_z - 1), (n_t // 2, 0, n_z // 2), (0, n_c - 1, 0)}


def check_metadata(movie: Any) -> None:
    """Check the types and ranges of shape, spacing, names, colors, missing planes and provenance."""
    shape = movie.shape
    if len(shape) != 5 or not all(isinstance(n, int | np.integer) and n > 0 for n in shape):
        raise Fault(f"shape {shape}")
    if np.dtype(movie.dtype).kind not in "uif":
        raise Fault(f"dtype {movie.dtype}")
    values = [*movie.pixel_size_um, movie.frame_interval_s]
    if len(values) != 4 or not all(value is None or _is_positive(value) for value in values):
        raise Fault(f"spacing {values}")
    if not all(axis in "TZYX" and _is_positive(value) for axis, value in movie.unitless_spacing.items()):
        raise Fault(f"unitless spacing {movie.unitless_spacing}")
    if len(movie.channel_names) != shape[1] or not all(isinstance(name, str) for name in movie.channel_names):
        raise Fault(f"channel names {movie.channel_names} of {shape[1]}")
    if len(movie.channel_colors) != shape[1] or not all(_is_color(color) for color in movie.channel_colors):
        raise Fault(f"channel colors {movie.channel_colors} of {shape[1]}")
    for plane in movie.missing:
        if len(plane) != 3 or not all(0 <= i < n for i, n in zip(plane, shape, strict=False)):
            raise Fault(f"missing plane {plane} of {shape}")
    if not isinstance(movie.provenance, dict) or not all(isinstance(key, str) for key in movie.provenance):
        raise Fault(f"provenance {movie.provenance!r}")
    if not isinstance(movie.name, str) or not repr(movie):
        raise Fault(f"name {movie.name!r}")


def _is_positive(value: Any) -> bool:
    return type(value) is float and math.isfinite(value) and value > 0


def _is_color(color: Any) -> bool:
    return color is None or (isinstance(color, str) and re.fullmatch("[0-9A-F]{6}", color) is not None)


def check_command(command: str, *arguments: Path | str) -> str:
    """Check that a command exits with 0 or 2, and prints only printable text and its own error lines."""
    from click.testing import CliRunner

    from decrappify.cli import main

    path = Path(arguments[0])
    result = CliRunner().invoke(main, [command, *map(str, arguments)])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise Fault(f"{command}: {describe_error(result.exception)}")
    if result.exit_code not in (0, 2):
        raise Fault(f"{command}: exit code {result.exit_code}: {result.output[-300:]!r}")
    bad = sorted({character for character in result.output if character != "\n" and not is_printable(character)})
    if bad or "Traceback" in result.output:
        raise Fault(f"{command} prints {bad!r}: {result.output[:500]!r}")
    lines = result.stderr.splitlines()
    for line in lines:
        if not line.startswith("decrappify: "):
            raise Fault(f"{command}: a line on stderr that is not ours: {line[:300]!r}")
        check_message(line, path)
    return "read" if result.exit_code == 0 else "refused"


def check_model(path: Path) -> str:
    """Check `load_model` and ``decrappify models FILE``."""
    from decrappify.model import load_model

    outcome, _ = attempt("load_model", lambda: _use_model(load_model(path)), path)
    if path.suffix == ".safetensors":
        check_command("models", path)
    return outcome


def _use_model(model: Any) -> None:
    sizes = model.n_frames, model.in_channels, model.scale
    if not all(isinstance(size, int) and size > 0 for size in sizes) or not isinstance(model.card, dict):
        raise Fault(f"model {sizes}")
    if not isinstance(model.name, str) or not repr(model) or not model.sha256:
        raise Fault(f"name {model.name!r}")


def check_crappifier(path: Path) -> str:
    """Check `Crappifier.load`, and that its result degrades an image or raises a one-line error."""
    from decrappify.crappify import Crappifier

    outcome, crappifier = attempt("Crappifier.load", lambda: Crappifier.load(path), path)
    if crappifier is None:
        return outcome
    if Crappifier.from_dict(crappifier.to_dict()) != crappifier:
        raise Fault("the crappifier does not round-trip through to_dict")
    image = np.random.default_rng(0).random((3, 48, 48) if crappifier.color else (48, 48), np.float32)
    attempt("crappify", lambda: crappifier(image, np.random.default_rng(0)), path)
    return outcome


def check_run_file(path: Path) -> str:
    """Check `decrappify train RUN.TOML` up to the start of training."""
    from decrappify.training.config import run_file

    class Trained(Exception):
        pass

    def stop(*_: Any, **__: Any) -> Any:
        raise Trained

    train, nogan = run_file.train, run_file.train_nogan
    run_file.train = run_file.train_nogan = stop
    try:
        outcome, _ = attempt("train_from_file", lambda: _until(Trained, run_file.train_from_file, path), path)
    finally:
        run_file.train, run_file.train_nogan = train, nogan
    return outcome


def _until(kind: type[Exception], function: Callable[..., Any], *arguments: Any) -> None:
    try:
        function(*arguments)
    except kind:
        return


def check_checkpoint(path: Path) -> str:
    """Check the resumption of a training run from a damaged checkpoint."""
    from .run_inputs import resume_training

    outcome, _ = attempt("train(resume=True)", lambda: resume_training(path), path)
    return outcome


def check_journal(path: Path) -> str:
    """Check the resumption of a restoration whose journal or partial store is damaged."""
    from .run_inputs import resume_restoration

    outcome, movie = attempt("restore(resume=True)", lambda: resume_restoration(path), path)
    if outcome == "read":
        check_metadata(movie)
        movie.close()
    return outcome


def check_film(path: Path) -> str:
    """Check that a film is read and colorized, or refused; see `films.check_film`."""
    from . import films

    return films.check_film(path)


def check_command_folder(folder: Path) -> str:
    """Check a command with damaged files or arguments; see `command_checks.check_command_folder`."""
    from . import command_checks

    return command_checks.check_command_folder(folder)


CHECKS: dict[str, Callable[[Path], str]] = {
    "film": check_film,
    "movie": check_movie,
    "model": check_model,
    "crappifier": check_crappifier,
    "run": check_run_file,
    "checkpoint": check_checkpoint,
    "journal": check_journal,
    "command": check_command_folder,
}


def describe_error(error: BaseException) -> str:
    """Describe an error and the last calls before it."""
    stack = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in stack if "decrappify" in frame.filename][-4:] + list(stack)[-1:]
    calls = " > ".join(f"{Path(frame.filename).name}:{frame.lineno} {frame.name}" for frame in ours)
    return f"{type(error).__name__}: {str(error)[:300]!r} at {calls}"
