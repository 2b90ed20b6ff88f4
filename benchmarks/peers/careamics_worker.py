"""Worker for CAREamics 0.3.5: CARE, which denoises single frames and keeps the image size.

All settings are its defaults: U-Net (depth 2, 32 channels), MAE, Adam at 1e-3 (torch's default),
ReduceLROnPlateau, flips and quarter turns, mean and standard deviation of the training set as normalization,
patches of 64 x 64 in batches of 8 as in its guides, 8 validation patches, and the checkpoint of the lowest
validation loss. Only early stopping (patience 3) is disabled, as it would end before the budget; one validation after
the last step includes the last weights in the selection. A higher rate was not better: after 372 steps (110 CPU
seconds, simulated movies at 10 photons, one run each) the lowest validation loss was 0.107 with 1e-3 and 0.112 with
3e-3.

Frames are samples, since it has no mode for several frames. If the reference has more pixels, the source is first
interpolated to its grid (cubic, included in the measurement). Restoration uses tiles of 256 with an overlap of 48, as
recommended, or whole frames if a side is shorter. A .zarr output is written by its own `predict_to_disk`.

Without references it trains Noise2Void on the sources, with the defaults of that configuration and the same patches;
the last weights are used, as its defaults select no checkpoint.

    python benchmarks/peers/careamics_worker.py THREADS
"""

from __future__ import annotations

import json
import logging
import sys
import tempfile
import time
import warnings
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
import torch
import zarr
from careamics import CAREamist
from careamics.config.factories import create_advanced_care_config, create_advanced_n2v_config
from lightning.pytorch import Callback
from scipy.ndimage import zoom
from torch.utils.flop_counter import FlopCounterMode
from worker import Answer, measured, serve

LEARNING_RATE = 1e-3  # torch's default for Adam, unchanged by CAREamics
PATCH, BATCH = 64, 8
TILE, OVERLAP, MULTIPLE = 256, 48, 4  # the network halves the size twice
TILES_AT_ONCE = 8 if torch.cuda.is_available() else 1  # batches of 1 need half of the CPU time of batches of 8
SETTINGS = (
    f"CARE with its defaults (U-Net of depth 2 and 32 channels, MAE, Adam {LEARNING_RATE:g}, patches of "
    f"{PATCH} x {PATCH}, batches of {BATCH}, best checkpoint of its own validation), early stopping off"
)
NOISE2VOID = (
    "Noise2Void with its defaults (U-Net of depth 2 and 32 channels, 0.2 % masked pixels, ROI 11, last weights), Adam "
    f"{LEARNING_RATE:g}, patches of {PATCH} x {PATCH}, batches of {BATCH}"
)
NOTES = "benchmark.json"  # next to the checkpoints: the one to load, and the scale of the task


class Budget(Callback):
    """Callback that ends a training run after a CPU time and counts the samples."""

    def __init__(self, started: float, cpu_seconds: float) -> None:
        self.end, self.images_seen = started + cpu_seconds, 0

    def on_train_batch_end(self, trainer: Any, module: Any, outputs: Any, batch: Any, index: int) -> None:
        self.images_seen += len(batch[0].data)
        if time.process_time() >= self.end:
            trainer.should_stop = True  # validates and saves once more


class Worker:
    """Most recently loaded model, and the operations on it."""

    careamist: CAREamist
    scale: int

    def train(self, request: dict[str, Any]) -> Answer:
        """Train on pairs of files, or on sources alone if `high` is missing, until the CPU time is spent."""
        if request.get("n_frames", 1) != 1:
            sys.exit(f"CAREamics restores single frames: expected n_frames 1, found {request['n_frames']}")
        started, cpu = time.perf_counter(), time.process_time()
        model, scale = Path(request["model"]), request.get("scale", 1)
        paired = request.get("high") is not None
        low, high = pairs(Path(request["low"]), Path(request["high"] if paired else request["low"]), scale)
        budget = Budget(cpu, request["cpu_seconds"])
        careamist = CAREamist(
            configuration(request.get("seed", 0), paired=paired),
            work_dir=model,
            callbacks=[budget],
            enable_progress_bar=False,
        )
        careamist.train(train_data=low, **({"train_data_target": high} if paired else {}))
        best = Path(careamist.trainer.checkpoint_callback.best_model_path)
        if not paired:  # its defaults select no checkpoint, as the loss on masked pixels does not rank models
            best = model.resolve() / "last.ckpt"
            careamist.trainer.save_checkpoint(best)
        (model / NOTES).write_text(json.dumps({"checkpoint": str(best.relative_to(model.resolve())), "scale": scale}))
        return {
            "steps": careamist.trainer.global_step,
            "images_seen": budget.images_seen,
            "cpu_seconds": time.process_time() - cpu,
            "seconds": time.perf_counter() - started,
            "parameters": parameters(careamist),
            "versions": versions(),
            "settings": SETTINGS if paired else NOISE2VOID,
        }

    def load(self, request: dict[str, Any]) -> Answer:
        """Load the best checkpoint and count the operations of its network on one tile."""
        model = Path(request["model"])
        notes = json.loads((model / NOTES).read_text())
        self.scale = notes["scale"]
        self.careamist = CAREamist(
            checkpoint_path=model / notes["checkpoint"], work_dir=model, enable_progress_bar=False
        )
        network = self.careamist.model.model.eval()
        with FlopCounterMode(display=False) as counter, torch.inference_mode():
            network(torch.zeros(1, 1, TILE, TILE, device=next(network.parameters()).device))
        answer = {
            "parameters": parameters(self.careamist),
            "gflop_per_mp": counter.get_total_flops() / 1e9 / (TILE * TILE / 1e6),
        }
        if request.get("backend") == "openvino":
            from compiled import run_in_openvino

            run_in_openvino(network, 1)
        return answer

    def restore(self, request: dict[str, Any]) -> Answer:
        """Restore a file, from disk to disk or in memory."""
        source, output = Path(request["source"]), request.get("output")
        if output is None:
            answer = measured(partial(self.predict, read(source)))
        elif output.endswith(".zarr"):
            answer = measured(partial(self.predict_to_zarr, source, Path(output)))
        else:
            answer = measured(lambda: tifffile.imwrite(output, self.predict(read(source))))
        del answer["value"]
        return answer

    def predict(self, image: np.ndarray) -> np.ndarray:
        """Restore an image YX or TYX; returns float32 in the gray levels of the reference."""
        frames = enlarged(image.reshape(-1, *image.shape[-2:]), self.scale)
        y, x = frames.shape[1:]
        tiling: dict[str, Any] = {"tile_size": (TILE, TILE), "tile_overlap": (OVERLAP, OVERLAP)}
        batch = TILES_AT_ONCE
        if min(y, x) < TILE:  # whole frames of arbitrary size raise an error
            frames, tiling, batch = np.pad(frames, ((0, 0), (0, -y % MULTIPLE), (0, -x % MULTIPLE)), "reflect"), {}, 1
        restored, _ = self.careamist.predict(frames, batch_size=batch, num_workers=0, **tiling)
        return restored[0].reshape(frames.shape)[:, :y, :x].reshape(*image.shape[:-2], y, x)

    def predict_to_zarr(self, source: Path, output: Path) -> None:
        """Restore a file into a Zarr array, tile by tile; images smaller than a tile are padded with zeros."""
        with tempfile.TemporaryDirectory(dir=output.absolute().parent) as folder:
            data, kind, axes = prepared(source, self.scale, Path(folder))
            self.careamist.predict_to_disk(
                data,
                data_type=kind,
                axes=axes,
                output_axes=axes,
                prediction_dir=Path(folder, "predictions"),
                write_type="zarr",
                tile_size=(TILE, TILE),
                tile_overlap=(OVERLAP, OVERLAP),
                batch_size=TILES_AT_ONCE,
                num_workers=0,
            )
            # otherwise created again at every later prediction
            self.careamist.prediction_writer.dirpath = self.careamist.work_dir
            store = next(Path(folder, "predictions").glob("*.zarr"))  # a group of one array
            next(path for path in store.iterdir() if path.is_dir()).rename(output)


def configuration(seed: int, *, paired: bool = True) -> Any:
    """Return the training configuration of CARE, or of Noise2Void without pairs."""
    create = create_advanced_care_config if paired else create_advanced_n2v_config
    stopping: dict[str, Any] = {"early_stopping_params": {"monitor": "val_loss", "mode": "min", "patience": 10**9}}
    return create(
        experiment_name="care" if paired else "n2v",
        data_type="array",
        axes="SYX",
        patch_size=[PATCH, PATCH],
        batch_size=BATCH,
        num_epochs=10**6,
        num_workers=0,
        optimizer_params={"lr": LEARNING_RATE},
        **(stopping if paired else {}),
        trainer_params={"enable_model_summary": False},
        seed=seed + 1,  # 0 raises an error
    )


def pairs(low: Path, high: Path, scale: int) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Read sources, interpolated to the grid of the references, and references; a list of SYX each."""
    sources, truths = [], []
    for path in sorted(high.iterdir()):
        truth, source = read(path), read(low / path.name)
        truths.append(truth.reshape(-1, *truth.shape[-2:]))
        sources.append(enlarged(source.reshape(-1, *source.shape[-2:]), scale))
        if sources[-1].shape != truths[-1].shape:
            sys.exit(f"{path.name}: the source enlarged {scale} times should be {truth.shape}, found {source.shape}")
    return sources, truths


def read(path: Path) -> np.ndarray:
    """Read a TIFF file or a plain Zarr array."""
    return np.asarray(zarr.open_array(path, mode="r")[...]) if path.is_dir() else tifffile.imread(path)


def enlarged(frames: np.ndarray, scale: int) -> np.ndarray:
    """Interpolate frames SYX to a grid of `scale` times the pixels along each side."""
    if scale == 1:
        return frames
    return np.stack(
        [zoom(frame.astype(np.float32), scale, order=3, mode="nearest", grid_mode=True) for frame in frames]
    )


def prepared(source: Path, scale: int, folder: Path) -> tuple[Any, str, str]:
    """Prepare a source for `predict_to_disk`: the data, their type and axes.

    It reads arrays within a group only, so a group is created around the source without a copy.
    """
    if not source.is_dir():
        image = read(source)
        frames = enlarged(image.reshape(-1, *image.shape[-2:]), scale)
        return frames.reshape(*image.shape[:-2], *frames.shape[1:]), "array", "SYX"[3 - image.ndim :]
    array = zarr.open_array(source, mode="r")
    axes = "SYX"[3 - array.ndim :]
    group = zarr.open_group(folder / "source.zarr", mode="w", zarr_format=array.metadata.zarr_format)
    if scale == 1:
        (folder / "source.zarr" / "movie").symlink_to(source.absolute(), target_is_directory=True)
        return str(folder / "source.zarr"), "zarr", axes
    lead = array.shape[:-2]
    shape = (*lead, array.shape[-2] * scale, array.shape[-1] * scale)
    large = group.create_array("movie", shape=shape, chunks=(*(1 for _ in lead), TILE, TILE), dtype=np.float32)
    for place in np.ndindex(*lead):
        large[place] = enlarged(np.asarray(array[place])[None], scale)[0]
    return str(folder / "source.zarr"), "zarr", axes


def parameters(careamist: CAREamist) -> int:
    """Return the number of trainable parameters."""
    return sum(parameter.numel() for parameter in careamist.model.parameters())


def versions() -> str:
    """Return the versions of the libraries."""
    return ", ".join(f"{name} {version(name)}" for name in ("careamics", "torch", "lightning"))


if __name__ == "__main__":
    torch.set_num_threads(int(sys.argv[1]))
    warnings.filterwarnings("ignore")
    for name in ("lightning.pytorch", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.ERROR)
    worker = Worker()
    serve({"train": worker.train, "load": worker.load, "restore": worker.restore})
