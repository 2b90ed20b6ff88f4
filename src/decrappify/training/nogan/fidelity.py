"""Monitors along the path from the selected checkpoint of a GAN phase to the pretrained generator."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from torch import Tensor, nn

from decrappify.model.interpolation import interpolate_weights
from decrappify.training.monitors.measure import MonitorRow

FIDELITIES = (1.0, 0.75, 0.5, 0.25, 0.0)
PLOT = "fidelity.png"


def measure_path(
    network: nn.Module,
    selected: Mapping[str, Tensor],
    pretrained: Mapping[str, Tensor],
    measure: Callable[[], MonitorRow],
) -> list[MonitorRow]:
    """Return the monitors of a network at each of `FIDELITIES`; the network then has the selected weights.

    Parameters
    ----------
    network : nn.Module
        Network that `measure` measures.
    selected, pretrained : mapping
        Weights of fidelity 0 and 1.
    measure : callable
        Returns the monitors of the current weights.
    """
    rows = []
    for fidelity in FIDELITIES:  # ends with the selected weights
        network.load_state_dict(interpolate_weights(selected, pretrained, fidelity))
        rows.append(measure())
    return rows


def card_entry(rows: Sequence[MonitorRow]) -> list[dict[str, Any]]:
    """Return the monitors along the path for a model card."""
    return [
        {
            "fidelity": fidelity,
            "psnr_db": _rounded(row.to_dict()["psnr"], 2),
            "noise_dependence": _rounded(row.to_dict()["noise_draw"], 2),
            "finest_band_db": _rounded(row.to_dict()["band_power"][2], 2),
            "kid": _rounded(row.to_dict()["kid"], 4),
        }
        for fidelity, row in zip(FIDELITIES, rows, strict=True)
    ]


def _rounded(value: float | None, digits: int) -> float | None:
    return None if value is None else round(value, digits)
