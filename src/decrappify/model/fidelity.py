"""Fidelity of a NoGAN model: from the weights of its GAN phase (0) to those before it (1)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from decrappify._common.argument_names import argument
from decrappify._common.checks import short
from decrappify.errors import InputError, ModelFileError
from decrappify.model.header import PRETRAINED

if TYPE_CHECKING:
    from torch import Tensor


def check_fidelity(fidelity: float) -> float:
    """Return a fidelity as float.

    Raises
    ------
    InputError
        If it is not a number from 0 to 1.

    Examples
    --------
    >>> check_fidelity(1)
    1.0
    """
    if isinstance(fidelity, bool) or not isinstance(fidelity, int | float) or not 0 <= fidelity <= 1:
        raise InputError(
            f"{argument('fidelity')} is {short(fidelity)}, expected a number from 0 (GAN phase) to 1 (pretrained)"
        )
    return float(fidelity)


class StoredWeights(Mapping[str, "Tensor"]):
    """Weights before the GAN phase in a model file, of which each is read when it is used.

    Parameters
    ----------
    path : Path
        The model file. Those of its weights that are equal before and after the GAN phase are not included.
    sha256 : str
        Recorded digest of all weights before the GAN phase, the equal ones included.
    """

    def __init__(self, path: Path, sha256: str) -> None:
        self.path, self.sha256 = path, sha256

    def __getitem__(self, key: str) -> Tensor:
        from safetensors import SafetensorError, safe_open

        try:
            with safe_open(self.path, framework="pt") as file:
                weight: Tensor = file.get_tensor(f"{PRETRAINED}{key}")
        except SafetensorError as error:
            raise KeyError(key) from error
        return weight

    def __iter__(self) -> Iterator[str]:
        from safetensors import SafetensorError, safe_open

        try:
            with safe_open(self.path, framework="pt") as file:
                keys = list(file.keys())
        except (OSError, SafetensorError) as error:
            raise ModelFileError(
                f"{self.path} has been removed or changed since the model was loaded; load the model again"
            ) from error
        return (key.removeprefix(PRETRAINED) for key in keys if key.startswith(PRETRAINED))

    def __len__(self) -> int:
        return sum(1 for _ in self)
