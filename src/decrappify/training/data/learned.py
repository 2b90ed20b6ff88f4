"""Range of the training inputs, for the model card."""

from __future__ import annotations

from typing import Any

from decrappify.domain import CARD_KEY, learned_ranges
from decrappify.training.data.training_data import TrainingData

_FIELDS = 200


def learned_range(data: TrainingData, n_patches: int) -> dict[str, Any]:
    """Return the entry of the model card with the range of the training inputs; empty if it cannot be determined.

    Parameters
    ----------
    data : TrainingData
        Fields are drawn from its training part.
    n_patches : int
        Number of patches of the run; no more fields are measured, and 200 at most.
    """
    ranges = learned_ranges(data.fields(min(_FIELDS, n_patches)))
    return {CARD_KEY: ranges} if ranges else {}
