"""Preparation of a network for a backend, per source size and checked against torch."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

import torch
from torch import Tensor, nn

from decrappify._common.argument_names import setting
from decrappify.errors import InputError
from decrappify.inference.agreement import agreement_db, trial_source
from decrappify.inference.compiling import compiled
from decrappify.inference.runtimes import Predict, for_onnxruntime, for_openvino

logger = logging.getLogger(__name__)

BACKENDS = ("auto", "torch", "compile", "onnxruntime", "openvino")
RUNTIMES: dict[str, Callable[[nn.Module, Tensor, str], Predict]] = {
    "onnxruntime": for_onnxruntime,
    "openvino": for_openvino,
}
MIN_FLOAT32_AGREEMENT_DB = 80.0

_SIZES_KEPT = 4


def check_backend(backend: str, device: torch.device, precision: str) -> None:
    """Raise InputError for an unknown backend, and for one that does not support a device or precision.

    Raises
    ------
    InputError
        If the backend is unknown, or unsupported on this device or in this precision.
    """
    if backend not in BACKENDS:
        known = ", ".join(map(repr, BACKENDS))
        raise InputError(f"{setting('backend', backend)} is not known, expected one of {known}")
    if backend not in RUNTIMES:
        return
    if device.type != "cpu":
        raise InputError(
            f"{setting('backend', backend)} runs on the CPU, not on {device}; pass {setting('device', 'cpu')} or "
            f"{setting('backend', 'torch')}"
        )
    if precision == "bfloat16" and backend == "onnxruntime":
        raise InputError(
            f"{setting('backend', 'onnxruntime')} does not support bfloat16; use 'openvino' or 'torch' for it"
        )


class PerSize:
    """Prediction with a network prepared for each source size and number of threads; the last four are cached.

    Parameters
    ----------
    make : callable
        Takes a simulated source, and returns a function that predicts from sources of its size.

    Examples
    --------
    >>> sizes = []
    >>> double = PerSize(lambda source: sizes.append(tuple(source.shape)) or (lambda source: 2 * source))
    >>> [double(torch.ones(1, 1, side, 8)).sum().item() for side in (8, 4, 8)], sizes
    ([128.0, 64.0, 128.0], [(1, 1, 8, 8), (1, 1, 4, 8)])
    """

    def __init__(self, make: Callable[[Tensor], Predict]) -> None:
        self._make = make
        self._made: dict[tuple[int, ...], Predict] = {}

    def __call__(self, source: Tensor) -> Tensor:
        """Predict from (N, C, H, W)."""
        size = tuple(source.shape)
        key = (torch.get_num_threads(), *size)  # the prepared network keeps its number of threads
        if key not in self._made:
            if len(self._made) == _SIZES_KEPT:
                del self._made[next(iter(self._made))]
            started = time.perf_counter()
            self._made[key] = self._make(trial_source(size, source.device))
            logger.info("prepared for sources of %d x %d pixels in %.1f s", *size[-2:], time.perf_counter() - started)
        return self._made[key](source)


def on_runtime(backend: str, network: nn.Module, precision: str, *, or_torch: bool = False) -> PerSize:
    """Return a network on one of `RUNTIMES`, prepared for each size on first use.

    Parameters
    ----------
    backend : {"onnxruntime", "openvino"}
        The runtime.
    network : nn.Module
        Folded, in eval mode, float32 on the CPU.
    precision : str
        Precision of the arithmetic.
    or_torch : bool
        Whether torch runs the network for sizes that the runtime does not support.

    Returns
    -------
    PerSize
        Without `or_torch`, calling it with such a size raises InputError.
    """

    def make(source: Tensor) -> Predict:
        try:
            return RUNTIMES[backend](network, source, precision)
        except (InputError, MemoryError):
            raise
        except Exception as error:  # the errors of exporters and runtimes have no common base class
            failure = _failure(backend, error)
            if or_torch:
                logger.warning("%s: using torch for sources of %d x %d pixels", failure, *source.shape[-2:])
                return network
            raise failure from error

    return PerSize(make)


def check_agreement(backend: str, predict: Predict, network: nn.Module, source: Tensor, least_db: float) -> None:
    """Compare a network on a runtime with the network itself on one source.

    Raises
    ------
    InputError
        If their agreement is below `least_db`, or the runtime fails.
    """
    try:
        found = predict(source)
    except (InputError, MemoryError):
        raise
    except Exception as error:
        raise _failure(backend, error) from error
    agreement = agreement_db(found, network(source))
    logger.info(
        "%s agrees with torch in float32 to %.1f dB, expected at least %.0f dB",
        setting("backend", backend),
        agreement,
        least_db,
    )
    if not agreement >= least_db:
        raise InputError(
            f"{setting('backend', backend)} agrees with torch only to {agreement:.1f} dB, expected at least "
            f"{least_db:.0f} dB; use {setting('backend', 'torch')}"
        )


def _failure(backend: str, error: Exception) -> InputError:
    reason = (str(error).strip() or type(error).__name__).splitlines()[0]
    return InputError(
        f"{setting('backend', backend)} cannot run this network ({reason}); use {setting('backend', 'torch')}"
    )


def with_compile(network: nn.Module, least_db: float) -> PerSize:
    """Compile a network with torch on first use of a size; run it uncompiled if that fails or changes the result.

    Parameters
    ----------
    network : nn.Module
        Folded, in eval mode, in its final precision.
    least_db : float
        Required agreement with the uncompiled network.
    """

    def make(source: Tensor) -> Predict:
        fast = compiled(network, source=source)
        if fast is not network:
            agreement = agreement_db(fast(source).float(), network(source).float())
            logger.info(
                "%s agrees with torch to %.1f dB, expected at least %.0f dB",
                setting("backend", "compile"),
                agreement,
                least_db,
            )
            if not agreement >= least_db:
                logger.info("the network runs uncompiled")
                return network
        return fast

    return PerSize(make)
