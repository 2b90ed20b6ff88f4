"""Choice of the backend for ``backend="auto"`` by the time that each takes on this computer."""

from __future__ import annotations

import datetime
import hashlib
import logging
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from typing import Any

import torch
from torch import Tensor, nn

from decrappify._common.files.user_cache import read_entry, write_entry
from decrappify._common.processes.processor import processor_type
from decrappify._version import RELEASE
from decrappify.errors import InputError
from decrappify.inference.runtimes import Predict

logger = logging.getLogger(__name__)

# Preparing another backend and measuring both takes 3 to 8 seconds of CPU time: 5 to 10 % of a run of this length.
MEASURED_RUN = 50_000_000  # pixels
MEASURED_SIDE = 512  # of the source, in pixels
_ROUNDS = 3
# Another backend needs about 300 MiB more memory, and measurements on a computer in use differ by a few percent.
_LEAST_GAIN = 0.05
_FILE = "backends.json"


@dataclass(frozen=True, slots=True)
class Cost:
    """Seconds that a backend takes to prepare a network, and for each megapixel of the source."""

    preparation: float
    per_megapixel: float

    def of(self, n_pixels: float) -> float:
        """Return the seconds for a run of `n_pixels`."""
        return self.preparation + self.per_megapixel * n_pixels / 1e6


def other_backend(device: torch.device, precision: str) -> str | None:
    """Return the installed backend to be compared with torch; None if there is none for this device and precision.

    On CPUs that is OpenVINO, and ONNX Runtime if only that is installed: the two differ by less than 3 %, and preparing
    ONNX Runtime takes twice as long. `torch.compile` is not compared: with the shipped networks it takes 0.95 to 1.15
    times as long as torch, after compiling for each tile size.
    """
    if device.type != "cpu":
        return None
    if find_spec("openvino"):
        return "openvino" if precision in ("float32", "bfloat16") else None
    ready = precision == "float32" and find_spec("onnxruntime") and find_spec("onnxscript")
    return "onnxruntime" if ready else None


def cheapest(costs: Mapping[str, Cost], n_pixels: float) -> str:
    """Return the backend with the shortest run; torch unless another one is at least 5 % faster.

    >>> costs = {"torch": Cost(0, 0.4), "openvino": Cost(2, 0.36)}
    >>> cheapest(costs, 60e6), cheapest(costs, 200e6)
    ('torch', 'openvino')
    """
    best = min(costs, key=lambda name: costs[name].of(n_pixels))
    gain = 1 - costs[best].of(n_pixels) / costs["torch"].of(n_pixels)
    return best if gain >= _LEAST_GAIN else "torch"


def measured_costs(forms: Mapping[str, Callable[[], Predict]], source: Tensor, key: str) -> dict[str, Cost]:
    """Measure the backends alternately, or return the values that were stored for `key` in the user's cache folder.

    Parameters
    ----------
    forms : mapping of str to callable
        Functions that prepare the network for each backend, ``"torch"`` among them.
    source : Tensor
        Source of the measurement, (N, C, H, W).
    key : str
        Everything on which the times depend, see `cost_key`.

    Returns
    -------
    dict of str to Cost
        Backends that fail are missing.
    """
    stored = read_entry(_FILE, key)
    costs = _stored_costs(stored, set(forms))
    if costs is None:
        costs = _measure(forms, source)
        day = datetime.datetime.now(datetime.UTC).date().isoformat()
        stored = {"day": day} | {name: [cost.preparation, cost.per_megapixel] for name, cost in costs.items()}
        write_entry(_FILE, key, stored)
    logger.info(
        "measured on this computer on %s: %s",
        stored["day"],
        ", ".join(
            f"{name} {cost.per_megapixel:.3g} s per megapixel after {cost.preparation:.1f} s of preparation"
            for name, cost in costs.items()
        ),
    )
    return costs


def cost_key(network: nn.Module, precision: str, backends: tuple[str, ...]) -> str:
    """Return a key of everything on which the times of backends depend: processor, threads, layers and versions.

    The weights are not part of it, as they do not change the times.
    """
    layers = hashlib.sha256(repr(network).encode()).hexdigest()[:16]
    versions = [f"decrappify {RELEASE}", f"torch {torch.__version__}", *(_version(name) for name in backends)]
    return "; ".join([processor_type(), f"{torch.get_num_threads()} threads", precision, layers, *versions])


def _version(package: str) -> str:
    try:
        return f"{package} {version(package)}"
    except PackageNotFoundError:
        return f"{package} without a version"


def _measure(forms: Mapping[str, Callable[[], Predict]], source: Tensor) -> dict[str, Cost]:
    ready: dict[str, Predict] = {}
    preparation: dict[str, float] = {}
    for name, prepare in forms.items():
        started = time.perf_counter()
        try:
            predict = prepare()
            predict(source)
        except InputError as error:  # of the other backend, which names it
            logger.info("%s", error)
            continue
        ready[name], preparation[name] = predict, time.perf_counter() - started
    seconds = dict.fromkeys(ready, math.inf)
    for _ in range(_ROUNDS):
        for name, predict in ready.items():
            started = time.perf_counter()
            predict(source)
            seconds[name] = min(seconds[name], time.perf_counter() - started)
    preparation["torch"] = 0.0  # it is prepared in any case
    megapixels = source.shape[0] * source.shape[2] * source.shape[3] / 1e6
    return {name: Cost(max(0.0, preparation[name]), seconds[name] / megapixels) for name in ready}


def _stored_costs(stored: Any, names: set[str]) -> dict[str, Cost] | None:
    """Return the costs of an entry of the cache; None if it is missing, or not as written by `measured_costs`."""
    try:
        costs = {name: Cost(*map(float, stored[name])) for name in stored if name in names}
        complete = "torch" in costs and isinstance(stored["day"], str)
    except (TypeError, ValueError, KeyError):
        return None
    return costs if complete else None
