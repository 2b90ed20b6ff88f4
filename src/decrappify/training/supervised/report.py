"""Report of a supervised run: its gain, a warning if the model is of no use, and what longer training is worth."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from decrappify.training.engine.validation_patches import ValidationPatches

_SMALL = 0.05  # dB: not a rise
_FEWEST_POINTS = 5


def summary(score: Mapping[str, Any]) -> str:
    """Return the validation of a model card in one line.

    Examples
    --------
    >>> score = {"psnr_source_db": 21.32, "psnr_gaussian_db": 27.9, "psnr_db": 29.41}
    >>> summary(score | {"gain_content_db": 8.2, "gain_background_db": None})
    'validation: source 21.3, best Gaussian 27.9, model 29.4 dB; gain over the input 8.2 dB on content'
    """
    psnr = ", ".join(
        f"{name} {score[key]:.1f}"
        for name, key in (("source", "psnr_source_db"), ("best Gaussian", "psnr_gaussian_db"), ("model", "psnr_db"))
    )
    gains = [
        f"{score[key]:.1f} dB on {name}"
        for name, key in (("content", "gain_content_db"), ("background", "gain_background_db"))
        if score[key] is not None
    ]
    return f"validation: {psnr} dB" + (f"; gain over the input {', '.join(gains)}" if gains else "")


def kept(card: Mapping[str, Any]) -> str:
    """Return which weights a model has, from its card.

    Examples
    --------
    >>> card = {"best_step": 900, "steps": 1900, "validations": 21}
    >>> kept(card | {"settings": {"keep": "best"}})
    'weights of step 900 of 1900, the best of 21 validations'
    >>> kept(card | {"best_step": 1900, "settings": {"keep": "last"}})
    'weights of step 1900 of 1900, the last ones'
    """
    is_last = card["settings"]["keep"] == "last"
    rule = "the last ones" if is_last else f"the best of {card['validations']} validations"
    return f"weights of step {card['best_step']} of {card['steps']}, {rule}"


def card_entry(score: Mapping[str, float], patches: ValidationPatches) -> dict[str, Any]:
    """Return the entry on the validation for a model card, with None for values that do not exist.

    Parameters
    ----------
    score : mapping
        Values of a `ValidationScore`.
    patches : ValidationPatches
        The validation patches.
    """
    return {
        **{f"{key}_db": _rounded(value, 2) for key, value in score.items() if key not in ("step", "noise_draw")},
        "noise_draw": _rounded(score["noise_draw"], 5),
        "patches": len(patches.samples),
        "patches_with_content": patches.n_with_content,
        "movies": patches.n_movies,
    }


def _rounded(value: float, digits: int) -> float | None:
    """Return None for NaN, which JSON does not have: pairs with one source have no second noise draw."""
    return round(value, digits) if math.isfinite(value) else None


def warning(
    score: Mapping[str, float], *, started_from: str | None = None, images: str = "preview_*.png"
) -> str | None:
    """Return a warning for a model that is not better than its input, the best Gaussian or its initial weights.

    Parameters
    ----------
    score : mapping
        ``step``, ``psnr``, ``psnr_source`` and ``psnr_gaussian`` of the weights of the model.
    started_from : str, optional
        Name of the model from which the training started.
    images : str
        Name of the images that show source, prediction and target.
    """
    psnr, source, gaussian = score["psnr"], score["psnr_source"], score["psnr_gaussian"]
    if psnr <= source + _SMALL:
        return (
            f"the model does not improve its input (validation {psnr:.2f} dB, source {source:.2f} dB); do not use it: "
            f"check in {images} that source and target show the same structures, then train longer"
        )
    if psnr < gaussian:
        return (
            f"the model is below the best Gaussian filter, whose widths are chosen with the target (validation "
            f"{psnr:.2f} dB, Gaussian {gaussian:.2f} dB); train longer or on more images, or use such a filter"
        )
    if started_from is not None and score["step"] == 0:
        return (
            f"no validation was better than that of {started_from} before the first step, so the model has its "
            "weights; lower learning_rate, train longer or on more images"
        )
    return None


def longer_training(curve: Sequence[tuple[int, float]]) -> str | None:
    """Return what longer training is worth, from the validation PSNR by step; None for a curve of under 5 points.

    The second half of a run also includes the gain from the falling learning rate, which a longer run does not
    have twice.

    Examples
    --------
    >>> longer_training([(0, 20.0), (100, 24.0), (200, 25.0), (300, 25.5), (400, 25.7)])
    'validation rose by 0.70 dB in the second half of the run; a run of twice the length is likely to gain less'
    >>> longer_training([(0, 20.0), (100, 25.0), (200, 25.7), (300, 25.71), (400, 25.7)])
    'validation did not rise in the second half of the run: longer training on these images is unlikely to help'
    """
    if len(curve) < _FEWEST_POINTS:
        return None
    steps, values = (np.array(each, float) for each in zip(*curve, strict=True))
    half, last = float(np.interp(steps[-1] / 2, steps, values)), float(values[-1])
    best = int(np.argmax(values))
    if not math.isfinite(half + last):
        return None
    if last - half >= _SMALL:
        return (
            f"validation rose by {last - half:.2f} dB in the second half of the run; a run of twice the length is "
            "likely to gain less"
        )
    if values[best] - last >= 2 * _SMALL:
        return (
            f"validation was highest at step {int(steps[best])} and fell by {values[best] - last:.2f} dB to the end: "
            "longer training on these images is unlikely to help, more images may"
        )
    return "validation did not rise in the second half of the run: longer training on these images is unlikely to help"
