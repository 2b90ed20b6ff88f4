"""Measurement that a model reverses: from its result to the expectation of the measured image."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from decrappify.crappify import Airy, BinDown, Blur, Crappifier, Part, SampleDown
from decrappify.errors import InputError
from decrappify.movie import Array

if TYPE_CHECKING:
    from decrappify.model import Model

Forward = Callable[[Array], Array]
_KNOWN = (Airy, BinDown, Blur, SampleDown)


def forward_of(model: Model) -> Forward | str:
    """Return the blur and the sampling of a model's crappifier, or the reason why they are not known.

    A result is compared with the measured image after this function. It does nothing for models that remove noise only.

    Examples
    --------
    >>> from decrappify.model import load_model
    >>> forward_of(load_model("em-x4"))(np.zeros((64, 64))).shape
    (16, 16)
    >>> forward_of(load_model("fluorescence-movie-x2"))
    'it also reverses blur or sampling that its crappifier draws at random'
    """
    if model.crappifier is None:
        return _identity if model.scale == 1 else "it was trained on measured pairs, whose sampling is not known"
    try:
        steps = Crappifier.from_dict(model.crappifier).steps
    except InputError:
        return "its crappifier has a part that is not registered here"
    reversed_ones = [step for step in steps if _is_reversed(step)]
    if not reversed_ones:
        return _identity
    if not all(step.is_fixed and type(step) in _KNOWN for step in reversed_ones):
        return "it also reverses blur or sampling that its crappifier draws at random"
    return lambda image: _applied(reversed_ones, image)


def _is_reversed(step: Part) -> bool:
    """Return whether a step changes the expectation of the image, not only its noise."""
    return step.before_sampling or step.scale > 1 or any(map(_is_reversed, getattr(step, "parts", ())))


def _identity(image: Array) -> Array:
    return image


def _applied(steps: list[Part], image: Array) -> Array:
    signal = np.asarray(image[None], np.float32)
    for step in steps:
        signal = step.apply(signal, np.random.default_rng(0), np.zeros(1, np.int64))
    return np.asarray(signal[0])
