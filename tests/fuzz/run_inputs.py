"""Complete model, crappifier and run files, and unfinished runs, small enough to be damaged thousands of times."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from decrappify.inference.options import InferenceOptions

from .inputs import movie


def tiny_model(**settings: Any) -> Any:
    """Create a model of a few thousand weights."""
    import torch

    from decrappify.crappify import crappifier_preset, preset_names
    from decrappify.model import Model
    from decrappify.networks import create

    torch.manual_seed(0)
    network = create("small", **({"base_channels": 16, "depth": 1, "stem": 1} | settings))
    card = {
        "name": "tiny", "summary": "cells", "data": [{"name": "a", "licence": "CC0"}], "validation": {"psnr_db": 30.5},
        "settings": {"seed": 0, "steps": 10}, "limits": ["none"],
    }  # fmt: skip
    return Model(network, crappifier=crappifier_preset(preset_names()[0]).to_dict(), card=card)


def model_files(folder: Path) -> list[Path]:
    """Write tiny models: for stills, for movies with upsampling, and with fixed statistics."""
    from decrappify.normalization import IMAGENET

    tiny_model(n_frames=1).save(folder / "still.safetensors")
    tiny_model(n_frames=3, scale=2).save(folder / "movie.safetensors")
    fixed = tiny_model(n_frames=1, in_channels=3)
    fixed.normalization = IMAGENET
    fixed.save(folder / "rgb.safetensors")
    return sorted(folder.iterdir())


def checkpoint_files(folder: Path) -> list[Path]:
    """Write weights like torch and fastai, in the current format and that before torch 1.6."""
    import torch

    from decrappify.networks import create

    torch.manual_seed(0)
    settings = {"encoder": "resnet18", "width_factor": 0.07, "norm": "none", "last_cross": False}
    weights = create("dynamic-unet", **settings).state_dict()
    small = {key: value.half() for key, value in weights.items()}
    torch.save({"model": small, "opt": {"lr": slice(1e-3, 1e-2), "n": [1, 2]}}, folder / "fastai.pth")
    few = dict(
        list(small.items())[-6:]
    )  # an unknown network, which is refused; reading the complete one takes a second
    for number in range(4):
        torch.save(few | {"steps": number}, folder / f"other{number}.pth")
        torch.save(few, folder / f"few{number}.pth")
        torch.save(few, folder / f"legacy{number}.pth", _use_new_zipfile_serialization=False)
    return sorted(folder.iterdir())


def crappifier_files(folder: Path) -> list[Path]:
    """Write every preset as TOML and JSON."""
    from decrappify.crappify import crappifier_preset, preset_names

    for name in preset_names():
        crappifier_preset(name).save(folder / f"{name}.toml")
        crappifier_preset(name).save(folder / f"{name}.json")
    return sorted(folder.iterdir())


_RUN = """
output = "runs/cells"
start_from = "first.safetensors"
crappifier = "poisson"

[data]
high_res = ["a.tif", "b.tif"]
validation = "c.tif"
time_axis = "T"
still_motion_px = [0.0, 2.0]
shrink = [1, 2]
folder_as = "auto"

[training]
network = "small"
n_frames = 3
max_steps = 100
batch_size = 4
patch_size = 32
learning_rate = 2e-3
ema_decay = 0.99
loss = "rmse"
seed = 1

[network]
base_channels = 16
depth = 1

[card]
name = "cells"
summary = "cells"
"""
_NOGAN = """
output = "runs/gan"
critic_from = "critic.safetensors"

[data]
pairs = [["low", "high"]]

[crappifier]
name = "mine"

[[crappifier.steps]]
part = "gaussian"
sigma = [0.05, 0.1]

[nogan]
preset = "microscopy"
seed = 2
"""


def run_files(folder: Path) -> list[Path]:
    """Write a supervised and a NoGAN run file."""
    (folder / "run.toml").write_text(_RUN)
    (folder / "nogan.toml").write_text(_NOGAN)
    return sorted(folder.iterdir())


def training_runs(folder: Path) -> list[Path]:
    """Create the run folder of a training run."""
    run = folder / "run"
    _train(run, steps=2)
    return [run]


def resume_training(folder: Path) -> None:
    """Resume the run of `training_runs`."""
    _train(folder, steps=2, resume=True)


def _train(folder: Path, *, steps: int, **options: Any) -> None:
    from decrappify.crappify import Crappifier, Gaussian
    from decrappify.movie import Movie
    from decrappify.training import DataOptions, RunOptions, TrainingConfig, train

    config = TrainingConfig(
        network="small",
        network_settings={"base_channels": 16, "depth": 1, "stem": 1},
        n_frames=1,
        max_steps=steps,
        batch_size=1,
        patch_size=16,
        validate_every=1,
        device="cpu",
    )
    stack = Movie.from_array(np.random.default_rng(0).random((4, 32, 32), np.float32), name="cells")
    noise = Crappifier([Gaussian(0.1)], name="noise")
    run = RunOptions(**options)
    train(stack, noise, config=config, data=DataOptions(validation=stack), output=folder, run=run)


def interrupted_restorations(folder: Path) -> list[Path]:
    """Create folders with a movie and a model; a worker interrupts the restoration, which records its path."""
    from decrappify.io import save_movie

    for suffix in ("ome.zarr", "ome.tif"):
        run = folder / suffix.replace(".", "-")
        run.mkdir()
        save_movie(movie(5, 1, 1, 24, 24), run / "in.ome.zarr")
        tiny_model(n_frames=1).save(run / "m.safetensors")
        (run / "name.txt").write_text(f"out.{suffix}")
    return sorted(folder.iterdir())


def interrupt_restoration(folder: Path) -> None:
    """Restore three planes, then interrupt."""
    try:
        _restore(folder, progress=_Stopping)
    except KeyboardInterrupt:
        return
    raise AssertionError("the restoration was not interrupted")


class _Stopping:
    """A progress bar that raises KeyboardInterrupt after three planes."""

    def __init__(self, *_: Any, **__: Any) -> None:
        self._left = 3

    def update(self, n: int = 1) -> None:
        self._left -= n
        if self._left <= 0:
            raise KeyboardInterrupt

    def close(self) -> None:
        pass

    def __getattr__(self, name: str) -> Any:
        return lambda *_, **__: None


def _restore(folder: Path, **options: Any) -> Any:
    from decrappify.restoration import restore

    output = folder / (folder / "name.txt").read_text()
    return restore(
        folder / "in.ome.zarr",
        folder / "m.safetensors",
        output,
        inference=InferenceOptions(device="cpu", precision="float32"),
        **options,
    )


def resume_restoration(folder: Path) -> Any:
    """Resume the restoration of `interrupted_restorations`."""
    return _restore(folder)


def unfinished_documents(folder: Path) -> list[Path]:
    """Return the files of an unfinished restoration that do not contain pixels."""
    own = {"in.ome.zarr", "m.safetensors", "name.txt"}
    found = [path for path in folder.rglob("*") if path.is_file() and path.relative_to(folder).parts[0] not in own]
    return [path for path in found if b"{" in path.read_bytes()[:200] or b"[" in path.read_bytes()[:3]]
