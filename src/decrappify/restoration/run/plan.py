"""Plan of a run: values chosen before its first plane, new ones or those of the interrupted run that it resumes."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from decrappify.inference.options import InferenceOptions
from decrappify.restoration.job.job import Job
from decrappify.restoration.measurement.channels import Channel
from decrappify.restoration.records.provenance import movie_provenance
from decrappify.restoration.records.resuming import Settings, recorded_options

if TYPE_CHECKING:
    from decrappify.restoration.tiling.restorer import Restorer


@dataclass(frozen=True, slots=True, kw_only=True)
class RestorationPlan:
    """Values chosen for a run; two runs with equal plans and inputs have equal results.

    Attributes
    ----------
    job : Job
        Frames, channel groups, windows and shape of the result.
    inference : InferenceOptions
        As passed to this call.
    settings : mapping
        Settings that a resumed run must share, see `decrappify.restoration.records.resuming.settings_of`.
    tile_size, tile_overlap, device, precision, backend
        Values chosen for the network.
    agreement_db : float or None
        PSNR (dB) of bfloat16 against float32 if it determined the precision, see `InferenceNetwork`.
    channels : tuple of Channel
        Normalization and outlier limits of each channel.
    runtime : mapping
        Processor type and number of threads.
    begun : mapping
        State recorded by the interrupted run; empty for a new one. Its values take precedence in the record.
    """

    job: Job
    inference: InferenceOptions
    settings: Settings
    tile_size: int
    tile_overlap: int
    device: str
    precision: str
    backend: str
    agreement_db: float | None
    channels: tuple[Channel, ...]
    runtime: Mapping[str, Any]
    begun: Mapping[str, Any]

    def provenance(self) -> dict[str, Any]:
        """Return the provenance of the result, with the values chosen when the run began."""
        begun_with = self.begun.get("provenance", {}).get("restoration", {})
        present = self._network_settings() | {"device": self.device} | dict(self.runtime)
        recorded = {name: begun_with.get(name, value) for name, value in present.items()}
        agreement = begun_with.get("bfloat16_agreement_db") if self.begun else self.agreement_db
        if agreement is not None:
            recorded["bfloat16_agreement_db"] = agreement
        return movie_provenance(self.job, self.channels, recorded)

    def record(self, read: list[list[Any]]) -> dict[str, Any]:
        """Return the state of the run for its journal.

        Parameters
        ----------
        read : list
            Planes read by a new run, see `InputRecord.take_new`.
        """
        decided: dict[str, Any] = {
            "channels": [channel.to_dict() for channel in self.channels],
            **self._network_settings(),
            "device": self.device,
            "asked": recorded_options(self.inference),
            "read": read,
        } | dict(self.begun)
        decided["provenance"] = self.provenance()
        decided["runtime"], decided["settings"] = dict(self.runtime), self.settings
        return decided

    def _network_settings(self) -> dict[str, Any]:
        return {
            "tile_size": self.tile_size,
            "tile_overlap": self.tile_overlap,
            "precision": self.precision,
            "backend": self.backend,
        }


def make_plan(
    job: Job,
    restorer: Restorer,
    inference: InferenceOptions,
    *,
    settings: Settings,
    runtime: Mapping[str, Any],
    begun: Mapping[str, Any],
) -> RestorationPlan:
    """Create the plan of a run; a new run measures every channel, a resumed one uses the recorded values.

    Parameters
    ----------
    job : Job
        Planes to restore.
    restorer : Restorer
        Prepared network, with its tiles.
    inference : InferenceOptions
        As passed to this call.
    settings, runtime, begun : mapping
        As for `RestorationPlan`.
    """
    return RestorationPlan(
        job=job,
        inference=inference,
        settings=settings,
        **chosen_network(restorer),
        channels=measured_channels(job, begun),
        runtime=runtime,
        begun=begun,
    )


def measured_channels(job: Job, begun: Mapping[str, Any]) -> tuple[Channel, ...]:
    """Return the recorded measurements of an interrupted run, or measure every channel."""
    return tuple([Channel.from_dict(values) for values in begun.get("channels", [])] or job.measure())


def chosen_network(restorer: Restorer) -> dict[str, Any]:
    """Return the values chosen for the network, as arguments of `RestorationPlan`."""
    return {
        "tile_size": restorer.tile_size,
        "tile_overlap": restorer.tile_overlap,
        "device": restorer.network.device.type,
        "precision": restorer.network.precision,
        "backend": restorer.network.backend,
        "agreement_db": _recorded_agreement(restorer.network.agreement_db),
    }


def _recorded_agreement(decibels: float | None) -> float | None:
    """Round an agreement for the record; None for one that JSON cannot represent: equal or not finite predictions."""
    return None if decibels is None or not math.isfinite(decibels) else round(decibels, 1)
