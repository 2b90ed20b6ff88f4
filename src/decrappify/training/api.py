"""`train`: from high-resolution images and a crappifier, or measured pairs, to a Model."""

from __future__ import annotations

import math
import threading
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from decrappify._version import __version__
from decrappify.checks import checked_progress
from decrappify.errors import InputError, MissingFileError, OutputError, OutputExistsError
from decrappify.intensity import NormalizationRule
from decrappify.model import Model, load_model
from decrappify.training.config import TrainingConfig
from decrappify.training.material import Split, find_material
from decrappify.training.run_lock import holds_run_folder, refuse_data_folder

if TYPE_CHECKING:
    from torch import nn

    from decrappify.crappify import Crappifier

_RUN_FILES = (
    *(
        "checkpoint.pt",
        "checkpoint.previous.pt",
        "checkpoint.damaged.pt",
        "model.safetensors",
        "pretrained.safetensors",
        "critic.safetensors",
        "pretrained_critic.safetensors",
        "checkpoints/*.safetensors",
    ),
    *("log.csv", "loss.png", "log.png", "monitors.png", "checkpoints.png", "preview_*.png", "events.out.tfevents.*"),
    *("images/cycle_*/*/*.tif", "images/cycle_*/*/*.png"),
)


@holds_run_folder
def train(
    high_res: Any = None,
    crappifier: Crappifier | str | None = None,
    *,
    pairs: Any = None,
    validation: Any = None,
    n_frames: int | None = None,
    scale: int | None = None,
    config: TrainingConfig | None = None,
    output: str | Path | None = None,
    resume: bool = False,
    overwrite: bool = False,
    start_from: Model | str | Path | None = None,
    time_axis: str = "T",
    still_motion_px: tuple[float, float] = (0.0, 2.0),
    shrink: Sequence[int] = (1,),
    folder_as: str = "auto",
    network_settings: Mapping[str, Any] | None = None,
    card: Mapping[str, Any] | None = None,
    progress: Any = None,
    stop: threading.Event | None = None,
    on_validation: Any = None,
) -> Model:
    """Train a model on high-resolution images and a crappifier, or on measured pairs.

    Parameters
    ----------
    high_res : path, Movie, array, or a list of them
        Good images: movies, stacks and stills, of any size and dtype. A folder adds one
        movie, or each of its scenes or images, as `folder_as` states.
    crappifier : Crappifier or str
        How good images become bad; a preset's name or a .toml/.json file will do.
    pairs : tuple, list or folder, optional
        Measured pairs in place of `high_res` and `crappifier`: ``(source_folder, target_folder)``, ``(source,
        target)``, a list of such pairs, or a folder holding ``low/`` and ``high/``.
    validation : like `high_res` (or like `pairs`), optional
        Held-out data; without it the last frames of each movie are kept out, or else the last movies of ten or more, or
        else a strip of each field.
    n_frames : int, optional
        Frames in a window; overrides the configuration's.
    scale : int, optional
        Upsampling factor; follows from the crappifier or the pairs, and is refused if it does not agree.
    config : TrainingConfig, optional
        Settings.
    output : path, optional
        Run folder: checkpoint, log, plot, previews, and ``model.safetensors`` at the end.
    resume : bool
        Go on from the checkpoint in `output`, with as many threads as the run began with: bit for bit on the same type
        of processor; a warning says where the last digits may differ.
    overwrite : bool
        Replace the run in `output`.
    start_from : Model, name or path, optional
        Start from these weights; a model of fewer frames is widened so that it begins with the same predictions.
    time_axis : {"T", "Z"}
        "Z" lets Z-stacks play time.
    still_motion_px : tuple of float
        Range of speeds (pixels per frame) at which stills drift when a window has several frames.
    shrink : sequence of int
        Factors by which the images are binned to learn from more than one size, such as ``(1, 2)``.
    folder_as : {"auto", "movie", "images"}
        How to read folders, as for `decrappify.open_movie`; a log line or a warning states the result. Of pairs of
        folders, "images" pairs the files by name.
    network_settings : mapping, optional
        Settings of the network beside its name, such as ``{"base_channels": 16}``.
    card : mapping, optional
        Put on the model card (name, data and licenses, limits), before what the run itself found out.
    progress : callable, optional
        Such as ``tqdm``.
    stop : threading.Event, optional
        Set it to stop early and keep the best so far, as Ctrl-C does. The card of the model then has an entry
        ``unfinished``, and `resume` continues the run.
    on_validation : callable, optional
        Called as ``on_validation(step, ValidationScore)``.

    Returns
    -------
    Model
        With the averaged weights that scored best in validation.

    Raises
    ------
    InputError
        For data or settings that cannot be used; one line says which.
    OutputExistsError
        If `output` holds a finished or started run and neither `resume` nor `overwrite` was asked for.
    OutputError
        If another process writes into `output`, or it cannot be written.
    """
    import torch

    from decrappify.training.loop import run_training

    config = config or TrainingConfig()
    if n_frames is not None:
        config = replace(config, n_frames=n_frames)
    if output is not None:
        refuse_data_folder(Path(output), high_res, pairs, validation)
    folder = None if output is None else run_folder(output, resume=resume, overwrite=overwrite)
    rule = NormalizationRule()
    shape = dict(network_settings or {})
    in_channels = shape.setdefault("in_channels", 1)
    if shape.setdefault("out_channels", in_channels) != in_channels:
        raise InputError(f"out_channels is {shape['out_channels']}, needs {in_channels} like in_channels to be trained")
    material = find_material(
        high_res,
        crappifier,
        pairs,
        validation,
        Split(
            n_frames=config.n_frames,
            in_channels=in_channels,
            rule=rule,
            validation_fraction=config.validation_fraction,
            time_axis=time_axis,
            still_motion_px=still_motion_px,
            shrink=tuple(shrink),
            folder_as=folder_as,
        ),
    )
    length = config.max_steps * config.batch_size * config.n_devices
    data = material.training(config.patch_size, length, config.seed)
    held_out = material.held_out(length, config.seed + 1)
    crappifier_values = None if material.crappifier is None else material.crappifier.to_dict()
    if scale is not None and scale != material.scale:
        raise InputError(
            f"scale is {scale}, but the crappifier or the pairs have scale {material.scale}; leave scale out"
        )
    with torch.random.fork_rng(devices=[]):  # the caller's generator is left alone
        torch.manual_seed(config.seed)
        network = _network(config, material.scale, start_from, shape)
        result = run_training(
            network,
            data,
            held_out,
            config,
            folder=folder,
            resume=resume,
            settings={
                "architecture": network.architecture,
                "crappifier": crappifier_values,
                "trained_on": material.used,
                "time_axis": time_axis,
                "still_motion_px": still_motion_px,
                "shrink": list(shrink),
            },
            progress=checked_progress(progress),
            stop=stop,
            on_validation=on_validation,
        )
    network.to("cpu").load_state_dict(result.weights)
    described = {"name": folder.name if folder is not None else "unnamed"} | dict(card or {})
    measured = {
        "settings": config.to_dict(),
        "trained_with": f"decrappify {__version__}, torch {torch.__version__}",
        "steps": result.last_step,
        "best_step": result.best_step,
        "training_seconds": round(result.seconds),
        "runtime": result.runtime,
        "validation": {
            "psnr_source_db": round(result.psnr_source, 2),
            "psnr_db": round(result.best_psnr, 2),
            # pairs with one source have no second draw, and JSON has no NaN
            "noise_draw": None if math.isnan(result.noise_draw) else round(result.noise_draw, 5),
        },
        "trained_on": material.used,
    }
    if result.last_step < config.max_steps:
        measured["unfinished"] = f"stopped at step {result.last_step} of {config.max_steps}"
    model = Model(network, rule, crappifier_values, described | measured)
    if folder is not None and result.is_global_zero:
        model.save(folder / "model.safetensors", overwrite=True)
    return model


def run_folder(output: str | Path, *, resume: bool, overwrite: bool) -> Path:
    """Make the run folder, or clear it of an older run if `overwrite` says so.

    Raises
    ------
    OutputExistsError
        If it holds a run, or files of the names that a run writes, and neither `resume` nor `overwrite` was asked for.
    MissingFileError
        If a run is to be resumed that ended before its first checkpoint.
    OutputError
        If it cannot be used.
    """
    from decrappify.training.checkpoint import has_checkpoint

    folder = Path(output)
    if has_checkpoint(folder / "checkpoint.pt") and not (resume or overwrite):
        raise OutputExistsError(
            f"{folder} holds a run already; pass resume (--resume) to go on, or overwrite (--overwrite)"
        )
    found = sorted(path for pattern in _RUN_FILES for path in folder.glob(pattern))
    if resume and found and not has_checkpoint(folder / "checkpoint.pt"):
        raise MissingFileError(
            f"no checkpoint {folder / 'checkpoint.pt'} to resume from, as the run in {folder} ended before its first "
            "one; start it again with overwrite=True (--overwrite) instead of resume (--resume)"
        )
    found = [] if resume else found
    if found and not overwrite:
        raise OutputExistsError(
            f"{folder} holds {found[0].relative_to(folder)}, which a run would replace; choose another folder, or pass "
            "overwrite=True (--overwrite)"
        )
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for path in found:  # nothing of an older run may be taken for this one's
            path.unlink(missing_ok=True)
    except OSError as error:
        raise OutputError(f"cannot use {folder} as run folder: {error.strerror or error}") from error
    return folder


def _network(
    config: TrainingConfig, scale: int, start_from: Model | str | Path | None, settings: Mapping[str, Any]
) -> nn.Module:
    from decrappify.networks import create
    from decrappify.networks.residual_unet import ResidualUNet, widen_window

    network = create(config.network, n_frames=config.n_frames, scale=scale, **settings)
    multiple = int(network.size_multiple)  # type: ignore[arg-type]
    if config.patch_size % multiple:
        raise InputError(
            f"patch_size is {config.patch_size}, the network needs a multiple of {multiple}, "
            f"such as {-(-config.patch_size // multiple) * multiple}"
        )
    if start_from is None:
        return network
    first = load_model(start_from)
    wanted, found = dict(network.architecture), dict(first.network.architecture)  # type: ignore[arg-type]
    differing = [key for key in wanted if key != "n_frames" and wanted[key] != found.get(key)]
    if differing or not isinstance(network, ResidualUNet):
        raise InputError(
            f"start_from={first.name!r} does not fit: "
            f"{differing[0]} is {found.get(differing[0])}, needs {wanted[differing[0]]}"
        )
    network.load_state_dict(widen_window(first.network.state_dict(), network, first.n_frames))
    return network
