"""Metrics by key: registration, removal, search and list; `registry` registers those of this package."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from decrappify._common.registry import Registry
from decrappify.metrics.scoring.metric import TABLES, Direction, Metric

F = TypeVar("F", bound=Callable[..., Any])
_METRICS = Registry[Metric]("metric")


def register_metric(
    *,
    key: str,
    label: str,
    direction: Direction,
    meaning: str,
    unit: str = "",
    section: str = "Other",
    digits: int = 2,
    exponent: bool = False,
    tables: tuple[str, ...] = TABLES,
    limit: str = "",
) -> Callable[[F], F]:
    """Register the decorated function as a metric of scorecards, benchmark reports and the napari table.

    Parameters
    ----------
    key, label, direction, meaning, unit, section, digits, exponent, tables, limit
        As for `Metric`.

    Returns
    -------
    callable
        A decorator, which returns the function unchanged.

    Raises
    ------
    InputError
        If the key is already registered or not an identifier, or a parameter of the function is not in `QUANTITIES`.

    Examples
    --------
    >>> @register_metric(key="mae", label="MAE", direction="lower", meaning="mean absolute error", digits=1)
    ... def mean_absolute_error(restored, reference):
    ...     return np.abs(restored - reference).mean()
    >>> import numpy as np
    >>> from decrappify.metrics import score_movie
    >>> score_movie(np.arange(16.0).reshape(4, 4) + 2, np.arange(16.0).reshape(4, 4)).mae
    2.0
    >>> unregister_metric("mae")
    """

    def register(function: F) -> F:
        metric = Metric(
            key=key,
            label=label,
            unit=unit,
            direction=direction,
            meaning=meaning,
            function=function,
            section=section,
            digits=digits,
            exponent=exponent,
            tables=tables,
            limit=limit,
        )
        _METRICS.add(key, metric, origin=function)
        return function

    return register


def unregister_metric(key: str) -> None:
    """Remove a metric.

    Raises
    ------
    InputError
        If the key is unknown.
    """
    _METRICS.remove(key)


def get_metric(key: str) -> Metric:
    """Return a metric by its key.

    Raises
    ------
    InputError
        If the key is unknown.

    Examples
    --------
    >>> from decrappify.metrics import get_metric
    >>> get_metric("psnr").label, get_metric("psnr").needs
    ('PSNR', ('pixel_sums', 'data_range'))
    """
    return _METRICS.get(key)


def list_metrics(table: str | None = None) -> tuple[Metric, ...]:
    """Return all metrics, or those of one table, section by section.

    Parameters
    ----------
    table : {"scorecard", "report"}, optional
        Only the metrics of this table.

    Examples
    --------
    >>> from decrappify.metrics import list_metrics
    >>> [metric.key for metric in list_metrics("scorecard")][:3]
    ['psnr', 'si_psnr', 'nrmse']
    """
    metrics = [metric for _, metric in _METRICS.items()]
    sections = list(dict.fromkeys(metric.section for metric in metrics))
    ordered = sorted(metrics, key=lambda metric: sections.index(metric.section))
    return tuple(metric for metric in ordered if table is None or table in metric.tables)
