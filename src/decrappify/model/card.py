"""Model cards as text: purpose, training data, scores and limits of a model."""

from __future__ import annotations

from decrappify._common.counting import counted
from decrappify._common.indented import indented
from decrappify.errors import printable
from decrappify.model import find_model, has_fidelity, read_card, shipped_models

_RANGE = "any from 0 (the selected checkpoint of the GAN phase, the default) to 1 (the pretrained generator)"


def model_table() -> str:
    """Return a text that lists the shipped models, one line each."""
    lines = []
    for name, path in shipped_models().items():
        header = read_card(path)
        needs = header["architecture"]
        summary = header["card"].get("summary", "")
        frames = f"{counted(needs['n_frames'], 'frame')},"
        lines.append(printable(f"{name:<22} {frames:<9} scale {needs['scale']}  {summary}"))
    return "\n".join(lines) or "no shipped models in this installation"


def card_text(name_or_path: str) -> str:
    """Return the complete card of a shipped model or a model file as indented text."""
    path = find_model(name_or_path)
    header = read_card(path)
    megabytes = path.stat().st_size / 1e6
    shown = header["card"] | {
        "network": header["architecture"],
        "normalization": header["normalization"],
        "crappifier": header["crappifier"],
        **({"fidelity": _RANGE} if has_fidelity(header) else {}),
        "file": f"{megabytes:.1f} MB, format version {header['format_version']}, {header['written_by']}",
    }
    return "\n".join(map(printable, indented(shown)))
