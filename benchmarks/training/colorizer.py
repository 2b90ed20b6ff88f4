"""Quality of the example colorizer on a photograph and on films that were not used for training.

Trains `examples/train_colorizer.py` with its default settings (or loads the run in --runs), colors the photograph
held out from it, a film made from that photograph (pan, zoom and grain) and the first frames of a real street film, all
converted to gray by Pillow, and compares the chroma with the original chroma and the films' chroma change with their
luma change.

    python benchmarks/training/colorizer.py        # minutes on one core
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Mapping, Sequence
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).parents[2]))  # the root of the repository

from benchmarks.harness.results import BENCHMARKS, Benchmark, Job, Row, parser, table

sys.path.insert(0, str(BENCHMARKS.parent / "examples"))
import train_colorizer as example

from decrappify.colorization import ColorizationOptions
from decrappify.inference.options import InferenceOptions

Array = NDArray[Any]
RENDER_FACTORS = (2, 3, 4, 6, 8)
STEADY = (0.0, 0.5, 0.8)
GRAIN = 4.0  # sd in gray levels
VISIBLE = 10.0  # chroma levels of a clearly visible difference
SHIFTS = (1, 2, 3, 4, 6, 8, 12, 16)
UNSEEN = example.BUNDLED[-1]
DEFAULTS = example.parse([])
RENDER_FACTOR = DEFAULTS.patch_size // 16


def chroma(images: Array) -> Array:
    """Compute U and V of (..., 3) uint8, in gray levels."""
    rgb, luma = images.astype(np.float32), luma_of(images)
    return np.stack([0.492 * (rgb[..., 2] - luma), 0.877 * (rgb[..., 0] - luma)], axis=-1)


def luma_of(images: Array) -> Array:
    """Compute Y of (..., 3) uint8, in gray levels."""
    return images.astype(np.float32) @ np.array([0.299, 0.587, 0.114], np.float32)


def colors(image: Array, truth: Array) -> Row:
    """Compute the amount of color and its error."""
    found, true = chroma(image), chroma(truth)
    strength, true_strength = np.linalg.norm(found, axis=-1), np.linalg.norm(true, axis=-1)
    both = (strength > VISIBLE) & (true_strength > VISIBLE)
    cosine = (found * true).sum(axis=-1)[both] / (strength * true_strength)[both]
    return {
        "chroma": float(strength.mean()),
        "visible": float((strength > VISIBLE).mean()),
        "error": float(np.abs(found - true).mean()),
        "hue": float(np.degrees(np.median(np.arccos(cosine.clip(-1, 1))))) if both.any() else None,
    }


def gray(image: Array) -> Array:
    """Convert to (Y, X, 3) with three equal channels, as Pillow's mode L."""
    from PIL import Image

    return np.repeat(np.asarray(Image.fromarray(image).convert("L"))[..., None], 3, axis=2)


def trained(folder: Path) -> Any:
    """Return the model of the example, trained now or loaded from its run folder."""
    from decrappify import load_model

    if not (folder / "model.safetensors").exists():
        example.main(["--output", str(folder), *(["--resume"] if (folder / "checkpoint.pt").exists() else [])])
    model = load_model(folder / "model.safetensors")
    if model.card["settings"] != settings():
        sys.exit(f"{folder} was trained with other settings; remove it, or name another folder with --runs")
    return model


def settings() -> Row:
    """Return the default schedule of the example, as plain values."""
    schedule = example.schedule(DEFAULTS.items, DEFAULTS.patch_size, DEFAULTS.batch_size, DEFAULTS.seed)
    plain: Row = json.loads(json.dumps(schedule.to_dict()))
    return plain


def photograph(runs: Path, folder: Path) -> Row:
    """Color the held-out photograph with the selected weights and with those at the end of the GAN phase."""
    from decrappify import colorize, load_model

    model, truth = trained(runs), example.read(UNSEEN)
    models = {"chosen": model, "GAN's end": load_model(sorted((runs / "checkpoints").iterdir())[-1])}
    others = [example.read(path) for path in example.BUNDLED if path != UNSEEN]
    tint = np.mean([chroma(image).mean(axis=(0, 1)) for image in others], axis=0)
    shown = {"gray": gray(truth), "one tint": tinted(truth, tint)}
    rows = {name: colors(image, truth) for name, image in shown.items()}
    for name, network in models.items():
        for factor in RENDER_FACTORS:
            image = colorize(gray(truth), model=network, render_factor=factor, inference=InferenceOptions(device="cpu"))
            rows[f"{name}, render factor {factor}"] = colors(image, truth)
            if factor == RENDER_FACTOR:
                shown[name] = image
    rows["original"] = colors(truth, truth)
    sheet(folder / "colorizer_photograph.png", {name: [one] for name, one in (shown | {"original": truth}).items()})
    return {"colors": rows, "seconds_trained": model.card["training_seconds"], "verdict": model.card["verdict"]}


def sheet(path: Path, columns: Mapping[str, Sequence[Array]]) -> None:
    """Write a contact sheet of images (Y, X, 3), small enough to be committed."""
    from PIL import Image

    from decrappify.training.monitors.plots import contact_sheet

    tiles = [
        (name, [np.moveaxis(np.asarray(Image.fromarray(one).resize((171, 128))), -1, 0) for one in images])
        for name, images in columns.items()
    ]
    with tempfile.TemporaryDirectory() as scratch:
        png = contact_sheet(Path(scratch) / "sheet.png", tiles)
        levels = np.asarray(Image.open(png)) // 8 * 8 + 4  # 32 levels look the same and need a third of the bytes
        Image.fromarray(levels).save(path, optimize=True)


def tinted(truth: Array, tint: Array) -> Array:
    """Return the gray image in one color."""
    u, v = tint
    shift = np.array([v / 0.877, -0.299 / 0.587 * v / 0.877 - 0.114 / 0.587 * u / 0.492, u / 0.492])
    return np.clip(np.rint(gray(truth) + shift), 0, 255).astype(np.uint8)


def pan(n_frames: int) -> Array:
    """Simulate a camera pan over the held-out photograph: (T, 180, 240, 3) uint8.

    Each frame is moved by one pixel and enlarged by 0.3 %.
    """
    from PIL import Image

    photo = Image.fromarray(example.read(UNSEEN))
    size = np.array([240, 180])
    frames = []
    for t in range(n_frames):
        seen = size * min(photo.width * 0.8 / size[0], photo.height * 0.9 / size[1]) * 0.997**t
        place = np.array([min(t / 60, 1.0), 0.5 + 0.5 * np.sin(t / 8)]) * (photo.size - seen)
        box = (*place, *(place + seen))
        frames.append(np.asarray(photo.resize((240, 180), Image.Resampling.BICUBIC, box)))
    return np.stack(frames)


def street(n_frames: int) -> Array:
    """Read the first frames of bikes.mp4."""
    import av

    from benchmarks.harness import corpus

    with av.open(str(corpus.folder() / "colour" / "bikes.mp4")) as container:
        frames = (frame.to_ndarray(format="rgb24") for frame in container.decode(video=0))
        return np.stack([frame for frame, _ in zip(frames, range(n_frames), strict=False)])


def film(name: str, n_frames: int, runs: Path, folder: Path) -> Row:
    """Convert a film to gray, color it with each `steady`, and measure the change of its chroma."""
    from decrappify import colorize

    model, truth = trained(runs), pan(n_frames) if name == "pan" else street(n_frames)
    grayed = np.stack([gray(frame) for frame in truth])
    if name == "pan":
        grain = np.random.default_rng(0).normal(0, GRAIN, grayed.shape[:3])[..., None]
        grayed = np.clip(np.rint(grayed + grain), 0, 255).astype(np.uint8)
    rows = {"original": moving(truth, truth), "gray": moving(grayed, truth)}
    films = {"gray": grayed}
    with tempfile.TemporaryDirectory() as scratch:
        source = write(Path(scratch) / "gray.mkv", grayed)
        for steady in STEADY:
            output = Path(scratch) / f"{steady}.mkv"
            colorize(
                source,
                output,
                model=model,
                render_factor=RENDER_FACTOR,
                options=ColorizationOptions(steady=steady),
                inference=InferenceOptions(device="cpu"),
            )
            films[f"steady {steady:g}"] = read(output)
            rows[f"steady {steady:g}"] = moving(films[f"steady {steady:g}"], truth)
    if name == "pan":
        picks = np.linspace(0, n_frames - 1, 3).astype(int)
        films["original"] = truth
        sheet(folder / "colorizer_film.png", {label: list(frames[picks]) for label, frames in films.items()})
    return {"frames": n_frames, "films": rows}


def moving(frames: Array, truth: Array) -> Row:
    """Compute chroma and luma change of a film, the chroma change expected from its motion, and the chroma error."""
    from decrappify.metrics.chroma import chroma_flicker

    strength = np.mean([np.linalg.norm(chroma(frame), axis=-1).mean() for frame in frames])
    error = np.mean([np.abs(chroma(one) - chroma(other)).mean() for one, other in zip(frames, truth, strict=True)])
    return chroma_flicker(frames) | {
        "strength": float(strength),
        "error": float(error),
        "warranted": warranted(frames),
    }


def warranted(frames: Array) -> float:
    """Compute the chroma change that is expected from the motion of a film.

    It is that of each frame shifted by the distance at which its luma changes as much as in the next frame.
    """
    found = []
    for before, after in pairwise(frames):
        luma, next_luma = luma_of(before), luma_of(after)
        color = chroma(before)
        by_shift = [(0.0, 0.0)]
        for shift in SHIFTS:
            luma_change = np.abs(luma[:, shift:] - luma[:, :-shift]).mean()
            by_shift.append((float(luma_change), float(np.abs(color[:, shift:] - color[:, :-shift]).mean())))
        found.append(np.interp(np.abs(next_luma - luma).mean(), *zip(*by_shift, strict=True)))
    return float(np.mean(found))


def write(path: Path, frames: Array) -> Path:
    """Write a film without loss, 25 frames per second."""
    import av

    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream("ffv1", rate=25)
        stream.pix_fmt, stream.height, stream.width = "yuv444p", frames.shape[1], frames.shape[2]
        for pixels in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        container.mux(stream.encode())
    return path


def read(path: Path) -> Array:
    """Read a film as (T, Y, X, 3) uint8."""
    import av

    with av.open(str(path)) as container:
        return np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)])


def section(rows: list[Row]) -> str:
    """Format one table for the photograph and one for the films."""
    parts = ["## The example colorizer"]
    for row in rows:
        parts.append(_photograph_part(row) if "colors" in row else _film_part(row))
    return "\n\n".join(parts)


def _photograph_part(row: Row) -> str:
    lines = [
        [name, found["chroma"], 100 * found["visible"], found["error"], found["hue"]]
        for name, found in row["colors"].items()
    ]
    return (
        f"`examples/train_colorizer.py` with its default settings ({row['seconds_trained']} s of wall time), on four "
        f"photographs of scikit-image; {UNSEEN.stem} was held out. Verdict on the GAN phase: {row['verdict']}. The "
        f"training patches of {DEFAULTS.patch_size} px correspond to render factor {RENDER_FACTOR}. Chroma: mean "
        f"length of (U, V) in gray levels. Visible: pixels with more than {VISIBLE:g}. Error: mean absolute error of U "
        "and V. Hue error: median angle to the reference hue where both are visible (chance: 90 degrees). One tint: "
        "the mean color of the training photographs in every pixel.\n\n"
        + table(["colors", "chroma", "visible, %", "error", "hue error, degrees"], lines, [0, 1, 0, 2, 0])
        + "\n\n![held-out photograph: gray, in one tint, colored, original](results/colorizer_photograph.png)"
    )


def _film_part(row: Row) -> str:
    what, image = {
        "pan": (
            f"A film generated from {UNSEEN.stem}: pan and zoom, with grain of {GRAIN:g} gray levels in the gray film",
            "\n\n![three frames of the film](results/colorizer_film.png)",
        ),
        "street": ("The beginning of a real street film, `colour/bikes.mp4`", ""),
    }[row["key"]]
    lines = [
        [name, *(found[key] for key in ("strength", "error", "luma", "chroma", "warranted", "chroma_where_still"))]
        for name, found in row["films"].items()
    ]
    header = ["colors", "chroma", "error", "luma change", "chroma change", "implied", "chroma change, static luma"]
    return (
        f"{what}; {row['frames']} frames at render factor {RENDER_FACTOR}, decoded from the written H.264. Mean "
        "absolute changes from frame to frame. Implied: the chroma change of the same film if its luma change were "
        "caused by shifting each frame horizontally.\n\n" + table(header, lines) + image
    )


def main() -> None:
    options = parser(__doc__)
    options.add_argument("--runs", type=Path, default=Path("runs/colorizer"), help="run folder of the training")
    options.add_argument("--frames", type=int, default=48, help="of each film")
    args = options.parse_args()
    import torch

    torch.set_num_threads(args.threads)
    benchmark = Benchmark("colorizer", args, options)
    about = {"schedule": settings(), "render_factor": RENDER_FACTOR, "unseen": UNSEEN.name}
    jobs = {"photograph": Job(about, partial(photograph, args.runs, benchmark.folder))}
    for name in ("pan", "street"):
        work = partial(film, name, args.frames, args.runs, benchmark.folder)
        jobs[name] = Job(about | {"frames": args.frames, "steady": STEADY, "grain": GRAIN}, work)
    benchmark.run(jobs, section)


if __name__ == "__main__":
    main()
