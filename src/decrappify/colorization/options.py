"""Options of a colorization that determine its images; importing it does not load torch."""

from __future__ import annotations

from dataclasses import dataclass

from decrappify.colorization.presets import colorization_preset
from decrappify.io.media.damage import check_damaged
from decrappify.model.fidelity import check_fidelity


@dataclass(frozen=True, slots=True, kw_only=True)
class ColorizationOptions:
    """Preset, watermark, and the handling of films.

    Attributes
    ----------
    preset : {"artistic", "stable", "video", "own"}, optional
        Sets the default render factor; by default the preset of the model. Without a model, one of this preset
        (``"artistic"`` by default) is searched among the shipped ones, which contain none at present.
    watermark : bool
        Whether to write "AI-colorized" into the lower left corner of the images.
    steady : float
        For films, 0 (off) to less than 1: weight of the colors of earlier frames, which reduces flicker. The colors of
        moving objects then trail by about ``steady / (1 - steady)`` frames.
    damaged : {"error", "skip", "keep"}
        For films, frames that are missing, cannot be decoded or are incomplete: raise an error that lists them, omit
        them, or color incomplete ones as decoded. The sound remains synchronous, and the comment of the result states
        what is missing. In a folder, images that cannot be read are listed in the error at the end.
    fidelity : float, optional
        For NoGAN models that contain the weights before and after their GAN phase: from 0, the selected checkpoint of
        the GAN phase (as by default), to 1, the pretrained generator, with fewer artifacts and duller colors.

    Raises
    ------
    InputError
        If `preset` or `damaged` is not known, or `fidelity` is not from 0 to 1.

    Examples
    --------
    >>> ColorizationOptions(steady=0.5).damaged
    'error'
    """

    preset: str | None = None
    watermark: bool = False
    steady: float = 0.0
    damaged: str = "error"
    fidelity: float | None = None

    def __post_init__(self) -> None:
        if self.preset is not None:
            colorization_preset(self.preset)
        check_damaged(self.damaged)
        if self.fidelity is not None:
            check_fidelity(self.fidelity)
