"""Options of a restoration that determine its planes and pixels; importing it does not load torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from decrappify._common.argument_names import setting
from decrappify.errors import InputError
from decrappify.model.fidelity import check_fidelity
from decrappify.normalization import check_nan
from decrappify.restoration.frames.choice import parse_frames
from decrappify.restoration.frames.missing import check_missing

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import DTypeLike

    from decrappify.model import Model
    from decrappify.restoration.job.channel_models import ModelChoice


@dataclass(frozen=True, slots=True, kw_only=True)
class RestorationOptions:
    """Frames to restore, and handling of their pixels.

    Attributes
    ----------
    frames : str, slice or int, optional
        Frames to restore, such as ``"10:50"``, or ``"::2"`` for every second one; their windows still include the
        frames around them.
    dtype : dtype, optional
        Data type of the result, by default that of the input; integers are rounded and clipped, never rescaled.
    window_axis : {"T", "Z"}
        ``"Z"`` uses neighboring slices of a stack as the window instead of neighboring time points.
    nan : {"error", "fill"}
        Raise an error on NaN and infinite pixels, or fill them from their neighborhood for the network and write NaN
        in their place in float output (0 in integers). ``"zero"`` is the older name of ``"fill"``.
    missing : {"blank", "drop", "nearest"}
        Planes that were never recorded (`Movie.missing`) remain blank and are marked as missing in the result, their
        frames are omitted, or they are filled with the restoration of the nearest recorded frame. They are never
        read as data.
    outliers : {"replace", "keep"}
        Replace isolated hot and dead pixels by values from their surroundings before the network, and prevent flash
        frames from changing their neighbors; both are reported. Movies without them have equal results to the last bit.
    fidelity : float, optional
        For NoGAN models that contain the weights before and after their GAN phase: from 0, the selected checkpoint of
        the GAN phase (as by default), to 1, the pretrained generator, which is closest to the data.
    normalization_frames : int, optional
        Measure normalization and outlier limits on the first frames of the movie, this many, instead of on up to 32
        planes spread over all of it.

    Raises
    ------
    InputError
        If a value is not known.

    Examples
    --------
    >>> RestorationOptions(frames="10:50", nan="fill").missing
    'blank'
    """

    frames: slice | int | str | None = None
    dtype: DTypeLike | None = None
    window_axis: str = "T"
    nan: str = "error"
    missing: str = "blank"
    outliers: str = "replace"
    fidelity: float | None = None
    normalization_frames: int | None = None

    def __post_init__(self) -> None:
        parse_frames(self.frames)
        if self.window_axis not in ("T", "Z"):
            raise InputError(f"{setting('window_axis', self.window_axis)} is not known, expected 'T' or 'Z'")
        check_nan(self.nan)
        check_missing(self.missing)
        if self.outliers not in ("replace", "keep"):
            raise InputError(f"{setting('outliers', self.outliers)} is not known, expected 'replace' or 'keep'")
        if self.fidelity is not None:
            check_fidelity(self.fidelity)
        if self.normalization_frames is not None:
            check_normalization_frames(self.normalization_frames)

    def model(self, given: Model | str | Path) -> Model:
        """Load a model, or return a loaded one, with the fidelity of these options.

        Raises
        ------
        InputError
            If a fidelity is set and the model has one set of weights.
        """
        from decrappify.model import load_model

        loaded = load_model(given)
        return loaded if self.fidelity is None else loaded.with_fidelity(self.fidelity)

    def models(self, given: Any) -> Model | ModelChoice:
        """Load models for several channels or kinds of movies, see `chosen_models`; one model as `model` does.

        Raises
        ------
        InputError
            If a fidelity is set and a model has one set of weights.
        """
        from decrappify.restoration.job.channel_models import chosen_models

        return chosen_models(given, self.model)


def check_normalization_frames(count: int) -> int:
    """Return `count` if it is a number of frames; raise InputError otherwise."""
    if isinstance(count, bool) or not isinstance(count, int) or count < 1:
        raise InputError(
            f"{setting('normalization_frames', count)} is not valid, expected a number of frames of at least 1"
        )
    return count
