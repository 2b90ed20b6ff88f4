"""Training configuration: one frozen dataclass, TOML in and out, unknown keys refused."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from decrappify.losses import check_pixel_loss
from decrappify.training.settings import check_choice, check_keys, check_range, check_types
from decrappify.windows import check_n_frames

CHOICES = {
    "precision": ("32-true", "bf16-mixed", "16-mixed"),
    "device": ("auto", "cpu", "cuda", "mps"),
    "keep": ("best", "last"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingConfig:
    """Settings of one training run.

    Attributes
    ----------
    network : str
        A name that `decrappify.networks.create` knows: "small", "base" or "large".
    n_frames : int
        Frames in a window: 1, 3 or 5.
    max_steps : int
        Optimizer steps.
    batch_size : int
        Tuples per step and process.
    patch_size : int
        Side of the source patch in pixels.
    learning_rate : float
        Peak of the one-cycle schedule.
    weight_decay : float
        Of AdamW.
    loss : str
        "rmse", "charbonnier", "l1", "l2" or "ssim-mix".
    stability_weight : float
        w of the tuple loss; the table behind the default is in benchmarks/RESULTS.md.
    ema_decay : float
        Decay of the running average of the weights, which is what the model holds; 0 turns it off.
    precision : str
        "32-true", "bf16-mixed" or "16-mixed".
    device : str
        "auto", "cpu", "cuda" or "mps".
    n_devices : int
        Processes, one per device.
    workers : int
        Loader processes; 0 loads in the training process.
    validate_every : int
        Steps between validations, each with a checkpoint and a preview.
    checkpoint_minutes : float
        Minutes between checkpoints in between, which is what a killed run loses at most; 0 saves after every step. A
        run may be resumed with another value. The table behind the default is in benchmarks/RESULTS.md.
    keep : str
        Which averaged weights the model gets: "best" of all validations, or "last". The last are the better choice
        where the validation images are few or noisy and training ends at a learning rate near 0.
    validation_fraction : float
        Share kept for validation when no validation data are given.
    seed : int
        Of weights, patches and noise.
    deterministic : bool
        Ask torch for deterministic algorithms.

    Examples
    --------
    >>> TrainingConfig(max_steps=100).n_frames
    3
    """

    network: str = "small"
    n_frames: int = 3
    max_steps: int = 20_000
    batch_size: int = 8
    patch_size: int = 64
    learning_rate: float = 2e-3
    weight_decay: float = 1e-4
    loss: str = "rmse"
    stability_weight: float = 0.5
    ema_decay: float = 0.998
    precision: str = "32-true"
    device: str = "auto"
    n_devices: int = 1
    workers: int = 0
    validate_every: int = 500
    checkpoint_minutes: float = 5.0
    keep: str = "best"
    validation_fraction: float = 0.1
    seed: int = 0
    deterministic: bool = False

    def __post_init__(self) -> None:
        check_types(self)
        check_n_frames(self.n_frames)
        check_pixel_loss(self.loss)
        for name in ("max_steps", "batch_size", "patch_size", "n_devices", "validate_every"):
            check_range(name, getattr(self, name), 1)
        for name in ("weight_decay", "stability_weight", "workers", "seed"):
            check_range(name, getattr(self, name), 0)
        check_range("checkpoint_minutes", self.checkpoint_minutes, 0)
        check_range("learning_rate", self.learning_rate, 1e-9, 1)
        check_range("ema_decay", self.ema_decay, 0, 0.99999)
        check_range("validation_fraction", self.validation_fraction, 0.001, 0.9)
        for name, choices in CHOICES.items():
            check_choice(name, getattr(self, name), choices)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> TrainingConfig:
        """Build from plain values such as a TOML table; unknown keys are refused with the nearest known one."""
        check_keys(values, cls, "the training settings")
        return cls(**values)

    def to_dict(self) -> dict[str, Any]:
        """All settings as plain values."""
        return asdict(self)
