"""Reuse of prepared networks by several runs of one process."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import torch

from decrappify.inference.measured import MEASURED_RUN
from decrappify.inference.network import InferenceNetwork, choose_device
from decrappify.networks.spec import RestorationNetwork

_KEPT = 4  # prepared networks: different models, or settings of resumed runs

_Prepared = dict[tuple[Any, ...], tuple[RestorationNetwork, InferenceNetwork]]
_prepared: ContextVar[_Prepared | None] = ContextVar("_prepared", default=None)


@contextmanager
def networks_reused() -> Iterator[None]:
    """Keep the networks prepared by `prepared_network` until the end of the context, and reuse them.

    The choice of precision and backend, and the preparation of a runtime for a tile size, then take place once. The
    weights of a network must not be changed meanwhile.
    """
    token = _prepared.set({})
    try:
        yield
    finally:
        _prepared.reset(token)


def prepared_network(
    network: RestorationNetwork,
    *,
    device: str | torch.device = "auto",
    precision: str = "auto",
    backend: str = "auto",
    expected_pixels: int = 0,
) -> InferenceNetwork:
    """Return an `InferenceNetwork`, within `networks_reused` an equal one that was prepared earlier.

    Parameters
    ----------
    network, device, precision, backend, expected_pixels
        As for `InferenceNetwork`.
    """
    kept, chosen = _prepared.get(), choose_device(device)
    key = (id(network), str(chosen), precision, backend, backend == "auto" and expected_pixels >= MEASURED_RUN)
    if kept is not None and key in kept:
        kept[key] = kept.pop(key)  # the latest is the last
        return kept[key][1]
    made = InferenceNetwork(
        network, device=chosen, precision=precision, backend=backend, expected_pixels=expected_pixels
    )
    if kept is not None:
        if len(kept) == _KEPT:
            del kept[next(iter(kept))]
        kept[key] = network, made  # a reference to the network, so that its id remains unique
    return made
