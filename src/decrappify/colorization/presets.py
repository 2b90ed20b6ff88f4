"""Colorization presets: the published networks and the size of their input squares."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from decrappify._common.argument_names import argument, setting
from decrappify._common.checks import nearest
from decrappify.errors import InputError

SQUARE = 16  # pixels of the square's side for each unit of render_factor
RENDER_FACTORS = range(2, 201)


@dataclass(frozen=True, slots=True, kw_only=True)
class ColorizationPreset:
    """Defaults for a kind of colorization model.

    Attributes
    ----------
    name : str
        ``"artistic"``, ``"stable"``, ``"video"`` or ``"own"``.
    render_factor : int
        The network input is a square of ``16 * render_factor`` pixels. Lower for more color, higher for steadier and
        duller color.
    automatic : (int, int)
        Lowest and highest factor that ``render_factor="auto"`` chooses.
    weights : str
        File name of the published weights; empty for custom models.
    summary : str
        Intended use.
    """

    name: str
    render_factor: int
    automatic: tuple[int, int]
    weights: str
    summary: str


# 12 is the largest square of the published training (192 pixels), 40 the end of the range in DeOldify's notebooks. A
# film needs one square per frame, so its automatic choice ends at its default.
PRESETS = {
    preset.name: preset
    for preset in (
        ColorizationPreset(
            name="artistic",
            render_factor=35,
            automatic=(12, 40),
            weights="ColorizeArtistic_gen.pth",
            summary="the most color and detail in single images",
        ),
        ColorizationPreset(
            name="stable",
            render_factor=35,
            automatic=(12, 40),
            weights="ColorizeStable_gen.pth",
            summary="fewer errors in portraits and landscapes, less color",
        ),
        ColorizationPreset(
            name="video",
            render_factor=21,
            automatic=(12, 21),
            weights="ColorizeVideo_gen.pth",
            summary="films: steady from frame to frame",
        ),
        ColorizationPreset(
            name="own", render_factor=21, automatic=(12, 40), weights="", summary="a model that you trained"
        ),
    )
}


def colorization_preset(name: str) -> ColorizationPreset:
    """Return a preset by its name.

    Raises
    ------
    InputError
        For an unknown name.

    Examples
    --------
    >>> colorization_preset("video").render_factor
    21
    """
    if name not in PRESETS:
        hint = nearest(str(name), PRESETS)
        raise InputError(
            f"{setting('preset', name)} is not known, expected one of {', '.join(map(repr, PRESETS))}{hint}"
        )
    return PRESETS[name]


def own_preset(card: Mapping[str, Any]) -> str:
    """Return the name of the preset on a model's card, ``"own"`` without one."""
    name = str(card.get("preset", "own"))
    return name if name in PRESETS else "own"


def preset_of(card: Mapping[str, Any], name: str | None = None) -> ColorizationPreset:
    """Return the preset of a model; ``"own"`` has the render factor of the training patches.

    Objects then have about the size that the network has learned. ``"auto"`` chooses up to twice the factor, for which
    the error on a held-out photograph was the same.

    Parameters
    ----------
    card : mapping
        The model card, with ``"preset"``, and with ``"patch_size"`` in pixels if it was trained by
        `decrappify.training.train_nogan`.
    name : str, optional
        Another preset than that on the card.

    Raises
    ------
    InputError
        For an unknown name.

    Examples
    --------
    >>> preset = preset_of({"preset": "own", "patch_size": 64})
    >>> preset.render_factor, preset.automatic
    (4, (4, 8))
    """
    preset = colorization_preset(name or own_preset(card))
    size = card.get("patch_size")
    if preset.name != "own" or not isinstance(size, int) or size <= 0:
        return preset
    low, high = RENDER_FACTORS.start, RENDER_FACTORS.stop - 1
    factor = min(max(round(size / SQUARE), low), high)
    return replace(preset, render_factor=factor, automatic=(factor, min(2 * factor, high)))


def check_render_factor(render_factor: int | str) -> int | str:
    """Return `render_factor` if it is valid.

    Raises
    ------
    InputError
        If it is neither ``"auto"`` nor an integer in `RENDER_FACTORS`.
    """
    whole = isinstance(render_factor, int) and not isinstance(render_factor, bool)
    if render_factor != "auto" and not (whole and render_factor in RENDER_FACTORS):
        raise InputError(
            f"{argument('render_factor')} is {render_factor!r}, expected an integer from {RENDER_FACTORS.start} to "
            f"{RENDER_FACTORS.stop - 1}, such as 35, or 'auto'"
        )
    return render_factor


def automatic_render_factor(frame_shape: tuple[int, int], preset: ColorizationPreset) -> int:
    """Select a render factor for an image: a square about as large as its shorter side, in the preset's range.

    A larger square would only enlarge the image, a smaller one would lose recognizable detail.

    Parameters
    ----------
    frame_shape : (int, int)
        Y and X in pixels.
    preset : ColorizationPreset

    Examples
    --------
    >>> stills = colorization_preset("artistic")
    >>> [automatic_render_factor(shape, stills) for shape in [(100, 80), (480, 640), (4000, 6000)]]
    [12, 30, 40]
    """
    low, high = preset.automatic
    return min(max(round(min(frame_shape) / SQUARE), low), high)
