"""Interface between a restoration network and the code that trains and runs it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from decrappify._common.counting import counted
from decrappify.errors import InputError


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkSpec:
    """Requirements and properties of a network: inputs, outputs, sizes and margin.

    Attributes
    ----------
    n_frames : int
        Frames in a window, odd; the middle one is predicted.
    in_channels, out_channels : int
        Channels of each frame, and of the prediction.
    scale : int
        Upsampling factor.
    size_multiple : int
        Height and width of a source must be multiples of it, in pixels.
    tile_multiple : int
        Tiles must start at multiples of it, in source pixels, to have the same coarse grid as their neighbors; 0 for
        `size_multiple`.
    margin : int
        Width in source pixels of the border of a tile where predictions differ from those of the whole image.
    homogeneous : bool
        Whether the prediction of ``a * x`` is ``a`` times that of ``x`` for a > 0: a network without biases (Mohan et
        al. 2020).
    output_layer : str
        Name of the last layer (as in `named_modules`) of a network that does not add its result to the source. The
        layer is computed in float32 at every precision: rounded to bfloat16, gray levels would be up to 0.8 % apart.

    Examples
    --------
    >>> spec = NetworkSpec(n_frames=3, in_channels=1, out_channels=1, size_multiple=4)
    >>> spec.source_channels, spec.tile_multiple
    (3, 4)
    """

    n_frames: int
    in_channels: int
    out_channels: int
    scale: int = 1
    size_multiple: int = 1
    tile_multiple: int = 0
    margin: int = 0
    homogeneous: bool = False
    output_layer: str = ""

    def __post_init__(self) -> None:
        if not self.tile_multiple:
            object.__setattr__(self, "tile_multiple", self.size_multiple)

    @property
    def source_channels(self) -> int:
        """Channels of a source: all channels of all frames of a window."""
        return self.n_frames * self.in_channels


class RestorationNetwork(nn.Module):
    """Base class of networks that predict the middle frame of a window.

    A subclass sets `spec` and `architecture` in its constructor and defines ``forward``.

    Attributes
    ----------
    spec : NetworkSpec
        Sizes and channels.
    architecture : dict
        ``name``, as registered, and all settings that `decrappify.networks.create` needs to rebuild the network: plain
        values, stored in model files.

    Notes
    -----
    Shapes: source (N, n_frames * in_channels, H, W), frame after frame, H and W multiples of ``spec.size_multiple``;
    prediction (N, out_channels, H * scale, W * scale).
    """

    spec: NetworkSpec
    architecture: dict[str, Any]

    @property
    def n_frames(self) -> int:
        """Frames in a window."""
        return self.spec.n_frames

    @property
    def in_channels(self) -> int:
        """Channels of each frame."""
        return self.spec.in_channels

    @property
    def out_channels(self) -> int:
        """Channels of the prediction."""
        return self.spec.out_channels

    @property
    def scale(self) -> int:
        """Upsampling factor."""
        return self.spec.scale

    def middle_frame(self, source: Tensor) -> Tensor:
        """Return the channels of the middle frame that are predicted, (N, out_channels, H, W)."""
        start = self.spec.n_frames // 2 * self.spec.in_channels
        return source[:, start : start + self.spec.out_channels]

    def parameter_groups(self) -> list[list[nn.Parameter]]:
        """Return the parameters in groups with separate learning rates, from input to output; one group by default."""
        return [list(self.parameters())]

    def freeze_encoder(self, frozen: bool) -> None:
        """Exclude a pretrained encoder from training, or include it again; no effect without such an encoder."""

    def widened(self, state: dict[str, Tensor], n_frames: int) -> dict[str, Tensor]:
        """Return the weights of a network of fewer frames, extended so that this network predicts the same.

        Parameters
        ----------
        state : dict
            State dictionary of a network that differs in `n_frames` only.
        n_frames : int
            Frames in a window of that network.

        Raises
        ------
        InputError
            If networks of this kind cannot be extended, or `n_frames` is larger than this network's.
        """
        if n_frames == self.n_frames:
            return state
        raise InputError(
            f"a {type(self).__name__} of {counted(self.n_frames, 'frame')} cannot start from one of {n_frames}; use "
            "the same n_frames"
        )
