"""Settings of a supervised run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any

from decrappify.errors import InputError
from decrappify.losses import check_pixel_loss
from decrappify.networks import DEFAULT_NETWORK
from decrappify.training.config.checks import check_choice, check_keys, check_network_settings, check_range
from decrappify.training.config.options import RunSettings, with_present_names

KEEP = ("best", "last")
_DEFAULT_STEPS = 20_000
_VALIDATIONS = 20  # in a run with fewer than 20 * 500 steps
MOST_STEPS_BETWEEN = 500  # validations


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingConfig(RunSettings):
    """Settings of one supervised training run, in addition to those of `RunSettings`.

    Attributes
    ----------
    network : str
        Name of a network for `decrappify.networks.create`: "small", "base", "large" or a registered one.
    network_settings : mapping
        Settings of the network, such as ``{"base_channels": 16}``; part of the model's architecture.
    minutes : float, optional
        Time of the run, from the start of `train` to the last validation. The number of steps is planned from the
        measured speed of the first ones, so the time is met approximately.
    max_steps : int, optional
        Optimizer steps, in place of `minutes`; 20,000 if neither is set.
    batch_size : int
        Tuples per step and process.
    patch_size : int
        Side of the source patch in pixels.
    learning_rate : float
        Peak of the one-cycle schedule.
    loss : {"rmse", "charbonnier", "l1", "l2", "ssim-mix"}, or a registered name
        Loss between prediction and target.
    validate_every : int, optional
        Steps between validations, each with a checkpoint and a preview. By default a twentieth of the steps, but at
        most 500; a run of `minutes` has fewer validations if 20 would take more than a quarter of the time.
    keep : {"best", "last"}
        Averaged weights of the model: the best of all validations, or the last. The best are better if training
        repeats few noisy images often, the last if the validation images are few and unlike the others
        (benchmarks/results/training-choices.md).

    Examples
    --------
    >>> TrainingConfig(minutes=3).n_frames
    3
    """

    network: str = DEFAULT_NETWORK
    network_settings: Mapping[str, Any] = field(default_factory=dict)
    n_frames: int = 3
    minutes: float | None = None
    max_steps: int | None = None
    batch_size: int = 8
    patch_size: int = 64
    learning_rate: float = 2e-3
    loss: str = "rmse"
    ema_decay: float = 0.998
    precision: str = "auto"
    validate_every: int | None = None
    keep: str = "best"

    def __post_init__(self) -> None:
        RunSettings.__post_init__(self)
        check_pixel_loss(self.loss)
        for name in ("max_steps", "batch_size", "patch_size", "validate_every"):
            if getattr(self, name) is not None:
                check_range(name, getattr(self, name), 1)
        if self.minutes is not None:
            check_range("minutes", self.minutes, 0.01)
            if self.max_steps is not None:
                raise InputError(
                    f"both minutes ({self.minutes:g}) and max_steps ({self.max_steps}) are set; remove one of them"
                )
        check_network_settings("network_settings", self.network_settings)
        check_range("learning_rate", self.learning_rate, 1e-9, 1)
        check_choice("keep", self.keep, KEEP)

    def planned(self, max_steps: int | None = None, validate_every: int | None = None) -> TrainingConfig:
        """Return the settings with numbers in place of `minutes` and of defaults that depend on the length.

        Parameters
        ----------
        max_steps, validate_every : int, optional
            The plan of a run of `minutes`.

        Examples
        --------
        >>> plan = TrainingConfig(max_steps=2000).planned()
        >>> plan.max_steps, plan.validate_every
        (2000, 100)
        >>> TrainingConfig().planned().max_steps
        20000
        """
        steps = max_steps or self.max_steps or _DEFAULT_STEPS
        every = validate_every or self.validate_every or max(1, min(MOST_STEPS_BETWEEN, steps // _VALIDATIONS))
        return replace(self, minutes=None, max_steps=steps, validate_every=every)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> TrainingConfig:
        """Create settings from plain values such as a TOML table.

        Raises
        ------
        InputError
            For an unknown key; the message contains the most similar known key.
        """
        check_keys(values, cls, "the training settings")
        return cls(**with_present_names(values))

    def to_dict(self) -> dict[str, Any]:
        """Return the settings as plain values, without those of the network."""
        values = {item.name: getattr(self, item.name) for item in fields(self)}
        del values["network_settings"]  # part of the architecture
        return values
