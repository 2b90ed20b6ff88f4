"""Model: network, normalization, crappifier and provenance, saved as one self-contained .safetensors file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from decrappify._common.argument_names import pass_setting
from decrappify._version import __version__
from decrappify.errors import ModelFileError, OutputError, OutputExistsError
from decrappify.model.header import FORMAT_VERSION, check_finite, digest
from decrappify.normalization import ChannelStatistics, NormalizationRule

if TYPE_CHECKING:
    from torch import Tensor

    from decrappify.networks.spec import RestorationNetwork


def _check_half(tensors: Mapping[str, Tensor], path: Path) -> None:
    for key, tensor in tensors.items():
        if tensor.is_floating_point() and not bool(tensor.isfinite().all()):
            raise ModelFileError(f"{path}: weights {key} exceed the range of float16 (65504); save them as float32")


class Model:
    """A trained network with everything needed to apply it.

    Parameters
    ----------
    network : RestorationNetwork
        Network with an ``architecture`` dictionary from which it can be rebuilt; set to eval mode.
    normalization : NormalizationRule or ChannelStatistics
        Rule by which a movie's normalization is measured in training and restoration, or fixed statistics.
    crappifier : mapping or None
        The crappifier used in training, as plain values; None for measured pairs.
    card : mapping
        Provenance: name, data and licenses, settings, seed, scores, limits.

    Attributes
    ----------
    n_frames, in_channels, scale : int
        Frames and channels of the network's input, and its upsampling factor.
    """

    def __init__(
        self,
        network: RestorationNetwork,
        normalization: NormalizationRule | ChannelStatistics | None = None,
        crappifier: Mapping[str, Any] | None = None,
        card: Mapping[str, Any] | None = None,
    ) -> None:
        self.network = network.eval()
        self.normalization: NormalizationRule | ChannelStatistics = normalization or NormalizationRule()
        self.crappifier = None if crappifier is None else dict(crappifier)
        self.card: dict[str, Any] = dict(card or {})
        self.n_frames = network.spec.n_frames
        self.in_channels = network.spec.in_channels
        self.scale = network.spec.scale

    @property
    def name(self) -> str:
        """Name on the model card."""
        return str(self.card.get("name", "unnamed"))

    @property
    def n_parameters(self) -> int:
        """Number of trainable parameters."""
        return sum(parameter.numel() for parameter in self.network.parameters())

    @cached_property
    def sha256(self) -> str:
        """SHA-256 (hex) of architecture, normalization and weights; independent of the card."""
        return digest(self.network.architecture, self.normalization.to_dict(), self.network.state_dict())

    def save(self, path: str | Path, *, overwrite: bool = False, half_precision: bool = False) -> Path:
        """Write the model to one .safetensors file, under a temporary name until complete, and return its path.

        Parameters
        ----------
        path : path
            New file.
        overwrite : bool
            Whether to replace an existing file.
        half_precision : bool
            Whether to store the weights as float16, in half the size; they are rounded to 11 significant bits. The
            loaded model computes in float32 like any other.

        Raises
        ------
        OutputExistsError
            If the file exists and `overwrite` is False.
        OutputError
            If it cannot be written.
        ModelFileError
            If a weight is NaN or infinite, or too large for float16.
        """
        from safetensors.torch import save

        from decrappify.io.store.outputs import atomic_output

        path = check_unused(path, overwrite=overwrite)
        tensors = {key: tensor.detach().cpu().contiguous() for key, tensor in self.network.state_dict().items()}
        check_finite(tensors, str(path))
        if half_precision:
            tensors = {key: value.half() if value.is_floating_point() else value for key, value in tensors.items()}
            _check_half(tensors, path)
        header = self._header()
        header["sha256"] = digest(header["architecture"], header["normalization"], tensors)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError(f"cannot write {path}: {error.strerror or error}") from error
        with atomic_output(path, overwrite=overwrite) as temporary:
            # Not by save_file: its temporary file would be left behind if the process is killed.
            temporary.write_bytes(save(tensors, {"decrappify": json.dumps(header)}))
        return path

    def _header(self) -> dict[str, Any]:
        return {
            "format_version": FORMAT_VERSION,
            "written_by": f"decrappify {__version__}",
            "architecture": self.network.architecture,
            "normalization": self.normalization.to_dict(),
            "crappifier": self.crappifier,
            "card": self.card,
        }

    def __repr__(self) -> str:
        return (
            f"Model({self.name!r}, n_frames={self.n_frames}, scale={self.scale}, in_channels={self.in_channels}, "
            f"parameters={self.n_parameters:,})"
        )


def check_unused(path: str | Path, *, overwrite: bool = False) -> Path:
    """Return the path of a model file that may be written.

    Raises
    ------
    OutputExistsError
        If it exists and `overwrite` is False.
    """
    path = Path(path)
    if path.exists() and not overwrite:
        raise OutputExistsError(f"{path} exists; {pass_setting('overwrite', True, otherwise='choose another name')}")
    return path
