"""A fixture that damages files of a kind, and fails with a list of the faults."""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from .inputs import to_open
from .pool import Tally, run_cases, tries

Fuzz = Callable[..., Tally]
_LARGEST = 200_000  # bytes of the largest real file to damage
_LISTED = 25


@pytest.fixture
def fuzz(tmp_path: Path, pytestconfig: pytest.Config) -> Fuzz:
    """Return a function that checks a number of damaged files of a kind."""

    def run(
        target: str,
        check: str,
        build: Callable[[Path], Sequence[Path]],
        count: int,
        *,
        preload: Sequence[str] = ("decrappify.io", "decrappify.cli", "tifffile", "zarr", "imagecodecs", "PIL.Image"),
        real: Sequence[str] = (),
    ) -> Tally:
        (tmp_path / "whole").mkdir()
        sources = [*build(tmp_path / "whole"), *_real_files(real)]
        tally = run_cases(
            target,
            check,
            [(source, to_open(source)) for source in sources],
            tries(count),
            preload=preload,
            keep=_keep(tmp_path) / target.replace(" ", "-"),
        )
        sys.stdout.write(f"\n{tally}\n")
        assert tally.tried > 0
        assert not tally.faults, f"{tally}; kept in {_keep(tmp_path)}\n" + "\n".join(_grouped(tally.faults))
        assert tally.outcomes["refused"] or tally.tried < 100, f"{tally}: the damage has no effect"
        return tally

    return run


def _keep(tmp_path: Path) -> Path:
    return Path(os.environ.get("DECRAPPIFY_FUZZ_KEEP", tmp_path / "kept"))


def _grouped(faults: Sequence[str]) -> list[str]:
    """Return the distinct faults with their counts."""
    kinds = Counter(fault.partition("): ")[2] for fault in faults)
    first = {fault.partition("): ")[2]: fault for fault in reversed(faults)}
    return [f"{count} x {first[kind]}" for kind, count in kinds.most_common(_LISTED)]


def _real_files(patterns: Sequence[str]) -> list[Path]:
    folder = os.environ.get("DECRAPPIFY_TEST_DATA")
    found = [path for pattern in patterns for path in sorted(Path(folder).rglob(pattern))] if folder else []
    return [path for path in found if path.is_file() and path.stat().st_size < _LARGEST]
