"""Measurement, files and selection of checkpoints of the GAN phase."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import torch

from decrappify.datasets import Sample
from decrappify.errors import OutputError
from decrappify.model import Model, load_model
from decrappify.training.monitors.images import as_image
from decrappify.training.monitors.inflection import InflectionDetector, Verdict, choose
from decrappify.training.monitors.measure import MonitorRow, Monitors
from decrappify.training.monitors.plots import contact_sheet, plot_fidelity, plot_monitors
from decrappify.training.nogan.fidelity import FIDELITIES, PLOT, card_entry, measure_path
from decrappify.training.nogan.run import NoganRun

PRETRAINED = "pretrained.safetensors"
_SCENES, _COLUMNS = 4, 7  # of the contact sheet


class CheckpointSelection:
    """Checkpoints measured relative to the pretrained generator, through all cycles of a run.

    Parameters
    ----------
    run : NoganRun
        The run; its generator is measured as the pretrained one, in a resumed run the one in the run folder.
    samples : list of Sample
        Held-out samples with frozen noise.
    data_range : float
        Data range in network units.
    describe : callable
        ``describe(note) -> Model`` of the run's current generator.
    """

    def __init__(self, run: NoganRun, samples: list[Sample], data_range: float, describe: Any) -> None:
        self.run, self._samples, self._describe = run, samples, describe
        self._start = run.folder / PRETRAINED
        now = {key: value.clone() for key, value in run.generator.state_dict().items()}
        if "rows" in run.history:
            run.generator.load_state_dict(_load(self._start).network.state_dict())
        elif run.trainer.is_first:
            describe("as pretrained, before any GAN phase").save(self._start, overwrite=True)
        run.fabric.barrier()  # all processes read the file
        run.history.setdefault("rows", [])
        self._monitors = Monitors(samples, run.generator, seed=run.config.seed, data_range=data_range)
        run.generator.load_state_dict(now)
        self.baseline = self._agreed(self._monitors.baseline)
        run.history["baseline"] = self.baseline.to_dict()
        self._detector = InflectionDetector(self.baseline)
        self._steps = self._images = 0  # of earlier cycles

    @property
    def rows(self) -> list[MonitorRow]:
        """Rows of all checkpoints so far."""
        return [MonitorRow.from_dict(row) for row in self.run.history["rows"]]

    def begin_cycle(self) -> None:
        """Continue the counts of earlier cycles; a resumed cycle continues its own."""
        start = self.run.trainer.position.notes.setdefault("first_row", len(self.run.history["rows"]))
        rows = self.rows
        self._steps, self._images = (rows[start - 1].step, rows[start - 1].images_seen) if start else (0, 0)
        self._detector = InflectionDetector(self.baseline)
        for row in rows[start:]:
            self._detector.add(row)

    def check_space(self, n_checkpoints: int) -> None:
        """Raise OutputError if the disk has too little space for the checkpoints of the GAN phase."""
        needed = n_checkpoints * self._start.stat().st_size
        free = shutil.disk_usage(self.run.folder).free
        if needed > free:
            raise OutputError(
                f"the GAN phase writes {n_checkpoints} checkpoints ({needed / 1e9:.1f} GB in total) to "
                f"{self.run.folder}, where {free / 1e9:.1f} GB are free; free some space, or raise checkpoint_share"
            )

    def evaluate(self, step: int, images: int) -> bool:
        """Measure and save a checkpoint; return whether to stop."""
        row = self._monitors.measure(self.run.generator, step=self._steps + step, images_seen=self._images + images)
        row = self._agreed(row)
        if self.run.trainer.is_first:
            note = f"checkpoint of the GAN phase after {row.images_seen} images"
            self._describe(note).save(self._path(row), overwrite=True)
        self.run.history["rows"].append(row.to_dict())
        return self._detector.add(row) and self.run.config.detect

    def choose(self) -> Verdict:
        """Select among all checkpoints, load the selected weights, and plot the monitors, also along the fidelity."""
        run, rows = self.run, self.rows
        verdict = choose(self.baseline, rows)
        path = self._start if verdict.row is None else self._path(verdict.row)
        if run.trainer.is_first:
            plot_monitors(
                run.folder / "monitors.png", self.baseline, rows, verdict, images_total=run.items, overwrite=True
            )
            self._save_contact_sheet(rows, verdict)
        run.fabric.barrier()
        run.generator.load_state_dict(_load(path).network.state_dict())
        run.history["verdict"] = verdict.reason
        run.history["stopped"] = self._detector.reason
        self._follow_fidelity(verdict.row)
        return verdict

    def _follow_fidelity(self, selected: MonitorRow | None) -> None:
        """Measure and plot the monitors from the pretrained generator to the selected checkpoint, if there is one."""
        run = self.run
        run.history["fidelity_path"] = []
        if selected is None:
            (run.folder / PLOT).unlink(missing_ok=True)  # of an earlier cycle
            return

        def measure() -> MonitorRow:
            row = self._monitors.measure(run.generator, step=selected.step, images_seen=selected.images_seen)
            return self._agreed(row)

        now = {key: value.clone() for key, value in run.generator.state_dict().items()}
        rows = measure_path(run.generator, now, _load(self._start).network.state_dict(), measure)
        run.history["fidelity_path"] = card_entry(rows)
        if run.trainer.is_first:
            plot_fidelity(run.folder / PLOT, FIDELITIES, rows, overwrite=True)

    def _agreed(self, row: MonitorRow) -> MonitorRow:
        """Return the row of the first process on all processes: batch norms, and thus decisions, may differ."""
        if self.run.trainer.n_processes == 1:
            return row
        return MonitorRow.from_dict(self.run.fabric.broadcast(row.to_dict()))

    def _path(self, row: MonitorRow) -> Path:
        return self.run.folder / "checkpoints" / f"step_{row.step:06d}.safetensors"

    def _save_contact_sheet(self, rows: list[MonitorRow], verdict: Verdict) -> None:
        """Save a contact sheet: source, pretrained, a few checkpoints, the target."""
        is_color = self.run.config.task == "colorization"
        samples = self._samples[:: max(1, len(self._samples) // _SCENES)][:_SCENES]
        spread = [int(k) for k in np.linspace(0, len(rows) - 1, _COLUMNS)]
        picks = sorted({*spread, *([] if verdict.index is None else [verdict.index])})
        columns: list[tuple[str, list[Any]]] = [("source", [self._source(sample) for sample in samples])]
        columns.append(("pretrained", self._restored(samples, _load(self._start))))
        for k in picks:
            label = f"{100 * rows[k].images_seen / self.run.items:.3g} % of the data"
            columns.append((label, self._restored(samples, _load(self._path(rows[k])))))
        columns.append(("target", [as_image(sample["target"], is_color=is_color) for sample in samples]))
        chosen = 1 if verdict.index is None else 2 + picks.index(verdict.index)
        contact_sheet(self.run.folder / "checkpoints.png", columns, chosen, overwrite=True)

    def _source(self, sample: Sample) -> Any:
        middle = self.run.generator.middle_frame(sample["source"][None])[0]
        return as_image(middle, is_color=self.run.config.task == "colorization")

    @torch.no_grad()
    def _restored(self, samples: list[Sample], model: Model) -> list[Any]:
        is_color = self.run.config.task == "colorization"
        return [as_image(model.network(sample["source"][None])[0], is_color=is_color) for sample in samples]


def _load(path: Path) -> Model:
    """Load a model without drawing from the run's random generator, since a resumed run loads at other steps."""
    with torch.random.fork_rng(devices=[]):
        return load_model(path)
