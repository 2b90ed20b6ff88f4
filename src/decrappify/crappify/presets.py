"""Crappifier presets for common microscopes and for photographs. Photons are those of a bright pixel in one frame.

Sources of the values:

- Scanners: a bright pixel of a live confocal image has about ten photons (Pawley, Handbook of Biological Confocal
  Microscopy, 3rd ed., 2006). The excess noise factor is 1 for photon counting and 1.2 to 1.5 for photomultipliers.
- sCMOS cameras, data sheets: read noise 1 to 2 electrons, offset 100, 2.2 gray levels per electron at 16 bit.
- EMCCD cameras: excess noise factor 2 (Robbins and Hadwen 2003, IEEE Trans. Electron Devices 50:1227), read noise
  below one electron after amplification.
- Correlated noise: lag-1 correlations of 0.58 to 0.65 in the wide-field images of FMD (Zhang et al. 2019, CVPR), which
  a kernel of 0.7 to 0.75 pixels yields; 0 to 0.3 in other public data.
- EM: PSSR (Fang et al. 2021) and PSSR2.

Blur widths, backgrounds and old-photograph degradations are our estimates; film speckles follow DeOldify.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import partial
from typing import TypeVar

from decrappify._common.registry import Registry
from decrappify.crappify.artifacts import Jpeg, Text
from decrappify.crappify.camera import BadPixels, CorrelatedNoise, ExcessNoise, RowNoise, Stretch
from decrappify.crappify.choice import OneOf
from decrappify.crappify.color import FilmNoise, Gray
from decrappify.crappify.crappifier import Crappifier
from decrappify.crappify.light import Brightness, Contrast
from decrappify.crappify.noise import Gaussian, Poisson, PoissonGaussian, SaltAndPepper, Speckle
from decrappify.crappify.optics import Blur
from decrappify.crappify.part import Part
from decrappify.crappify.sampling import BinDown, LineJitter, SampleDown


@dataclass(frozen=True, slots=True)
class Preset:
    """Description of a physical setting in one line, and the parts that simulate it."""

    description: str
    steps: tuple[Part, ...]


def _scmos(photons: tuple[float, float], background: tuple[float, float]) -> PoissonGaussian:
    return PoissonGaussian(
        photons=photons, read_noise=(1.0, 2.0), background=background, gain=2.2, offset=100.0, bit_depth=16
    )


_SCANNER = ExcessNoise(photons=(8.0, 60.0), background=(0.0, 1.0), read_noise=0.0, factor=(1.0, 1.5))
_CORRELATED = CorrelatedNoise(photons=(10.0, 300.0), read_noise=(0.0, 5.0), background=(0.0, 10.0), sigma=(0.35, 1.1))
_ANY_NOISE = (
    BadPixels(hot=(0.0, 0.001), level=(0.1, 0.8), probability=0.1),
    OneOf(
        parts=(
            Poisson(photons=(3.0, 300.0), background=(0.0, 2.0)),
            PoissonGaussian(
                photons=(5.0, 300.0), read_noise=(0.0, 3.0), background=(0.0, 5.0), gain=2.2, offset=100.0, bit_depth=16
            ),
            ExcessNoise(photons=(3.0, 300.0), background=(0.0, 2.0), factor=(1.2, 2.0)),
            _CORRELATED,
            _CORRELATED,
            replace(_CORRELATED, rows_only=True),
        )
    ),
    Gaussian(sigma=(0.0, 0.05), probability=0.5),
    RowNoise(rows=(0.0, 0.01), columns=(0.0, 0.01), probability=0.1),
)

_BUILT_IN = {
    "confocal": Preset(
        "point scanner, fast dwell: 8 to 60 photons per bright pixel (Pawley 2006), excess noise factor 1 to 1.5",
        (_SCANNER,),
    ),
    "confocal-jitter": Preset(
        "resonant or worn point scanner: as confocal, line jitter 0.1 to 0.5 px, bidirectional offset 0.5 px",
        (LineJitter(sigma=(0.1, 0.5), bidirectional=(-0.5, 0.5)), _SCANNER),
    ),
    "confocal-x2": Preset(
        "point scanner with half the dwell positions along Y and X (PSSR, Fang 2021): 8 to 60 photons per dwell",
        (SampleDown(factor=2), _SCANNER),
    ),
    "spinning-disk": Preset(
        "spinning disk, short exposure: 20 to 200 electrons, sCMOS read noise of 1 to 2 electrons (data sheets)",
        (_scmos(photons=(20.0, 200.0), background=(1.0, 8.0)),),
    ),
    "spinning-disk-emccd": Preset(
        "spinning disk with an EMCCD camera: 5 to 80 electrons, excess noise factor 2 (Robbins 2003), no read noise",
        (ExcessNoise(photons=(5.0, 80.0), background=(0.5, 4.0), read_noise=(0.0, 0.3), factor=2.0),),
    ),
    "widefield": Preset(
        "wide field, slightly out of focus: blur 0.7 to 1.5 px, 30 to 400 electrons, bright background, sCMOS",
        (
            Blur(sigma=(0.7, 1.5)),
            _scmos(photons=(30.0, 400.0), background=(5.0, 60.0)),
        ),
    ),
    "widefield-x2": Preset(
        "wide field with an objective of half the magnification: blur, 2 x 2 binning, sCMOS noise",
        (
            Blur(sigma=(0.7, 1.5)),
            BinDown(factor=2),
            _scmos(photons=(30.0, 400.0), background=(5.0, 60.0)),
        ),
    ),
    "widefield-resampled": Preset(
        "wide field, demosaiced or resampled and stored at 8 bit: noise correlated between neighbors (FMD, Zhang 2019)",
        (
            Blur(sigma=(0.5, 1.2)),
            CorrelatedNoise(photons=(10.0, 300.0), read_noise=(1.0, 3.0), background=(2.0, 40.0), sigma=(0.4, 0.9)),
            Stretch(low=-0.1, high=1.5),
        ),
    ),
    "lightsheet": Preset(
        "light sheet, low exposure: blur 0.5 to 1.2 px by a thick sheet, 15 to 150 electrons, scattered light, sCMOS",
        (
            Blur(sigma=(0.5, 1.2)),
            _scmos(photons=(15.0, 150.0), background=(2.0, 20.0)),
        ),
    ),
    "low-light": Preset(
        "long-term live imaging at the lowest dose: 1 to 6 photons per bright pixel and dark counts",
        (Poisson(photons=(1.0, 6.0), background=(0.0, 0.3)),),
    ),
    "em": Preset(
        "scanning electron microscope, short dwell: brightness-dependent noise, variance 0.005 to 0.05 (as in PSSR)",
        (Speckle(variance=(0.005, 0.05)), Gaussian(sigma=(0.0, 0.05))),
    ),
    "em-x4": Preset(
        "electron microscope, every 4th pixel and line, noise of PSSR2 (Gaussian 13 of 255, salt and pepper 0.5 %)",
        (
            SampleDown(factor=4),
            Speckle(variance=(0.001, 0.02)),
            Gaussian(sigma=(0.02, 0.07)),
            SaltAndPepper(fraction=(0.001, 0.01), probability=0.5),
        ),
    ),
    "fastai": Preset(
        "images of the fast.ai course (Howard 2019): a printed number, half the size, JPEG of quality 10 to 70",
        (BinDown(factor=2), Text(), Jpeg(quality=(10, 70))),
    ),
    "fluorescence-any": Preset(
        "fluorescence, unknown noise: 3 to 300 photons, read and excess noise, or noise correlated between neighbors",
        _ANY_NOISE,
    ),
    "fluorescence-any-x2": Preset(
        "fluorescence, unknown noise, half the sampling: blurred (probability 0.5), binned or point-sampled",
        (Blur(sigma=(0.5, 1.2), probability=0.5), OneOf(parts=(BinDown(factor=2), SampleDown(factor=2))), *_ANY_NOISE),
    ),
    "colour-grey": Preset(
        "color images converted to gray (luma of ITU-R BT.601, as in Pillow and JPEG) without other degradation, as "
        "in DeOldify",
        (Gray(),),
    ),
    "colour-old-photo": Preset(
        "color images degraded to old photographs: gray, faded or hard, darker or brighter, soft, scanned to a JPEG",
        (
            Gray(),
            Contrast(factor=(0.5, 1.25)),
            Brightness(change=(0.35, 0.65)),
            Blur(sigma=(0.3, 1.2), probability=0.5),
            Jpeg(quality=(30, 95)),
        ),
    ),
    "colour-old-film": Preset(
        "color images degraded to frames of old film: gray, speckled with probability 0.8 (DeOldify video), compressed",
        (Gray(), FilmNoise(probability=0.8), Jpeg(quality=(40, 95))),
    ),
}

S = TypeVar("S", bound="Callable[[], Iterable[Part]]")
_PRESETS = Registry[Preset]("crappifier preset")


def register_preset(name: str, description: str) -> Callable[[S], S]:
    """Register a preset for ``crappifier`` in Python and run files, ``--preset`` and the napari widget.

    Parameters
    ----------
    name : str
        New name.
    description : str
        The microscope that is simulated and the origin of the values, in one line.

    Returns
    -------
    callable
        A decorator of a function without arguments, which returns the parts in physical order. Their ranges have
        sliders in napari.

    Raises
    ------
    InputError
        If the name is taken or not valid, or a step is not a part.

    Examples
    --------
    >>> @register_preset("doctest-lamp", "lamp of a laboratory, 10 to 50 photons")
    ... def lamp():
    ...     return [Blur(sigma=(0.5, 1)), Poisson(photons=(10, 50))]
    >>> crappifier_preset("doctest-lamp").steps[1].photons
    (10.0, 50.0)
    """

    def register(steps: S) -> S:
        _PRESETS.add(name, Preset(description, Crappifier(steps(), name).steps), origin=steps)
        return steps

    return register


for _name, _preset in _BUILT_IN.items():
    register_preset(_name, _preset.description)(partial(tuple, _preset.steps))


def preset_names() -> tuple[str, ...]:
    """List the names of the presets."""
    return tuple(_PRESETS.names())


def preset_description(name: str) -> str:
    """Return one line on the physical setting that a preset simulates, and the origin of its values."""
    return _PRESETS.get(name).description


def crappifier_preset(name: str) -> Crappifier:
    """Return the crappifier of a preset, ranges included.

    Parameters
    ----------
    name : str
        A preset, see `preset_names` and `register_preset`.

    Raises
    ------
    InputError
        For an unknown name.

    Examples
    --------
    >>> crappifier_preset("confocal-x2").scale
    2
    """
    return Crappifier(_PRESETS.get(name).steps, name)
