"""Model as HTML for notebooks: a summary of its card."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from decrappify._common.counting import counted
from decrappify._common.pages.cards import html_card

_MOST_LINES = 6  # of scores or limits
_CHECKSUM_DIGITS = 12


class Shown(Protocol):
    """Attributes of a model that are displayed; `Model` itself imports this module."""

    n_frames: int
    in_channels: int
    scale: int
    card: dict[str, Any]
    pretrained: Mapping[str, Any] | None

    @property
    def name(self) -> str:
        """Name on the model card."""

    @property
    def n_parameters(self) -> int:
        """Number of trainable parameters."""

    @property
    def sha256(self) -> str:
        """SHA-256 (hex) of architecture, normalization and weights."""

    @property
    def fidelity(self) -> float | None:
        """Fidelity of the weights; None without a GAN phase."""


def model_html(model: Shown) -> str:
    """Return the HTML of a model: needs, scores, limits and checksum.

    Examples
    --------
    >>> from decrappify import Model
    >>> from decrappify.networks import create
    >>> model = Model(create("small", base_channels=16, depth=1, n_frames=3), card={"name": "mine", "scores": "30 dB"})
    >>> html = model_html(model)
    >>> "window of 3 frames" in html, "30 dB" in html, model.sha256[:12] in html
    (True, True, True)
    """
    window = "1 frame" if model.n_frames == 1 else f"window of {counted(model.n_frames, 'frame')}"
    channels = "" if model.in_channels == 1 else f", {counted(model.in_channels, 'channel')}"
    rows = [
        ("input", f"{window}{channels}"),
        ("scale", "same size" if model.scale == 1 else f"{model.scale} times the sampling"),
        ("parameters", f"{model.n_parameters:,}"),
    ]
    rows += [(key, text) for key in ("scores", "limits") if (text := _lines(model.card.get(key)))]
    if model.fidelity is not None:
        others = "" if model.pretrained is None else ", or any up to 1 by with_fidelity()"
        rows.append(("fidelity", f"{model.fidelity:g}{others}"))
    rows.append(("SHA-256", f"{model.sha256[:_CHECKSUM_DIGITS]}…"))
    return html_card("Model", model.name, rows, note=_lines(model.card.get("summary")))


def _lines(entry: Any) -> str:
    r"""Return an entry of the card as lines of text.

    >>> _lines(["a", {"psnr_db": 30, "seed": 1}]), _lines("c"), _lines(None), _lines({"psnr_db": 30})
    ('a\npsnr_db 30, seed 1', 'c', '', 'psnr_db 30')
    """
    if entry is None:
        return ""
    lines = [_text(line) for line in entry] if isinstance(entry, list | tuple) else [_text(entry)]
    more = [f"and {len(lines) - _MOST_LINES} more"] if len(lines) > _MOST_LINES else []
    return "\n".join(lines[:_MOST_LINES] + more)


def _text(value: Any) -> str:
    return ", ".join(f"{key} {each}" for key, each in value.items()) if isinstance(value, dict) else str(value)
