"""NoGAN training: pretraining, training of the critic, and a short GAN phase that ends at its best checkpoint."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from decrappify._common.arguments import moved_arguments
from decrappify._common.checks import check_instance
from decrappify._common.progress import checked_progress
from decrappify._version import __version__
from decrappify.errors import InputError
from decrappify.model import Model, load_model
from decrappify.normalization import IMAGENET, NormalizationRule
from decrappify.training.config.nogan import NoganConfig
from decrappify.training.config.options import MOVED_ARGUMENTS, DataOptions, RunOptions
from decrappify.training.config.presets import nogan_preset
from decrappify.training.data.learned import learned_range
from decrappify.training.data.training_data import (
    PhotographData,
    Split,
    TrainingData,
    data_settings,
    read_training_data,
)
from decrappify.training.engine.run_folder import holds_run_folder, prepare_run_folder, refuse_data_folder

if TYPE_CHECKING:
    from decrappify.crappify import Crappifier
    from decrappify.networks.spec import RestorationNetwork
    from decrappify.training.nogan.run import NoganRun

_PATCHES = 20_000  # of movies and pairs, counted as all of the data


@moved_arguments(MOVED_ARGUMENTS)
@holds_run_folder
def train_nogan(
    high_res: Any = None,
    crappifier: Crappifier | str | None = None,
    *,
    output: str | Path,
    config: NoganConfig | str = "microscopy",
    pairs: Any = None,
    data: DataOptions | None = None,
    start_from: Model | str | Path | None = None,
    critic_from: str | Path | None = None,
    run: RunOptions | None = None,
) -> Model:
    """Train a generator with a NoGAN schedule (Antic, Howard and Manor 2019).

    (i) The generator is trained on the content loss; (ii) its predictions are saved; (iii) the critic is trained to
    distinguish them from real images; (iv) both are trained against each other for a short time; (ii) to (iv) may be
    repeated.
    Checkpoints of the GAN phase are compared on held-out data, and the model has the weights of the best of them, or
    the pretrained weights if no checkpoint is better: see ``monitors.png`` and ``checkpoints.png`` in the run folder.
    In the first case it also contains the pretrained weights, and `Model.with_fidelity` interpolates between both; see
    ``fidelity.png``.

    Parameters
    ----------
    high_res : path, Movie, array, or a list of them
        High-resolution images, as for `train`; for colorization a folder of photographs, or a list of paths or arrays
        (Y, X, 3).
    crappifier : Crappifier or str
        Degradation of the images; for colorization ``"colour-grey"`` by default.
    output : path
        Run folder: images, checkpoints, log, plots, ``pretrained.safetensors`` and ``model.safetensors``.
    config : NoganConfig or str
        The schedule, or the name of one: "microscopy", "artistic", "stable" or "video".
    pairs : tuple, list or folder, optional
        Measured pairs, as for `train`.
    data : DataOptions, optional
        Validation data, and options for reading the data.
    start_from : Model, name or path, optional
        A trained generator of the same architecture. With an empty ``config.pretrain`` phase (i) is omitted.
    critic_from : path, optional
        A critic, such as the ``critic.safetensors`` of another run, or a published one.
    run : RunOptions, optional
        Resume, overwrite, model card, progress, cancel. A cancelled run returns its current weights (those of the best
        checkpoint in a GAN phase).

    Returns
    -------
    Model
        The trained model; its card states which checkpoint was selected and why.

    Raises
    ------
    InputError
        For data or settings that cannot be used.
    OutputExistsError
        If `output` contains a run and neither `resume` nor `overwrite` is set.
    OutputError
        If another process writes into `output`, or it cannot be written.
    """
    from decrappify.training.engine.launched import record_launch, restarted, with_processes
    from decrappify.training.engine.processes import needs_folder, training_session
    from decrappify.training.engine.trainer import Trainer
    from decrappify.training.nogan.run import NoganRun
    from decrappify.training.nogan.schedule import run_phases

    config = nogan_preset(config) if isinstance(config, str) else config
    data, run = data or DataOptions(), run or RunOptions()
    check_instance(NoganConfig, config=config)
    check_instance(DataOptions, data=data)
    check_instance(RunOptions, run=run)
    config, run = with_processes(config), restarted(run, output)
    if not config.pretrain and start_from is None and not run.resume:
        raise InputError("the schedule has no pretrain steps; pass start_from, the generator to start from")
    refuse_data_folder(Path(output), high_res, pairs, data.validation)
    folder = prepare_run_folder(output, resume=run.resume, overwrite=run.overwrite)
    record_launch(folder)
    split = Split(
        n_frames=config.n_frames,
        in_channels=int(config.generator_settings.get("in_channels", 1)),
        validation_fraction=config.validation_fraction,
        options=data,
    )
    training_data, items = _training_data(high_res, crappifier, pairs, split, config)
    with training_session(config, run.cancel) as cancel:
        generator = _generator(config, training_data.scale, start_from)
        critic = _critic(config, generator, critic_from)
        architectures = {"architecture": generator.architecture, "critic_architecture": critic.architecture}
        trainer = Trainer(
            config,
            {"generator": generator, "critic": critic},
            folder,
            settings=config.to_dict() | architectures | {"items": items} | data_settings(training_data, data),
            progress=checked_progress(run.progress),
            cancel=cancel,
        )
        nogan = NoganRun(trainer, config, training_data, items, resume=run.resume)
        describe = _Describe(nogan, split.rule, dict(run.card))
        with needs_folder(folder):
            run_phases(nogan, describe)
    nogan.history.setdefault("verdict", "stopped before the first checkpoint of a GAN phase")
    model = describe("")
    if trainer.is_first:
        model.save(folder / "model.safetensors", overwrite=True)
    return model


class _Describe:
    """Factory of a Model from the run's current generator."""

    def __init__(self, run: NoganRun, rule: NormalizationRule, card: dict[str, Any]) -> None:
        self._run, self._rule, self._card = run, rule, card
        self._learned = learned_range(run.data, run.items)

    def __call__(self, note: str) -> Model:
        from copy import deepcopy

        from decrappify.training.nogan.selection import PRETRAINED

        run, config = self._run, self._run.config
        described: dict[str, Any] = {"name": run.folder.name} | self._card
        if config.task == "colorization":
            described |= {"task": "colorization", "preset": described.get("preset", "own")}
            described["patch_size"] = max(step.size for step in (*config.pretrain, config.gan))
        if note:
            described["note"] = note
        elif run.unfinished:
            described["unfinished"] = run.unfinished
        for key in ("verdict", "stopped", "critic_accuracy", "psnr_source", "pretrained_psnr"):
            if run.history.get(key) not in (None, ""):
                described[key] = run.history[key]
        if "validation" in run.history:
            described["validation"] = run.history["validation"]
        # Once a checkpoint has been selected, the generator has its weights, except within a later GAN phase.
        path = [] if note else run.history.get("fidelity_path", [])
        if path:
            described["fidelity_path"] = path
        described |= {
            "trained_with": f"decrappify {__version__}",
            "training_seconds": round(run.trainer.seconds),
            "runtime": run.trainer.runtime,
            "trained_on": run.data.used,
            "images": run.items,
            "settings": config.to_dict(),
            **self._learned,
        }
        crappifier = run.data.crappifier
        return Model(
            deepcopy(run.generator).cpu(),
            IMAGENET if config.task == "colorization" else self._rule,
            None if crappifier is None else crappifier.to_dict(),
            described,
            load_model(run.folder / PRETRAINED).network.state_dict() if path else None,
        )


def _training_data(
    high_res: Any, crappifier: Any, pairs: Any, split: Split, config: NoganConfig
) -> tuple[TrainingData, int]:
    """Read the data; return them and the number of items that count as all of them."""
    if config.task == "restoration":
        return read_training_data(high_res, crappifier, pairs, split), config.items or _PATCHES
    from decrappify.training.data.inputs import as_crappifier, as_photographs

    if pairs is not None or high_res is None:
        raise InputError("colorization needs high_res photographs, not pairs")
    validation = split.options.validation
    kept = None if validation is None else as_photographs(validation)
    degrade = as_crappifier(crappifier or "colour-grey")
    photographs = PhotographData(as_photographs(high_res), degrade, kept, config.validation_fraction)
    return photographs, config.items or len(photographs.photographs)


def _generator(config: NoganConfig, scale: int, start_from: Model | str | Path | None) -> Any:
    from decrappify.networks import create

    settings: dict[str, Any] = {"n_frames": config.n_frames, "scale": scale}
    if config.task == "restoration":
        in_channels = config.generator_settings.get("in_channels", 1)
        settings |= {"in_channels": in_channels, "out_channels": in_channels}
    settings |= dict(config.generator_settings)
    if start_from is not None:
        settings.pop("encoder_weights", None)  # the whole network has weights
    network: Any = create(config.generator, **settings)
    _check_patches(config, network)
    if start_from is None:
        return network
    first = load_model(start_from)
    wanted, found = network.architecture, first.network.architecture
    differing = [key for key in wanted if wanted[key] != found.get(key)]
    if differing:
        key = differing[0]
        raise InputError(f"start_from={first.name!r} does not fit: {key} is {found.get(key)}, expected {wanted[key]}")
    network.load_state_dict(first.network.state_dict())
    return network


def _check_patches(config: NoganConfig, network: Any) -> None:
    sizes = {"pretrain": [step.size for step in config.pretrain], "gan": [config.gan.size]}
    for name, found in (sizes | {"generated_size": [config.generated_size]}).items():
        for size in found:
            if size % network.spec.size_multiple:
                raise InputError(
                    f"{name} has patches of {size}, the network needs a multiple of {network.spec.size_multiple}"
                )


def _critic(config: NoganConfig, generator: RestorationNetwork, critic_from: str | Path | None) -> Any:
    from decrappify.networks import create

    channels = generator.out_channels
    critic: Any = create(config.critic, **({"in_channels": channels} | dict(config.critic_settings)))
    sizes = [step.size for step in (*config.first_critic, *config.critic_steps)]
    smallest = min([*sizes, config.gan.size * generator.scale])
    if smallest < critic.smallest:
        raise InputError(f"the critic needs images of at least {critic.smallest} pixels, the schedule has {smallest}")
    if critic_from is not None:
        from decrappify.training.nogan.critic_files import load_critic

        load_critic(critic, Path(critic_from))
    return critic
