"""Settings of a supervised run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from decrappify.losses import check_pixel_loss
from decrappify.networks import DEFAULT_NETWORK
from decrappify.training.config.checks import check_choice, check_keys, check_network_settings, check_range
from decrappify.training.config.options import RunSettings, with_present_names

KEEP = ("best", "last")


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingConfig(RunSettings):
    """Settings of one supervised training run, in addition to those of `RunSettings`.

    Attributes
    ----------
    network : str
        Name of a network for `decrappify.networks.create`: "small", "base", "large" or a registered one.
    network_settings : mapping
        Settings of the network, such as ``{"base_channels": 16}``; part of the model's architecture.
    max_steps : int
        Optimizer steps.
    batch_size : int
        Tuples per step and process.
    patch_size : int
        Side of the source patch in pixels.
    learning_rate : float
        Peak of the one-cycle schedule.
    loss : {"rmse", "charbonnier", "l1", "l2", "ssim-mix"}, or a registered name
        Loss between prediction and target.
    validate_every : int
        Steps between validations, each with a checkpoint and a preview.
    keep : {"best", "last"}
        Averaged weights of the model: the best of all validations, or the last. The last are the better choice if the
        validation images are few or noisy and training ends at a learning rate near 0.

    Examples
    --------
    >>> TrainingConfig(max_steps=100).n_frames
    3
    """

    network: str = DEFAULT_NETWORK
    network_settings: Mapping[str, Any] = field(default_factory=dict)
    n_frames: int = 3
    max_steps: int = 20_000
    batch_size: int = 8
    patch_size: int = 64
    learning_rate: float = 2e-3
    loss: str = "rmse"
    ema_decay: float = 0.998
    validate_every: int = 500
    keep: str = "best"

    def __post_init__(self) -> None:
        RunSettings.__post_init__(self)
        check_pixel_loss(self.loss)
        for name in ("max_steps", "batch_size", "patch_size", "validate_every"):
            check_range(name, getattr(self, name), 1)
        check_network_settings("network_settings", self.network_settings)
        check_range("learning_rate", self.learning_rate, 1e-9, 1)
        check_choice("keep", self.keep, KEEP)

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
