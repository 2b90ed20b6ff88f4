"""Temporal stability of restored movies, and preservation of their motion.

Held-out real movies (their first --frames frames) and a simulated cell that moves 1 pixel per frame and has a
noise-free reference are degraded with three noise draws and restored: by the best Gaussian filter, an oracle in
space and time; frame by frame, by the shipped model of one frame; and by the shipped model of three frames, which was
trained with the stability loss. The temporal scorecard of each is the mean ± standard deviation over the draws; images
of one line of pixels over time are written to results/stability_*.png.

    python benchmarks/restoration_quality/stability.py --threads 2                         # 6 minutes on 2 idle cores
    python benchmarks/restoration_quality/stability.py --only "simulated cell, 10 photons"

To include other programs in the table, restore the same sources with them: --write FOLDER writes the sources as
FOLDER/source/NAME.tif and exits. Store the results of METHOD as FOLDER/METHOD/NAME.tif, in the same gray levels, and
pass --folder FOLDER, then and whenever the table is written again.
"""

from __future__ import annotations

import hashlib
import statistics
import sys
from collections.abc import Sequence
from functools import cache, partial
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

sys.path.insert(0, str(Path(__file__).parents[2]))  # the root of the repository

from benchmarks.harness import corpus
from benchmarks.harness.results import Benchmark, Job, Row, parser, table
from decrappify.metrics import ScoreOptions

Array = NDArray[Any]

SEEDS = (0, 1, 2)
SIMULATED, SIMULATED_SEED = "simulated cell", 5000
METHODS = {"source": "input", "gaussian": "best Gaussian", "still": "frame by frame", "movie": "three frames"}
# Metric: its title and a factor for the table.
FIGURES = {
    "psnr": ("PSNR, dB", 1),
    "tde": ("TDE", 1),
    "tdr": ("TDR", 1),
    "flicker_floor": ("FR, % of range", 100),
    "gain_jitter": ("gain jitter, %", 100),
    "draw": ("draw difference, % of range", 100),
}
WITH_IMAGE = ("10 photons", 0)
_ZOOM, _FRAME, _DETAIL, _GAP, _LINE = 3, 6, 80, 4, 18
_CHANGE = 0.2  # of the contrast, from mid-gray to black or white


@cache
def truths(n_frames: int) -> dict[str, Array]:
    """Return references (T, Y, X) by name."""
    from benchmarks.harness.scoring import truths as of_file
    from decrappify.samples import simulate

    found = {label: truth for name in corpus.TEST_MOVIES for label, truth in of_file(name, n_frames).items()}
    cell = simulate("cell", n_frames=n_frames, size=(256, 256), speed_px=1.0, seed=SIMULATED_SEED).truth
    return found | {SIMULATED: np.asarray(cell)[:, 0, 0].astype(np.float32)}


def source(label: str, level: str, seed: int, n_frames: int) -> Array:
    """Return one degraded movie."""
    from benchmarks.harness.scoring import LEVELS, degrade

    return degrade(truths(n_frames)[label], LEVELS[level], seed)


def file_name(label: str, level: str, seed: int) -> str:
    """Return the file name of a degraded or restored movie."""
    return f"{label}_{level}_seed_{seed}.tif".replace(" ", "_")


def score(results: Sequence[Array], truth: Array) -> Row:
    """Compute every metric as a list with one value for each draw, or for each pair of draws."""
    from decrappify.metrics.scorecard import score_movie
    from decrappify.metrics.temporal.stability import noise_draw_flicker

    cards = [score_movie(result, truth, options=ScoreOptions(with_ssim=False)).to_dict() for result in results]
    figures: Row = {name: [card[name] for card in cards] for name in FIGURES if name != "draw"}
    data_range = float(np.ptp(truth))
    figures["draw"] = [noise_draw_flicker(*pair, data_range=data_range) for pair in combinations(results, 2)]
    return figures


def measure(label: str, level: str, n_frames: int, models: dict[str, str], folder: Path) -> Row:
    """Score all methods of decrappify on all draws of one movie."""
    from benchmarks.harness.scoring import identity, restored
    from decrappify import load_model
    from decrappify.metrics.baselines import best_gaussian

    truth = truths(n_frames)[label]
    sources = [source(label, level, seed, n_frames) for seed in SEEDS]
    gaussians = [best_gaussian(noisy, truth) for noisy in sources]
    results = {"source": sources, "gaussian": [gaussian.restored for gaussian in gaussians]}
    results |= {kind: [restored(noisy, model) for noisy in sources] for kind, model in models.items()}
    row: Row = {
        "movie": label,
        "level": level,
        "frames": len(truth),
        "scores": {METHODS[method]: score(result, truth) for method, result in results.items()},
        "sigmas": [(gaussian.sigma_space, gaussian.sigma_time) for gaussian in gaussians],
        "models": {kind: f"{load_model(model).name} ({identity(model)})" for kind, model in models.items()},
    }
    if level == WITH_IMAGE[0]:
        shown = {"reference": truth} | {METHODS[name]: movies[WITH_IMAGE[1]] for name, movies in results.items()}
        row["image"] = save_kymograph(folder / f"stability_{label.replace(' ', '_')}.png", shown)
    return row


def measure_folder(label: str, level: str, n_frames: int, method: str, files: Sequence[Path]) -> Row:
    """Score the results of another program on the draws of one movie."""
    from decrappify import open_movie

    results = [np.asarray(open_movie(path))[:, 0, 0] for path in files]
    scores = {method: score(results, truths(n_frames)[label])}
    return {"movie": label, "level": level, "frames": n_frames, "scores": scores}


def save_kymograph(path: Path, movies: dict[str, Array]) -> str:
    """Write one line of pixels over time (downwards) for each movie, and its change from frame to frame.

    Above them is a detail of the middle frame, with marks on both sides at the line. The first of the movies
    (T, Y, X) is the reference: it determines the contrast, and the position, which is that of the largest change.
    """
    truth = next(iter(movies.values()))
    y, x, line = _place(truth)
    low, high = np.percentile(truth, [0.5, 99.8])
    side, height = _DETAIL * _ZOOM, len(truth) * _FRAME
    tops = (_LINE, _LINE + side + _GAP, _LINE + side + height + 2 * _GAP)
    canvas = Image.new("L", (len(movies) * (side + _GAP) - _GAP, tops[-1] + height - _FRAME), 0)
    draw = ImageDraw.Draw(canvas)
    for index, (title, movie) in enumerate(movies.items()):
        left = index * (side + _GAP)
        shown = (movie[:, y : y + _DETAIL, x : x + _DETAIL] - low) / (high - low)
        over_time = shown[:, line - y]
        changes = 0.5 + np.diff(over_time, axis=0) / (2 * _CHANGE)
        for part, top in zip((shown[len(movie) // 2], over_time, changes), tops, strict=True):
            tall = side if top == tops[0] else len(part) * _FRAME
            gray = np.rint(np.clip(part, 0, 1) * 255).astype(np.uint8)
            canvas.paste(Image.fromarray(gray).resize((side, tall), Image.Resampling.NEAREST), (left, top))
        marked = _LINE + (line - y) * _ZOOM + _ZOOM // 2
        for start in (left, left + side - 8):
            draw.line([(start, marked), (start + 7, marked)], fill=255, width=2)
        draw.text((left + 3, 2), title, fill=255, font=ImageFont.load_default(12))
    canvas.save(path, optimize=True)
    return f"![{' | '.join(movies)}](results/{path.name})"


def _place(truth: Array) -> tuple[int, int, int]:
    """Return the upper left corner of the square that changes most over time, and its line of most change."""
    from scipy.ndimage import gaussian_filter, uniform_filter

    changes = gaussian_filter(truth.astype(np.float64), (0, 2, 2)).var(axis=0)
    mean = uniform_filter(changes, _DETAIL)
    half = _DETAIL // 2
    rows, columns = (length - _DETAIL + 1 for length in changes.shape)
    y, x = np.unravel_index(np.argmax(mean[half : half + rows, half : half + columns]), (rows, columns))
    inner = changes[y + 8 : y + _DETAIL - 8, x : x + _DETAIL].mean(axis=1)
    return int(y), int(x), int(y) + 8 + int(np.argmax(inner))


def section(rows: list[Row]) -> str:
    """Format one table for each movie and level, the mean over movies, and the images."""
    from benchmarks.harness.scoring import LEVELS, LEVELS_IN_WORDS

    models = dict.fromkeys(f"{METHODS[kind]} = {name}" for row in rows for kind, name in row.get("models", {}).items())
    parts = [
        "## Temporal stability of restored movies\n\n"
        f"{rows[0]['frames']} frames; {LEVELS_IN_WORDS}; noise draws {', '.join(map(str, SEEDS))}: mean ± standard "
        "deviation over the draws. PSNR is relative to the reference. That of the simulated cell is noise-free; that "
        "of the real movies contains noise, which counts as motion in TDE and TDR. TDE: error of the frame "
        "differences; 0 is perfect, 1 that of a frozen movie. TDR: their strength relative to the reference; 1 is "
        "ideal, less is ghosting, more is flicker. FR, the flicker floor: change of static pixels. Gain jitter: "
        "spread over time of the contrast of each frame relative to the reference; blurred motion increases it. Draw "
        "difference: change caused by the noise alone, RMS difference of the restorations of two draws / √2. Best "
        f"Gaussian: σ in space and time with the highest PSNR for each draw. Models: {', '.join(models)}."
    ]
    movies = list(dict.fromkeys(row["movie"] for row in rows))
    for level in LEVELS:
        chosen = [row for row in rows if row["level"] == level]
        if not chosen:
            continue
        parts.append(f"### {level}")
        complete, count = _of_every_movie(chosen), len({row["movie"] for row in chosen})
        if count > 1:
            lines = [[method, *(_mean(chosen, method, name) for name in FIGURES)] for method in complete]
            parts.append(f"Mean of {count} movies\n\n" + _table(lines))
            if {METHODS["still"], METHODS["movie"]} <= set(complete):
                parts.append(_gain(chosen))
        for movie in movies:
            scores = _scores(chosen, movie)
            if scores:
                lines = [
                    [method, *(_cell(score[name], factor) for name, (_, factor) in FIGURES.items())]
                    for method, score in scores.items()
                ]
                parts.append(f"{movie}{_sigmas(chosen, movie)}\n\n" + _table(lines))
        parts += [
            f"{row['movie']}: a line of pixels over time (downwards, {row['frames']} frames), marked in the middle "
            f"frame above it; below, its change from frame to frame (black and white: {100 * _CHANGE:.0f} % of the "
            f"contrast).\n\n{row['image']}"
            for row in chosen
            if "image" in row
        ]
    return "\n\n".join(part for part in parts if part)


def _table(lines: Sequence[Sequence[Any]]) -> str:
    return table(["method", *(title for title, _ in FIGURES.values())], lines, 3)


def _scores(rows: Sequence[Row], movie: str) -> dict[str, Row]:
    return {name: score for row in rows if row["movie"] == movie for name, score in row["scores"].items()}


def _of_every_movie(rows: Sequence[Row]) -> list[str]:
    """Return the methods that were scored on all movies."""
    by_movie = [_scores(rows, movie) for movie in dict.fromkeys(row["movie"] for row in rows)]
    return [name for name in by_movie[0] if all(name in scores for scores in by_movie)]


def _sigmas(rows: Sequence[Row], movie: str) -> str:
    found = [row["sigmas"] for row in rows if row["movie"] == movie and "sigmas" in row]
    if not found:
        return ""
    space, time = (statistics.mean(values) for values in zip(*found[0], strict=True))
    return f" (best Gaussian: {space:.2f} px, {time:.2f} frames)"


def _mean(rows: Sequence[Row], method: str, figure: str) -> float | None:
    """Compute the mean over movies and draws, in the unit of the table."""
    movies = dict.fromkeys(row["movie"] for row in rows)
    values = [v for movie in movies for v in _scores(rows, movie)[method][figure] if v is not None]
    return FIGURES[figure][1] * statistics.mean(values) if values else None


def _gain(rows: Sequence[Row]) -> str:
    """Compute the gain of the window and the stability loss over single frames."""
    changes = []
    for name, (title, _) in FIGURES.items():
        before, after = (_mean(rows, METHODS[kind], name) for kind in ("still", "movie"))
        if not before or after is None or name == "tdr":  # neither higher nor lower is better
            continue
        change = f"{after - before:+.2f} dB" if name == "psnr" else f"{100 * (after / before - 1):+.0f} %"
        changes.append(f"{title.split(',')[0]} {change}")
    return f"{METHODS['movie'].capitalize()} against {METHODS['still']}: {', '.join(changes)}."


def _cell(values: Sequence[float | None], factor: float) -> str:
    known = [factor * value for value in values if value is not None]
    if not known:
        return "–"
    digits = 2 if known[0] > 10 else 3
    spread = f" ± {statistics.stdev(known):.{digits}f}" if len(known) > 1 else ""
    return f"{statistics.mean(known):.{digits}f}{spread}"


def jobs_for(args: Any, folder: Path) -> dict[str, Job]:
    """Return one row per movie and level, and one for each of these and every method in --folder."""
    from benchmarks.harness.scoring import LEVELS, identity

    models = {"still": args.still, "movie": args.movie}
    digests = {kind: identity(model) for kind, model in models.items()}
    settings = {"frames": args.frames, "seeds": SEEDS}
    cases = [(label, level) for level in LEVELS for label in truths(args.frames)]
    jobs = {
        f"{label}, {level}": Job(settings | digests, partial(measure, label, level, args.frames, models, folder))
        for label, level in cases
    }
    for folder in sorted(args.folder.iterdir()) if args.folder else ():
        if not folder.is_dir() or folder.name == "source":
            continue
        for label, level in cases:
            files = [folder / file_name(label, level, seed) for seed in SEEDS]
            files = [path for path in files if path.exists()]
            if files:
                content = [hashlib.sha256(path.read_bytes()).hexdigest()[:12] for path in files]
                jobs[f"{folder.name}: {label}, {level}"] = Job(
                    settings | {"files": content},
                    partial(measure_folder, label, level, args.frames, folder.name, files),
                )
    return jobs


def write_sources(folder: Path, n_frames: int) -> None:
    """Write all degraded movies as float32 TIFF, for other programs."""
    from benchmarks.harness.scoring import LEVELS
    from decrappify import Movie, save_movie

    (folder / "source").mkdir(parents=True, exist_ok=True)
    for label in truths(n_frames):
        for level in LEVELS:
            for seed in SEEDS:
                path = folder / "source" / file_name(label, level, seed)
                save_movie(Movie.from_array(source(label, level, seed, n_frames)), path)
                print(path)


def main() -> None:
    options = parser(__doc__)
    options.add_argument("--frames", type=int, default=40, help="frames of each movie, from its first")
    options.add_argument("--still", default="fluorescence-still", help="model of 1 frame")
    options.add_argument("--movie", default="fluorescence-movie", help="model of 3 or 5 frames")
    options.add_argument("--folder", type=Path, help="also score METHOD/NAME.tif in this folder")
    options.add_argument("--write", type=Path, help="write the degraded movies to source/ in this folder, and exit")
    args = options.parse_args()
    import torch

    torch.set_num_threads(args.threads)
    if args.write:
        write_sources(args.write, args.frames)
        return
    benchmark = Benchmark("stability", args, options)
    benchmark.run(jobs_for(args, benchmark.folder), section)


if __name__ == "__main__":
    main()
