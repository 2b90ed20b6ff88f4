"""Selection of the device on which the rows of a benchmark are measured."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping

from benchmarks.harness.results import Benchmark, Job

DEVICES = ("cpu", "cuda")


def chosen_devices(
    benchmark: Benchmark, jobs: Mapping[str, Mapping[str, Job]], args: argparse.Namespace
) -> dict[str, Job]:
    """Return the jobs of the CPU, and those of the GPU if a GPU is available or its rows are stored.

    `jobs` are grouped by device, then by key. If --device is set, `args.only` is set to the jobs of that device.
    """
    import torch

    there = torch.cuda.is_available()
    if args.device == "cuda" and not there:
        sys.exit("--device cuda: torch does not find a CUDA GPU")
    known = dict(jobs["cpu"]) | (dict(jobs["cuda"]) if there or benchmark.matching(jobs["cuda"]) else {})
    if args.only is None and (args.device or not there):
        args.only = list(jobs[args.device or "cpu"])
    return known
