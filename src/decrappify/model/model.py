"""Model: network, normalization, crappifier and provenance, saved as one self-contained .safetensors file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from decrappify._common.argument_names import pass_setting, setting
from decrappify._common.plugins import definition_of
from decrappify._version import __version__
from decrappify.errors import InputError, ModelFileError, OutputError, OutputExistsError
from decrappify.model.fidelity import StoredWeights, check_fidelity
from decrappify.model.header import FORMAT_VERSION, PRETRAINED, WITH_FIDELITY, check_finite, check_intact, digest
from decrappify.normalization import ChannelStatistics, NormalizationRule

if TYPE_CHECKING:
    from torch import Tensor

    from decrappify.networks.spec import RestorationNetwork


def _stored(weights: Mapping[str, Tensor], path: Path, *, half_precision: bool) -> dict[str, Tensor]:
    """Return weights as they are stored."""
    tensors = {key: tensor.detach().cpu().contiguous() for key, tensor in weights.items()}
    check_finite(tensors, str(path))
    if half_precision:
        tensors = {key: value.half() if value.is_floating_point() else value for key, value in tensors.items()}
        _check_half(tensors, path)
    return tensors


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
    pretrained : mapping of str to Tensor, optional
        State dict from before the GAN phase of which `network` has the selected weights; entries that are equal in
        both may be omitted.

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
        pretrained: Mapping[str, Tensor] | None = None,
    ) -> None:
        self.network = network.eval()
        self.normalization: NormalizationRule | ChannelStatistics = normalization or NormalizationRule()
        self.crappifier = None if crappifier is None else dict(crappifier)
        self.card: dict[str, Any] = dict(card or {})
        self.pretrained = pretrained
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

    @property
    def fidelity(self) -> float | None:
        """Fidelity of the weights: 0 for those selected in a GAN phase, 1 for those before it; None without either."""
        fidelity = 0.0 if self.pretrained is not None else self.card.get("fidelity")
        return float(fidelity) if isinstance(fidelity, int | float) and 0 <= fidelity <= 1 else None

    def with_fidelity(self, fidelity: float) -> Model:
        """Return the model with weights between those selected in its GAN phase and those before it.

        The result has one set of weights, and its card states the fidelity.

        Parameters
        ----------
        fidelity : float
            0 is the selected checkpoint of the GAN phase, as loaded; 1 is the pretrained generator, closest to the
            data. Between them, the weights are interpolated (Wang et al. 2018).

        Raises
        ------
        InputError
            If the fidelity is not from 0 to 1, or the model has one set of weights.
        ModelFileError
            If the weights before the GAN phase cannot be read, or do not match their checksum.

        Examples
        --------
        >>> from decrappify.networks import create
        >>> before, after = (create("residual-unet", n_frames=1, base_channels=16) for _ in range(2))
        >>> model = Model(after, pretrained=before.state_dict())
        >>> model.fidelity, model.with_fidelity(0.7).fidelity
        (0.0, 0.7)
        """
        fidelity = check_fidelity(fidelity)
        if fidelity == self.fidelity:
            return self
        if self.pretrained is None:
            raise InputError(
                f"model {self.name!r} has one set of weights{self._why_one()}, so {setting('fidelity', fidelity)} does "
                "not apply; omit it, or use a NoGAN model with a fidelity ('decrappify info MODEL' states whether a "
                "model file has one)"
            )
        from copy import deepcopy

        from decrappify.limits.weights import check_preparing
        from decrappify.model.interpolation import interpolate_weights

        selected = self.network.state_dict()
        check_preparing(selected.values())
        network = deepcopy(self.network)
        network.load_state_dict(interpolate_weights(selected, self._complete_pretrained(), fidelity))
        return Model(network, self.normalization, self.crappifier, self.card | {"fidelity": fidelity})

    def _why_one(self) -> str:
        """Return the reason for one set of weights, for an error message."""
        if self.fidelity is not None:
            return f" of fidelity {self.fidelity:g}"
        return f" ({self.card['verdict']})" if isinstance(self.card.get("verdict"), str) else ""

    def _complete_pretrained(self) -> dict[str, Tensor]:
        """Return the complete state dict before the GAN phase, and check it if it is read from a file."""
        now = self.network.state_dict()
        stored = dict(self.pretrained or {})
        complete = {key: stored.get(key, weight).to(weight) for key, weight in now.items()}
        if isinstance(self.pretrained, StoredWeights):
            check_intact(self.header() | {"sha256": self.pretrained.sha256}, complete, self.pretrained.path)
        return complete

    def save(self, path: str | Path, *, overwrite: bool = False, half_precision: bool = False) -> Path:
        """Write the model to one .safetensors file, under a temporary name until complete, and return its path.

        Weights before a GAN phase are included; a file with them can be read by decrappify 0.2 or newer.

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
        tensors = _stored(self.network.state_dict(), path, half_precision=half_precision)
        header = self.header()
        header["sha256"] = digest(header["architecture"], header["normalization"], tensors)
        if self.pretrained is not None:
            before = _stored(self._complete_pretrained(), path, half_precision=half_precision)
            header["format_version"] = WITH_FIDELITY
            header["pretrained_sha256"] = digest(header["architecture"], header["normalization"], before)
            tensors |= {f"{PRETRAINED}{key}": value for key, value in before.items() if not value.equal(tensors[key])}
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError(f"cannot write {path}: {error.strerror or error}") from error
        with atomic_output(path, overwrite=overwrite) as temporary:
            # Not by save_file: its temporary file would be left behind if the process is killed.
            temporary.write_bytes(save(tensors, {"decrappify": json.dumps(header)}))
        return path

    def header(self) -> dict[str, Any]:
        """Return all of a model file but the weights: architecture, normalization, crappifier and card."""
        return {
            "format_version": FORMAT_VERSION,
            "written_by": f"decrappify {__version__}",
            "architecture": self.network.architecture,
            "normalization": self.normalization.to_dict(),
            "crappifier": self.crappifier,
            "card": self.card,
        } | ({} if (found := definition_of(type(self.network))) is None else {"network_defined_in": found})

    def __repr__(self) -> str:
        return (
            f"Model({self.name!r}, n_frames={self.n_frames}, scale={self.scale}, in_channels={self.in_channels}, "
            f"parameters={self.n_parameters:,})"
        )

    def _repr_html_(self) -> str:
        """Return a summary of the card for notebooks."""
        from decrappify.model.display import model_html

        return model_html(self)


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
