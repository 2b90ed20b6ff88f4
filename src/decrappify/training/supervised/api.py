"""Supervised training on high-resolution images and a crappifier, or on measured pairs."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from decrappify._common.arguments import moved_arguments, moved_into
from decrappify._common.checks import check_instance
from decrappify._common.progress import checked_progress
from decrappify._version import __version__
from decrappify.errors import InputError
from decrappify.model import Model, load_model
from decrappify.normalization import NormalizationRule
from decrappify.training.config.options import MOVED_ARGUMENTS, DataOptions, RunOptions
from decrappify.training.config.supervised import TrainingConfig
from decrappify.training.data.learned import learned_range
from decrappify.training.data.training_data import Split, data_settings, read_training_data
from decrappify.training.engine.run_folder import early_check, holds_run_folder, prepare_run_folder, refuse_data_folder

if TYPE_CHECKING:
    from decrappify.crappify import Crappifier
    from decrappify.networks.spec import RestorationNetwork
    from decrappify.training.supervised.run import TrainingResult

log = logging.getLogger(__name__)
_AMPLE = 2**40  # items of a run whose length is planned later; each depends only on its number


@moved_arguments(MOVED_ARGUMENTS | moved_into("config=TrainingConfig", "n_frames", "network_settings"))
@holds_run_folder
def train(
    high_res: Any = None,
    crappifier: Crappifier | str | None = None,
    *,
    pairs: Any = None,
    config: TrainingConfig | None = None,
    data: DataOptions | None = None,
    output: str | Path | None = None,
    start_from: Model | str | Path | None = None,
    run: RunOptions | None = None,
) -> Model:
    """Train a model on high-resolution images and a crappifier, or on measured pairs.

    Parameters
    ----------
    high_res : path, Movie, array, or a list of them
        Movies, stacks and stills, of any size and dtype. A folder adds one movie, or each of its scenes or images, see
        ``data.folder_as``.
    crappifier : Crappifier or str
        Degradation of the images: a crappifier, the name of a preset, or a .toml/.json file of a crappifier or
        calibration. It sets the scale.
    pairs : tuple, list or folder, optional
        Measured pairs in place of `high_res` and `crappifier`: ``(source_folder, target_folder)``, ``(source,
        target)``, a list of such pairs, or a folder that contains ``low/`` and ``high/``.
    config : TrainingConfig, optional
        Network, length (``minutes`` or ``max_steps``), rates, precision, seed.
    data : DataOptions, optional
        Validation data, and options for reading the data.
    output : path, optional
        Run folder: checkpoint, log, plot, previews, and ``model.safetensors`` at the end.
    start_from : Model, name or path, optional
        Initial weights; those of a model of fewer frames are extended so that training starts from equal predictions.
    run : RunOptions, optional
        Resume, overwrite, model card, progress, cancel.

    Returns
    -------
    Model
        Model with the averaged weights of the best validation, or of the last one with ``config.keep = "last"``.

    Raises
    ------
    InputError
        For data or settings that cannot be used.
    OutputExistsError
        If `output` contains a run, and neither ``run.resume`` nor ``run.overwrite`` is set.
    OutputError
        If another process writes into `output`, or it cannot be written.
    Cancelled
        If it is cancelled before its first step; later, the best model so far is returned.

    Examples
    --------
    >>> import decrappify as dc
    >>> model = dc.train(  # doctest: +SKIP
    ...     ["cell1.tif", "cell2.czi"], "confocal", config=dc.TrainingConfig(n_frames=3), output="runs/mine"
    ... )
    """
    from decrappify.training.engine.launched import record_launch, restarted, with_processes
    from decrappify.training.engine.processes import training_session
    from decrappify.training.engine.validation_patches import CANDIDATES
    from decrappify.training.supervised.run import run_training

    began = time.monotonic()
    config, data, run = config or TrainingConfig(), data or DataOptions(), run or RunOptions()
    check_instance(TrainingConfig, config=config)
    check_instance(DataOptions, data=data)
    check_instance(RunOptions, run=run)
    config, run = with_processes(config), restarted(run, output)
    if output is not None:
        refuse_data_folder(Path(output), high_res, pairs, data.validation)
    folder = None if output is None else prepare_run_folder(output, resume=run.resume, overwrite=run.overwrite)
    record_launch(folder)
    rule, check = NormalizationRule(), early_check(run.cancel, config.n_devices)
    shape = _channels(config)
    split = Split(
        n_frames=config.n_frames,
        in_channels=shape["in_channels"],
        rule=rule,
        validation_fraction=config.validation_fraction,
        options=data,
        check=check,
    )
    training_data = read_training_data(high_res, crappifier, pairs, split)
    length = _AMPLE if config.minutes is not None else _n_items(config.planned())
    patches = training_data.training(config.patch_size, length, config.seed)
    held_out = training_data.held_out(CANDIDATES, config.seed + 1)
    # Takes seconds, so it is part of a training time.
    learned = None if config.minutes is None else learned_range(training_data, length, check)
    with training_session(config, run.cancel) as cancel:
        network = _network(config, training_data.scale, start_from, shape)
        result = run_training(
            network,
            patches,
            held_out,
            config,
            folder=folder,
            resume=run.resume,
            settings={"architecture": network.architecture} | data_settings(training_data, data),
            progress=checked_progress(run.progress),
            cancel=cancel,
            on_validation=run.on_validation,
            began=began,
        )
    network.to("cpu").load_state_dict(result.weights)
    card = {"name": folder.name if folder is not None else "unnamed"} | dict(run.card)
    degradation = None if training_data.crappifier is None else training_data.crappifier.to_dict()
    learned = learned_range(training_data, length) if learned is None else learned
    measured = _measured(result, training_data.used) | learned
    if config.minutes is not None:
        measured["minutes"] = config.minutes
    model = Model(network, rule, degradation, card | measured)
    if folder is not None and result.is_first:
        model.save(folder / "model.safetensors", overwrite=True)
    if result.is_first and "unfinished" not in measured:
        _warn(result, start_from)
    return model


def _n_items(config: TrainingConfig) -> int:
    return (config.max_steps or 0) * config.batch_size * config.n_devices


def _warn(result: TrainingResult, start_from: Model | str | Path | None) -> None:
    """Log a warning if the model is of no use."""
    from decrappify.training.supervised.report import warning

    name = None if start_from is None else start_from.name if isinstance(start_from, Model) else str(start_from)
    line = warning(result.score, started_from=name)
    if line is not None:
        log.warning("%s", line)


def _measured(result: TrainingResult, used: list[str]) -> dict[str, Any]:
    """Return the entries of the model card from the run itself."""
    import torch

    from decrappify.training.supervised.report import card_entry, longer_training

    config, score, patches = result.config, result.score, result.patches
    entries = {
        "settings": config.to_dict(),
        "trained_with": f"decrappify {__version__}, torch {torch.__version__}",
        "steps": result.last_step,
        "best_step": score["step"],
        "validations": len(result.curve),
        "training_seconds": round(result.seconds),
        "runtime": result.runtime,
        "validation": card_entry(score, patches),
        "trained_on": used,
    }
    if result.last_step < (config.max_steps or 0):
        entries["unfinished"] = f"stopped at step {result.last_step} of {config.max_steps}"
    elif (worth := longer_training(result.curve)) is not None:
        entries["longer_training"] = worth
    return entries


def _channels(config: TrainingConfig) -> dict[str, Any]:
    """Return the settings of the network, including its numbers of channels."""
    shape = dict(config.network_settings)
    in_channels = shape.setdefault("in_channels", 1)
    if shape.setdefault("out_channels", in_channels) != in_channels:
        raise InputError(
            f"out_channels is {shape['out_channels']}, expected {in_channels} like in_channels to be trained"
        )
    return shape


def _network(
    config: TrainingConfig, scale: int, start_from: Model | str | Path | None, settings: Mapping[str, Any]
) -> RestorationNetwork:
    from decrappify.networks import create

    network: RestorationNetwork = create(config.network, n_frames=config.n_frames, scale=scale, **settings)
    multiple = network.spec.size_multiple
    if config.patch_size % multiple:
        raise InputError(
            f"patch_size is {config.patch_size}, the network needs a multiple of {multiple}, "
            f"such as {-(-config.patch_size // multiple) * multiple}"
        )
    if start_from is None:
        return network
    first = load_model(start_from)
    wanted, found = network.architecture, first.network.architecture
    differing = [key for key in wanted if key != "n_frames" and wanted[key] != found.get(key)]
    if differing:
        raise InputError(
            f"start_from={first.name!r} does not fit: "
            f"{differing[0]} is {found.get(differing[0])}, expected {wanted[differing[0]]}"
        )
    network.load_state_dict(network.widened(first.network.state_dict(), first.n_frames))
    return network
