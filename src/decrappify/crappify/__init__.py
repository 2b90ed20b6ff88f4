"""Crappifiers: composable degradations, presets and files."""

from __future__ import annotations

from decrappify.crappify.artifacts import Bleaching, Jpeg, Text
from decrappify.crappify.choice import OneOf
from decrappify.crappify.color import FilmNoise, Grey
from decrappify.crappify.crappifier import Crappifier
from decrappify.crappify.light import Brightness, Contrast
from decrappify.crappify.movies import crappify_movie
from decrappify.crappify.noise import Gaussian, Poisson, PoissonGaussian, SaltAndPepper, Speckle
from decrappify.crappify.optics import Airy, Blur
from decrappify.crappify.part import Part
from decrappify.crappify.presets import crappifier_preset, preset_description, preset_names
from decrappify.crappify.sampling import BinDown, LineJitter, SampleDown

__all__ = [
    "Airy",
    "BinDown",
    "Bleaching",
    "Blur",
    "Brightness",
    "Contrast",
    "Crappifier",
    "FilmNoise",
    "Gaussian",
    "Grey",
    "Jpeg",
    "LineJitter",
    "OneOf",
    "Part",
    "Poisson",
    "PoissonGaussian",
    "SaltAndPepper",
    "SampleDown",
    "Speckle",
    "Text",
    "crappifier_preset",
    "crappify_movie",
    "preset_description",
    "preset_names",
]
