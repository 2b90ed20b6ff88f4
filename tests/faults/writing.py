"""Commands that write an output; also a script that runs one step by step.

Usage: ``python writing.py FOLDER OUTPUT HOW overwrite|new SEED free|held``. The script writes "ready" when all is
loaded and waits for a line; a held one waits for another after three steps of progress. An error is written as one
line, and the exit code is then 2, as on the command line.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

Command = Callable[[Path], Any]


def command_of(how: str, output: str, *, overwrite: bool, seed: int = 0, progress: Any = None) -> Command:
    """Make a command that works below a folder.

    Parameters
    ----------
    how : {"restore", "save", "colorize", "photographs", "train"}
        "restore" and "save" read ``input.ome.zarr``, "colorize" ``input.mp4``, "photographs" the folder ``input``.
    output : str
        Name of the output.
    overwrite : bool
        Whether an existing output is replaced.
    seed : int
        Of the weights.
    progress : callable, optional
        Like ``tqdm``.
    """
    import torch

    torch.set_num_threads(1)
    if how in ("colorize", "photographs"):
        return _coloring(how, output, seed, overwrite=overwrite, progress=progress)
    if how == "train":
        sys.path.insert(0, str(Path(__file__).parents[1] / "training"))
        from tiny_run import tiny_train

        return lambda folder: tiny_train(folder / output, overwrite=overwrite, progress=progress)
    if how == "save":
        from decrappify.io import save_movie

        return lambda folder: save_movie(
            folder / "input.ome.zarr", folder / output, overwrite=overwrite, progress=progress
        )
    return _restoring(output, seed, overwrite=overwrite, progress=progress)


def _restoring(output: str, seed: int, **options: Any) -> Command:
    import numpy as np
    import torch
    from torch import nn

    from decrappify.model import Model
    from decrappify.networks.residual_unet import ResidualUNet
    from decrappify.restoration import restore

    torch.manual_seed(seed)
    network = ResidualUNet(n_frames=3, base_channels=16, depth=1)
    nn.init.normal_(network.tail.weight, std=0.05)
    model = Model(network, card={"name": "random"})
    options |= {"device": "cpu", "precision": "float32", "backend": "torch", "tile_size": 48}

    def run(folder: Path) -> None:
        with restore(folder / "input.ome.zarr", model, folder / output, **options) as restored:
            assert np.asarray(restored).any()

    return run


def _coloring(how: str, output: str, seed: int, **options: Any) -> Command:
    sys.path.insert(0, str(Path(__file__).parents[1] / "colorization"))
    from films import tiny_model

    from decrappify.colorization import Colorizer, film
    from decrappify.colorization.stills import colorize_folder

    colorizer = Colorizer(tiny_model(seed), render_factor=2, device="cpu", precision="float32", backend="torch")
    if how == "photographs":
        return lambda folder: colorize_folder(folder / "input", folder / output, colorizer, **options)
    film.SEGMENT_FRAMES = 2
    return lambda folder: film.colorize_film(
        folder / "input.mp4", folder / output, colorizer, steady=0.5, batch_size=1, **options
    )


class _HeldBar:
    """Waits for a line at its third step."""

    held = False

    def __init__(self, **_: Any) -> None:
        self._steps = 0

    def update(self, n: int) -> None:
        self._steps += n
        if self._steps >= 3 and _HeldBar.held:
            _HeldBar.held = False
            sys.stdout.write("held\n")
            sys.stdout.flush()
            sys.stdin.readline()

    def close(self) -> None:
        pass


def main(folder: str, output: str, how: str, overwrite: str, seed: str, held: str) -> int:
    """Run one command; return the exit code."""
    from decrappify.errors import DecrappifyError

    _HeldBar.held = held == "held"
    command = command_of(how, output, overwrite=overwrite == "overwrite", seed=int(seed), progress=_HeldBar)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    sys.stdin.readline()
    try:
        command(Path(folder))
    except DecrappifyError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
