"""Range of the training inputs and their pixel sizes, for the model card."""

from __future__ import annotations

from typing import Any

from decrappify._common.progress import Check, with_check
from decrappify.domain import CARD_KEY, learned_ranges
from decrappify.training.data.training_data import TrainingData

PIXEL_SIZE = "pixel_size"  # entry of a model card
_FIELDS = 200


def learned_range(data: TrainingData, n_patches: int, check: Check | None = None) -> dict[str, Any]:
    """Return the entries of the model card on the training inputs; empty if they cannot be determined.

    Parameters
    ----------
    data : TrainingData
        Fields are drawn from its training part.
    n_patches : int
        Number of patches of the run; no more fields are measured, and 200 at most.
    check : callable, optional
        Called before each field is measured; it may raise an exception to stop.
    """
    ranges = learned_ranges(with_check(data.fields(min(_FIELDS, n_patches)), check))
    return ({CARD_KEY: ranges} if ranges else {}) | pixel_size_range(data)


def pixel_size_range(data: TrainingData) -> dict[str, Any]:
    """Return the entry of the model card with the pixel sizes of the training inputs; empty if none is stated."""
    sizes = data.pixel_sizes_um()
    if not sizes:
        return {}
    lowest, highest = (float(f"{limit:.3g}") for limit in (min(map(min, sizes)), max(map(max, sizes))))
    stated = f"by {len(sizes)} of {len(data.used)} sources"
    return {PIXEL_SIZE: {"lowest_um": lowest, "highest_um": highest, "stated": stated}}
