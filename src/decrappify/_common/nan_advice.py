"""Advice on NaN for methods that cannot fill it: training, adaptation, calibration, checks and crappifiers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from decrappify.errors import InputError

WITHOUT_NAN = "crop the movie or omit these frames (docs/faulty-data.md)"


@contextmanager
def unfilled_nan() -> Iterator[None]:
    """Replace the advice of an error on NaN to fill it, which only a restoration can."""
    try:
        yield
    except InputError as error:
        if error.option != "nan":
            raise
        raise InputError(error.problem, advice=WITHOUT_NAN) from error
