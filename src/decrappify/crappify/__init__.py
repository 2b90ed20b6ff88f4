"""Crappifiers: composable degradations, presets and files."""

from __future__ import annotations

from decrappify.crappify.artifacts import Bleaching, Jpeg, Text
from decrappify.crappify.camera import BadPixels, CorrelatedNoise, ExcessNoise, FixedPattern, RowNoise, Stretch
from decrappify.crappify.choice import OneOf
from decrappify.crappify.color import FilmNoise, Gray
from decrappify.crappify.crappifier import Crappifier
from decrappify.crappify.light import Brightness, Contrast
from decrappify.crappify.movies import crappify_movie
from decrappify.crappify.noise import Gaussian, Poisson, PoissonGaussian, SaltAndPepper, Speckle
from decrappify.crappify.optics import Airy, Blur
from decrappify.crappify.part import AnyNumber, Limits, Logarithmic, NonNegative, Part, Positive
from decrappify.crappify.presets import crappifier_preset, preset_description, preset_names, register_preset
from decrappify.crappify.registry import list_parts, register_part, unregister_part
from decrappify.crappify.sampling import BinDown, LineJitter, SampleDown

__all__ = [
    "Airy",
    "AnyNumber",
    "BadPixels",
    "BinDown",
    "Bleaching",
    "Blur",
    "Brightness",
    "Contrast",
    "CorrelatedNoise",
    "Crappifier",
    "ExcessNoise",
    "FilmNoise",
    "FixedPattern",
    "Gaussian",
    "Gray",
    "Jpeg",
    "Limits",
    "LineJitter",
    "Logarithmic",
    "NonNegative",
    "OneOf",
    "Part",
    "Poisson",
    "PoissonGaussian",
    "Positive",
    "RowNoise",
    "SaltAndPepper",
    "SampleDown",
    "Speckle",
    "Stretch",
    "Text",
    "crappifier_preset",
    "crappify_movie",
    "list_parts",
    "preset_description",
    "preset_names",
    "register_part",
    "register_preset",
    "unregister_part",
]
