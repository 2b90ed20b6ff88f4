"""Registry of the pixel losses by name; torch is imported when a loss is first used."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias, TypeVar

from decrappify._common.registry import Registry
from decrappify.errors import InputError
from decrappify.limits.components import component_errors, is_built_in

if TYPE_CHECKING:
    from torch import Tensor

PixelLoss: TypeAlias = "Callable[[Tensor, Tensor], Tensor]"
F = TypeVar("F", bound="Callable[..., Tensor]")


@dataclass(frozen=True, slots=True)
class Loss:
    """A pixel loss: its name in settings, what it measures, and the function."""

    name: str
    meaning: str
    function: PixelLoss

    def __call__(self, prediction: Tensor, target: Tensor) -> Tensor:
        """Compute the loss; an error of the function is raised as InputError with the name of the loss."""
        with component_errors("loss", self.name):
            return self.function(prediction, target)

    @property
    def checked(self) -> PixelLoss:
        """Function of a built-in loss; for other losses the loss itself, which adds its name to errors."""
        return self.function if is_built_in(self.function) else self


_LOSSES: Registry[Loss] = Registry(
    "loss", modules=dict.fromkeys(("l1", "l2", "charbonnier", "rmse", "ssim-mix"), "decrappify.losses.pixel")
)


def register_loss(name: str, *, meaning: str) -> Callable[[F], F]:
    """Register the decorated function under a name for ``loss`` and ``content_loss`` of training runs.

    Parameters
    ----------
    name : str
        New name.
    meaning : str
        What the loss measures, in one phrase.

    Returns
    -------
    callable
        A decorator, which returns the function unchanged. The function is called with prediction and target, two
        tensors (N, C, H, W) in network units, and returns a scalar tensor, 0 for a perfect prediction.

    Raises
    ------
    InputError
        If the name is already registered or invalid, or the function cannot be called with two tensors.

    Examples
    --------
    >>> import torch
    >>> @register_loss("doctest-bias", meaning="difference of the means")
    ... def bias(prediction, target):
    ...     return (prediction.mean() - target.mean()).abs()
    >>> pixel_loss("doctest-bias")(torch.ones(1, 1, 2, 2), torch.zeros(1, 1, 2, 2)).item()
    1.0
    >>> unregister_loss("doctest-bias")
    """

    def register(function: F) -> F:
        try:
            if inspect.isclass(function):
                raise TypeError("it is a class; register a function or an instance")
            inspect.signature(function).bind("prediction", "target")
        except TypeError as error:
            raise InputError(f"loss {name!r} cannot be called as loss(prediction, target): {error}") from error
        _LOSSES.add(name, Loss(name, meaning, function), origin=function)
        return function

    return register


def pixel_loss(name: str) -> PixelLoss:
    """Return a pixel loss by name: ``l1``, ``l2``, ``charbonnier``, ``rmse``, ``ssim-mix`` or a registered one.

    Raises
    ------
    InputError
        If the name is unknown.
    """
    return _LOSSES.get(name).checked


def check_pixel_loss(name: str) -> str:
    """Return `name` if it is the name of a pixel loss, without importing torch for a built-in one.

    Raises
    ------
    InputError
        If the name is unknown.
    """
    _LOSSES.check(name)
    return name


def list_losses() -> tuple[Loss, ...]:
    """Return all pixel losses, built-in ones first."""
    return tuple(loss for _, loss in _LOSSES.items())


def unregister_loss(name: str) -> None:
    """Remove a loss; raise InputError if the name is unknown."""
    _LOSSES.remove(name)
