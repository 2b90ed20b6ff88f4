"""Commands that write an output; also a script that runs one of them in steps.

Usage: ``python writing.py FOLDER OUTPUT HOW overwrite|new SEED free|held``. The script writes "ready" when all
modules are loaded, and waits for a line; with ``held``, it waits for another line after three steps of progress. For an
error, it writes one line and its exit code is 2, as on the command line.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from decrappify.inference.options import InferenceOptions

Command = Callable[[Path], Any]


def command_of(how: str, output: str, *, overwrite: bool, seed: int = 0, progress: Any = None) -> Command:
    """Return a command that works below a folder.

    Parameters
    ----------
    how : str
        "restore", "save" and "crappify" read ``input.ome.zarr``, "colorize" ``input.mp4``, "photograph"
        ``input.png``, "photographs" the folder ``input``; "train", "checkpoint", "model" and "report" have no input.
    output : str
        Name of the output.
    overwrite : bool
        Whether an existing output is replaced.
    seed : int
        Seed of the weights.
    progress : callable, optional
        Like ``tqdm``.
    """
    import torch

    torch.set_num_threads(1)
    if how in ("colorize", "photograph", "photographs"):
        return _coloring(how, output, seed, overwrite=overwrite, progress=progress)
    if how == "train":
        sys.path.insert(0, str(Path(__file__).parents[1] / "training"))
        from tiny_run import tiny_train

        return lambda folder: tiny_train(folder / output, overwrite=overwrite, progress=progress)
    if how in ("checkpoint", "model", "report"):
        return {"checkpoint": _checkpoint, "model": _model, "report": _report}[how](output, overwrite)
    if how == "crappify":
        from decrappify.crappify import crappifier_preset, crappify_movie
        from decrappify.io import open_movie, save_movie

        def crappify(folder: Path) -> None:
            with open_movie(folder / "input.ome.zarr") as movie:
                degraded = crappify_movie(movie, crappifier_preset("fluorescence-any"), seed=seed)
                save_movie(degraded, folder / output, overwrite=overwrite, progress=progress)

        return crappify
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
    inference = InferenceOptions(device="cpu", precision="float32", backend="torch", tile_size=48)

    def run(folder: Path) -> None:
        with restore(folder / "input.ome.zarr", model, folder / output, inference=inference, **options) as restored:
            assert np.asarray(restored).any()

    return run


def _coloring(how: str, output: str, seed: int, **options: Any) -> Command:
    sys.path.insert(0, str(Path(__file__).parents[1] / "colorization"))
    from films import tiny_model

    from decrappify.colorization import ColorizationOptions, Colorizer, film
    from decrappify.colorization.stills import colorize_folder

    colorizer = Colorizer(
        tiny_model(seed),
        render_factor=2,
        inference=InferenceOptions(device="cpu", precision="float32", backend="torch"),
    )
    if how == "photograph":
        from decrappify.colorization.stills import colorize_still

        return lambda folder: colorize_still(
            folder / "input.png", folder / output, colorizer, overwrite=options["overwrite"]
        )
    if how == "photographs":
        return lambda folder: colorize_folder(folder / "input", folder / output, colorizer, **options)
    film.SEGMENT_FRAMES = 2
    return lambda folder: film.colorize_film(
        folder / "input.mp4",
        folder / output,
        colorizer,
        options=ColorizationOptions(steady=0.5),
        batch_size=1,
        **options,
    )


def _checkpoint(output: str, overwrite: bool) -> Command:
    import torch

    from decrappify.training.engine.checkpoint import save_checkpoint

    state = {"settings": {"steps": 2}, "step": 2, "weights": torch.arange(20_000.0)}
    return lambda folder: save_checkpoint(folder / output / "checkpoint.pt", state)


def _model(output: str, overwrite: bool) -> Command:
    from decrappify.model import Model
    from decrappify.networks import create

    model = Model(create("small", base_channels=16, depth=1), card={"name": "tiny"})
    return lambda folder: model.save(folder / output, overwrite=overwrite)


def _report(output: str, overwrite: bool) -> Command:
    import numpy as np

    from decrappify.benchmarking import benchmark
    from decrappify.movie import Movie

    rng = np.random.default_rng(3)
    reference = 100 + 50 * rng.random((24, 24)).cumsum(axis=1)
    pair = (Movie.from_array(reference + rng.normal(0, 5, reference.shape), name="cells"), Movie.from_array(reference))
    report = benchmark({"halved": lambda movie: np.asarray(movie) * 0.5}, [pair])
    return lambda folder: report.save(folder / output, overwrite=overwrite)


class _HeldBar:
    """A progress bar that waits for a line at its third step."""

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
