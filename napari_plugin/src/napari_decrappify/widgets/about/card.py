"""Card of a model as rich text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

_MOST = 8  # entries of a list that are shown


def card_html(header: Mapping[str, Any], path: Path | None, pixel_size_um: float | None = None) -> str:
    """Return the card of a model: purpose, pixel size, limits, scores and training data.

    Parameters
    ----------
    header : mapping
        Result of `decrappify.model.read_card`; empty without a model.
    path : Path or None
        The model file.
    pixel_size_um : float, optional
        Pixel size of the selected layer, with which the range of the model is compared.

    Examples
    --------
    >>> card_html({"architecture": {"n_frames": 1, "scale": 2}, "card": {"name": "mine"}}, None)
    '<h3>mine</h3><p>1 frame per window, scale 2</p><p><i>No limits, scores or training data are on this card.</i></p>'
    """
    if not header:
        return "<p>No model is selected.</p>"
    card, network = header.get("card", {}), header.get("architecture", {})
    count = int(network.get("n_frames", 1))
    summary = [str(card["summary"])] if card.get("summary") else []
    summary.append(f"{count} frame{'s' * (count > 1)} per window, scale {network.get('scale', 1)}")
    parts = [
        f"<h3>{escape(str(card.get('name') or 'Model without a name'))}</h3>",
        f"<p>{escape('; '.join(summary))}</p>",
    ]
    sections = _sections(card, pixel_size_um)
    parts += [_section(title, entries) for title, entries in sections if entries]
    if not any(entries for _, entries in sections):
        parts.append("<p><i>No limits, scores or training data are on this card.</i></p>")
    if path is not None:
        parts.append(f"<p>File: {escape(str(path))}</p>")
    return "".join(parts)


def pixel_size_line(card: Mapping[str, Any], pixel_size_um: float | None) -> str:
    """Return the range of pixel sizes of a model, and whether the layer is in it; empty if the card has none.

    >>> card = {"pixel_size": {"lowest_um": 0.05, "highest_um": 0.4, "stated": "by 8 of 33 sources"}}
    >>> pixel_size_line(card, 0.65)
    '0.05 to 0.4 µm (stated by 8 of 33 sources); this layer: 0.65 µm, outside of this range'
    """
    sizes = card.get("pixel_size")
    if not isinstance(sizes, Mapping) or not {"lowest_um", "highest_um"} <= set(sizes):
        return ""
    low, high = float(sizes["lowest_um"]), float(sizes["highest_um"])
    stated = f" (stated {sizes['stated']})" if sizes.get("stated") else ""
    line = f"{low:.3g} to {high:.3g} µm{stated}"
    if pixel_size_um is None:
        return f"{line}; that of this layer is not known"
    where = "within" if low <= pixel_size_um <= high else "outside of"
    return f"{line}; this layer: {pixel_size_um:.3g} µm, {where} this range"


def _sections(card: Mapping[str, Any], pixel_size_um: float | None) -> list[tuple[str, list[str]]]:
    size = pixel_size_line(card, pixel_size_um)
    return [
        ("Pixel size", [size] if size else []),
        ("Limits", _entries(card.get("limits"))),
        ("Adapted", _adapted(card.get("adapted"))),
        ("Scores on held-out images", _entries(card.get("scores")) or _validation(card.get("validation"))),
        ("Trained on", _entries(card.get("data") or card.get("trained_on"))),
    ]


def _entries(value: Any) -> list[str]:
    """Return a text, list or table of a card as lines."""
    if isinstance(value, Mapping):
        return [f"{key}: {', '.join(_entries(each)) or each}" for key, each in value.items()]
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [", ".join(_entries(each)) if isinstance(each, Mapping | list) else str(each) for each in value]
    return [] if value is None else [str(value)]


def _validation(value: Any) -> list[str]:
    if not isinstance(value, Mapping) or "psnr_db" not in value:
        return []
    others = {"best Gaussian": "psnr_gaussian_db", "degraded": "psnr_source_db"}
    known = [f"{name}: {float(value[key]):.2f} dB" for name, key in others.items() if isinstance(value.get(key), float)]
    return [f"validation PSNR {float(value['psnr_db']):.2f} dB" + (f" ({', '.join(known)})" if known else "")]


def _adapted(value: Any) -> list[str]:
    from decrappify.training import verdict

    if not isinstance(value, Mapping) or not {"from", "kept", "lead"} <= set(value):
        return []
    movies = ", ".join(map(str, value.get("movies", ())))
    return [f"{verdict(value)} (on {movies})" if movies else verdict(value)]


def _section(title: str, entries: Sequence[str]) -> str:
    shown = [f"<li>{escape(each)}</li>" for each in entries[:_MOST]]
    if len(entries) > _MOST:
        shown.append(f"<li>… and {len(entries) - _MOST} more (decrappify models NAME)</li>")
    return f"<h4 style='margin-bottom:2px'>{title}</h4><ul style='margin-left:-24px;margin-top:0'>{''.join(shown)}</ul>"
