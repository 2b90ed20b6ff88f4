"""Worker for PSSR2 (the `pssr` package).

From PSSR2: ResUNet, PairedSlidingDataset (validation split, turns and flips), SSIMLoss, AdamW and train_paired, with
the values of its command line. Set here: gray levels, the end of the budget, the patch size, the width, and the tiles.

- PSSR2 works in 0 to 255. One affine map for the low files and one for the high files, from the 0.1 and 99.9
  percentiles, converts them to float32 TIFF files: values are neither rounded nor clipped. Results are mapped back.
- On one CPU core a step with its defaults (59 million parameters, 16 patches of 128 px) takes 32 CPU seconds, so a
  budget of minutes allows only a few steps. A quarter of the width (2.6 s) on patches of 64 px (0.7 s) is used on the
  CPU; it was chosen by these costs, not by comparing trained networks. The method "default width" has the default
  width with patches of 64 px. On a GPU the defaults are used. × 4 uses patches of 128 px.
- Patches overlap by three quarters (default: a quarter), as that "increases effective dataset size".
- The learning rate is multiplied by 0.7 ten times, as in its ten epochs, spread over the budget for any epoch length.
- Three input frames and one output frame are its "2.5-dimensional" mode. Its paired datasets use the first high frame
  of each window instead of the middle one, so the high files are written one frame early.
- Its own tiled functions (`predict_images`, `reassemble_sheets`) round to 8 bits and drop incomplete tiles at the right
  and the bottom. Here the network is applied to the whole image, or to tiles with margins if the image is large.
"""

from __future__ import annotations

import json
import math
import random
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
import torch
from pssr.data import PairedSlidingDataset
from pssr.models import ResUNet
from pssr.train import train_paired
from pssr.util import SSIMLoss
from torch.utils.flop_counter import FlopCounterMode
from worker import Answer, cpu_seconds, measured, serve

Array = np.ndarray[Any, Any]
WIDTHS = {"cuda": [64, 128, 256, 512, 1024], "cpu": [16, 32, 64, 128, 256]}
SIZES = {"cuda": 128, "cpu": 64}
BATCH, RATE, DECAY, EPOCHS, MIX = 16, 1e-3, 0.7, 10, 0.8  # default of its command line
MARGIN = 64


class BudgetSpent(Exception):
    """Exception that ends the training loop of PSSR2."""


class Clock:
    """Callback of train_paired after each batch: counts steps and images, sets the learning rate, ends the run."""

    def __init__(self, begun: float, budget: float) -> None:
        self.begun, self.budget, self.steps, self.images = begun, budget, 0, 0

    def __call__(self, loop: dict[str, Any]) -> None:
        self.steps += 1
        self.images += len(loop["hr"])
        spent = (cpu_seconds() - self.begun) / self.budget
        if spent >= 1:
            raise BudgetSpent
        for group in loop["optim"].param_groups:
            group["lr"] = RATE * DECAY ** int(EPOCHS * spent)


class Pssr:
    """Loaded model, and the three requests."""

    network: ResUNet
    plan: dict[str, Any]

    def __init__(self) -> None:
        self.device = "cuda" if torch.cuda.is_available() else "cpu"

    def train(self, request: dict[str, Any]) -> Answer:
        started, clock = time.perf_counter(), Clock(cpu_seconds(), request["cpu_seconds"])
        for seed in (torch.manual_seed, np.random.seed, random.seed):
            seed(request["seed"])
        files = {kind: sorted(Path(request[kind]).glob("*.tif")) for kind in ("low", "high")}
        n_frames, scale = request["n_frames"], request["scale"]
        size = min(max(request.get("size", SIZES[self.device]), 32 * scale), _largest_patch(files["high"]))
        self.plan = {
            "hidden": request.get("hidden", WIDTHS[self.device]),
            "scale": scale,
            "n_frames": n_frames,
            "levels": {kind: _levels(paths) for kind, paths in files.items()},
        }
        self.network = self._network()
        with tempfile.TemporaryDirectory() as name:
            for kind, paths in files.items():
                self._prepare(paths, kind, Path(name) / kind)
            self._fit(Path(name), size, clock)
        folder = Path(request["model"])
        folder.mkdir(parents=True)
        (folder / "plan.json").write_text(json.dumps(self.plan))
        torch.save(self.network.state_dict(), folder / "model.pth")
        return {
            "steps": clock.steps,
            "images_seen": clock.images,
            "cpu_seconds": cpu_seconds() - clock.begun,
            "seconds": time.perf_counter() - started,
            "parameters": self._parameters(),
            "versions": f"pssr {version('pssr')}, torch {torch.__version__}",
            "settings": f"ResUNet(hidden={self.plan['hidden']}), patches of {size} px, batch {BATCH}, "
            f"SSIMLoss(mix={MIX}), AdamW at {RATE:g} times {DECAY} ten times in the budget, n_frames [{n_frames}, 1]",
        }

    def _fit(self, home: Path, size: int, clock: Clock) -> None:
        n_frames, scale = self.plan["n_frames"], self.plan["scale"]
        data = PairedSlidingDataset(
            home / "high",
            home / "low",
            hr_res=size,
            lr_scale=scale,
            overlap=size * 3 // 4,
            n_frames=[n_frames, 1],
            slide=True,
            val_split=0.1,
            split_seed=0,
        )
        window = min((size - 1) // 16 | 1, 11)  # the largest odd size that five scales allow
        optim = torch.optim.AdamW(self.network.parameters(), lr=RATE)
        with suppress(BudgetSpent):
            train_paired(
                self.network,
                data,
                BATCH,
                SSIMLoss(mix=MIX, win_size=window),
                optim,
                epochs=sys.maxsize,
                device=self.device,
                callbacks=[clock],
            )

    def _prepare(self, paths: list[Path], kind: str, folder: Path) -> None:
        """Write files in the format of PSSR2: 0 to 255, a frame axis, one window or more."""
        black, gain = self.plan["levels"][kind]
        n_frames = self.plan["n_frames"]
        folder.mkdir()
        for path in paths:
            frames = (_movie(path) - black) / gain
            frames = np.concatenate([frames] + [frames[-1:]] * (n_frames - len(frames)))
            if kind == "high":
                frames = np.roll(frames, -(n_frames // 2), axis=0)
            tifffile.imwrite(folder / path.name, frames, photometric="minisblack")

    def load(self, request: dict[str, Any]) -> Answer:
        folder = Path(request["model"])
        self.plan = json.loads((folder / "plan.json").read_text())
        self.network = self._network()
        self.network.load_state_dict(torch.load(folder / "model.pth", weights_only=True))
        self.network.to(self.device).eval()
        side = 512
        source = torch.zeros(1, self.plan["n_frames"], side, side, device=self.device)
        with FlopCounterMode(display=False) as counter, torch.inference_mode():
            self.network(source)
        flop = counter.get_total_flops() / (side * self.plan["scale"]) ** 2
        answer = {"parameters": self._parameters(), "gflop_per_mp": flop / 1e3}
        if request.get("backend") == "openvino":
            from compiled import run_in_openvino

            run_in_openvino(self.network, self.plan["n_frames"])
        return answer

    def restore(self, request: dict[str, Any]) -> Answer:
        source, output = Path(request["source"]), request["output"]
        if ".zarr" in (source.suffix, Path(output or "").suffix):
            raise ValueError(f"expected TIFF files, which PSSR2 reads and writes; found {source}, {output}")
        if output is None:
            pixels = tifffile.imread(source)
            answer = measured(lambda: self._restored(pixels))
        else:
            answer = measured(
                lambda: tifffile.imwrite(output, self._restored(tifffile.imread(source)), photometric="minisblack")
            )
        del answer["value"]
        return answer

    def _restored(self, source: Array) -> Array:
        """Restore YX or TYX, frame by frame; movies are extended by reflected frames."""
        frames = source if source.ndim == 3 else source[None]
        scale, half, last = self.plan["scale"], self.plan["n_frames"] // 2, len(frames) - 1
        (black, gain), (out_black, out_gain) = self.plan["levels"]["low"], self.plan["levels"]["high"]
        height, width = frames.shape[1:]
        result = np.empty((len(frames), height * scale, width * scale), np.float32)
        for t in range(len(frames)):
            window = [min(last, last - abs(last - abs(t + step))) for step in range(-half, half + 1)]
            image = self._image((frames[window].astype(np.float32) - black) / gain)
            result[t] = image * out_gain + out_black
        return result if source.ndim == 3 else result[0]

    @torch.inference_mode()
    def _image(self, window: Array) -> Array:
        """Restore one frame from its window (frames, Y, X), whole or in tiles."""
        scale, divisor = self.plan["scale"], 2 ** (len(self.plan["hidden"]) - 1)
        height, width = window.shape[1:]
        below, right = -height % divisor, -width % divisor
        padded = np.pad(window, ((0, 0), (0, below), (0, right)), mode="symmetric")
        result = np.empty((height * scale, width * scale), np.float32)
        for rows, ys in _tiles(padded.shape[1], divisor, scale):
            for columns, xs in _tiles(padded.shape[2], divisor, scale):
                tile = torch.from_numpy(padded[None, :, ys, xs].copy()).to(self.device)
                restored = self.network(tile)[0, 0].cpu().numpy()
                top, left = (rows.start - ys.start) * scale, (columns.start - xs.start) * scale
                place = result[rows.start * scale : rows.stop * scale, columns.start * scale : columns.stop * scale]
                place[:] = restored[top : top + place.shape[0], left : left + place.shape[1]]
        return result

    def _network(self) -> ResUNet:
        return ResUNet([self.plan["n_frames"], 1], hidden=self.plan["hidden"], scale=self.plan["scale"])

    def _parameters(self) -> int:
        return sum(parameter.numel() for parameter in self.network.parameters())


def _tiles(length: int, divisor: int, scale: int) -> Iterator[tuple[slice, slice]]:
    """Return the written and the read range of each tile along one axis; 1024 px a side, or 2048 px of the result."""
    most = min(1024, 2048 // scale)
    step = math.ceil(length / math.ceil(length / most) / divisor) * divisor
    for start in range(0, length, step):
        stop = min(start + step, length)
        yield slice(start, stop), slice(max(0, start - MARGIN), min(length, stop + MARGIN))


def _largest_patch(paths: list[Path]) -> int:
    """Return the largest power of two that fits into every image with space to slide."""
    return 2 ** int(math.log2(min(min(_movie(path).shape[1:]) for path in paths) * 0.9))


def _levels(paths: list[Path]) -> tuple[float, float]:
    """Return the gray level at 0 of PSSR2 and the size of one of its 255 steps."""
    black, white = np.percentile(np.concatenate([_movie(path).ravel() for path in paths]), (0.1, 99.9))
    return float(black), float(max(white - black, 1e-6) / 255)


def _movie(path: Path) -> Array:
    image = tifffile.imread(path).astype(np.float32)
    return image if image.ndim == 3 else image[None]


if __name__ == "__main__":
    torch.set_num_threads(int(sys.argv[1]))
    method = Pssr()
    serve({"train": method.train, "load": method.load, "restore": method.restore})
