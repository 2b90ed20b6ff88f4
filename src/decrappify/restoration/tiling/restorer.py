"""Tiled restoration of the middle frame of a window."""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from decrappify._common.argument_names import setting
from decrappify._common.counting import counted
from decrappify._common.planes.rounding import round_up
from decrappify._common.progress import Cancel, check_cancel
from decrappify.errors import DeviceMemoryError, InputError
from decrappify.inference.memory import free_memory, halved, largest_tile, seam_warning, tile_and_overlap
from decrappify.inference.network import InferenceNetwork
from decrappify.inference.options import InferenceOptions
from decrappify.inference.reuse import prepared_network
from decrappify.limits.reached import is_out_of_memory
from decrappify.movie import Array
from decrappify.restoration.tiling.grid import FramePart, TileGrid, TileSet

if TYPE_CHECKING:
    from decrappify.model import Model

logger = logging.getLogger(__name__)


class Restorer:
    """Restoration of the middle frame of a window, tile by tile, with a model.

    Parameters
    ----------
    *models : Model
        The model, or several of one scale for different windows of the same frames; networks are copied and not
        changed. Several have the same tiles, precision and backend.
    inference : InferenceOptions
        Tiles, device, precision and backend. The largest side of a tile is planned from the free memory by default, and
        halved when it runs out; the default overlap is enough for the network's margin.
    expected_pixels : int
        Number of input pixels of all windows, if known; used by ``backend="auto"``.
    cancel : threading.Event, optional
        Checked before every tile.

    Attributes
    ----------
    networks : tuple of InferenceNetwork
        One per model.
    tile_size, tile_overlap : int
        Current values, in input pixels.
    cancel : threading.Event or None
        The argument; may be replaced between two windows.

    Examples
    --------
    >>> from decrappify.model import Model
    >>> from decrappify.networks.residual_unet import ResidualUNet
    >>> inference = InferenceOptions(tile_size=64, device="cpu")
    >>> restorer = Restorer(Model(ResidualUNet(n_frames=3, base_channels=16)), inference=inference)
    >>> restorer.restore_window(np.zeros((3, 100, 70), np.float32)).shape
    (1, 100, 70)
    """

    def __init__(
        self,
        *models: Model,
        inference: InferenceOptions = InferenceOptions(),
        expected_pixels: int = 0,
        cancel: Cancel | None = None,
    ) -> None:
        self.networks = _prepared(models, inference, expected_pixels)
        self.network = self.networks[0]
        self.size_multiple = math.lcm(*(network.size_multiple for network in self.networks))
        self.margin = max(network.margin for network in self.networks)
        self.tile_size, self.tile_overlap = tile_and_overlap(
            inference.tile_size,
            inference.tile_overlap,
            margin=self.margin,
            multiple=self.size_multiple,
            largest=largest_tile(self.network.device, max(network.bytes_per_pixel for network in self.networks)),
        )
        self.cancel = cancel
        self._warned_of_seams = False

    def grid(self, frame_shape: tuple[int, int]) -> TileGrid:
        """Return the tiles over a frame of (Y, X) pixels."""
        grid = self._grid(frame_shape, self.tile_size)
        if not self._warned_of_seams and len(grid) > 1:
            self._warned_of_seams = True
            seams = seam_warning(self.tile_size, self.tile_overlap, margin=self.margin, multiple=self.size_multiple)
            if seams is not None:
                logger.warning(seams)
        return grid

    def part(self, frame_shape: tuple[int, int], rows: slice, columns: slice) -> FramePart:
        """Return the part of a frame of (Y, X) pixels to load for a rectangle of its result (output pixels).

        It also contains the smaller tiles that are used when memory runs out.
        """
        grid = self._grid(frame_shape, self.tile_size)
        reach, multiple, scale = self._smaller(grid) or 0, self.size_multiple, self.network.scale
        source = []
        for wanted, tiles, size in zip((rows, columns), grid.source_of(rows, columns), frame_shape, strict=True):
            first, last = wanted.start // scale - reach, -(-wanted.stop // scale) + reach
            start = min(tiles.start, max(0, first // multiple * multiple))
            source.append(slice(start, max(tiles.stop, min(size, round_up(last, multiple)))))
        return FramePart(rows, columns, (source[0], source[1]))

    def _grid(self, frame_shape: tuple[int, int], tile_size: int) -> TileGrid:
        return TileGrid(
            frame_shape=frame_shape,
            tile_size=tile_size,
            overlap=self.tile_overlap,
            multiple=self.size_multiple,
            margin=self.margin,
            scale=self.network.scale,
        )

    def load(self, frame: Array) -> Tensor:
        """Prepare a normalized frame (C, Y, X) float32 for the network: padded, and on the device if it fits."""
        padded = torch.from_numpy(np.ascontiguousarray(self.grid((frame.shape[-2], frame.shape[-1])).pad(frame)))
        return padded.to(self._storage_device(padded.nbytes))

    def restore_window(self, window: Array) -> Array:
        """Restore the middle frame of a window.

        Parameters
        ----------
        window : ndarray of float32, (n_frames * in_channels, Y, X)
            Normalized frames, each with all its channels; any size from 1 pixel.

        Returns
        -------
        ndarray of float32, (out_channels, Y * scale, X * scale)
            Result in network units.

        Raises
        ------
        InputError
            If the window does not have the channels of the network.
        DeviceMemoryError
            If the smallest tile does not fit into memory.
        """
        if window.ndim != 3 or window.shape[0] != self.network.n_channels:
            raise InputError(
                f"window of shape {window.shape} does not fit the network, expected "
                f"({counted(self.network.n_frames, 'frame')} x {counted(self.network.in_channels, 'channel')}, Y, X)"
            )
        frames = np.split(window, self.network.n_frames)
        return self.restore_frames([self.load(frame) for frame in frames], (window.shape[1], window.shape[2]))

    def restore_frames(
        self,
        frames: Sequence[Tensor],
        frame_shape: tuple[int, int],
        network: int = 0,
        *,
        part: FramePart | None = None,
    ) -> Array:
        """Restore as `restore_window`, for frames from `load`; restarts with smaller tiles when memory runs out.

        `network` is the index of the model. With a `part` of the frame, as returned by `part`, only its rectangle is
        restored, from frames that were cropped to its source, with the same result as that rectangle of the whole.
        """
        while True:
            smaller: int | None
            try:
                grid = self.grid(frame_shape)
                tiles = grid.whole() if part is None else grid.within(part)
                return self._restore_once(self.networks[network], frames, tiles)
            except (MemoryError, RuntimeError, OSError) as error:
                if not is_out_of_memory(error):
                    raise
                used, smaller = self.used_and_smaller(frame_shape)
                if smaller is None:
                    raise DeviceMemoryError(
                        f"not enough memory on {self.network.device} for the smallest tile of {used} pixels",
                        advice="close other programs, or choose another device, such as "
                        f"{setting('device', 'cpu')}, or a smaller model",
                        option="device",
                    ) from error
            if self.network.device.type == "cuda":
                torch.cuda.empty_cache()
            logger.warning(
                "out of memory on %s with %s, continuing with %d",
                self.network.device,
                setting("tile_size", used),
                smaller,
            )
            self.tile_size = smaller

    def used_and_smaller(self, frame_shape: tuple[int, int]) -> tuple[int, int | None]:
        """Return the side of the tiles of a frame, and the next smaller one, None if that is the smallest."""
        grid = self.grid(frame_shape)
        return min(self.tile_size, max(grid.tile_shape)), self._smaller(grid)

    def _smaller(self, grid: TileGrid) -> int | None:
        used = min(grid.tile_size, max(grid.tile_shape))
        return halved(used, self.tile_overlap, self.size_multiple)

    @torch.inference_mode()
    def _restore_once(self, network: InferenceNetwork, frames: Sequence[Tensor], tiles: TileSet) -> Array:
        shape = (network.out_channels, *tiles.output_shape)
        storage = self._storage_device(4 * int(np.prod(shape)))
        output = torch.zeros(shape, device=storage)
        for row, column in tiles:
            check_cancel(self.cancel, "restoration was cancelled")
            source = torch.cat([frame[:, row.source, column.source] for frame in frames])
            prediction = network(source[None].to(network.device))[0, :, row.kept, column.kept].to(storage)
            weights = torch.from_numpy(row.weights[:, None] * column.weights).to(storage)
            output[:, row.place, column.place] += prediction.mul_(weights)
        return output[:, : tiles.result_shape[0], : tiles.result_shape[1]].cpu().numpy()

    def _storage_device(self, nbytes: int) -> torch.device:
        """Return the device for whole frames of `nbytes`: the network's, unless too little memory remains for tiles."""
        device = self.network.device
        return device if device.type == "cpu" or 16 * nbytes < free_memory(device) else torch.device("cpu")


def _prepared(
    models: Sequence[Model], inference: InferenceOptions, expected_pixels: int
) -> tuple[InferenceNetwork, ...]:
    """Prepare the networks; of different automatic choices, all use float32 and torch."""
    precision, backend = inference.precision, inference.backend

    def prepared() -> tuple[InferenceNetwork, ...]:
        return tuple(
            prepared_network(
                model.network,
                device=inference.device,
                precision=precision,
                backend=backend,
                expected_pixels=expected_pixels,
            )
            for model in models
        )

    networks = prepared()
    if len({network.precision for network in networks}) > 1:
        precision = "float32"
        networks = prepared()
    if len({network.backend for network in networks}) > 1:
        backend = "torch"
        networks = prepared()
    return networks
