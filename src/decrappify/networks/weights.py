"""Readers of torchvision weights: one state dictionary per file, read without executing pickled code."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from decrappify.errors import ModelFileError
from decrappify.limits.files import check_regular
from decrappify.limits.weights import check_archive


def read_weights(path: Path) -> dict[str, Tensor]:
    """Read a state dictionary from a ``.safetensors`` or ``.pth`` file, onto the CPU.

    Raises
    ------
    ModelFileError
        If the file cannot be read or is not a state dictionary.
    """
    check_regular(path)
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            return load_file(path)
        check_archive(path)
        state = torch.load(path, map_location="cpu", weights_only=True)
        if all(isinstance(key, str) and isinstance(value, Tensor) for key, value in state.items()):
            return dict(state)
    except ModelFileError:
        raise
    except Exception as error:  # a damaged file raises many types of errors
        raise ModelFileError(
            f"{path} cannot be read as weights; copy or download it again, or save the state_dict of a model"
        ) from error
    raise ModelFileError(f"{path} is not a state dictionary of tensors; save the state_dict of a model")
