"""Phase (ii) of NoGAN: generated images and their real partners, saved as pictures that a person can look at too."""

from __future__ import annotations

from pathlib import Path
from typing import TypedDict

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset, default_collate

from decrappify.datasets import Sample
from decrappify.datasets.augment import orient, random_orientation
from decrappify.errors import InputError, MissingFileError
from decrappify.movie import Array
from decrappify.training.engine.trainer import Halted, NoganRun
from decrappify.training.monitors.images import read_patch, write_patch
from decrappify.training.engine.processes import folder_errors, on_any_rank

KINDS = ("generated", "real")  # class ids 0 and 1
_HELD_OUT = 10  # every so-manieth image judges the critic


class Judged(TypedDict):
    """One image for the critic, or a batch of them: (C, H, W) float32 in network units, one real and one generated."""

    real: Tensor
    generated: Tensor


def save_generated(run: NoganRun, folder: Path, what: str) -> int:
    """Save what the generator makes of `generated_share` of the data, beside the real images; return their number.

    Images go to ``folder/generated`` and ``folder/real`` under the same names: PNG for photographs, float32 TIFF in
    network units for microscopy. Each process saves its share. A resumed run continues after the images of its last
    checkpoint.
    """
    config = run.config
    n_images = max(2 * _HELD_OUT, round(run.items * config.generated_share))
    dataset = run.material.training(config.generated_size, n_images, run.seed())
    for kind in KINDS:
        (folder / kind).mkdir(parents=True, exist_ok=True)
    first = run.position.step
    bar, status = run.bar(n_images, what, "image", first), run.status(n_images, what, "image", first)
    run.generator.eval()
    together = config.generated_batch_size * run.fabric.world_size
    try:
        for start in range(first, n_images, together):
            end = min(start + together, n_images)
            chosen = range(start, end)[run.fabric.global_rank :: run.fabric.world_size]
            if chosen:
                with folder_errors(run.folder):
                    _save_batch(run, dataset, chosen, folder)
            if bar is not None:
                bar.update(end - start)
            halted = on_any_rank(run.fabric, run.stop.is_set())
            if halted or (run.fabric.world_size == 1 and run.is_save_due()):  # else others may still write earlier ones
                run.save_place(end)
            if halted:
                raise Halted(f"image {end} of {n_images}")
            status.at(end)
    finally:
        if bar is not None:
            bar.close()
    run.fabric.barrier()
    return n_images


def _save_batch(run: NoganRun, dataset: Dataset[Sample], chosen: range, folder: Path) -> None:
    batch = default_collate([dataset[index] for index in chosen])
    with torch.no_grad(), run.fabric.autocast():
        predictions = run.generator(batch["source"].to(run.fabric.device)).float().cpu()
    for index, generated, real in zip(chosen, predictions, batch["target"], strict=True):
        for kind, image in zip(KINDS, (generated, real), strict=True):
            write_patch(folder / kind / f"{index:06d}", image, colour=run.config.task == "colorization")


class JudgedDataset(Dataset[Judged]):
    """Pairs of a real and a generated image for the critic, each drawn for itself.

    Parameters
    ----------
    folder : Path
        Holds ``real/`` and ``generated/`` as `save_generated` left them.
    size : int
        Side of the random crops, in pixels.
    length : int
        Number of items.
    seed : int
        Item `i` depends on `seed` and `i` alone.
    held_out : bool
        Take every tenth image, which training leaves out.
    """

    def __init__(self, folder: Path, size: int, length: int, seed: int, *, held_out: bool = False) -> None:
        self.size, self.length, self.seed = size, length, seed
        self._files: dict[str, list[Path]] = {}
        for kind in KINDS:
            if not (folder / kind).is_dir():
                raise MissingFileError(f"{folder / kind} is gone, and the critic learns from it; start the run again")
            files = sorted((folder / kind).iterdir())
            self._files[kind] = [file for number, file in enumerate(files) if (number % _HELD_OUT == 0) == held_out]
            if not self._files[kind]:
                raise InputError(f"{folder / kind} holds {len(files)} images, needs at least {_HELD_OUT + 1}")
        self._upright = self._files["real"][0].suffix == ".png"

    @property
    def n_images(self) -> int:
        """Real and generated images together."""
        return sum(map(len, self._files.values()))

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index: int) -> Judged:
        if not 0 <= index < self.length:
            raise IndexError(index)
        rng = np.random.default_rng([self.seed, index])
        images = {kind: torch.from_numpy(self._crop(kind, rng)) for kind in KINDS}
        return Judged(real=images["real"], generated=images["generated"])

    def _crop(self, kind: str, rng: np.random.Generator) -> Array:
        image = read_patch(self._files[kind][int(rng.integers(len(self._files[kind])))])
        top, left = (int(rng.integers(side - self.size + 1)) for side in image.shape[-2:])
        crop = image[:, top : top + self.size, left : left + self.size]
        code = random_orientation(rng)
        # Photographs have an up and a down.
        return np.ascontiguousarray(orient(crop, code // 4 * 4 if self._upright else code))
