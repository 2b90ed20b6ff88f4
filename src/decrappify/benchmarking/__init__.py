"""Comparison of methods on paired data: metrics with intervals, plots, images and an HTML report."""

from __future__ import annotations

from typing import TYPE_CHECKING

from decrappify._common.lazy import lazy_names

if TYPE_CHECKING:
    from decrappify.benchmarking.api import benchmark as benchmark
    from decrappify.benchmarking.camera import Camera as Camera
    from decrappify.benchmarking.intervals import calibrate_intervals as calibrate_intervals
    from decrappify.benchmarking.options import BenchmarkOptions as BenchmarkOptions
    from decrappify.benchmarking.report.report import Report as Report

_HOMES = {
    "BenchmarkOptions": "options",
    "Camera": "camera",
    "Report": "report.report",
    "benchmark": "api",
    "calibrate_intervals": "intervals",
}

__all__ = sorted(_HOMES)
__getattr__, __dir__ = lazy_names(__name__, _HOMES)
