"""Import of a published checkpoint as a network with its task and normalization."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor

from decrappify._common.argument_names import argument, setting
from decrappify._common.checks import short
from decrappify._common.counting import counted
from decrappify.errors import InputError, ModelFileError
from decrappify.model.fastai_import.reading import WHERE, read_state_dict
from decrappify.model.fastai_import.recognizing import critic_name, unet_settings
from decrappify.networks import create
from decrappify.networks.shapes import shapes_only
from decrappify.networks.spec import RestorationNetwork
from decrappify.normalization import IMAGENET, ChannelStatistics

# preset: (network, task)
_PRESETS = {
    "artistic": ("deoldify-artistic", "colorization"),
    "stable": ("deoldify-stable", "colorization"),
    "video": ("deoldify-video", "colorization"),
    "lesson7-superres": ("lesson7-superres", "restoration"),
    "lesson7-superres-gan": ("lesson7-superres-gan", "restoration"),
    "pssr": ("pssr", "restoration"),
}
_EQUAL_SHAPES = ("stable", "video")
_DATA_SETTINGS = ("n_frames", "in_channels", "out_channels")


@dataclass(frozen=True, slots=True, eq=False)
class Imported:
    """A network with published weights.

    Attributes
    ----------
    network : RestorationNetwork
        In eval mode, float32, on the CPU.
    task : {"colorization", "restoration"}
        Task for which it was trained.
    preset : str
        ``"artistic"``, ``"stable"``, ``"video"``, ``"lesson7-superres"``, ``"lesson7-superres-gan"``, ``"pssr"``, or
        ``"own"`` for another network of the same kind.
    statistics : ChannelStatistics or None
        Normalization used in its training; None if unknown.
    notes : tuple of str
        Identified properties, and those that the file does not contain, one sentence each.
    """

    network: RestorationNetwork
    task: str
    preset: str
    statistics: ChannelStatistics | None
    notes: tuple[str, ...]


def read_checkpoint(path: str | Path, *, preset: str | None = None) -> Imported:
    """Read weights of DeOldify, PSSR or another fastai-v1 U-Net and create their network.

    Parameters
    ----------
    path : str or Path
        A file that `read_state_dict` reads.
    preset : str, optional
        Selects between presets with equal shapes (``"stable"`` and ``"video"``). For other networks than the published
        ones, the preset that defines blur, output range and task, which a file does not contain.

    Raises
    ------
    MissingFileError
        If the file does not exist.
    InputError
        If `preset` is unknown.
    ModelFileError
        If the file contains no such network, or not that of `preset`.
    """
    if preset is not None and preset not in _PRESETS:
        raise InputError(f"{argument('preset')} is {short(preset)}, expected one of {', '.join(_PRESETS)}")
    path = Path(path)
    state = read_state_dict(path)
    shapes = {key: tuple(tensor.shape) for key, tensor in state.items()}
    seen = unet_settings(shapes)
    if seen is None:
        raise ModelFileError(_describe_other_model(path, shapes))
    nearest = _nearest_preset(seen)
    exact = _is_exactly(nearest, seen)
    if preset is not None:
        _check_preset(path, preset, nearest, exact=exact)
    base = preset or nearest
    published = _architecture(base)
    settings = dict(published) | {key: value for key, value in seen.items() if published[key] != value}
    network = _filled(path, settings, state)
    statistics = IMAGENET if settings["in_channels"] == 3 and base != "pssr" else None
    name = base if exact else "own"
    notes = _notes(settings, name, base, chosen=preset is not None, statistics=statistics)
    return Imported(network, _PRESETS[base][1], name, statistics, notes)


def _nearest_preset(seen: Mapping[str, Any]) -> str:
    """Return the name of the equal or most similar published network."""
    if seen["name"] == "upsampled-unet":
        return "pssr"
    if seen["norm"] == "spectral":
        return "stable" if seen["form"] == "wide" else "artistic"
    return "lesson7-superres-gan" if seen["attention"] else "lesson7-superres"


def _is_exactly(preset: str, seen: Mapping[str, Any]) -> bool:
    free = _DATA_SETTINGS if preset == "pssr" else ()  # its users have gray movies of one or more frames
    published = _architecture(preset)
    return all(published[key] == value for key, value in seen.items() if key not in free)


@cache
def _architecture(preset: str) -> Mapping[str, Any]:
    with shapes_only():
        network: Any = create(_PRESETS[preset][0])
    return MappingProxyType(network.architecture)


def _check_preset(path: Path, preset: str, nearest: str, *, exact: bool) -> None:
    alike = _EQUAL_SHAPES if nearest in _EQUAL_SHAPES else (nearest,)
    if exact and preset not in alike:
        raise ModelFileError(
            f"{path} contains the network of {' or '.join(map(repr, alike))}, not that of preset {preset!r}",
            advice=f"pass {setting('preset', alike[-1])}, or the file that belongs to {preset!r}",
            option="preset",
        )
    if (nearest == "pssr") != (preset == "pssr"):
        does = "enlarges" if nearest == "pssr" else "does not enlarge"
        raise ModelFileError(
            f"{path} contains a network that {does} its source, unlike that of preset {preset!r}; omit "
            f"{argument('preset')}"
        )


def _filled(path: Path, settings: Mapping[str, Any], state: dict[str, Tensor]) -> RestorationNetwork:
    """Create the network and assign the weights, without a second copy of them."""
    kind = str(settings["name"])
    with shapes_only():
        network: RestorationNetwork = create(kind, **{key: value for key, value in settings.items() if key != "name"})
    needed = {key: tuple(tensor.shape) for key, tensor in network.state_dict().items()}
    looks = f"{path} resembles {_described(settings)}, but"
    again = "it is damaged or from a modified network, which cannot be loaded"
    for key, shape in needed.items():
        if key not in state:
            raise ModelFileError(f"{looks} has no {short(key)} {shape}; {again}")
        if tuple(state[key].shape) != shape:
            raise ModelFileError(f"{looks} its {short(key)} is {tuple(state[key].shape)}, expected {shape}; {again}")
        if not torch.isfinite(state[key].sum()):
            raise ModelFileError(
                f"{path} contains NaN or infinity in {short(key)}; it is damaged, download it again ({WHERE})"
            )
    for key in state:
        if key not in needed:
            raise ModelFileError(f"{looks} has {short(key)}, which that network does not have; {again}")
    network.load_state_dict(state, assign=True)
    return network.eval()


def _described(settings: Mapping[str, Any]) -> str:
    """Return a short description of a network from its visible settings."""
    attention = "with" if settings["attention"] else "without"
    frames = "" if settings["n_frames"] == 1 else f"{settings['n_frames']} frames of "
    channels = counted(settings["in_channels"], "channel")
    width = f"width factor {settings['width_factor']:g}"
    return (
        f"a fastai-v1 U-Net ({settings['encoder']}, {settings['form']} form, {width}, {settings['norm']} norm, "
        f"{attention} attention, {frames}{channels} in, {settings['out_channels']} out)"
    )


def _notes(
    settings: Mapping[str, Any], name: str, base: str, *, chosen: bool, statistics: ChannelStatistics | None
) -> tuple[str, ...]:
    what = _described(settings)
    notes = [f"{what}, the network of preset {name!r}" if name != "own" else f"{what}, none of the published networks"]
    if name in _EQUAL_SHAPES and not chosen:
        notes.append(
            "the networks of 'stable' and 'video' have one architecture; this one was imported as 'stable', "
            "import it with the preset 'video' if it is that of 'video'"
        )
    low_high = settings["y_range"]
    squashed = "no output range" if low_high is None else f"output range {low_high[0]:g} to {low_high[1]:g}"
    scale = f", upsampling by {settings['scale']}" if settings["name"] == "upsampled-unet" else ""
    notes.append(
        f"a file does not contain the blur and the output range; those of {base!r} are used: "
        f"blur {settings['blur'].replace('_', ' ')}, {squashed}{scale}"
    )
    if name == "own" and not chosen:
        notes.append("import it with the preset of another published network to use its values and its task")
    if statistics is None:
        notes.append(
            "a file does not contain the mean and standard deviation of the training data; images are normalized by "
            "percentiles instead, set Model.normalization to a ChannelStatistics if you know them"
        )
    return tuple(notes)


def _describe_other_model(path: Path, shapes: Mapping[str, tuple[int, ...]]) -> str:
    critic = critic_name(shapes)
    if critic is not None:
        return (
            f"{path} is a critic of {critic}, which is used only in training, not a generator; use the "
            "generator's file (DeOldify names it ..._gen.pth)"
        )
    first = ", ".join(f"{key!r} {shape}" for key, shape in list(shapes.items())[:3])
    return (
        f"{path} contains the weights of another model (its first keys are {first}); supported are the generators of "
        "jantic/DeOldify, the network of BPHO-Salk/PSSR, and other fastai-v1 U-Nets over resnet18, 34, 50 or 101"
    )
