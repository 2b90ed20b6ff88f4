"""Options of a colorization that determine its images; importing it does not load torch."""

from __future__ import annotations

from dataclasses import dataclass

from decrappify.colorization.presets import colorization_preset
from decrappify.io.media.damage import check_damaged


@dataclass(frozen=True, slots=True, kw_only=True)
class ColorizationOptions:
    """Preset, watermark, and the handling of films.

    Attributes
    ----------
    preset : {"artistic", "stable", "video", "own"}, optional
        Sets the default render factor, and selects a shipped model if no model is passed. By default the preset of the
        model, or ``"artistic"`` without a model.
    watermark : bool
        Whether to write "AI-colorized" into the lower left corner of the images.
    steady : float
        For films, 0 (off) to less than 1: weight of the colors of earlier frames, which reduces flicker. The colors of
        moving objects then trail by about ``steady / (1 - steady)`` frames.
    damaged : {"error", "skip", "keep"}
        For films, frames that are missing, cannot be decoded or are incomplete: raise an error that lists them, omit
        them, or color incomplete ones as decoded. The sound remains synchronous, and the comment of the result states
        what is missing. In a folder, images that cannot be read are listed in the error at the end.

    Raises
    ------
    InputError
        If `preset` or `damaged` is not known.

    Examples
    --------
    >>> ColorizationOptions(steady=0.5).damaged
    'error'
    """

    preset: str | None = None
    watermark: bool = False
    steady: float = 0.0
    damaged: str = "error"

    def __post_init__(self) -> None:
        if self.preset is not None:
            colorization_preset(self.preset)
        check_damaged(self.damaged)
