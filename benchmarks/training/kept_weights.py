"""Whether the best validated weights of a supervised run are better than its last ones, on images that it has not seen.

Each run is one training with the defaults of `decrappify.train`, one frame and equal steps. The weights of each of its
validations are scored on test images, so that one run shows what `keep = "best"` and `keep = "last"` return. The case
of few frames repeats its noisy frames about a hundred times; the wide-field case validates on an end of the only
nucleus. The second question is by how much the validation of the best weights is too high because it has selected them:
the selection is repeated with one half of the validation patches, and evaluated with the other half.

    python benchmarks/training/kept_weights.py        # 6 rows of 3 minutes on one core
    python benchmarks/training/kept_weights.py --only "few frames, seed 0"
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).parents[2]))  # the root of the repository

from benchmarks.harness.results import Benchmark, Job, Row, parser, table
from benchmarks.peers.tasks import TASKS
from decrappify import Movie, TrainingConfig

Array = NDArray[Any]
MoviePairs = list[tuple[Movie, Movie]]
TEST_FRAMES, TEST_SIDE = 5, 256
HALVES = 200  # random divisions of the validation patches


@dataclass(frozen=True, slots=True)
class Case:
    """Data of one case: a task of quality.py, and the numbers of movies and frames of its training data to use."""

    description: str
    task: str
    n_movies: int | None = None
    n_frames: int | None = None


CASES: Mapping[str, Case] = {
    "few frames": Case("8 noisy frames of a simulated cell, 10 photons", "simulated cell", n_movies=1, n_frames=8),
    "exposures": Case("three measured pairs of a low and a high exposure", "exposures"),
    "wide field": Case("21 slices of one nucleus, wide field and confocal", "wide field"),
}


def pairs_of(case: Case) -> tuple[MoviePairs, MoviePairs]:
    """Return pairs of source and reference for training, and the test pairs: a few central regions."""
    files = TASKS[case.task].make()
    training = list(files["train"].items())[: case.n_movies]
    movies = [tuple(_movie(name, image, case.n_frames) for image in pair) for name, pair in training]
    tested = [tuple(Movie.from_array(_central(image)) for image in pair) for pair in files["test"].values()]
    return [(low, high) for low, high in movies], [(low, high) for low, high in tested]


def _movie(name: str, image: Array, n_frames: int | None) -> Movie:
    frames = _frames(image)[:n_frames]
    return Movie.from_array(frames[:1] if (frames == frames[:1]).all() else frames, name=name)


def _central(image: Array) -> Array:
    frames = _frames(image)
    frames = frames[:: -(-len(frames) // TEST_FRAMES)]
    rows, columns = (slice(max(0, (n - TEST_SIDE) // 2), (n + TEST_SIDE) // 2) for n in frames.shape[1:])
    return frames[:, rows, columns]


def _frames(image: Array) -> Array:
    return image if image.ndim == 3 else image[None]


def measure(case: Case, seed: int, steps: int) -> Row:
    """Train once, and score the averaged weights of each validation on validation patches and test images."""
    training, tested = pairs_of(case)
    config = TrainingConfig(n_frames=1, max_steps=steps, seed=seed, device="cpu", checkpoint_minutes=1e6)
    weights, model, curve = trained(training, config)
    validators = patch_validators(training, config, model.network)
    validation, test = [], []
    for each in weights.values():
        model.network.load_state_dict(each)
        validation.append([score(model.network) for score in validators])
        test.append(psnr_on_test(model, tested))
    on_patches = np.array(validation)
    means = on_patches.mean(axis=1)
    best = int(np.argmax(means))
    return {
        "steps": list(weights),
        "validation": [round(float(value), 3) for value in means],
        "recorded": [round(curve[step], 3) for step in weights],
        "test": [round(value, 3) for value in test],
        "best_step": list(weights)[best],
        "best_validation": float(means[best] - means[-1]),
        "best_test": float(test[best] - test[-1]),
        "highest_test": float(max(test) - test[-1]),
        "optimism": optimism(on_patches, seed),
        "patches": len(validators),
    }


def trained(pairs: MoviePairs, config: TrainingConfig) -> tuple[dict[int, Any], Any, dict[int, float]]:
    """Train; return the averaged weights of each validation after step 0, the model, and the validation curve."""
    import torch

    from decrappify import RunOptions, train

    weights, curve = dict[int, Any](), dict[int, float]()
    with tempfile.TemporaryDirectory() as folder:
        checkpoint = Path(folder) / "run" / "checkpoint.pt"

        def collect(step: int, score: Any) -> None:
            curve[step] = score.psnr
            collect_saved()  # the checkpoint of this validation is written after it

        def collect_saved() -> None:
            if checkpoint.exists():
                state = torch.load(checkpoint, weights_only=True)
                weights[state["step"]] = state["stateful"]["average"]["weights"]

        model = train(pairs=pairs, config=config, output=checkpoint.parent, run=RunOptions(on_validation=collect))
        collect_saved()
    return weights, model, curve


def patch_validators(pairs: MoviePairs, config: TrainingConfig, network: Any) -> list[Any]:
    """Return one function per validation patch of `train`, which returns the PSNR of a network on it."""
    import torch

    from decrappify.training.data.training_data import Split, read_training_data
    from decrappify.training.engine.validation import Validator
    from decrappify.training.engine.validation_patches import CANDIDATES, draw_patches

    data = read_training_data(None, None, pairs, Split(validation_fraction=config.validation_fraction))
    samples = draw_patches(data.held_out(CANDIDATES, config.seed + 1), network).samples
    validators = [Validator([sample], 1) for sample in samples]
    return [lambda network, each=each: each.score(network, torch.device("cpu")).psnr for each in validators]


def psnr_on_test(model: Any, pairs: MoviePairs) -> float:
    """Return the mean PSNR of the restored sources after one affine fit each, as exposures have other gray levels."""
    from decrappify import restore
    from decrappify.metrics.fidelity import affine_fit, psnr
    from decrappify.restoration import RestorationOptions

    found = []
    for source, reference in pairs:
        restored = np.asarray(restore(source, model, options=RestorationOptions(dtype="float32")))[:, 0, 0]
        truth = np.asarray(reference)[:, 0, 0].astype(np.float64)
        fit = affine_fit(restored, truth)
        found.append(psnr(fit.slope * restored + fit.intercept, truth, data_range=float(np.ptp(truth))))
    return float(np.mean(found))


def optimism(on_patches: Array, seed: int) -> float:
    """Return the gain over the last weights that is only seen on the patches that select the step, in dB.

    Parameters
    ----------
    on_patches : ndarray
        PSNR of each validation on each patch.
    seed : int
        Of the random halves of the patches.
    """
    rng, gains = np.random.default_rng(seed), on_patches - on_patches[-1:]
    n_patches, differences = gains.shape[1], []
    for _ in range(HALVES):
        order = rng.permutation(n_patches)
        one, other = gains[:, order[: n_patches // 2]].mean(axis=1), gains[:, order[n_patches // 2 :]].mean(axis=1)
        chosen = int(np.argmax(one))
        differences.append(one[chosen] - other[chosen])
    return float(np.mean(differences))


def section(rows: Sequence[Row]) -> str:
    """Format the table."""
    lines = [
        [
            f"{row['key'].partition(',')[0]}: {CASES[row['key'].partition(',')[0]].description}",
            row["job"]["seed"],
            f"{row['best_step']} of {row['steps'][-1]}",
            *(f"{row[name]:+.2f}" for name in ("best_validation", "best_test", "highest_test", "optimism")),
        ]
        for row in rows
    ]
    header = ["data", "seed", "best step", "validation", "test", "highest on test", "seen on the selecting half only"]
    return (
        "## Best or last weights\n\n"
        f"One frame, defaults of `train`, {rows[0]['job']['steps']} steps with {len(rows[0]['steps'])} validations on "
        f"{rows[0]['patches']} patches. PSNR of the weights with the best validation minus that of the last ones, in "
        "dB: on the validation patches, and on test images after one affine fit; then the highest on test images of "
        "any of the validated weights, which is unknown in practice. Last column: gain over the last weights on the "
        "half of the patches that selects the step minus that on the other half, mean of "
        f"{HALVES} random halves; a selection with all patches has less of it.\n\n" + table(header, lines)
    )


def main() -> None:
    options = parser(__doc__)
    options.add_argument("--steps", type=int, default=1500, help="training steps of each row")
    args = options.parse_args()
    import torch

    torch.set_num_threads(args.threads)
    jobs = {
        f"{name}, seed {seed}": Job(
            {"data": case.description, "steps": args.steps, "seed": seed}, partial(measure, case, seed, args.steps)
        )
        for name, case in CASES.items()
        for seed in (0, 1)
    }
    Benchmark("kept_weights", args, options).run(jobs, section)


if __name__ == "__main__":
    main()
