"""A network with its optimizer and learning-rate schedule, for the length of one phase."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from decrappify.errors import InputError

_FUSED_ON = ("cpu", "cuda")  # devices of torch's fused AdamW: one pass over the parameters, the same result


class OptimizedNetwork:
    """A network with its optimizer and learning-rate schedule.

    Parameters
    ----------
    fabric : lightning_fabric.Fabric
        Handles devices, precision and gradients across processes.
    network : nn.Module
        The bare network, stored as `bare`; `network` is the one set up by `fabric`.
    rates : sequence of float
        Peak learning rate of each group.
    groups : sequence of list of Parameter, optional
        Parameters of each rate, such as `RestorationNetwork.parameter_groups`; fewer groups have the last rates. By
        default one group with all parameters.
    betas : (float, float)
        Betas of Adam.
    weight_decay : float
        Decoupled, scaled by the rate, and applied to every trainable parameter as in fastai v1.
    one_cycle : (int, float), optional
        Steps and share of rising steps of a one-cycle schedule: the rate rises from rate/25 and then falls to
        rate/250,000, while Adam's first beta changes inversely between 0.95 and 0.85 (Smith 2018, as in fastai v1).
        Without it the rate is constant.
    """

    def __init__(
        self,
        fabric: Any,
        network: nn.Module,
        rates: Sequence[float],
        *,
        groups: Sequence[list[nn.Parameter]] | None = None,
        betas: tuple[float, float] = (0.9, 0.99),
        weight_decay: float = 1e-3,
        one_cycle: tuple[int, float] | None = None,
    ) -> None:
        self.fabric, self.bare, self._peak_rate = fabric, network, rates[-1]
        groups = [list(network.parameters())] if groups is None else groups
        rates = rates[-len(groups) :]
        trained = [
            {"params": [p for p in group if p.requires_grad], "lr": rate}
            for group, rate in zip(groups, rates, strict=True)
        ]
        optimizer = torch.optim.AdamW(
            [group for group in trained if group["params"]],
            betas=betas,
            weight_decay=weight_decay,
            fused=fabric.device.type in _FUSED_ON and not _scales_gradients(fabric),
        )
        self.schedule = None
        if one_cycle is not None:
            steps, pct_start = one_cycle
            self.schedule = torch.optim.lr_scheduler.OneCycleLR(
                optimizer,
                max_lr=[group["lr"] for group in optimizer.param_groups],
                total_steps=steps + 1,
                pct_start=pct_start,
            )
        self.network, self.optimizer = fabric.setup(network, optimizer)

    def step(self, loss: Tensor, where: str, *, max_norm: float | None = None) -> None:
        """Back-propagate `loss` and take one optimizer step.

        Parameters
        ----------
        loss : Tensor
            Scalar loss.
        where : str
            Position for the error message, such as ``"step 3 of pretrain"``.
        max_norm : float, optional
            Norm to which gradients are clipped.

        Raises
        ------
        InputError
            If the loss is not finite.
        """
        if not torch.isfinite(loss):
            raise InputError(
                f"the loss of {where} is {loss.item()}; lower learning_rate ({self._peak_rate:g}) or check the data"
            )
        self.optimizer.zero_grad()
        self.fabric.backward(loss)
        if max_norm is not None:
            self.fabric.clip_gradients(self.network, self.optimizer, max_norm=max_norm)
        self.optimizer.step()
        if self.schedule is not None:
            self.schedule.step()

    @property
    def learning_rate(self) -> float:
        """Learning rate of the last group."""
        return float(self.optimizer.param_groups[-1]["lr"])

    def state_dict(self) -> dict[str, Any]:
        """Return network, optimizer and schedule as tensors and plain values."""
        schedule = None if self.schedule is None else self.schedule.state_dict()
        return {"network": self.bare.state_dict(), "optimizer": self.optimizer.state_dict(), "schedule": schedule}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore network, optimizer and schedule."""
        self.bare.load_state_dict(state["network"])
        self.optimizer.load_state_dict(state["optimizer"])
        if self.schedule is not None:
            self.schedule.load_state_dict(state["schedule"])


def _scales_gradients(fabric: Any) -> bool:
    """Return whether the precision is float16, whose scaled gradients a fused optimizer does not allow to clip."""
    return getattr(fabric.strategy.precision, "scaler", None) is not None


def group_rates(learning_rate: float, encoder_rate: float | None) -> tuple[float, float, float]:
    """Return the rates of early encoder, late encoder and decoder, spaced as in fastai v1.

    Examples
    --------
    >>> group_rates(1e-3, None)
    (0.0001, 0.0001, 0.001)
    >>> [f"{rate:.2g}" for rate in group_rates(3e-4, 3e-7)]
    ['3e-07', '9.5e-06', '0.0003']
    """
    if encoder_rate is None:
        return learning_rate / 10, learning_rate / 10, learning_rate
    return encoder_rate, (encoder_rate * learning_rate) ** 0.5, learning_rate
