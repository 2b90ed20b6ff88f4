"""Image- and movie-restoration metrics: pure functions on arrays, a registry, and a scorecard per movie."""

from __future__ import annotations

from typing import TYPE_CHECKING

from decrappify._common.lazy import lazy_names

if TYPE_CHECKING:
    from decrappify.metrics.registry import get_metric as get_metric
    from decrappify.metrics.registry import list_metrics as list_metrics
    from decrappify.metrics.registry import register_metric as register_metric
    from decrappify.metrics.registry import unregister_metric as unregister_metric
    from decrappify.metrics.scorecard import Scorecard as Scorecard
    from decrappify.metrics.scorecard import score_movie as score_movie
    from decrappify.metrics.scoring.evaluation import ScoreOptions as ScoreOptions
    from decrappify.metrics.scoring.metric import Metric as Metric

_HOMES = {
    "Metric": "scoring.metric",
    "ScoreOptions": "scoring.evaluation",
    "Scorecard": "scorecard",
    "get_metric": "registry",
    "list_metrics": "registry",
    "register_metric": "registry",
    "score_movie": "scorecard",
    "unregister_metric": "registry",
}

__all__ = sorted(_HOMES)
__getattr__, __dir__ = lazy_names(__name__, _HOMES)
