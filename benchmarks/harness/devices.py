"""Choice of the device that the rows of a benchmark are run on."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping

from benchmarks.harness.results import Benchmark, Job

DEVICES = ("cpu", "cuda")


def chosen_devices(
    benchmark: Benchmark, jobs: Mapping[str, Mapping[str, Job]], args: argparse.Namespace
) -> dict[str, Job]:
    """Jobs of the CPU, and of the GPU where there is one or rows of one are stored; `jobs` are by device and key.

    The wish of --device becomes one of --only.
    """
    import torch

    there = torch.cuda.is_available()
    if args.device == "cuda" and not there:
        sys.exit("--device cuda: torch finds no CUDA GPU here")
    known = dict(jobs["cpu"]) | (dict(jobs["cuda"]) if there or benchmark.matching(jobs["cuda"]) else {})
    if args.only is None and (args.device or not there):
        args.only = list(jobs[args.device or "cpu"])
    return known
