"""One-line error messages for users of the widgets, with details in the log."""

from __future__ import annotations

import logging

from decrappify.errors import DecrappifyError

logger = logging.getLogger("napari_decrappify")

_OUT_OF_MEMORY = "close other programs, or choose another device or a smaller part of the movie"
# Replacement, by argument name, for the advice of library errors to set an argument: widgets have controls instead.
ADVICE = {
    "absent_chunks": "copy the store again",
    "device": "close other programs, or choose the CPU as device, or a smaller model",
    "dtype": "choose OME-Zarr as format",
    "model": "choose a model with one frame per window, such as fluorescence-still",
    "movies": "choose a longer movie; if the slices of a stack are frames, set the axis labels of the layer to t, y, x",
    "n_frames": "choose 1 frame per window",
    "nan": "choose other frames, or replace these pixels in the layer",
    "noise": "record a brighter movie with this camera",
    "output": "restore into a file",
    "overwrite": "choose another name or folder",
    "patch_size": "choose larger images",
    "precision": "choose another model",
    "preset": "import the file that belongs to this name, or use decrappify import-weights with --preset",
    "render_factor": "choose a lower render factor, or another device",
    "validation": "choose more or longer movies, or larger images",
    "window_axis": "choose a model with one frame per window, such as fluorescence-still",
}


def one_line(error: BaseException) -> str:
    r"""Return a one-line message for an exception.

    >>> from decrappify.errors import InputError
    >>> one_line(InputError("frame 3 contains NaN", advice="pass nan='fill'", option="nan"))
    'frame 3 contains NaN; choose other frames, or replace these pixels in the layer'
    >>> one_line(ValueError("first line\n  second line"))
    'ValueError: first line; details are in the log'
    """
    from decrappify.restoration import is_out_of_memory

    if isinstance(error, DecrappifyError):
        return f"{error.problem}; {ADVICE[error.option]}" if error.option in ADVICE else str(error)
    if is_out_of_memory(error):
        return f"out of memory; {_OUT_OF_MEMORY}"
    if isinstance(error, ImportError):
        return f"{error}; install the missing package, for example with pip install 'decrappify[napari]'"
    first = next((line.strip() for line in str(error).splitlines() if line.strip()), "no message")
    return f"{type(error).__name__}: {first}; details are in the log"


def log_error(error: BaseException) -> str:
    """Log the traceback and return the one-line message."""
    line = one_line(error)
    logger.error(line, exc_info=error)
    return line
