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
    levels : {"same", "fit"}
        Whether source and reference have the same gray levels. "fit" is for pairs with different gray levels, such as
        a short and a long exposure: every result is mapped to the reference by one affine fit of the whole movie
        (Weigert et al. 2018), which makes PSNR independent of gain and offset; the slope is still reported.
    static : bool
        Whether the specimen is static: without a gain, even and odd frames are then used as the halves.
    seed : int
        Seed of the bootstrap and of the split of the photons.
    folder_as : {"auto", "movie", "images"}
        How to read folders, as for `decrappify.open_movie`. Two folders that are movies by their file names are one
        pair; otherwise, and with "images", their files are paired by name.

    Raises
    ------
    InputError
        If `levels` is not known.

    Examples
    --------
    >>> BenchmarkOptions(levels="fit").seed
    0
    """

    psf: ArrayLike | float | None = None
    data_range: float | None = None
    levels: str = "same"
    static: bool = False
    seed: int = 0
    folder_as: str = "auto"

    def __post_init__(self) -> None:
        if self.levels not in ("same", "fit"):
            raise InputError(f"{setting('levels', self.levels)} is not known; choose 'same' or 'fit'")
