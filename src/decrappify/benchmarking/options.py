"""Options of a benchmark; importing it does not load torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from decrappify._common.argument_names import setting
from decrappify.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class BenchmarkOptions:
    """Options for reading and scoring pairs.

    Attributes
    ----------
    psf : array-like or float, optional
        Point spread function on the source's grid, (Y, X), or the sigma of a Gaussian one in source pixels; adds
        Richardson-Lucy deconvolution to the baselines.
    data_range : float, optional
        D in gray levels for all pairs; by default max - min of each pair's reference, or source.
    levels : {"auto", "same", "fit"}
        Gray levels of source and reference. "fit": every result, of baselines too, is mapped to the reference by one
        affine fit of the whole movie (Weigert et al. 2018) before it is scored, and the best baselines are selected
        after this fit; the slope is still reported. "same": nothing is fitted. "auto": "fit" if the levels of a pair
        differ, by a factor of 1.1 or by 2 % of the range, as for a short and a long exposure, else "same".
    static : bool
        Whether the specimen is static: without a gain, even and odd frames are then used as the halves.
    seed : int
        Seed of the bootstrap and of the split of the photons.
    folder_as : {"auto", "movie", "images"}
        How to read folders, as for `decrappify.open_movie`. Two folders that are movies by their file names are one
        pair; otherwise, and with "images", their files are paired by name.
    unrelated : {"refuse", "warn"}
        Whether a source and a reference that do not show the same field raise an error or a warning.
    group_by : str, optional
        A regular expression that is searched in the name of each image in the report. Its first group without a name
        (or ``(?P<field>...)``, or the whole match if there are no groups) is the field of view: images with equal text
        count once in every interval. Every other named group, such as ``(?P<channel>...)``, adds a table by its text;
        without one, the table is by field of view.

    Raises
    ------
    InputError
        If `levels` or `unrelated` is not known.

    Examples
    --------
    >>> BenchmarkOptions(levels="fit").seed
    0
    """

    psf: ArrayLike | float | None = None
    data_range: float | None = None
    levels: str = "auto"
    static: bool = False
    seed: int = 0
    folder_as: str = "auto"
    unrelated: str = "refuse"
    group_by: str | None = None

    def __post_init__(self) -> None:
        _check_choice(levels=self.levels, choices=("auto", "same", "fit"))
        _check_choice(unrelated=self.unrelated, choices=("refuse", "warn"))


def _check_choice(*, choices: tuple[str, ...], **given: str) -> None:
    for name, value in given.items():
        if value not in choices:
            raise InputError(f"{setting(name, value)} is not known; choose {', '.join(map(repr, choices))}")
