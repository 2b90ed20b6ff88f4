"""Options of network execution, shared by restoration, colorization and benchmarks; torch is not imported."""

from __future__ import annotations

from dataclasses import dataclass

from decrappify._common.argument_names import argument, setting
from decrappify._common.checks import short
from decrappify.errors import InputError

PRECISION_NAMES = ("float32", "bfloat16", "float16")


@dataclass(frozen=True, slots=True, kw_only=True)
class InferenceOptions:
    """Options of network execution; ``"auto"`` and None are automatic choices.

    Attributes
    ----------
    tile_size, tile_overlap : int, optional
        Side and overlap of tiles in input pixels; by default planned from the free memory and the model. Tiles that do
        not fit into memory are halved. Used by restoration.
    device : str
        ``"auto"``, ``"cpu"``, ``"cuda"``, ``"cuda:1"`` or ``"mps"``.
    precision : {"auto", "float32", "bfloat16", "float16"}
        Precision of the network; ``"auto"`` is the fastest one without loss of quality for this model.
    backend : {"auto", "torch", "compile", "onnxruntime", "openvino"}
        Runtime of the network, see `decrappify.inference.network.InferenceNetwork`; ``"auto"`` is OpenVINO for long
        runs if it is installed and measured to be faster on this computer, and torch otherwise.
    batch_size : int, optional
        Images or frames per forward pass. Used by colorization.

    Raises
    ------
    InputError
        If the precision is unknown.

    Examples
    --------
    >>> InferenceOptions(device="cpu", tile_size=256).precision
    'auto'
    """

    tile_size: int | None = None
    tile_overlap: int | None = None
    device: str = "auto"
    precision: str = "auto"
    backend: str = "auto"
    batch_size: int | None = None

    def __post_init__(self) -> None:
        check_precision(self.precision)

    def check_unused(self, *names: str, by: str) -> None:
        """Raise InputError if an option is set that the function `by` does not use.

        >>> InferenceOptions().check_unused("batch_size", by="restore")
        """
        for name in names:
            value = getattr(self, name)
            if value is not None:
                raise InputError(f"{argument(name)} is {short(value)}, but {by} does not use it; omit it")


def check_precision(precision: str) -> str:
    """Return `precision` if it is known; raise InputError otherwise."""
    if precision not in ("auto", *PRECISION_NAMES):
        raise InputError(
            f"{setting('precision', precision)} is not known, expected 'auto', 'float32', 'bfloat16' or 'float16'"
        )
    return precision
