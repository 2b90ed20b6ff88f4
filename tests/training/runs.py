"""Helpers for tests of training runs: processes, logs and checkpoints."""

from __future__ import annotations

import csv

import torch


def finish(process):
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors


def log_rows(folder):
    with (folder / "log.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def assert_equal(first, second, where="checkpoint"):
    """Check that nested states are equal bit for bit, except for the elapsed time."""
    assert type(first) is type(second), where
    if isinstance(first, dict):
        assert first.keys() == second.keys(), where
        for key in first.keys() - {"seconds"}:
            assert_equal(first[key], second[key], f"{where}.{key}")
    elif isinstance(first, torch.Tensor):
        assert torch.equal(first, second), where
    else:
        assert first == second, where


class Killed(BaseException):
    """An exception that ends a run without saving."""
