"""Trust maps, which compare restored movies with the measured ones, and intervals that are calibrated on pairs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from decrappify._common.lazy import lazy_names

if TYPE_CHECKING:
    from decrappify.trust.api import TrustMap as TrustMap
    from decrappify.trust.api import open_trust_map as open_trust_map
    from decrappify.trust.api import recorded_summary as recorded_summary
    from decrappify.trust.api import trust_map as trust_map
    from decrappify.trust.api import trust_path as trust_path
    from decrappify.trust.camera import PlaneNoise as PlaneNoise
    from decrappify.trust.camera import plane_noise as plane_noise
    from decrappify.trust.evaluation import Label as Label
    from decrappify.trust.evaluation import PlaneTrust as PlaneTrust
    from decrappify.trust.evaluation import evaluate_plane as evaluate_plane
    from decrappify.trust.inputs import channel_noise as channel_noise
    from decrappify.trust.intervals.api import IntervalMap as IntervalMap
    from decrappify.trust.intervals.api import interval_map as interval_map
    from decrappify.trust.intervals.api import intervals_path as intervals_path
    from decrappify.trust.intervals.conformal import Guarantee as Guarantee
    from decrappify.trust.intervals.intervals import Intervals as Intervals
    from decrappify.trust.palette import LABEL_COLORS as LABEL_COLORS
    from decrappify.trust.resolution import ConfirmedResolution as ConfirmedResolution

_HOMES = {
    "Guarantee": "intervals.conformal",
    "IntervalMap": "intervals.api",
    "Intervals": "intervals.intervals",
    "LABEL_COLORS": "palette",
    "Label": "evaluation",
    "PlaneNoise": "camera",
    "PlaneTrust": "evaluation",
    "ConfirmedResolution": "resolution",
    "TrustMap": "api",
    "channel_noise": "inputs",
    "evaluate_plane": "evaluation",
    "interval_map": "intervals.api",
    "intervals_path": "intervals.api",
    "plane_noise": "camera",
    "open_trust_map": "api",
    "recorded_summary": "api",
    "trust_map": "api",
    "trust_path": "api",
}

__all__ = sorted(_HOMES)
__getattr__, __dir__ = lazy_names(__name__, _HOMES)
