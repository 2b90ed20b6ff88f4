"""Settings of an adaptation."""

from __future__ import annotations

from dataclasses import dataclass

from decrappify.errors import InputError
from decrappify.training.config.checks import check_range
from decrappify.training.config.options import RunSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class AdaptationConfig(RunSettings):
    """Settings of one adaptation, in addition to those of `RunSettings`; `n_frames` is that of the given model.

    Attributes
    ----------
    minutes : float
        Time of the adaptation. The number of steps is planned from the measured speed of the first ones.
    max_steps : int, optional
        Optimizer steps, in place of `minutes`.
    batch_size : int
        Windows per step; each is split twice.
    patch_size : int
        Side of the patches in pixels.
    learning_rate : float
        Peak of the one-cycle schedule.
    share : (float, float)
        Range of the share of the light in the source; the rest is in the target.
    validation_share : float
        Share of the light in the sources of the validation.
    validate_every : int, optional
        Steps between validations; by default a tenth of `max_steps`, or as planned for the time.

    Examples
    --------
    >>> AdaptationConfig(minutes=2).max_steps is None
    True
    """

    stability_weight: float = 2.0
    ema_decay: float = 0.99
    precision: str = "auto"
    minutes: float = 5.0
    max_steps: int | None = None
    batch_size: int = 8
    patch_size: int = 64
    learning_rate: float = 2e-4
    share: tuple[float, float] = (0.6, 0.9)
    validation_share: float = 0.8
    validate_every: int | None = None

    def __post_init__(self) -> None:
        RunSettings.__post_init__(self)
        object.__setattr__(self, "share", tuple(self.share))
        for name in ("max_steps", "batch_size", "patch_size", "validate_every"):
            if getattr(self, name) is not None:
                check_range(name, getattr(self, name), 1)
        check_range("minutes", self.minutes, 0.01)
        check_range("learning_rate", self.learning_rate, 1e-9, 1)
        low, high = self.share
        for name, value in (("share", low), ("share", high), ("validation_share", self.validation_share)):
            if not 0 < value < 1:
                raise InputError(f"{name} is {value:g}, expected a share of the light between 0 and 1")
        if low > high:
            raise InputError(f"share is {self.share}, expected (low, high) with low <= high")
