"""`train_nogan`: pretrain the generator, train the critic, then a short GAN phase that ends at its best moment."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from decrappify._version import __version__
from decrappify.checks import checked_progress
from decrappify.errors import InputError
from decrappify.intensity import IMAGENET, NormalizationRule
from decrappify.model import Model, load_model
from decrappify.training.data.training_data import Material, PhotoMaterial, Split, find_material
from decrappify.training.config.nogan import NoganConfig
from decrappify.training.config.presets import nogan_preset
from decrappify.training.engine.run_folder import holds_run_folder, refuse_data_folder

if TYPE_CHECKING:
    from torch import nn

    from decrappify.crappify import Crappifier
    from decrappify.training.engine.trainer import NoganRun

_PATCHES = 20_000  # of movies and pairs that count as all of the data


@holds_run_folder
def train_nogan(
    high_res: Any = None,
    crappifier: Crappifier | str | None = None,
    *,
    output: str | Path,
    config: NoganConfig | str = "microscopy",
    pairs: Any = None,
    validation: Any = None,
    start_from: Model | str | Path | None = None,
    critic_from: str | Path | None = None,
    time_axis: str = "T",
    still_motion_px: tuple[float, float] = (0.0, 2.0),
    shrink: Sequence[int] = (1,),
    folder_as: str = "auto",
    card: Mapping[str, Any] | None = None,
    resume: bool = False,
    overwrite: bool = False,
    progress: Any = None,
    stop: threading.Event | None = None,
) -> Model:
    """Train a generator with a NoGAN schedule (Antic, Howard and Manor 2019).

    (i) The generator learns from the content loss; (ii) it saves images; (iii) the critic learns to tell them from real
    ones; (iv) both learn against each other, for a short while; (ii) to (iv) may be repeated. Checkpoints of the GAN
    phase are compared on held-out data, and the model gets the best of them, or the pretrained weights if no checkpoint
    is better: see ``monitors.png`` and ``checkpoints.png`` in the run folder.

    Parameters
    ----------
    high_res : path, Movie, array, or a list of them
        Good images, as for `train`; for colorization a folder of photographs, or a list of paths or arrays (Y, X, 3).
    crappifier : Crappifier or str
        How good images become bad; for colorization ``"colour-grey"`` by default.
    output : path
        Run folder: images, checkpoints, log, plots, ``pretrained.safetensors`` and ``model.safetensors``.
    config : NoganConfig or str
        The schedule, or the name of one: "microscopy", "artistic", "stable" or "video".
    pairs, validation, time_axis, still_motion_px, shrink, folder_as, card
        As for `train`.
    start_from : Model, name or path, optional
        A trained generator of the same architecture. With an empty ``config.pretrain`` phase (i) is left out.
    critic_from : path, optional
        A critic, such as the ``critic.safetensors`` of another run, or a published one.
    resume, overwrite : bool
        Go on from the checkpoint in `output` (with as many threads as the run began with, and bit for bit on the same
        type of processor); or replace the run there.
    progress : callable, optional
        Such as ``tqdm``.
    stop : threading.Event, optional
        Set it to save and stop; the model then has the weights of that moment (of the best checkpoint in a GAN phase),
        and an entry ``unfinished`` on its card.

    Returns
    -------
    Model
        Its card tells what was chosen and why.

    Raises
    ------
    InputError
        For data or settings that cannot be used.
    OutputExistsError
        If `output` holds a run and neither `resume` nor `overwrite` was asked for.
    OutputError
        If another process writes into `output`, or it cannot be written.
    """
    import torch

    from decrappify.runtime import threads_put_back
    from decrappify.training.supervised import run_folder
    from decrappify.training.nogan.schedule import run_phases
    from decrappify.training.engine.trainer import NoganRun
    from decrappify.training.engine.processes import deterministic, interruptible, needs_folder

    config = nogan_preset(config) if isinstance(config, str) else config
    if not config.pretrain and start_from is None and not resume:
        raise InputError("the schedule has no pretrain steps; give start_from, the generator to start from")
    refuse_data_folder(Path(output), high_res, pairs, validation)
    folder = run_folder(output, resume=resume, overwrite=overwrite)
    split = Split(
        n_frames=config.n_frames,
        in_channels=int(config.generator_settings.get("in_channels", 1)),
        validation_fraction=config.validation_fraction,
        time_axis=time_axis,
        still_motion_px=still_motion_px,
        shrink=tuple(shrink),
        folder_as=folder_as,
    )
    material, items = _material(high_res, crappifier, pairs, validation, split, config)
    with (
        torch.random.fork_rng(devices=[]),  # the caller's generator is left alone
        threads_put_back(),
        deterministic(config.deterministic),
        interruptible(stop or threading.Event()) as stopping,
    ):
        torch.manual_seed(config.seed)
        generator = _generator(config, material.scale, start_from)
        critic = _critic(config, generator, critic_from)
        settings = {
            "architecture": generator.architecture,
            "critic_architecture": critic.architecture,
            "trained_on": material.used,
            "crappifier": None if material.crappifier is None else material.crappifier.to_dict(),
            "items": items,
            "time_axis": time_axis,
            "still_motion_px": still_motion_px,
            "shrink": list(shrink),
        }
        run = NoganRun(
            config,
            material,
            generator,
            critic,
            folder,
            items=items,
            settings=settings,
            progress=checked_progress(progress),
            stop=stopping,
        )
        describe = _Describe(run, split.rule, dict(card or {}))
        if resume:
            run.resume()
        with needs_folder(folder):
            run_phases(run, describe)
    run.history.setdefault("verdict", "stopped before the first checkpoint of a GAN phase")
    model = describe("")
    if run.fabric.is_global_zero:
        model.save(folder / "model.safetensors", overwrite=True)
    return model


class _Describe:
    """Makes a Model of the run's present generator."""

    def __init__(self, run: NoganRun, rule: NormalizationRule, card: dict[str, Any]) -> None:
        self._run, self._rule, self._card = run, rule, card

    def __call__(self, note: str) -> Model:
        from copy import deepcopy

        run, config = self._run, self._run.config
        described: dict[str, Any] = {"name": run.folder.name} | self._card
        if config.task == "colorization":
            described |= {"task": "colorization", "preset": described.get("preset", "own")}
        if note:
            described["note"] = note
        elif run.unfinished:
            described["unfinished"] = run.unfinished
        for key in ("verdict", "stopped", "critic_accuracy", "psnr_source", "pretrained_psnr"):
            if run.history.get(key) not in (None, ""):
                described[key] = run.history[key]
        described |= {
            "trained_with": f"decrappify {__version__}",
            "training_seconds": round(run.seconds),
            "runtime": run.runtime,
            "trained_on": run.material.used,
            "images": run.items,
            "settings": config.to_dict(),
        }
        crappifier = run.material.crappifier
        return Model(
            deepcopy(run.generator).cpu(),
            IMAGENET if config.task == "colorization" else self._rule,
            None if crappifier is None else crappifier.to_dict(),
            described,
        )


def _material(
    high_res: Any, crappifier: Any, pairs: Any, validation: Any, split: Split, config: NoganConfig
) -> tuple[Material, int]:
    """Read the data, and count the items that are all of it."""
    if config.task == "restoration":
        return find_material(high_res, crappifier, pairs, validation, split), config.items or _PATCHES
    from decrappify.training.data.inputs import as_crappifier, as_photographs

    if pairs is not None or high_res is None:
        raise InputError("colorization needs high_res photographs, not pairs")
    kept = None if validation is None else as_photographs(validation)
    degrade = as_crappifier(crappifier or "colour-grey")
    photographs = PhotoMaterial(as_photographs(high_res), degrade, kept, config.validation_fraction)
    return photographs, config.items or len(photographs.pictures)


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
        raise InputError(f"start_from={first.name!r} does not fit: {key} is {found.get(key)}, needs {wanted[key]}")
    network.load_state_dict(first.network.state_dict())
    return network


def _check_patches(config: NoganConfig, network: Any) -> None:
    sizes = {"pretrain": [step.size for step in config.pretrain], "gan": [config.gan.size]}
    for name, found in (sizes | {"generated_size": [config.generated_size]}).items():
        for size in found:
            if size % network.size_multiple:
                raise InputError(
                    f"{name} has patches of {size}, the network needs a multiple of {network.size_multiple}"
                )


def _critic(config: NoganConfig, generator: nn.Module, critic_from: str | Path | None) -> Any:
    from decrappify.networks import create

    channels = int(generator.out_channels)  # type: ignore[arg-type]
    critic: Any = create(config.critic, **({"in_channels": channels} | dict(config.critic_settings)))
    sizes = [step.size for step in (*config.first_critic, *config.critic_steps)]
    smallest = min([*sizes, config.gan.size * int(generator.scale)])  # type: ignore[arg-type]
    if smallest < critic.smallest:
        raise InputError(f"the critic needs images of at least {critic.smallest} pixels, the schedule has {smallest}")
    if critic_from is not None:
        from decrappify.training.nogan.critic_files import load_critic

        load_critic(critic, Path(critic_from))
    return critic
