"""Model cards as text: purpose, training data, scores and limits of a model."""

from __future__ import annotations

from pathlib import Path

from decrappify._common.counting import counted
from decrappify._common.indented import indented
from decrappify.errors import DecrappifyError, printable
from decrappify.model import find_model, has_fidelity, named_models, read_card, shipped_models

_RANGE = "any from 0 (the selected checkpoint of the GAN phase, the default) to 1 (the pretrained generator)"


def model_table() -> str:
    """Return a text that lists the shipped and the shared models, one line each."""
    shipped, lines = shipped_models(), []
    for name, path in sorted(named_models().items(), key=lambda item: (item[0] not in shipped, item[0])):
        lines.append(printable(_row(name, path, "" if name in shipped else f" ({path.parent})")))
    return "\n".join(lines) or "no shipped models in this installation"


def _row(name: str, path: Path, where: str) -> str:
    try:
        header = read_card(path)
    except (DecrappifyError, OSError) as error:  # of a shared model; others can be used
        return f"{name:<22} cannot be read: {error}"
    needs = header["architecture"]
    frames = f"{counted(needs.get('n_frames', 1), 'frame')},"
    return f"{name:<22} {frames:<9} scale {needs.get('scale', 1)}  {header['card'].get('summary', '')}{where}"


def card_text(name_or_path: str) -> str:
    """Return the complete card of a shipped or shared model, or a model file as indented text."""
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
