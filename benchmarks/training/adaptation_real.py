"""Adaptation of shipped models to real noisy images and movies.

With a longer exposure of the same field as reference: PSNR (FMD: on 0 to 255, without a fit of gray levels) or SI-PSNR
(one gain and offset fitted) before and after. Without a reference: the first three quarters of the frames are used for
the adaptation; the photons of the others are split in two, one half is restored, and its error against the other raw
half is compared with that of the best Gaussian filter. The noise is calibrated on the images themselves.

    python benchmarks/training/adaptation_real.py                       # about 40 minutes
    python benchmarks/training/adaptation_real.py --only "telomeres"
"""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[2]))  # the root of the repository

from benchmarks.harness import corpus
from benchmarks.harness.panels import save_panel
from benchmarks.harness.results import Benchmark, Job, Row, parser, table
from benchmarks.restoration_quality.real_noise import PAIRS

BURST = "ACsN TIRF, 5 ms"
MOVIES = {"telomeres": "noisy/telomeres_200f.tif", "yeast mitochondria": "noisy/yeast_mitochondria_tz.tif"}
SEED = 1  # of the halves


def measure_pair(label: str, steps: int, folder: Path) -> Row:
    """Adapt to the noisy exposure of a pair, or to all frames of the burst, and score both models."""
    from decrappify import Movie
    from decrappify.metrics.baselines import best_gaussian
    from decrappify.metrics.fidelity import psnr, si_psnr

    movies = (np.asarray(corpus.load(f"pairs/{name}")).astype(np.float32) for name in PAIRS[label])
    low, high = (movie.reshape(-1, *movie.shape[3:]) for movie in movies)  # the burst has no axes
    truth, fit = high[0], not label.startswith("FMD")
    score = partial(si_psnr if fit else psnr, data_range=float(np.ptp(truth)) if fit else 255.0)
    name = "fluorescence-movie" if label == BURST else "fluorescence-still"
    adapted, results = adapt_and_restore(name, Movie.from_array(low), steps, low)
    gaussian = [best_gaussian(frame, truth, data_range=score.keywords["data_range"], fit_levels=fit) for frame in low]
    results = {"source": low, "gaussian": np.stack([one.restored for one in gaussian])} | results
    row: Row = {method: float(np.mean([score(frame, truth) for frame in result])) for method, result in results.items()}
    shown = {method: _on_levels_of(truth, result[0]) if fit else result[0] for method, result in results.items()}
    shown["reference"] = truth
    return row | _facts(label, name, "SI-PSNR" if fit else "PSNR", adapted, shown, folder)


def measure_movie(label: str, steps: int, folder: Path) -> Row:
    """Adapt to the first three quarters of a movie, and split the photons of the others for the scores."""
    from decrappify import calibrate
    from decrappify.metrics.baselines import best_gaussian
    from decrappify.metrics.no_reference.held_out import held_out_error, held_out_gain_db
    from decrappify.noise.pixels.variance import MovieSplitter

    name, movie = "fluorescence-movie", corpus.load(MOVIES[label])
    n_used = 3 * movie.shape[0] // 4
    noise = calibrate(movie).noise
    rest = np.asarray(movie.select(slice(n_used, None)))[:, 0, movie.shape[2] // 2].astype(np.float64)
    one, two = MovieSplitter.of(movie, 0, noise).split(rest, 0.5, np.random.default_rng(SEED))
    adapted, results = adapt_and_restore(name, movie.select(slice(0, n_used)), steps, one)
    baseline = held_out_error(best_gaussian(one, two, in_time=True).restored, one, two)
    row: Row = {
        method: held_out_gain_db(held_out_error(result, one, two), baseline) for method, result in results.items()
    } | {"gaussian": 0.0}
    models = {"shipped": name} | ({"adapted": adapted} if "adapted" in results else {})
    whole = {key: restore_frames(model, rest)[0] for key, model in models.items()}
    shown = {"source": rest[0]} | whole | {"mean of 5 frames": rest[:5].mean(axis=0)}
    return row | _facts(label, name, "held-out gain", adapted, shown, folder)


def adapt_and_restore(name: str, movie: Any, steps: int, source: Any) -> tuple[Any, dict[str, Any]]:
    """Return the adapted model, or the error, and the source (T, Y, X) restored by both models."""
    from decrappify import AdaptationConfig, adapt
    from decrappify.errors import InputError

    shipped = restore_frames(name, source)
    try:
        adapted = adapt(name, movie, config=AdaptationConfig(max_steps=steps, seed=SEED, device="cpu"))
    except InputError as error:
        return error, {"shipped": shipped}
    return adapted, {"shipped": shipped, "adapted": restore_frames(adapted, source)}


def restore_frames(model: Any, source: Any) -> Any:
    """Restore (T, Y, X)."""
    from benchmarks.harness.scoring import restored

    return restored(np.asarray(source, np.float32), model)


def _on_levels_of(truth: Any, image: Any) -> Any:
    """Fit one gain and offset of an image to those of the reference, to show both with one contrast."""
    gain, offset = np.polyfit(image.ravel(), truth.ravel(), 1)
    return gain * image + offset


def _facts(label: str, name: str, score: str, adapted: Any, shown: dict[str, Any], folder: Path) -> Row:
    file = label.replace(",", "").replace(" ", "_").lower()
    facts = {"file": label, "score": score, "from": name}
    facts["image"] = save_panel(folder / f"adaptation_{file}.png", shown)
    if isinstance(adapted, Exception):
        return facts | {"kept": "refused", "reason": str(adapted)}
    return facts | {"kept": adapted.card["adapted"]["kept"], "share": adapted.card["adapted"]["share"]}


def section(rows: list[Row]) -> str:
    """Format one line per pair or movie, and the images."""
    head = ["data", "model", "score, dB", "source", "best Gaussian", "shipped", "adapted", "gain", "share", "kept"]
    figures = ("source", "gaussian", "shipped", "adapted")
    lines = [
        [
            *(row["file"], row["from"], row["score"], *(row.get(figure) for figure in figures)),
            *(row["adapted"] - row["shipped"] if "adapted" in row else None, row.get("share"), row["kept"]),
        ]
        for row in rows
    ]
    return "\n\n".join(
        [
            "## Adaptation to real noisy images and movies",
            "PSNR and SI-PSNR are against a long or averaged exposure. Held-out gain: of one half of the photons, "
            "restored, against the other raw half, over the best Gaussian filter; on frames that the adaptation did "
            "not use. Gain: of the adapted over the shipped model. Share: of the adapted weights in the interpolation.",
            table(head, lines),
            *(f"Refused, {row['reason']}." for row in rows if "reason" in row),
            *(f"{row['file']}:\n\n{row['image']}" for row in rows),
        ]
    )


def main() -> None:
    """Run the missing rows and write the section."""
    options = parser(__doc__)
    options.add_argument("--steps", type=int, default=2400, help="steps of each adaptation")
    args = options.parse_args()
    import torch

    from benchmarks.harness.scoring import identity

    torch.set_num_threads(args.threads)
    benchmark = Benchmark("adaptation_real", args, options)
    models = [identity("fluorescence-movie"), identity("fluorescence-still")]
    jobs = {
        label: Job(
            {"models": models, "steps": args.steps},
            partial(measure_movie if label in MOVIES else measure_pair, label, args.steps, benchmark.folder),
        )
        for label in [*MOVIES, *PAIRS]
    }
    benchmark.run(jobs, section)


if __name__ == "__main__":
    main()
