"""Settings shared by supervised and NoGAN runs, options for reading data, and options of a run."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from decrappify._common.arguments import moved_into
from decrappify._common.progress import Progress
from decrappify.inference.options import PRECISION_NAMES
from decrappify.training.config.checks import check_choice, check_range, check_types
from decrappify.windows import check_n_frames

MOVED_ARGUMENTS = (
    moved_into("data=DataOptions", "validation", "time_axis", "still_motion_px", "shrink", "folder_as")
    | moved_into("run=RunOptions", "resume", "overwrite", "card", "progress", "on_validation")
    | {"stop": "run=RunOptions(cancel=...)"}
)
"""New spelling of arguments that `train` and `train_nogan` had in 0.1.0."""

# Names in run files, checkpoints and model cards that were written before the names of `InferenceOptions` were used.
_FORMER_PRECISIONS = {"32-true": "float32", "bf16-mixed": "bfloat16", "16-mixed": "float16"}
CHOICES = {
    "precision": ("auto", *PRECISION_NAMES),
    "device": ("auto", "cpu", "cuda", "mps"),
}
TIME_AXES = ("T", "Z")
FOLDERS_AS = ("auto", "movie", "images")


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSettings:
    """Settings of every training run; the base of `TrainingConfig` and `NoganConfig`, which keep their keys flat.

    Attributes
    ----------
    n_frames : int
        Frames in a window: 1, 3 or 5.
    stability_weight : float
        w of the tuple loss; benchmarks/results/stability-loss.md contains the measurements for the default.
    weight_decay : float
        Weight decay of AdamW.
    ema_decay : float
        Decay of the exponential moving average of the weights, which the model has; 0 disables averaging.
    precision : {"auto", "float32", "bfloat16", "float16"}
        Precision of the computation; the weights are float32. ``"auto"`` is bfloat16 on GPUs and processors that
        compute it, else float32.
    device : {"auto", "cpu", "cuda", "mps"}
        Device of the run.
    n_devices : int
        Processes, one per device.
    workers : int
        Loader processes; 0 loads in the training process.
    checkpoint_minutes : float
        Maximum time between two checkpoints, which a killed run may lose; 0 saves after every step. A run may be
        resumed with another value. benchmarks/results/training-speed.md contains the measurements for the default.
    validation_fraction : float
        Share of the data held out for validation if no validation data are given.
    seed : int
        Seed of weights, patches and noise.
    deterministic : bool
        Whether to use only deterministic algorithms of torch.
    """

    n_frames: int = 1
    stability_weight: float = 0.25
    weight_decay: float = 1e-4
    ema_decay: float = 0.0
    precision: str = "float32"
    device: str = "auto"
    n_devices: int = 1
    workers: int = 0
    checkpoint_minutes: float = 5.0
    validation_fraction: float = 0.1
    seed: int = 0
    deterministic: bool = False

    def __post_init__(self) -> None:
        check_types(self)
        check_n_frames(self.n_frames)
        check_range("n_devices", self.n_devices, 1)
        for name in ("stability_weight", "weight_decay", "workers", "checkpoint_minutes", "seed"):
            check_range(name, getattr(self, name), 0)
        check_range("ema_decay", self.ema_decay, 0, 0.99999)
        check_range("validation_fraction", self.validation_fraction, 0.001, 0.9)
        for name, choices in CHOICES.items():
            check_choice(name, getattr(self, name), choices)


def with_present_names(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings from a file, with the former names of values, such as precisions, replaced by the current ones.

    >>> with_present_names({"precision": "bf16-mixed", "seed": 1})
    {'precision': 'bfloat16', 'seed': 1}
    """
    precision = settings.get("precision")
    if isinstance(precision, str) and precision in _FORMER_PRECISIONS:
        return {**settings, "precision": _FORMER_PRECISIONS[precision]}
    return dict(settings)


@dataclass(frozen=True, slots=True, kw_only=True)
class DataOptions:
    """Validation data, and options for reading training data.

    Attributes
    ----------
    validation : path, Movie, array, or a list of them, optional
        Held-out data (pairs, for measured pairs). By default the last frames of each movie are held out; if all are
        short, the last movies; if these are too few, a strip of each field.
    time_axis : {"T", "Z"}
        Axis along which the frames of a window are taken; "Z" takes neighboring slices of Z-stacks.
    still_motion_px : tuple of float
        Range of speeds, in pixels per frame. For windows of several frames, motion is simulated in still images by
        translating them at a speed drawn from this range.
    shrink : tuple of int
        Factors by which images are binned, for structures of more than one size, such as ``(1, 2)``.
    folder_as : {"auto", "movie", "images"}
        How to read folders, as for `decrappify.open_movie`. For pairs of folders, "images" pairs the files by name.

    Examples
    --------
    >>> DataOptions(shrink=(1, 2)).time_axis
    'T'
    """

    validation: Any = None
    time_axis: str = "T"
    still_motion_px: tuple[float, float] = (0.0, 2.0)
    shrink: tuple[int, ...] = (1,)
    folder_as: str = "auto"

    def __post_init__(self) -> None:
        object.__setattr__(self, "still_motion_px", tuple(self.still_motion_px))
        object.__setattr__(self, "shrink", tuple(self.shrink))
        check_choice("time_axis", self.time_axis, TIME_AXES)
        check_choice("folder_as", self.folder_as, FOLDERS_AS)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions:
    """Start and reporting options of a training run; none changes its result.

    Attributes
    ----------
    resume : bool
        Whether to resume from the checkpoint in the run folder, with the number of threads with which the run began:
        bit for bit on the same type of processor; a warning states if the last digits may differ.
    overwrite : bool
        Whether to replace the run in the run folder.
    card : mapping
        Entries of the model card (name, data and licenses, limits), before those of the run itself.
    progress : bool or callable, optional
        True, or a callable such as ``tqdm``.
    cancel : threading.Event, optional
        Set it to save a checkpoint and stop after the current step, as the first Ctrl-C does. The model then has the
        best weights so far and an entry ``unfinished`` on its card; `resume` resumes the run. Before the first step of
        a supervised run or an adaptation, `decrappify.Cancelled` is raised, and nothing is saved.
    on_validation : callable, optional
        Called as ``on_validation(step, ValidationScore)`` in supervised runs.
    """

    resume: bool = False
    overwrite: bool = False
    card: Mapping[str, Any] = field(default_factory=dict)
    progress: Progress | bool | None = None
    cancel: threading.Event | None = None
    on_validation: Callable[..., Any] | None = None
