"""Choice of a model for each channel of a movie."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from decrappify._common.argument_names import setting
from decrappify._common.counting import counted
from decrappify.errors import InputError
from decrappify.movie import Movie

if TYPE_CHECKING:
    from decrappify.model import Model

OTHERS = "*"
"""Key of the models for all channels without an entry."""
_ADAPTED = ("from", "from_sha256", "movies", "kept", "share", "steps")  # of the entry on a model card


@dataclass(frozen=True, slots=True)
class ModelChoice:
    """Models in order of preference, for channels by name or for all others.

    Attributes
    ----------
    entries : tuple of (str, Model)
        Name of a channel, or ``"*"`` for the channels without an entry, and a model for it.
    """

    entries: tuple[tuple[str, Model], ...]

    def for_movie(self, movie: Movie, window_axis: str) -> tuple[Model, ...]:
        """Return one model per channel: of those for the channel, the one with the longest window that fits the movie.

        Raises
        ------
        InputError
            If a channel has no model.
        """
        return tuple(self._for_channel(movie, name, window_axis) for name in movie.channel_names)

    def unmatched(self, channel_names: Iterable[str]) -> list[str]:
        """Return the channels with an entry that are not among `channel_names`."""
        known = {name.lower() for name in channel_names}
        return list(dict.fromkeys(key for key, _ in self.entries if key != OTHERS and key.lower() not in known))

    def check_matched(self, movie: Movie) -> None:
        """Raise InputError if a channel with an entry is not in the movie."""
        missing = self.unmatched(movie.channel_names)
        if missing:
            raise InputError(
                f"{movie.name} has no channel {missing[0]!r} for which a model is set, expected one of "
                f"{', '.join(map(repr, movie.channel_names))}"
            )

    def matching(self, channel_names: Iterable[str]) -> ModelChoice:
        """Return the choice without the channels that are not among `channel_names`."""
        left_out = set(self.unmatched(channel_names))
        return ModelChoice(tuple(entry for entry in self.entries if entry[0] not in left_out))

    @property
    def models(self) -> list[Model]:
        """Return the models, each once."""
        return list({id(model): model for _, model in self.entries}.values())

    def _for_channel(self, movie: Movie, name: str, window_axis: str) -> Model:
        keys = [key for key, _ in self.entries]
        key = next((key for key in keys if key == name), None) or next(
            (key for key in keys if key.lower() == name.lower()), OTHERS
        )
        candidates = [model for other, model in self.entries if other == key]
        if not candidates:
            named = ", ".join(dict.fromkeys(key for key in keys if key != OTHERS)) or "other channels"
            raise InputError(
                f"channel {name!r} of {movie.name} has no model, models are set for {named}; add a model for it, or "
                "select a channel"
            )
        length = movie.shape[0] if window_axis == "T" else movie.shape[2]
        n_channels = movie.shape[1]
        fitting = [
            model
            for model in candidates
            if (model.n_frames == 1 or length > 1) and model.in_channels in (1, n_channels)
        ]
        return max(fitting, key=lambda model: model.n_frames) if fitting else candidates[0]


def chosen_models(given: Any, load: Callable[[Any], Model]) -> Model | ModelChoice:
    """Load one model, a mapping of channels to models, or a sequence of models.

    Parameters
    ----------
    given : Model, str, Path, mapping or sequence
        A mapping has channel names, or ``"*"`` for all others, as keys, and models or sequences of models as values.
    load : callable
        Loads one model; called once for each name or path.

    Raises
    ------
    InputError
        If `given` is empty.
    """
    if isinstance(given, ModelChoice):
        return given
    if not isinstance(given, Mapping | list | tuple):
        return load(given)
    loaded: dict[Any, Model] = {}
    entries: list[tuple[str, Model]] = []
    items = given.items() if isinstance(given, Mapping) else [(OTHERS, given)]
    for channel, models in items:
        for one in models if isinstance(models, list | tuple) else [models]:
            key = str(one) if isinstance(one, str | Path) else id(one)
            if key not in loaded:
                loaded[key] = load(one)
            entries.append((str(channel), loaded[key]))
    if not entries:
        raise InputError("no model is set; pass at least one")
    if len(entries) == 1 and entries[0][0] == OTHERS:
        return entries[0][1]
    return ModelChoice(tuple(entries))


def assigned_models(model: Model | ModelChoice, movie: Movie, window_axis: str) -> tuple[Model, ...]:
    """Return one model per channel of a movie.

    Raises
    ------
    InputError
        If a channel has no model, a model colorizes images, or different models do not have one channel and one scale.
    """
    choice = model if isinstance(model, ModelChoice) else ModelChoice(((OTHERS, model),))
    models = choice.for_movie(movie, window_axis)
    for one in models:
        if one.card.get("task") == "colorization":
            raise InputError(f"model {one.name!r} colorizes images; use colorize (decrappify colorize) instead")
    if any(one is not models[0] for one in models):
        _check_combined(models, movie)
    return models


def combined_name(models: Sequence[Model], channel_names: Sequence[str]) -> str:
    """Return the name of the model, or of different ones with their channels, such as ``GFP=a, DAPI=b``."""
    if len({id(model) for model in models}) == 1:
        return models[0].name
    return ", ".join(f"{channel}={model.name}" for channel, model in zip(channel_names, models, strict=True))


def combined_sha256(models: Sequence[Model]) -> str:
    """Return the SHA-256 of the model, or a digest of those of different ones in the order of the channels."""
    if len({id(model) for model in models}) == 1:
        return models[0].sha256
    return hashlib.sha256(" ".join(model.sha256 for model in models).encode()).hexdigest()


def combined_multiple(models: Iterable[Model]) -> int:
    """Return the common multiple of the tile sizes."""
    return math.lcm(*(model.network.spec.tile_multiple for model in models))


def check_window_axis(axis: str, movie: Movie, model: Model) -> None:
    """Raise InputError if a movie has one frame along the axis of the windows, and the model needs several."""
    n_t, _, n_z = movie.shape[:3]
    if (n_t if axis == "T" else n_z) > 1 or model.n_frames == 1:
        return
    what = "one still image" if axis == "T" else "one slice"
    ways = ["use a model with n_frames=1, such as 'fluorescence-still'"]
    if axis == "T" and n_z >= model.n_frames:
        ways.append(f"pass {setting('window_axis', 'Z')} to use its {n_z} slices")
    if axis == "Z" and n_t > 1:
        ways.append(f"pass {setting('window_axis', 'T')} to use its {n_t} frames")
    expected = f"windows of {model.n_frames} for model {model.name!r}"
    raise InputError(f"{movie.name} is {what}, expected {expected}", advice=", or ".join(ways), option="window_axis")


def channel_groups(movie: Movie, model: Model) -> list[tuple[int, ...]]:
    """Return the channels that the model restores together: each separately, or all."""
    n_channels = movie.shape[1]
    if model.in_channels == 1:
        return [(c,) for c in range(n_channels)]
    if model.in_channels == n_channels:
        return [tuple(range(n_channels))]
    raise InputError(
        f"{movie.name} has {counted(n_channels, 'channel')}, expected {model.in_channels} for model {model.name!r}; "
        "choose a movie with that number of channels, or a model for single channels"
    )


def _check_combined(models: Sequence[Model], movie: Movie) -> None:
    first = models[0]
    for channel, model in zip(movie.channel_names, models, strict=True):
        if model.in_channels != 1 or model.network.out_channels != 1:
            raise InputError(
                f"model {model.name!r} has {model.in_channels} input channels, expected one for the single channel "
                f"{channel!r} of {movie.name}"
            )
        if model.scale != first.scale:
            raise InputError(
                f"model {model.name!r} of channel {channel!r} has scale {model.scale}, {first.name!r} has scale "
                f"{first.scale}; expected one scale for all channels of an output, or restore the channels separately"
            )


def recorded_adaptation(model: Model) -> dict[str, Any]:
    """Return the entry ``adapted`` on the adaptation of a model to the user's movies; empty if it was not adapted."""
    adapted = model.card.get("adapted")
    if not isinstance(adapted, Mapping):
        return {}
    return {"adapted": {key: adapted[key] for key in _ADAPTED if key in adapted}}
