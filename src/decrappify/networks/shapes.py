"""Networks with shapes only: no memory is allocated or initialized."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

_RANDOM = frozenset({Tensor.normal_, Tensor.uniform_})


class _NoRandomNumbers(TorchFunctionMode):
    """Mode that skips the random initialization of tensors without memory, which takes a millisecond per tensor."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func in _RANDOM and args[0].is_meta:
            return args[0]
        return func(*args, **(kwargs or {}))


@contextmanager
def shapes_only() -> Iterator[None]:
    """Create all new tensors without memory, on torch's device "meta".

    Examples
    --------
    >>> with shapes_only():
    ...     torch.nn.Linear(2, 3).weight.device
    device(type='meta')
    """
    with torch.device("meta"), _NoRandomNumbers():
        yield
