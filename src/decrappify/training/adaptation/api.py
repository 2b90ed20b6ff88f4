"""Adaptation of a model to the user's own noisy movie, without clean images."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from decrappify._common.argument_names import setting
from decrappify._common.checks import check_instance
from decrappify._common.progress import Check, checked_progress
from decrappify._version import __version__
from decrappify.errors import InputError
from decrappify.model import Model, load_model
from decrappify.movie import Movie
from decrappify.normalization import NormalizationRule
from decrappify.training.config.adaptation import AdaptationConfig
from decrappify.training.config.options import RunOptions
from decrappify.training.data.content import movie_content
from decrappify.training.data.inputs import as_movies
from decrappify.training.engine.run_folder import early_check, holds_run_folder, prepare_run_folder, refuse_data_folder

if TYPE_CHECKING:
    from decrappify.datasets.split import Parts
    from decrappify.training.adaptation.dataset import SplitDataset
    from decrappify.training.adaptation.run import AdaptationResult

log = logging.getLogger(__name__)
report = logging.getLogger("decrappify.training.adaptation")  # shown by the command line

_AMPLE = 2**40  # items of a run whose length is planned later; each depends only on its number
_CACHE_BYTES = 2 * 1024**3
_VALIDATION_PATCH = 128  # pixels


@holds_run_folder
def adapt(
    model: Model | str | Path,
    movie: Any,
    *,
    noise: Any = None,
    minutes: float | None = None,
    config: AdaptationConfig | None = None,
    output: str | Path | None = None,
    run: RunOptions | None = None,
) -> Model:
    """Adapt a model to noisy movies of the user's own microscope; no clean images are needed.

    Each frame is split into two parts with independent noise; the model learns to predict one part of a frame from the
    other, and those of its neighbors (Noise2Noise, Lehtinen et al. 2018, ICML; thinning, Neufeld et al. 2024, JMLR
    25). Frames that are held out are split alike, and decide whether the adapted model is better than the given one.
    If it is not, the given model is returned.

    Parameters
    ----------
    model : Model, name or path
        Shipped or own model of scale 1 for one channel.
    movie : path, array, Movie, or a list of them
        Raw movies or stills of one kind of specimen, such as the scenes of a file; each channel is used.
    noise : NoiseModel, Calibration, path, or a list of one per channel, optional
        Noise of the movies; by default it is calibrated on each channel of each movie.
    minutes : float, optional
        Time of the adaptation, 5 by default.
    config : AdaptationConfig, optional
        Further settings.
    output : path, optional
        Run folder: checkpoint, log, plot, and ``model.safetensors`` at the end.
    run : RunOptions, optional
        Resume, overwrite, model card, progress, cancel.

    Returns
    -------
    Model
        The adapted model, or one with the weights of the given model; ``card["adapted"]`` states which.

    Raises
    ------
    InputError
        For a model of another kind, or movies or noise that cannot be used.
    OutputExistsError
        If `output` contains a run, and neither ``run.resume`` nor ``run.overwrite`` is set.
    Cancelled
        If it is cancelled before its first step; later, the best model so far is returned.

    Examples
    --------
    >>> import decrappify as dc
    >>> model = dc.adapt("fluorescence-movie", "cells.czi", minutes=5)  # doctest: +SKIP
    """
    from decrappify.noise.channels import noise_of_channels
    from decrappify.training.adaptation.noise import splitters_of
    from decrappify.training.adaptation.run import run_adaptation
    from decrappify.training.engine.launched import check_single_process
    from decrappify.training.engine.processes import training_session

    began = time.monotonic()
    config, run = config or AdaptationConfig(), run or RunOptions()
    check_instance(AdaptationConfig, config=config)
    check_instance(RunOptions, run=run)
    check_single_process("adapt")
    given = _adaptable(model)
    config = replace(config, n_frames=given.n_frames, minutes=config.minutes if minutes is None else minutes)
    if output is not None:
        refuse_data_folder(Path(output), movie, None, None)
    folder = None if output is None else prepare_run_folder(output, resume=run.resume, overwrite=run.overwrite)
    check = early_check(run.cancel)
    movies = as_movies(movie)
    _check_colors(movies)
    parts = _parts(movies, given, config)
    splitters = splitters_of(movies, [noise_of_channels(one, noise, check) for one in movies], config.seed, check)
    training, validation = _datasets(movies, parts, splitters, given, config, check)
    settings = {
        "model": given.sha256,
        "content": movie_content((one.name, one) for one in movies),
        "noise": [[asdict(one.terms) for one in row] for row in splitters],
    }
    with training_session(config, run.cancel) as cancel:
        network = deepcopy(given.network)
        result = run_adaptation(
            network,
            training,
            validation,
            config,
            folder=folder,
            resume=run.resume,
            settings=settings | {key: value for key, value in asdict(config).items() if key != "minutes"},
            progress=checked_progress(run.progress),
            cancel=cancel,
            on_validation=run.on_validation,
            began=began,
        )
    network.to("cpu").load_state_dict(result.weights or given.network.state_dict())
    card = _card(given, result, movies, config, run)
    card["adapted"]["noise"] = settings["noise"]
    adapted = Model(network, given.normalization, given.crappifier, card)
    if folder is not None and result.is_first:
        adapted.save(folder / "model.safetensors", overwrite=True)
    if result.is_first:
        report.info("%s", verdict(card["adapted"]))
    return adapted


def verdict(adapted: Mapping[str, Any]) -> str:
    """Return the result of an adaptation in one line, from the entry ``adapted`` of a model card.

    Examples
    --------
    >>> verdict({"from": "fluorescence-movie", "kept": "adapted", "lead": 1.42})
    'on held-out frames, the adapted model is better than fluorescence-movie: 1.42 times as far ahead of the best \
Gaussian filter'
    """
    name, lead = adapted["from"], adapted["lead"]
    if adapted["kept"] == "given":
        text = f"on held-out frames, the adapted model is not clearly better than {name}, whose weights are kept"
        kept = name
    else:
        text, kept = f"on held-out frames, the adapted model is better than {name}", "it"
        if lead is not None:
            text += f": {lead:.2f} times as far ahead of the best Gaussian filter"
    is_useful = adapted.get("better_than_gaussian", True)
    return text if is_useful else f"{text}; {kept} is not clearly better than the best Gaussian filter"


def _adaptable(model: Model | str | Path) -> Model:
    given = model if isinstance(model, Model) else load_model(model)
    if given.scale != 1:
        raise InputError(
            f"{given.name} has scale {given.scale}, but adaptation compares predictions with pixels of the movie; "
            "choose a model of scale 1"
        )
    if given.in_channels != 1 or not isinstance(given.normalization, NormalizationRule):
        raise InputError(f"{given.name} is a model for color images, expected one for single channels")
    return given


def _check_colors(movies: list[Movie]) -> None:
    for movie in movies:
        if movie.channel_names == ("R", "G", "B"):
            raise InputError(
                f"{movie.name} is a color movie (channels R, G, B), expected raw channels, each with its own noise; "
                f"open it with {setting('channel', 'G')} or another one"
            )


def _parts(movies: list[Movie], given: Model, config: AdaptationConfig) -> Parts:
    """Return the frames to train on, and those that are held out."""
    from decrappify.datasets.sizes import check_sizes
    from decrappify.datasets.split import split_parts

    try:
        parts = split_parts([(movie,) for movie in movies], config.validation_fraction, gap=given.n_frames // 2)
    except InputError as error:
        if error.option != "validation":
            raise
        n_t, _, n_z = movies[0].shape[:3]
        advice = "pass a longer movie, or several"
        if n_t == 1 and n_z > 1:
            advice += f"; if its {n_z} slices are frames, open it with {setting('axes', 'TYX')}"
        raise InputError(error.problem, advice=advice, option="movies") from error
    check_sizes([movie for (movie,) in parts.train], config.patch_size, given=movies)
    return parts


def _datasets(
    movies: list[Movie], parts: Parts, splitters: list[list[Any]], given: Model, config: AdaptationConfig, check: Check
) -> tuple[SplitDataset, SplitDataset]:
    """Return split patches of the training frames, and of the held-out ones."""
    from decrappify.datasets.plane_cache import cache_movies
    from decrappify.training.adaptation.dataset import SplitDataset
    from decrappify.training.adaptation.validation import PATCHES
    from decrappify.training.data.training_data import validation_side

    training = [movie for (movie,) in parts.train]
    # Parts of frames or fields have the order of the movies; otherwise, whole movies are held out.
    wholes = movies if len(training) == len(movies) else training
    held_out, held_out_wholes = ([movie for (movie,) in part] for part in (parts.validation, parts.wholes))
    position = {id(movie): number for number, movie in enumerate(movies)}

    def patches(
        which: list[Movie], of: list[Movie], size: int, length: int, share: tuple[float, float], seed: int
    ) -> SplitDataset:
        rule = given.normalization
        assert isinstance(rule, NormalizationRule)  # by `_adaptable`
        return SplitDataset(
            cache_movies(which, rule, _CACHE_BYTES, of, check),
            [splitters[position[id(movie)]] for movie in of],
            n_frames=given.n_frames,
            patch_size=size,
            length=length,
            seed=seed,
            share=share,
            augment=length > PATCHES,
        )

    share = (config.validation_share, config.validation_share)
    side = validation_side(held_out, largest=_VALIDATION_PATCH)
    return (
        patches(training, wholes, config.patch_size, _AMPLE, config.share, config.seed),
        patches(held_out, held_out_wholes, side, PATCHES, share, config.seed + 1),
    )


def _card(
    given: Model, result: AdaptationResult, movies: list[Movie], config: AdaptationConfig, run: RunOptions
) -> dict[str, Any]:
    """Return the card of the given model with an entry on the adaptation."""
    score = {name: value if math.isfinite(value) else None for name, value in result.score.values().items()}
    score["lead"] = result.score.lead if math.isfinite(result.score.lead) else None
    adapted: dict[str, Any] = {
        "from": given.name,
        "from_sha256": given.sha256,
        "movies": [movie.name for movie in movies],
        "kept": "given" if result.weights is None else "adapted",
        **score,
        "better_than_gaussian": result.score.is_better_than_gaussian(given=result.weights is None),
        "steps": result.last_step,
        "best_step": result.best_step,
        "share": result.share,
        "seconds": round(result.seconds),
        "settings": asdict(config),
        "adapted_with": f"decrappify {__version__}",
    }
    if result.last_step < result.n_steps:
        adapted["unfinished"] = f"stopped at step {result.last_step} of {result.n_steps}"
    name = given.name if result.weights is None else f"{given.name}-adapted"
    return {**given.card, "name": name, **dict(run.card), "adapted": adapted}
