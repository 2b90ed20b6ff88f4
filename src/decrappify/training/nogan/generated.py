"""Phase (ii) of NoGAN: generated images and their real counterparts, saved as image files."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import TypedDict

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset, default_collate

from decrappify._common.counting import counted
from decrappify.datasets import Sample, SeededDataset
from decrappify.datasets.augment import orient, random_orientation
from decrappify.errors import InputError, MissingFileError
from decrappify.movie import Array
from decrappify.training.engine.processes import folder_errors, on_any_rank
from decrappify.training.engine.trainer import Stopped
from decrappify.training.monitors.images import read_patch, write_patch
from decrappify.training.nogan.run import NoganRun

KINDS = ("generated", "real")  # class ids 0 and 1
_HELD_OUT = 10  # every n-th image is held out to evaluate the critic


class CriticSample(TypedDict):
    """A real and a generated image for the critic, or batches of them: (C, H, W) float32 in network units."""

    real: Tensor
    generated: Tensor


def save_generated(run: NoganRun, folder: Path, name: str) -> int:
    """Save predictions for `generated_share` of the data with the real images; return their number.

    Images are saved in ``folder/generated`` and ``folder/real`` under the same names: PNG for photographs, float32 TIFF
    in network units for microscopy. Each process saves its share. A resumed run continues after the images of its last
    checkpoint.
    """
    config = run.config
    n_images = max(2 * _HELD_OUT, round(run.items * config.generated_share))
    dataset = run.data.training(config.generated_size, n_images, run.seed())
    for kind in KINDS:
        (folder / kind).mkdir(parents=True, exist_ok=True)
    first = run.trainer.position.step
    run.generator.eval()
    together = config.generated_batch_size * run.trainer.n_processes
    with ExitStack() as stack:
        bar, status = run.trainer.reporting(stack, name, n_images, "image", first)
        for start in range(first, n_images, together):
            end = min(start + together, n_images)
            chosen = range(start, end)[run.fabric.global_rank :: run.trainer.n_processes]
            if chosen:
                with folder_errors(run.folder):
                    _save_batch(run, dataset, chosen, folder)
            bar.update(end - start)
            halted = on_any_rank(run.fabric, run.trainer.cancel.is_set())
            # With several processes, another one may still be writing earlier images.
            if halted or (run.trainer.n_processes == 1 and run.trainer.is_save_due()):
                run.trainer.save_at(end)
            if halted:
                raise Stopped(f"image {end} of {n_images}")
            status.at(end)
    run.fabric.barrier()
    return n_images


def _save_batch(run: NoganRun, dataset: Dataset[Sample], chosen: range, folder: Path) -> None:
    batch = default_collate([dataset[index] for index in chosen])
    with torch.no_grad(), run.fabric.autocast():
        predictions = run.generator(batch["source"].to(run.fabric.device)).float().cpu()
    for index, generated, real in zip(chosen, predictions, batch["target"], strict=True):
        for kind, image in zip(KINDS, (generated, real), strict=True):
            write_patch(folder / kind / f"{index:06d}", image, is_color=run.config.task == "colorization")


class CriticDataset(SeededDataset[CriticSample]):
    """Pairs of a real and a generated image for the critic, drawn independently.

    Parameters
    ----------
    folder : Path
        Contains ``real/`` and ``generated/``, written by `save_generated`.
    size : int
        Side of the random crops, in pixels.
    length : int
        Number of items.
    seed : int
        Seed of all draws; item `i` depends only on `seed` and `i`.
    held_out : bool
        Whether to use every tenth image, which is not used in training, instead of the others.
    """

    def __init__(self, folder: Path, size: int, length: int, seed: int, *, held_out: bool = False) -> None:
        self.size, self.length, self.seed = size, length, seed
        self._files: dict[str, list[Path]] = {}
        for kind in KINDS:
            if not (folder / kind).is_dir():
                raise MissingFileError(
                    f"{folder / kind} does not exist, but the critic is trained on its images; start the run again"
                )
            files = sorted((folder / kind).iterdir())
            self._files[kind] = [file for number, file in enumerate(files) if (number % _HELD_OUT == 0) == held_out]
            if not self._files[kind]:
                raise InputError(
                    f"{folder / kind} contains {counted(len(files), 'image')}, expected at least {_HELD_OUT + 1}"
                )
        self._upright = self._files["real"][0].suffix == ".png"

    @property
    def n_images(self) -> int:
        """Number of images, real and generated."""
        return sum(map(len, self._files.values()))

    def _draw(self, index: int, rng: np.random.Generator) -> CriticSample:
        images = {kind: torch.from_numpy(self._crop(kind, rng)) for kind in KINDS}
        return CriticSample(real=images["real"], generated=images["generated"])

    def _crop(self, kind: str, rng: np.random.Generator) -> Array:
        image = read_patch(self._files[kind][int(rng.integers(len(self._files[kind])))])
        top, left = (int(rng.integers(side - self.size + 1)) for side in image.shape[-2:])
        crop = image[:, top : top + self.size, left : left + self.size]
        code = random_orientation(rng)
        # Photographs are flipped, but not rotated.
        return np.ascontiguousarray(orient(crop, code // 4 * 4 if self._upright else code))
