"""Evaluation of the check that warns if an input is outside of what a model learned.

The learned ranges are those that `train` stores on the card, of the training files of corpus.py, degraded with white
noise of 3 to 300 photons (EM: with the preset em; any noise: with the preset fluorescence-any). Inputs of the same kind
are held-out images, degraded alike; all others should be detected. The ROC compares the distance from the learned range
between the two; detection and false alarm rates are those at the limit of the warning. No network is used.

    python benchmarks/noise_and_trust/input_check.py                  # about 2 minutes on 1 core
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[2]))  # the root of the repository

from benchmarks.harness import corpus
from benchmarks.harness.results import Benchmark, Job, Row, parser, table
from decrappify import open_movie
from decrappify.crappify import CorrelatedNoise, Crappifier, Gaussian, Poisson, crappifier_preset
from decrappify.domain import CARD_KEY, measure_features, sampled_regions
from decrappify.domain.ranges import SCALES, scores
from decrappify.normalization import NormalizationRule, measure
from decrappify.training import DataOptions
from decrappify.training.data.learned import learned_range
from decrappify.training.data.training_data import Split, read_training_data

PHOTONS = (3.0, 300.0)
SHRINK = {"fluorescence": (1, 2, 4), "any noise": (1, 2, 4), "EM": (1, 2)}
FIELDS = 200
FEATURES = ("brightness", "noise", "correlation", "detail")
NOISE = {
    "white": Crappifier([Poisson(photons=PHOTONS), Gaussian(sigma=(0.0, 0.05))], "white"),
    "em": crappifier_preset("em"),
    "any": crappifier_preset("fluorescence-any"),
    "correlated": Crappifier([CorrelatedNoise(photons=PHOTONS, read_noise=(0.0, 2.0), sigma=0.7)], "correlated"),
    "1 photon": Crappifier([Poisson(photons=1.0)], "1 photon"),
    "1000 photons": Crappifier([Poisson(photons=1000.0)], "1000 photons"),
}
HELD_OUT = [*corpus.TEST_STILLS, *corpus.TEST_MOVIES]
# Other fluorescence that is not trained on; some files share the specimen of a training file.
FURTHER = [
    "highres/allen_nuclei_60z.tif",
    "highres/brain_nuclei_30z.tif",
    "highres/fly_01_pos002_r.tif",
    "highres/fly_01_pos076_f.tif",
    "highres/neubias_xy_16bit__bacteria_cords_thick.tif",
    "highres/neubias_xy_16bit__bacteria_cords_thin.tif",
    "highres/neubias_xyc_8bit__tub_h2b_cecog_battery.tif",
    "highres/pollen_32z.tif",
    "highres/sbs_cells_02.tif",
    "highres/sbs_cells_08.tif",
    "highres/zebrafish_membranes_1.tif",
    "movies/drosophila_lightsheet_13f.tif",
    "movies/lightsheet_embryo_46f.tif",
]
EM = [
    "em/fibsem_medulla_96z.tif",
    *(f"em/sem_myelin_{name}.tif" for name in ("rat1_data1", "rat2_data5", "rat3_data9", "rat4_data12", "rat6_data15")),
    "em/sem_myelin_rat7_Maxo03img60.tif",
    "highres/neubias_celegans_em_21z.tif",
    "highres/neubias_xy_8bit__em_mitochondria_er.tif",
    "highres/ssi_fibsem1910x1910.png",
]
PHASE = [f"highres/phase_{name}.tif" for name in ("caulo_15", "e1t1_crop", "ec_5I_t141xy5c1")]
WIDE_FIELD = [f"pairs/fmd_widefield/low/WideField_BPAE_{name}.png" for name in ("R_1", "G_3")]
EXPOSURES = [
    *(f"pairs/gigadb/low/{name}.png" for name in ("actin-60x-noise1", "mito-60x-noise1", "nucleus")),
    "pairs/acsn_tirf/tirf_200hz_5ms_20f.tif",
    "pairs/acsn_tirf/tirf_100hz_10ms.tif",
    "noisy/telomeres_200f.tif",
    "noisy/yeast_mitochondria_tz.tif",
    "highres/neubias_xy_calibrated_16bit__cells_eres_noisy.tif",
]


@dataclass(frozen=True)
class Group:
    """Inputs of one kind: files, noise (None: as recorded), draws per channel, sampling (4: finer, -4: coarser)."""

    files: list[str]
    noise: str | None = "white"
    draws: int = 2
    sampling: int = 1
    model: str = "fluorescence"
    same: bool = False  # the kind that the model learned


GROUPS = {
    "held-out fluorescence": Group(HELD_OUT, draws=6, same=True),
    "further fluorescence": Group(FURTHER, same=True),
    "real exposures": Group(EXPOSURES, None, 1, same=True),
    "correlated noise": Group(HELD_OUT, "correlated", 4),
    "FMD wide-field": Group(WIDE_FIELD, None, 1),
    "1 photon": Group(HELD_OUT, "1 photon"),
    "1000 photons": Group(HELD_OUT, "1000 photons"),
    "4 x finer sampling": Group(HELD_OUT, sampling=4),
    "4 x coarser sampling": Group(HELD_OUT, sampling=-4),
    "EM, as recorded": Group(EM, None, 1),
    "EM, with noise": Group(EM),
    "phase contrast, as recorded": Group(PHASE, None, 1),
    "phase contrast, with noise": Group(PHASE),
    "held-out fluorescence, any noise": Group(HELD_OUT, "any", 6, model="any noise", same=True),
    "correlated noise, learned": Group(HELD_OUT, "correlated", 4, model="any noise", same=True),
    "FMD wide-field, correlation learned": Group(WIDE_FIELD, None, 1, model="any noise", same=True),
    "held-out EM": Group([*corpus.TEST_EM], "em", 6, model="EM", same=True),
    "fluorescence, EM model": Group(HELD_OUT, model="EM"),
}
HELD_OUT_OF = {
    "fluorescence": "held-out fluorescence",
    "any noise": "held-out fluorescence, any noise",
    "EM": "held-out EM",
}


@cache
def learned(model: str) -> dict[str, Any]:
    """Return the learned range of a model without training it."""
    names = [*corpus.TRAIN_EM] if model == "EM" else [*corpus.TRAIN_STILLS, *corpus.TRAIN_MOVIES]
    crappifier = {"fluorescence": NOISE["white"], "any noise": NOISE["any"], "EM": NOISE["em"]}[model]
    split = Split(options=DataOptions(shrink=SHRINK[model]))
    data = read_training_data([corpus.folder() / name for name in names], crappifier, None, split)
    return dict(learned_range(data, FIELDS)[CARD_KEY])


def inputs(group: Group, seed: int) -> Iterator[list[np.ndarray]]:
    """Iterate over the regions of all inputs of a group."""
    rng = np.random.default_rng(seed)
    for name in group.files:
        with open_movie(corpus.folder() / name) as movie:
            for channel in range(movie.shape[1]):
                regions = sampled_regions(movie, channel)
                if group.noise is None:
                    yield regions
                    continue
                normalization = measure(movie, channel, NormalizationRule(), max_planes=8)
                signal = [_resampled(normalization.apply(region), group.sampling) for region in regions]
                for _ in range(group.draws):
                    fixed = NOISE[group.noise].fixed(rng)
                    yield [fixed(region[None], rng)[0] for region in signal]


def _resampled(region: np.ndarray, sampling: int) -> np.ndarray:
    from scipy.ndimage import zoom

    if sampling < 0:
        return region[::-sampling, ::-sampling]
    return region if sampling == 1 else zoom(region[:96, :96], sampling, order=3)


def evaluate(name: str) -> Row:
    """Return the deviations of all inputs of a group from the learned range."""
    group = GROUPS[name]
    measured = [measure_features(regions) for regions in inputs(group, list(GROUPS).index(name))]
    found = [scores(features, learned(group.model)) for features in measured if features is not None]
    row: Row = {"group": name, "learned": learned(group.model)}
    for feature in FEATURES:
        row[feature] = [float(f"{each[feature].value:.4g}") for each in found]
        row[f"{feature} score"] = [round(each[feature].score, 4) for each in found]
    return row


def combined(row: Row) -> np.ndarray:
    """Return the largest score of each input."""
    return np.max([row[f"{feature} score"] for feature in FEATURES], axis=0)


def auc(inside: np.ndarray, outside: np.ndarray) -> float:
    """Compute the area under the ROC curve."""
    above = (outside[:, None] > inside[None]).mean() + 0.5 * (outside[:, None] == inside[None]).mean()
    return float(above)


def section(rows: list[Row]) -> str:
    """Format the ranges, and the table of rates and areas."""
    by_name = {row["group"]: row for row in rows}
    ranges: list[str] = []
    lines: list[list[Any]] = []
    for model, reference in HELD_OUT_OF.items():
        if reference in by_name:
            limits = scores(dict.fromkeys(FEATURES, 0.0), by_name[reference]["learned"])
            shown = ", ".join(f"{name} {max(each.low, 0):.2g} to {each.high:.2g}" for name, each in limits.items())
            ranges.append(f"Limits of the {model} model: {shown}.")
    for row in rows:
        group = GROUPS[row["group"]]
        worst, reference = combined(row), by_name.get(HELD_OUT_OF[group.model])
        cells: list[Any] = [row["group"], len(worst), 100 * float((worst > 1).mean())]
        cells += [100 * float((np.array(row[f"{feature} score"]) > 1).mean()) for feature in FEATURES]
        if group.same or reference is None:
            cells += [None] * (len(FEATURES) + 1)
        else:
            cells += [auc(*(np.array(each[f"{name} score"]) for each in (reference, row))) for name in FEATURES]
            cells.append(auc(combined(reference), worst))
        lines.append(cells)
    head = ["input", "n", "warned, %", *(f"{name}, %" for name in FEATURES), *(f"AUC {name}" for name in FEATURES)]
    return "\n\n".join(
        [
            "## Check of inputs against the learned range",
            "Share of the inputs with a warning (in rows without AUC, of the kind that was learned: false alarms), by "
            "any feature and by each; area under the ROC curve of the distance from the learned range, "
            "against the held-out inputs of the same kind, by feature and for the largest distance (combined). "
            f"{FIELDS} training fields. Two-sided: AUC below 0.5 means nearer to the learned median than the held-out "
            "images. The least distances of the limits from the median and their widening were chosen on these inputs.",
            *ranges,
            table([*head, "AUC combined"], lines, [0, 0, 0, 0, 0, 0, 0, 2, 2, 2, 2, 2]),
        ]
    )


def main() -> None:
    """Run the missing rows and write the section."""
    options = parser(__doc__)
    args = options.parse_args()
    jobs: dict[str, Job] = {}
    for name, group in GROUPS.items():
        limits = {feature: asdict(scale) for feature, scale in SCALES.items()}
        shared = {
            "limits": limits,
            "fields": FIELDS,
            "shrink": SHRINK[group.model],
            "photons": PHOTONS,
            "files": group.files,
        }
        run: Callable[[], Row] = partial(evaluate, name)
        jobs[name] = Job(shared | {"noise": group.noise, "draws": group.draws, "sampling": group.sampling}, run)
    Benchmark("input_check", args, options).run(jobs, section)


if __name__ == "__main__":
    main()
