"""Readers of weights in old and new torch files, which never execute pickled code."""

from __future__ import annotations

import pickletools
import zipfile
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from decrappify._common.checks import reason
from decrappify.errors import MissingFileError, ModelFileError
from decrappify.limits.files import check_regular
from decrappify.limits.reached import raise_if_limit
from decrappify.limits.threads import check_torch_threads
from decrappify.limits.weights import check_archive, check_tensors
from decrappify.model.fastai_import.kinds import LEGACY, ZIP, what_it_is

WHERE = "the README files of jantic/DeOldify and BPHO-Salk/PSSR link to their weights"
_SCALAR = np.float64(0).__reduce__()[0]  # constructor of pickled NumPy numbers
# Learning rates in the optimizer's state are slices and NumPy numbers; torch rejects both unless they are listed.
_HARMLESS: list[Any] = [
    slice,
    np.dtype,
    np.dtypes.Float32DType,
    np.dtypes.Float64DType,
    np.dtypes.Int64DType,
    _SCALAR,
    (_SCALAR, "numpy.core.multiarray.scalar"),
]
_PLAIN = {"torch", "torch._utils", "torch.storage", "collections", "_codecs", "builtins", "__builtin__"}


def read_state_dict(path: str | Path) -> dict[str, Tensor]:
    """Read the weights of a file written by ``torch.save`` or fastai's ``Learner.save``.

    Parameters
    ----------
    path : str or Path
        A bare state dictionary, ``{"model": ...}`` or ``{"model": ..., "opt": ...}``, in the zip format or the format
        used before torch 1.6. Only weights are loaded, never pickled code.

    Returns
    -------
    dict of str to Tensor
        In the order of the file, on the CPU; float32 for any float type; without the prefix ``module.`` of
        ``nn.DataParallel``; with the counters of batch norms and the second vector of spectral norms, which are missing
        in files from before torch 1.0.

    Raises
    ------
    MissingFileError
        If the file does not exist.
    ModelFileError
        If it does not contain weights, or is damaged; the message states the kind of file and what to do.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     torch.save({"model": {"module.0.weight": torch.ones(2).half()}}, f"{folder}/net.pth")
    ...     read_state_dict(f"{folder}/net.pth")
    {'0.weight': tensor([1., 1.])}
    """
    path = Path(path)
    check_regular(path)
    if not path.is_file():
        raise MissingFileError(f"{path} does not exist; nothing is downloaded automatically: {WHERE}")
    check_archive(path)
    check_torch_threads()
    zipped = zipfile.is_zipfile(path)
    state = _weights(_load(path, zipped), path)
    check_tensors(path, state.values())
    if zipped:  # memory-mapped: the optimizer's state is not read, and the returned tensors must outlive the file
        state = {key: tensor.clone() for key, tensor in state.items()}
    while all(key.startswith("module.") for key in state):
        state = {key.removeprefix("module."): tensor for key, tensor in state.items()}
    return _completed({key: tensor.to(_dtype(tensor)) for key, tensor in state.items()})


def _load(path: Path, zipped: bool) -> Any:
    with path.open("rb") as file:
        head = file.read(len(LEGACY))
    if not zipped and head.startswith(ZIP):
        raise ModelFileError(f"{path} is a truncated download: its end is missing; download it again ({WHERE})")
    if not zipped and head != LEGACY:
        raise ModelFileError(f"{path} contains no weights: {what_it_is(path)} ({WHERE})")
    if zipped:
        _check_members(path)
    try:
        with torch.serialization.safe_globals(_HARMLESS), path.open("rb") as file:
            if zipped and path.suffix != ".safetensors":  # torch would trust this extension
                return torch.load(path, map_location="cpu", weights_only=True, mmap=True)
            return torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:  # a damaged file raises many types of errors
        raise_if_limit(error, f"reading {path}")
        raise ModelFileError(f"{path} {_failure_reason(path, zipped)}") from error


def _check_members(path: Path) -> None:
    try:
        with zipfile.ZipFile(path) as archive:
            members = [name.split("/", 1)[-1] for name in archive.namelist()]
    except Exception as error:  # zipfile does not validate the directory at the end of the file
        raise ModelFileError(
            f"{path} is damaged or a truncated download ({reason(error)}); download it again ({WHERE})"
        ) from error
    if "constants.pkl" in members:
        raise ModelFileError(
            f"{path} is a TorchScript program, not weights; use the .pth file from which it was created"
        )
    if "data.pkl" not in members:
        raise ModelFileError(f"{path} is a ZIP archive, not weights; unpack it and use the .pth file inside")


def _failure_reason(path: Path, zipped: bool) -> str:
    """Return why torch rejected a file: Python objects in it, or damage."""
    foreign = ""
    with suppress(Exception):  # the damage may be in the pickle itself
        foreign = next((name for name in _globals(path, zipped) if name.rpartition(".")[0] not in _PLAIN), "")
    if foreign.startswith("fastai."):
        return (
            "is an exported fastai learner (Learner.export), which contains Python objects besides the weights; in the "
            "environment where it was created run learn = load_learner(folder, file); learn.save('name') and use "
            "the name.pth that it writes"
        )
    if foreign:
        return (
            f"contains Python objects ({foreign}), which are never loaded; save only the weights, in the environment "
            "where it was created, with "
            "torch.save(network.state_dict(), 'name.pth')"
        )
    return f"is damaged or a truncated download; download it again ({WHERE})"


def _globals(path: Path, zipped: bool) -> Iterator[str]:
    """Iterate over the names that the pickle of a torch file would import, without importing them."""
    if zipped:
        with zipfile.ZipFile(path) as archive:
            name = next(name for name in archive.namelist() if name.endswith("data.pkl"))
            yield from _imports(archive.read(name))
        return
    with path.open("rb") as file:
        for _ in range(3):  # magic number, version, machine
            deque(pickletools.genops(file), maxlen=0)
        yield from _imports(file)


def _imports(stream: Any) -> Iterator[str]:
    texts: list[str] = []
    for opcode, argument, _ in pickletools.genops(stream):
        if opcode.name == "GLOBAL":
            yield str(argument).replace(" ", ".")
        elif opcode.name == "STACK_GLOBAL":
            yield ".".join(texts[-2:])
        elif isinstance(argument, str):
            texts.append(argument)


def _weights(content: Any, path: Path) -> dict[str, Tensor]:
    if isinstance(content, Mapping) and isinstance(content.get("model"), Mapping):
        content = content["model"]
    if not isinstance(content, Mapping):
        raise ModelFileError(f"{path} contains a {type(content).__name__}, expected a dictionary of weights by name")
    others = [key for key, value in content.items() if not isinstance(key, str) or not isinstance(value, Tensor)]
    if others or not content:
        found = f"entries such as {', '.join(map(repr, list(content)[:3]))}" if content else "nothing"
        raise ModelFileError(
            f"{path} contains {found}, expected weights by name, alone or under 'model'; "
            "save them with torch.save(network.state_dict(), 'name.pth')"
        )
    return dict(content)


def _dtype(tensor: Tensor) -> torch.dtype:
    return torch.float32 if tensor.is_floating_point() else tensor.dtype


def _completed(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Add entries missing in files of older torch versions: batch counters, and the vector v of spectral norm."""
    complete: dict[str, Tensor] = {}
    for key, tensor in state.items():
        leaf = key.rpartition(".")[2]
        module = key.removesuffix(leaf)
        old_spectral = f"{module}weight_orig" in state and f"{module}weight_v" not in state
        if leaf == "weight" and old_spectral:  # the normalized weight, which is computed
            continue
        complete[key] = tensor
        if leaf == "weight_u" and old_spectral:
            normed = state.get(f"{module}weight")
            complete[f"{module}weight_v"] = _second_vector(state[f"{module}weight_orig"], tensor, normed)
        if leaf == "running_var" and f"{module}num_batches_tracked" not in state:
            complete[f"{module}num_batches_tracked"] = torch.tensor(0)
    return complete


def _second_vector(original: Tensor, u: Tensor, normed: Tensor | None) -> Tensor:
    """Compute the vector v of spectral norm by one power iteration, scaled to reproduce the normalized weight."""
    matrix = original.flatten(1)
    v = F.normalize(torch.mv(matrix.t(), u), dim=0, eps=1e-12)
    if normed is None:
        return v
    sigma = (original * normed).sum() / normed.square().sum()
    return v * (sigma / torch.dot(u, torch.mv(matrix, v)))
