"""Whether `check` and trust maps detect a model that invents structure, and accept a suitable one.

The invented structure is that of a GAN phase that continues far beyond the inflection point: `fluorescence-movie` is
trained against a critic on a nuclei movie with strong noise, with a large adversarial weight and a high learning rate,
and the last checkpoint is used instead of the selected one. Both models restore movies that trained neither, degraded
to 10 photons at the bright level (read noise 2 %). The trust maps use the noise that `calibrate` measures.

    python benchmarks/noise_and_trust/invented_structure.py          # about 15 minutes, most of them for the training
"""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))  # the root of the repository

from benchmarks.harness import corpus
from benchmarks.harness.panels import save_panel
from benchmarks.harness.results import Benchmark, Job, Row, parser, table

GIVEN, LEVEL, FRAMES = "fluorescence-movie", "10 photons", 12
ITEMS = 3200  # patches, of which all are used in the GAN phase
MATERIAL = ("movies/mitocheck_h2b_30f.tif", "movies/nuclei_timelapse_30f.tif")


def over_trained(folder: Path) -> Any:
    """Return the last checkpoint of a GAN phase without a stop; a finished run in the folder is used."""
    from dataclasses import replace

    from decrappify import Crappifier, load_model
    from decrappify.crappify import Gaussian, Poisson
    from decrappify.training import nogan_preset, train_nogan

    if not (folder / "model.safetensors").exists():
        preset = nogan_preset("microscopy")
        gan = replace(
            preset.gan,
            share=1.0,
            learning_rate=5e-4,
            critic_factor=2.0,
            adversarial_weight=1.0,
            content_weight=0.05,
            freeze_encoder=False,
        )
        own = ("base_channels", "depth", "growth", "blocks", "stem", "bias")
        shape = {key: load_model(GIVEN).network.architecture[key] for key in own}
        config = replace(
            preset,
            generator_settings=shape,
            n_frames=3,
            items=ITEMS,
            gan=gan,
            cycles=1,
            detect=False,
            pretrain=(),
            device="cpu",
        )
        noise = Crappifier([Poisson(photons=(3.0, 20.0)), Gaussian(sigma=0.02)], "strong noise")
        movies = [corpus.load(name) for name in MATERIAL]
        train_nogan(movies, noise, config=config, start_from=GIVEN, output=folder)
    return load_model(sorted((folder / "checkpoints").iterdir())[-1])


def measure(name: str, run: Path, folder: Path) -> Row:
    """Restore one degraded movie with both models, and test the results."""
    import numpy as np

    from benchmarks.harness.scoring import degrade, restored, truths
    from benchmarks.training.adaptation import noise_parts
    from decrappify import Movie, calibrate, check, load_model, trust_map
    from decrappify.metrics.fidelity import psnr

    (reference,) = truths(name, 2 * FRAMES).values()
    source = degrade(reference, noise_parts(LEVEL), 1)
    movie, noise = Movie.from_array(source), calibrate(source).noise
    row: Row = {"file": name.rpartition("/")[2].partition(".")[0]}
    shown = {"source": source[FRAMES]}
    for label, model in (("suitable", load_model(GIVEN)), ("over-trained", over_trained(run))):
        result = restored(source, model)
        verdict = check(movie, model, noise=noise)
        shares = trust_map(source, result, noise).shares
        spread = float(np.ptp(reference))
        row[label] = {
            "psnr": float(
                np.mean([psnr(one, two, data_range=spread) for one, two in zip(result, reference, strict=True)])
            ),
            "verdict": verdict.verdict,
            "contradicted": shares["contradicted"],
            "confirmed": shares["confirmed"],
        }
        shown[label] = result[FRAMES]
    shown["reference"] = reference[FRAMES]
    return row | {"image": save_panel(folder / f"invented_{row['file']}.png", shown)}


def section(rows: list[Row]) -> str:
    """Format a line for each movie and model, and the images."""
    lines = [
        [row["file"], label, row[label]["psnr"], row[label]["verdict"]]
        + [100 * row[label][share] for share in ("contradicted", "confirmed")]
        for row in rows
        for label in ("suitable", "over-trained")
    ]
    head = ["movie, 10 photons", "model", "PSNR, dB", "verdict of check", "contradicted, %", "confirmed, %"]
    return "\n\n".join(
        [
            "## A model that invents structure",
            f"Suitable: {GIVEN}. Over-trained: the same after a GAN phase without a stop. Contradicted, confirmed: "
            "pixels of the trust map.",
            table(head, lines),
            *(f"{row['file']}:\n\n{row['image']}" for row in rows),
        ]
    )


def main() -> None:
    """Run the missing rows and write the section."""
    options = parser(__doc__)
    options.add_argument("--run", type=Path, default=Path("runs/invented_structure"), help="folder of the training")
    args = options.parse_args()
    import torch

    from benchmarks.harness.scoring import identity

    torch.set_num_threads(args.threads)
    benchmark = Benchmark("invented_structure", args, options)
    settings = {"model": identity(GIVEN), "items": ITEMS}
    jobs = {
        name: Job(settings | {"name": name}, partial(measure, name, args.run, benchmark.folder))
        for name in corpus.TEST_MOVIES
    }
    benchmark.run(jobs, section)


if __name__ == "__main__":
    main()
