"""Crappifiers from files: crappifier files, and noise models written by `calibrate`."""

from __future__ import annotations

from pathlib import Path

from decrappify.crappify import Crappifier
from decrappify.crappify.files import is_noise_model, read_table
from decrappify.errors import InputError
from decrappify.noise.calibration import Calibration


def load_crappifier(path: str | Path) -> Crappifier:
    """Read a crappifier file, or create the crappifier of a noise model file.

    Parameters
    ----------
    path : path
        A ``.toml`` or ``.json`` file of `Crappifier.save`, or a ``.toml`` file of `Calibration.save` or
        `NoiseModel.save`, which `decrappify calibrate -o` writes.

    Returns
    -------
    Crappifier
        For a noise model, that of `Calibration.crappifier`, with its warning.

    Raises
    ------
    MissingFileError, FormatError
        If the file does not exist or cannot be read.
    InputError
        If a value is not valid, or the noise model contains no noise.
    """
    if not is_noise_model(read_table(Path(path))):
        return Crappifier.load(path)
    calibration = Calibration.load(path)
    try:
        return calibration.crappifier()
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
