"""Files of critics: saved next to a run's model, and loaded as the start of another run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from torch import Tensor, nn

from decrappify.errors import InputError, MissingFileError, ModelFileError
from decrappify.io.store.outputs import atomic_output


def save_critic(critic: nn.Module, path: Path) -> None:
    """Write the critic's weights as .safetensors."""
    from safetensors.torch import save

    tensors = {key: tensor.detach().cpu().contiguous() for key, tensor in critic.state_dict().items()}
    with atomic_output(path, overwrite=True) as partial:
        partial.write_bytes(save(tensors))


def load_critic(critic: Any, path: Path) -> None:
    """Load weights into `critic` from a file of `save_critic`, or from a .pth checkpoint of fastai v1 or DeOldify."""
    if not path.is_file():
        raise MissingFileError(f"critic {path} does not exist; check critic_from")
    state = _read(path)
    try:
        critic.load_state_dict(state)
    except RuntimeError as error:
        shapes = {key: tuple(value.shape) for key, value in critic.state_dict().items()}
        odd = next((key for key in shapes if key not in state or tuple(state[key].shape) != shapes[key]), "its keys")
        raise InputError(
            f"{path} does not contain a critic with the settings of the schedule ({odd} differs); "
            "use the same critic settings, or omit critic_from"
        ) from error


def _read(path: Path) -> dict[str, Tensor]:
    if path.suffix != ".safetensors":
        from decrappify.model.fastai_import import read_state_dict

        return dict(read_state_dict(path))
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return load_file(path)
    except SafetensorError as error:
        raise ModelFileError(f"{path} cannot be read as weights; copy or download it again") from error
