"""Agreement of each source with its reference before any restoration: the same field, position and gray levels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from decrappify._common.argument_names import pass_setting, setting
from decrappify._common.planes.sampling import evenly_spaced
from decrappify.benchmarking.inputs.pairs import Pair, View
from decrappify.errors import InputError
from decrappify.metrics.alignment.levels import LevelFit, level_fit
from decrappify.metrics.alignment.registration import Registration, register
from decrappify.metrics.resolution import block_mean
from decrappify.movie import Array

_FRAMES, _SIDE = 4, 1024


@dataclass(frozen=True)
class Agreement:
    """Registration and gray levels of one view; None if they cannot be measured."""

    registration: Registration | None = None
    levels: LevelFit | None = None

    def facts(self) -> dict[str, Any]:
        """Return the values of the report: shift in source pixels, same field, slope and intercept of the levels."""
        found, levels = self.registration, self.levels
        related = None if found is None else True if found.is_related else False if found.is_unrelated else None
        return {
            "is_same_field": related,
            "shift_px": None if found is None or not related else found.shift_px,
            "shift_error_px": None if found is None or not related else found.error_px,
            "level_slope": None if levels is None else levels.slope,
            "level_intercept": None if levels is None else levels.intercept,
            "levels_differ": levels is not None and levels.differs,
        }


@dataclass(frozen=True)
class Checked:
    """Pairs with the treatment of their gray levels, the agreement of each view, and warnings."""

    pairs: list[Pair]
    agreements: dict[str, Agreement]
    warnings: list[str]
    fit_levels: bool


def check_agreement(pairs: Sequence[Pair], *, levels: str, unrelated: str) -> Checked:
    """Compare source and reference of every view, and decide whether all results are fitted to the reference.

    Parameters
    ----------
    pairs : sequence of Pair
        The pairs; one treatment of the gray levels applies to all, so that their means are comparable.
    levels : {"auto", "same", "fit"}
        As for `BenchmarkOptions`.
    unrelated : {"refuse", "warn"}
        What to do with a source and a reference of different fields.

    Raises
    ------
    InputError
        If a source and its reference do not show the same field, unless `unrelated` is "warn".
    """
    agreements = {view.name: agreement(view) for pair in pairs for view in pair.views if view.reference is not None}
    warnings = [*_unrelated(agreements, unrelated), *_shifted(agreements)]
    differing = {name: one.levels for name, one in agreements.items() if one.levels and one.levels.differs}
    fit_levels = levels == "fit" or (levels == "auto" and bool(differing))
    if differing and levels != "fit":
        warnings.append(_of_levels(differing, len(agreements), fit_levels))
    return Checked([replace(pair, fit_levels=fit_levels) for pair in pairs], agreements, warnings, fit_levels)


def agreement(view: View) -> Agreement:
    """Compare source and reference of one view on the grid of the source, on up to 4 frames and 1024 pixels."""
    source, reference, scale = view.source, view.reference, view.pair.scale
    if reference is None:
        return Agreement()
    rows, columns = (_middle(size) for size in source.shape[3:])
    finer = [slice(part.start * scale, part.stop * scale) for part in (rows, columns)]
    shape = rows.stop - rows.start, columns.stop - columns.start
    low, high = [], []
    for t in map(int, evenly_spaced(source.shape[0], _FRAMES)):
        low.append(source.region(t, 0, 0, rows, columns).astype(np.float64))
        high.append(block_mean(reference.region(t, 0, 0, *finer).astype(np.float64)[None], shape)[0])
    if not all(np.isfinite(frame).all() for frame in (*low, *high)):
        return Agreement()  # the metrics raise an error that names the frame
    stacks: tuple[Array, Array] = np.stack(low), np.stack(high)
    return Agreement(register(*stacks), level_fit(*stacks))


def _middle(size: int) -> slice:
    used = min(size, _SIDE)
    return slice((size - used) // 2, (size - used) // 2 + used)


def _of(n: int, total: int) -> str:
    return f" ({n} of {total} images)" if total > 1 else ""


def _unrelated(agreements: dict[str, Agreement], unrelated: str) -> list[str]:
    names = [name for name, one in agreements.items() if one.registration and one.registration.is_unrelated]
    if not names:
        return []
    line = f"{names[0]}: source and reference do not show the same field{_of(len(names), len(agreements))}"
    if unrelated == "refuse":
        advice = pass_setting("unrelated", "warn", otherwise="check which files belong together")
        raise InputError(f"{line}; {advice}")
    return [f"{line}; metrics against the reference have no meaning for them"]


def _shifted(agreements: dict[str, Agreement]) -> list[str]:
    found = [
        (name, one.registration)
        for name, one in agreements.items()
        if one.registration and one.registration.is_shifted()
    ]
    if not found:
        return []
    name, worst = max(found, key=lambda item: item[1].distance_px)
    rows, columns = worst.shift_px
    return [
        f"{name}: source and reference are shifted by {worst.distance_px:.1f} pixels (move the source by "
        f"{rows:+.1f} rows and {columns:+.1f} columns){_of(len(found), len(agreements))}; register them first, "
        "since the shift lowers every metric against the reference, most for the sharpest method"
    ]


def _of_levels(differing: dict[str, LevelFit], total: int, fit_levels: bool) -> str:
    name, fit = next(iter(differing.items()))
    line = (
        f"{name}: the gray levels of the reference are {fit.slope:.3g} times those of the source, "
        f"with an offset of {fit.intercept:.3g}{_of(len(differing), total)}"
    )
    if fit_levels:
        return (
            f"{line}; every method, baselines and models alike, was fitted to the reference with one slope and "
            "intercept, and the best baselines were selected after this fit; "
            f"pass {setting('levels', 'same')} to omit it"
        )
    return (
        f"{line}, and nothing was fitted: PSNR and SSIM of the baselines include the difference in levels, "
        "which a model trained on such pairs corrects, so its gain over them is too large; "
        f"pass {setting('levels', 'fit')}"
    )
