"""Worker for decrappify, with the defaults of `decrappify.train` and `decrappify.restore`.

One setting differs: keep="last", the recommendation for runs with few validation images. With "best", the wide-field
runs kept weights from a sixth to a quarter of the run, selected by three slices out of focus; in all other runs the
last weights were also the best.

The one-cycle schedule requires the number of steps in advance, so a few steps are timed first, within the budget. If
the budget is spent earlier than planned, the run ends there. A reference that is identical in every frame is passed as
one frame, as a laboratory would store it. Zarr outputs are OME-Zarr with a pyramid, as `restore` writes them.
"""

from __future__ import annotations

import statistics
import sys
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
import torch
from torch.utils.flop_counter import FlopCounterMode
from worker import Answer, cpu_seconds, measured, serve

import decrappify
from decrappify import Movie, TrainingConfig
from decrappify.inference.options import InferenceOptions
from decrappify.restoration import RestorationOptions

PROBE, RESERVE = 12, 0.95
TILE = 512


class Clock:
    """Progress bar (tqdm interface) that records the CPU time at each step and stops the run after its budget."""

    def __init__(self, ends: float) -> None:
        self.ends, self.stop, self.at = ends, threading.Event(), [cpu_seconds()]

    def __call__(self, **_: Any) -> Clock:
        return self

    def update(self, _: int = 1) -> None:
        self.at.append(cpu_seconds())
        if self.at[-1] >= self.ends:
            self.stop.set()

    def set_postfix(self, *_: Any, **__: Any) -> None:
        pass

    def close(self) -> None:
        pass


class Decrappify:
    """Loaded model, and the three requests."""

    model: decrappify.Model
    inference: InferenceOptions

    def train(self, request: dict[str, Any]) -> Answer:
        started, begun = time.perf_counter(), cpu_seconds()
        pairs = [_pair(low, Path(request["high"]) / low.name) for low in sorted(Path(request["low"]).glob("*.tif"))]
        ends = begun + request["cpu_seconds"]
        probe = Clock(ends)
        _train(pairs, request, PROBE, probe)
        step = statistics.median(np.diff(probe.at)[2:])
        n_steps = max(PROBE, int((ends - cpu_seconds()) * RESERVE / step))
        clock = Clock(ends)
        model = _train(pairs, request, n_steps, clock)
        folder = Path(request["model"])
        folder.mkdir(parents=True)
        model.save(folder / "model.safetensors")
        return {
            "steps": len(clock.at) - 1,
            "images_seen": (len(clock.at) - 1) * TrainingConfig().batch_size,
            "cpu_seconds": cpu_seconds() - begun,
            "seconds": time.perf_counter() - started,
            "parameters": _parameters(model),
            "versions": f"decrappify {decrappify.__version__}, torch {torch.__version__}",
            "settings": "defaults of decrappify.train, keep=last",
        }

    def load(self, request: dict[str, Any]) -> Answer:
        path = Path(request["model"])
        self.model = decrappify.load_model(path / "model.safetensors" if path.is_dir() else str(path))
        self.inference = InferenceOptions(
            backend=request.get("backend", "auto"), precision=request.get("precision", "auto")
        )
        network: Any = self.model.network
        source = torch.zeros(1, network.n_frames * network.in_channels, TILE, TILE)
        with FlopCounterMode(display=False) as counter, torch.inference_mode():
            network.eval()(source)
        flop = counter.get_total_flops() / (TILE * network.scale) ** 2
        return {"parameters": _parameters(self.model), "gflop_per_mp": flop / 1e3}

    def restore(self, request: dict[str, Any]) -> Answer:
        source, output = request["source"], request["output"]
        if output is None:
            movie = Movie.from_array(np.asarray(decrappify.open_movie(source)))
            answer = measured(lambda: decrappify.restore(movie, self.model, inference=self.inference))
        elif output.endswith(".zarr"):
            answer = measured(
                lambda: decrappify.restore(source, self.model, output, overwrite=True, inference=self.inference)
            )
        else:
            answer = measured(lambda: self._to_tiff(source, Path(output)))
        del answer["value"]
        return answer

    def _to_tiff(self, source: str, output: Path) -> None:
        """Write float32 like the other methods, not rounded to the gray levels of the source."""
        named = output.with_name(f"{output.stem}.ome.tif")
        decrappify.restore(
            source,
            self.model,
            named,
            options=RestorationOptions(dtype="float32"),
            overwrite=True,
            inference=self.inference,
        )
        named.replace(output)


def _train(pairs: list[tuple[Movie, Movie]], request: dict[str, Any], n_steps: int, clock: Clock) -> decrappify.Model:
    config = TrainingConfig(
        n_frames=request["n_frames"],
        max_steps=n_steps,
        validate_every=max(1, n_steps // 4),
        keep="last",
        seed=request["seed"],
    )
    return decrappify.train(pairs=pairs, config=config, run=decrappify.RunOptions(progress=clock, cancel=clock.stop))


def _pair(low: Path, high: Path) -> tuple[Movie, Movie]:
    truth = _read(high)
    if truth.ndim == 3 and (truth == truth[:1]).all():
        truth = truth[:1]
    return Movie.from_array(_read(low), name=low.stem), Movie.from_array(truth, name=high.stem)


def _read(path: str | Path) -> Any:
    return tifffile.imread(path)


def _parameters(model: decrappify.Model) -> int:
    return sum(parameter.numel() for parameter in model.network.parameters())


if __name__ == "__main__":
    torch.set_num_threads(int(sys.argv[1]))
    method = Decrappify()
    serve({"train": method.train, "load": method.load, "restore": method.restore})
