"""Coverage of calibrated intervals on held-out fields, and what happens to movies unlike those of the calibration.

Fields are crops of 160 × 160 px from images that the model was not trained on, exposed with a camera of known noise.
In each of 20 random splits, two thirds of the fields calibrate 90 % intervals, and the rest are tested. "By file": no
file has fields on both sides. Shifts: the calibrated intervals are applied to other exposures, noise and structures,
with the share of the fields that the check of the calibrated range, the check of the model (learned range) and the
trust map mark. Scales: mean width at the same coverage, if the error is scaled by something else.

    python benchmarks/noise_and_trust/intervals.py                 # about 3 minutes
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).parents[2]))  # the root of the repository

from benchmarks.harness import corpus
from benchmarks.harness.results import Benchmark, Job, Row, parser, table
from benchmarks.noise_and_trust.interval_scales import SCALES
from decrappify.trust.intervals.conformal import Guarantee, smallest_factor
from decrappify.trust.intervals.domain import deviation
from decrappify.trust.intervals.fields import FACTORS, FieldTerms, count_scores, field_terms, losses_of
from decrappify.trust.intervals.intervals import ChannelIntervals, fit_channel
from decrappify.trust.intervals.strata import N_BACKGROUND, STRATA, stratum_of

Array = NDArray[Any]
SIDE, SPLITS, LEVEL = 160, 20, 0.9
GAIN, OFFSET, READ, BLUR = 2.0, 100.0, 1.6, 0.7  # gray levels per electron, gray level, electrons, px
MIXED = (
    *corpus.TEST_MOVIES,
    *corpus.TEST_STILLS,
    *corpus.UNUSED_STILLS,
    *(f"highres/{name}.tif" for name in ("fly_01_pos002_r", "brain_nuclei_30z", "allen_nuclei_60z", "pollen_32z")),
    *(f"highres/sbs_cells_{number:02d}.tif" for number in (4, 8, 12)),
    "highres/neubias_xyc_8bit__tub_h2b_cecog_battery.tif",
)
# One experiment: fields of one plate, one channel.
PLATE = tuple(f"highres/sbs_cells_{number:02d}.tif" for number in (2, 4, 6, 8, 10, 12))
MEMBRANES = ("highres/aics_membrane.tif", "highres/ssi_membrane924x924.png", "highres/ssi_neurons768x768.png")


@dataclass(frozen=True)
class Group:
    """Fields: files, crops per channel, channel (None: all), photons at the bright level, and their noise."""

    files: tuple[str, ...]
    crops: int
    channel: int | None = None
    photons: float = 40.0
    correlated: bool = False


MIX, ONE = Group(MIXED, 3), Group(PLATE, 6, channel=0)
# Row: fields, share or number of the fields for the calibration, split by file.
COVERAGE: dict[str, tuple[Group, float, bool]] = {
    "mixed images, 40 photons": (MIX, 2 / 3, False),
    "mixed images, 10 photons": (Group(MIXED, 3, photons=10.0), 2 / 3, False),
    "mixed images, 40 photons, 10 fields": (MIX, 10, False),
    "mixed images, 40 photons, by file": (MIX, 2 / 3, True),
    "mixed images, 40 photons, 200 fields": (Group(MIXED, 40), 200, False),
    "one plate, 40 photons": (ONE, 2 / 3, False),
    "one plate, 40 photons, by file": (ONE, 2 / 3, True),
}
# Row: fields of the calibration, fields that are tested.
SHIFTS: dict[str, tuple[Group, Group]] = {
    "one plate: half of the photons": (ONE, Group(PLATE, 6, 0, photons=20.0)),
    "one plate: twice the photons": (ONE, Group(PLATE, 6, 0, photons=80.0)),
    "one plate: 8 times the photons": (ONE, Group(PLATE, 6, 0, photons=320.0)),
    "one plate: correlated noise": (ONE, Group(PLATE, 6, 0, correlated=True)),
    "one plate: DNA channel": (ONE, Group(PLATE, 6, 1)),
    "one plate: membranes and neurons": (ONE, Group(MEMBRANES, 6)),
    "one plate: electron micrographs": (ONE, Group(corpus.TEST_EM, 6)),
    "mixed images: half of the photons": (MIX, Group(MIXED, 3, photons=20.0)),
    "mixed images: 8 times the photons": (MIX, Group(MIXED, 3, photons=320.0)),
    "mixed images: correlated noise": (MIX, Group(MIXED, 3, correlated=True)),
    "mixed images: electron micrographs": (MIX, Group(corpus.TEST_EM, 6)),
}


@dataclass(frozen=True)
class Field:
    """One field: file, measured and expected gray levels, result and its terms."""

    file: str
    measured: Array
    reference: Array
    restored: Array
    terms: FieldTerms

    @property
    def error(self) -> Array:
        """Absolute error of the result."""
        return np.abs(self.reference - self.restored)

    @property
    def is_edge(self) -> Array:
        """The tenth of the pixels with the largest gradient of the reference."""
        from scipy.ndimage import gaussian_gradient_magnitude

        gradient = gaussian_gradient_magnitude(self.reference.astype(np.float64), 1)
        return np.asarray(gradient > np.quantile(gradient, 0.9))

    @property
    def is_foreground(self) -> Array:
        """Pixels above the threshold of the strata."""
        return stratum_of(self.restored, self.terms.limits) >= N_BACKGROUND


@cache
def fields_of(group: Group, model: str) -> list[Field]:
    """Crop, expose and restore the fields of a group."""
    from decrappify import Movie, load_model, restore

    rng, network, found = np.random.default_rng(round(group.photons) + group.correlated), load_model(model), []
    for file, signal in _crops(group):
        electrons = np.clip(signal, 0, None) * group.photons + group.photons / 20
        measured = np.clip(np.rint(_exposed(electrons, group.correlated, rng) * GAIN + OFFSET), 0, 65535)
        source = Movie.from_array(measured.astype(np.uint16), "YX", name=file)
        result = restore(source, network)
        terms = field_terms(source, result, [0], 0)
        reference = (electrons * GAIN + OFFSET).astype(np.float32)
        found.append(Field(file, source.frame(0), reference, result.frame(0).astype(np.float32), terms))
    return found


def _crops(group: Group) -> list[tuple[str, Array]]:
    """Return evenly spaced crops with contrast of each file, 0 to 1 in the range of the plane."""
    crops = []
    for name in group.files:
        movie = corpus.load(name)
        for c in range(movie.shape[1]) if group.channel is None else [group.channel]:
            plane = movie.frame(movie.shape[0] // 2, c, movie.shape[2] // 2).astype(np.float32)
            low, high = np.percentile(plane, (1, 99.8))
            side = min(SIDE, *plane.shape)
            rows, columns = (
                np.linspace(0, length - side, length // side).astype(int).tolist() for length in plane.shape
            )
            tiles = [plane[y : y + side, x : x + side] for y in rows for x in columns]
            contrast = [np.percentile(tile, 99) - np.percentile(tile, 5) for tile in tiles]
            kept = [tile for tile, range_ in zip(tiles, contrast, strict=True) if range_ > 0.3 * (high - low)]
            picks = np.unique(np.linspace(0, len(kept) - 1, min(group.crops, len(kept))).round().astype(int))
            crops += [(name, (kept[k] - low) / (high - low)) for k in picks]
    return crops


def _exposed(electrons: Array, correlated: bool, rng: np.random.Generator) -> Array:
    if not correlated:
        return rng.poisson(electrons) + READ * rng.standard_normal(electrons.shape)
    from scipy.ndimage import gaussian_filter

    field = gaussian_filter(rng.standard_normal(electrons.shape), BLUR, mode="wrap")
    return np.asarray(electrons + field / field.std() * np.sqrt(electrons + READ**2))


def split(fields: Sequence[Field], part: float, by_file: bool, seed: int) -> tuple[list[int], list[int]]:
    """Return the numbers of the fields of the calibration and of the test."""
    rng = np.random.default_rng(seed)
    n_calibration = round(part * len(fields)) if part < 1 else int(part)
    order = rng.permutation(len(fields)).tolist()
    if not by_file:
        return order[:n_calibration], order[n_calibration:]
    files = rng.permutation(sorted({field.file for field in fields})).tolist()
    chosen: list[int] = []
    while len(chosen) < n_calibration:
        file = files.pop()
        chosen += [k for k in order if fields[k].file == file]
    return chosen, [k for k in order if k not in chosen]


def measured_coverage(fields: Sequence[Field], channel: ChannelIntervals) -> Row:
    """Return mean coverage, also of foreground and edges, relative width and rank correlation, of some fields."""
    from scipy.stats import spearmanr

    covered: list[list[float]] = []
    widths, ranks, pooled = [], [], []
    for field in fields:
        low, high = channel.bounds(field.restored, field.terms)
        inside = (low <= field.reference) & (field.reference <= high)
        covered.append([float(inside[part].mean()) for part in (..., field.is_foreground, field.is_edge)])
        width = high - low
        widths.append(float(width.mean() / np.ptp(np.percentile(field.reference, (1, 99.8)))))
        ranks.append(float(spearmanr(width[::2, ::2].ravel(), field.error[::2, ::2].ravel()).statistic))
        pooled.append(np.stack([width[::4, ::4].ravel(), field.error[::4, ::4].ravel()]))
    both = np.concatenate(pooled, axis=1)
    names = ("coverage", "foreground", "edges")
    row: Row = dict(zip(names, np.mean(covered, axis=0).tolist(), strict=True))
    return row | {
        "width": float(np.mean(widths)),
        "rank": float(np.mean(ranks)),
        "rank pooled": float(spearmanr(both[0], both[1]).statistic),
        "outside": float(np.mean([_is_outside(field, channel) for field in fields])),
    }


def _is_outside(field: Field, channel: ChannelIntervals) -> bool:
    return deviation(field.terms.features, channel.ranges, channel.limit) is not None


def _fitted(fields: Sequence[Field], level: float = LEVEL) -> ChannelIntervals:
    counts = [count_scores(field.restored, field.reference, field.terms) for field in fields]
    return fit_channel(np.stack(counts), [field.terms.features for field in fields], level)


def coverage(group: Group, part: float, by_file: bool, model: str) -> Row:
    """Measure the coverage over random splits."""
    fields = fields_of(group, model)
    rows = []
    for seed in range(SPLITS):
        one, two = split(fields, part, by_file, seed)
        rows.append(measured_coverage([fields[k] for k in two], _fitted([fields[k] for k in one])))
    means = {name: float(np.mean([row[name] for row in rows])) for name in rows[0]}
    found = [row["coverage"] for row in rows]
    return means | {
        "kind": "coverage",
        "fields": len(fields),
        "files": len({field.file for field in fields}),
        "calibration": float(np.mean([len(split(fields, part, by_file, seed)[0]) for seed in range(SPLITS)])),
        "lowest": min(found),
        "highest": max(found),
    }


def shift(calibrated: Group, tested: Group, model: str) -> Row:
    """Apply intervals to fields unlike those of the calibration."""
    channel, fields = _fitted(fields_of(calibrated, model)), fields_of(tested, model)
    own = measured_coverage(fields, _fitted(fields)) if len(fields) >= 10 else {"width": None}
    return measured_coverage(fields, channel) | {
        "kind": "shift",
        "fields": len(fields),
        "own width": own["width"],
        "unlearned": float(np.mean([_is_unlearned(field, model) for field in fields])),
        "contradicted": float(np.mean([_contradicted(field, tested) for field in fields])),
        "contradicted before": float(
            np.mean([_contradicted(each, calibrated) for each in fields_of(calibrated, model)])
        ),
    }


def _is_unlearned(field: Field, model: str) -> bool:
    """Return whether a restoration warns that the field is outside of the range of the training."""
    from decrappify import load_model
    from decrappify.domain import CARD_KEY, deviations, measure_features

    return bool(deviations(measure_features([field.measured]) or {}, load_model(model).card[CARD_KEY]))


def _contradicted(field: Field, group: Group) -> bool:
    """Return whether the trust map contradicts more than 0.1 % of a field, with the noise model of the calibration."""
    from decrappify.noise import Estimate, NoiseModel
    from decrappify.trust import Label, evaluate_plane, plane_noise

    camera = NoiseModel(
        gain=Estimate(GAIN), intercept=Estimate((READ * GAIN) ** 2 - GAIN * OFFSET), read_noise=Estimate(READ * GAIN),
        levels=(OFFSET, OFFSET + GAIN * group.photons),
    )  # fmt: skip
    trust = evaluate_plane(field.measured, field.restored, plane_noise(camera, field.file))
    return float(np.mean(trust.labels == Label.CONTRADICTED)) > 1e-3


def compared(name: str, model: str) -> Row:
    """Measure width and rank correlation of another scale, on the mixed images of both exposures."""
    from scipy.stats import spearmanr

    row: Row = {"kind": "scale", "scale": name}
    for photons in (40.0, 10.0):
        fields = fields_of(Group(MIXED, 3, photons=photons), model)
        scales = [SCALES[name](field.measured, field.restored, field.terms) for field in fields]
        strata = [stratum_of(field.restored, field.terms.limits) for field in fields]
        losses = np.stack([_losses(*each) for each in zip(fields, scales, strata, strict=True)])
        widths, covered, ranks = [], [], []
        for seed in range(SPLITS):
            one, two = split(fields, 2 / 3, False, seed)
            factors = np.array(
                [smallest_factor(losses[one, k], FACTORS, LEVEL, Guarantee.MEAN) or np.nan for k in range(len(STRATA))]
            )
            for k in two:
                half = factors[strata[k]] * scales[k]
                covered.append(float((fields[k].error <= half).mean()))
                widths.append(float(2 * half.mean() / np.ptp(np.percentile(fields[k].reference, (1, 99.8)))))
                if seed < 4:
                    ranks.append(float(spearmanr(half[::2, ::2].ravel(), fields[k].error[::2, ::2].ravel()).statistic))
        row |= {f"{what} {photons:g}": float(np.mean(values)) for what, values in
                (("width", widths), ("coverage", covered), ("rank", ranks))}  # fmt: skip
    return row


def _losses(field: Field, scale: Array, strata: Array) -> Array:
    index = np.searchsorted(FACTORS, (field.error / scale).ravel(), side="left")
    flat = strata.ravel().astype(np.int64) * (len(FACTORS) + 1) + index
    counts = np.bincount(flat, minlength=len(STRATA) * (len(FACTORS) + 1))
    return losses_of(counts.reshape(len(STRATA), -1))


def section(rows: list[Row]) -> str:
    """Format the tables."""
    parts = [
        "## Calibrated intervals",
        f"Nominal coverage {100 * LEVEL:g} %. Fields of {SIDE} × {SIDE} px, {READ} electrons of read noise; {SPLITS} "
        "random splits. Edges: the tenth of the pixels with the largest gradient of the reference. Width: mean, in % "
        "of the range of the reference. Rank correlation of width and absolute error: within a field, and over the "
        "pixels of all fields. Outside: % of the test fields that the check of the calibrated range marks (false "
        "alarms).",
        table(
            ["fields", "n", "files", "calibration", "coverage, %", "lowest split", "highest", "foreground", "edges",
             "width, %", "rank, field", "rank, all", "outside, %"],
            [[row["key"], row["fields"], row["files"], round(row["calibration"]), *(100 * row[name] for name in (
                "coverage", "lowest", "highest", "foreground", "edges", "width")), row["rank"], row["rank pooled"],
              100 * row["outside"]] for row in rows if row["kind"] == "coverage"],
            [0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 2, 2, 0],
        ),
        "Shifts: fields unlike those of the calibration (all fields of the first group). Own width: of intervals that "
        "are calibrated on the tested fields themselves. Marked: % of the fields outside of the calibrated range, "
        "outside of the learned range of the model, and with more than 0.1 % contradicted pixels in the trust map "
        "(noise model of white noise; in brackets, of the fields of the calibration).",
        table(
            ["calibration: tested", "n", "coverage, %", "foreground", "edges", "width, %", "own width, %",
             "marked: calibrated range", "learned range", "trust map"],
            [[row["key"], row["fields"], *(None if row[name] is None else 100 * row[name] for name in (
                "coverage", "foreground", "edges", "width", "own width", "outside", "unlearned")),
              f"{100 * row['contradicted']:.0f} ({100 * row['contradicted before']:.0f})"]
             for row in rows if row["kind"] == "shift"],
            [0, 0, 1, 1, 1, 1, 1, 0, 0, 0],
        ),
        "Scales of the error, on the mixed images with 40 and 10 photons: mean width in % of the range, coverage, and "
        "rank correlation within a field. The weights of the used scale were chosen on fields like these.",
        table(
            ["scale", *(f"{what}, {n} photons" for n in (40, 10) for what in ("width", "coverage", "rank"))],
            [[row["scale"], *(row[f"{what} {photons}"] * (1 if what == "rank" else 100) for photons in (40, 10)
                              for what in ("width", "coverage", "rank"))] for row in rows if row["kind"] == "scale"],
            [0, 2, 1, 2, 2, 1, 2],
        ),
    ]  # fmt: skip
    return "\n\n".join(part for part in parts if part)


def main() -> None:
    """Run the missing rows and write the section."""
    options = parser(__doc__)
    options.add_argument("--model", default="fluorescence-still", help="model of 1 frame")
    args = options.parse_args()
    import torch

    torch.set_num_threads(args.threads)
    from benchmarks.harness.scoring import identity

    settings = {"model": identity(args.model), "version": 2}
    jobs = {key: Job(settings, partial(coverage, *case, args.model)) for key, case in COVERAGE.items()}
    jobs |= {key: Job(settings, partial(shift, *case, args.model)) for key, case in SHIFTS.items()}
    jobs |= {f"scale: {name}": Job(settings, partial(compared, name, args.model)) for name in SCALES}
    Benchmark("intervals", args, options).run(jobs, section)


if __name__ == "__main__":
    main()
