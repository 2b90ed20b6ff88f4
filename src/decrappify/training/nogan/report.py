"""Report of a NoGAN run: its selected checkpoint, its validation, and the monitors along the fidelity."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from decrappify.training.supervised.report import summary


def report_lines(card: Mapping[str, Any]) -> list[str]:
    """Return the lines that describe the model of a NoGAN run, from its card.

    Examples
    --------
    >>> path = [{"fidelity": 1.0, "psnr_db": 31.2, "kid": 0.41}, {"fidelity": 0.0, "psnr_db": 30.9, "kid": 0.1}]
    >>> for line in report_lines({"verdict": "step 9", "fidelity_path": path}):
    ...     print(line)
    step 9
    fidelity 1, 0: PSNR 31.2, 30.9 dB; KID 0.41, 0.1 (see fidelity.png); 'decrappify restore --fidelity' sets it
    """
    lines = [str(card["verdict"])]
    if "validation" in card:
        lines.append(summary(card["validation"]))
    if "fidelity_path" in card:
        lines.append(f"{_along(card['fidelity_path'])} (see fidelity.png); 'decrappify restore --fidelity' sets it")
    return lines


def _along(path: list[dict[str, Any]]) -> str:
    columns = [", ".join(_number(each[key]) for each in path) for key in ("fidelity", "psnr_db", "kid")]
    return f"fidelity {columns[0]}: PSNR {columns[1]} dB; KID {columns[2]}"


def _number(value: float | None) -> str:
    return "not finite" if value is None else f"{value:.3g}"
