"""HTML page of a trust map."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from decrappify._common.counting import counted
from decrappify._common.pages.page import render_page
from decrappify._common.pages.plots import svg_markup
from decrappify._common.progress import Progress, progress_bar
from decrappify._version import __version__
from decrappify.movie import Movie
from decrappify.trust.consistency import TOLERANCE
from decrappify.trust.evaluation import FLAT, TESTED, Label
from decrappify.trust.inputs import frames_of
from decrappify.trust.palette import LABEL_COLORS
from decrappify.trust.report.frames import SCORE_LIMIT, choose, contrast, crop, images, percent, spread_limit
from decrappify.trust.report.plots import over_frames
from decrappify.trust.report.survey import Place, PlaneShares, Survey, survey
from decrappify.trust.resolution import ConfirmedResolution, resolution_text

_LISTED = 12  # places
_MANY = 0.2  # of the frames


def page(
    trust: Movie,
    measured: Movie,
    restored: Movie,
    *,
    spread: Movie | None = None,
    resolution: Sequence[ConfirmedResolution] = (),
    progress: Progress | None = None,
) -> str:
    """Return the whole page.

    Parameters
    ----------
    trust : Movie
        Map of `trust_map`.
    measured, restored : Movie
        The movies that it compares.
    spread : Movie, optional
        Result of `spread_map`.
    resolution : sequence of ConfirmedResolution
        One per channel; empty if it was not measured.
    progress : callable, optional
        As returned by `checked_progress`.
    """
    entry = trust.provenance.get("trust", {})
    axis = "slice" if trust.shape[0] == 1 and trust.shape[2] > 1 else "frame"
    frames = frames_of(restored, measured)
    channels = []
    total = trust.shape[0] * trust.shape[2] * restored.shape[1]
    with progress_bar(progress, total=total, desc=f"report of {restored.name}", unit="plane") as bar:
        for c, name in enumerate(restored.channel_names):
            found = survey(trust, c, bar)
            shown = _images(found, measured, restored, trust, frames, spread, axis)
            confirmed = next((one for one in resolution if one.channel == name), None)
            channels.append(_channel(name, found, confirmed, axis) | shown)
    return render_page(
        "decrappify.trust.report",
        name=restored.name,
        summary=str(entry.get("summary", "")),
        axis=axis,
        channels=channels,
        legend=_legend(),
        score_limit=f"{SCORE_LIMIT:g}",
        has_resolution=bool(resolution),
        spread=_spread_text(spread),
        noise=_noise_rows(entry, restored.channel_names),
        settings=_settings(entry),
        origin=_origin(measured, restored, entry),
        version=__version__,
    )


def _channel(name: str, found: Survey, confirmed: ConfirmedResolution | None, axis: str) -> dict[str, Any]:
    n_places = len(found.places)
    return {
        "name": name,
        "tiles": _tiles(found.planes, confirmed, axis),
        "plot": svg_markup(over_frames(found.planes, axis)),
        "shares": _share_rows(found.planes, axis),
        "places": [_place(place, axis) for place in found.places[:_LISTED]],
        "recurring": [_place(place, axis) for place in _recurring(found)],
        "n_places": n_places,
        "listed": counted(n_places, "place") if n_places <= _LISTED else f"the {_LISTED} largest of {n_places} places",
        "n_planes": len(found.planes),
    }


def _images(
    found: Survey,
    measured: Movie,
    restored: Movie,
    trust: Movie,
    frames: Sequence[int],
    spread: Movie | None,
    axis: str,
) -> dict[str, Any]:
    crops = [crop(chosen, measured, restored, trust, frames, spread) for chosen in choose(found.planes)]
    if not crops:
        return {"frames": [], "contrast": "", "spread_limit": ""}
    low, high = contrast(crops)
    limit = spread_limit(crops)
    return {
        "frames": [images(each, low, high, limit, axis) for each in crops],
        "contrast": f"{low:.4g} to {high:.4g}",
        "spread_limit": f"{limit:.3g}",
    }


def _tiles(
    planes: Sequence[PlaneShares], confirmed: ConfirmedResolution | None, axis: str
) -> list[tuple[str, str, str, str]]:
    """Return class, value, label and remark of each tile."""
    if not planes:
        return []
    mean = {name: float(np.mean([getattr(each, name) for each in planes])) for name in ("confirmed", "untestable")}
    wrong = float(np.mean([each.contradicted for each in planes]))
    affected = sum(each.contradicted > 0 for each in planes)
    tiles = [
        ("good", percent(mean["confirmed"]), "confirmed by the data", "of the pixels"),
        ("", percent(mean["untestable"]), "below the detection limit", "may be true or false"),
        (
            "bad" if wrong else "good",
            percent(wrong),
            "contradicted by the data",
            f"in {affected} of {counted(len(planes), axis)}",
        ),
        ("", f"{np.median([each.limit for each in planes]):.2g} photons", "detection limit", "peak of a spot, median"),
    ]
    if confirmed is not None:
        known = confirmed.um is not None and math.isfinite(confirmed.px)
        remark = f"{confirmed.um:.2g} µm; " if known else ""
        remark += f"raw data: {resolution_text(confirmed.raw_px, None)}"
        tiles.append(("", resolution_text(confirmed.px, None), "confirmed resolution", remark))
    return tiles


def _share_rows(planes: Sequence[PlaneShares], axis: str) -> list[list[str]]:
    """Return label, mean, median, smallest and largest value over planes, and where the largest is."""
    rows = []
    for name, label in (
        ("confirmed", "Confirmed"),
        ("untestable", "Below the detection limit"),
        ("contradicted", "Contradicted"),
        ("limit", "Detection limit (photons)"),
    ):
        values = np.array([getattr(each, name) for each in planes])
        if not values.size:
            continue
        numbers = (values.mean(), np.median(values), values.min(), values.max())
        texts = [f"{number:.3g}" if name == "limit" else percent(float(number)) for number in numbers]
        t, _, z = planes[int(values.argmax())].plane
        rows.append([label, *texts, str(z if axis == "slice" else t)])
    return rows


def _recurring(found: Survey) -> list[Place]:
    """Return the places that are contradicted in many frames, those in most frames first."""
    least = max(3, _MANY * len({each.plane[0] for each in found.planes}))
    places = [place for place in found.places if place.n_frames >= least]
    return sorted(places, key=lambda place: -place.n_frames)[: _LISTED // 2]


def _place(place: Place, axis: str) -> dict[str, str]:
    if axis == "slice":
        at, many = str(place.z), ""
    else:
        at = f"{place.t}" + (f", slice {place.z}" if place.z else "")
        many = f"{place.n_frames} frames, {place.first} to {place.last}" if place.n_frames > 1 else "1 frame"
    return {
        "at": at,
        "y": str(place.y),
        "x": str(place.x),
        "score": f"{place.score:+.1f}".replace("-", "−"),
        "area": str(place.area),
        "frames": many,
        "meaning": "result too bright" if place.score < 0 else "light missing in the result",
    }


def _legend() -> list[tuple[str, str, str]]:
    """Return color, label and meaning of each label."""
    texts = {
        Label.CONFIRMED: ("confirmed", "the data agree with the result"),
        Label.UNTESTABLE: ("untestable", "structure below the detection limit: true or false"),
        Label.CONTRADICTED: ("contradicted", "result and data differ by more than noise"),
    }
    return [(LABEL_COLORS[label], *text) for label, text in texts.items()]


def _spread_text(spread: Movie | None) -> str:
    """Return how a spread map was computed; empty without one."""
    return "" if spread is None else str(spread.provenance.get("spread", {}).get("summary", "spread"))


def _noise_rows(entry: Mapping[str, Any], names: Sequence[str]) -> list[list[str]]:
    """Return channel, gain, intercept, read noise, correlation and source of each recorded noise."""
    rows = []
    for name, noise in zip(names, entry.get("noise", []), strict=False):
        correlation = " / ".join(_number(noise.get(f"correlation_{axis}"), 2) for axis in "yx")
        values = [_number(noise.get(key), 4) for key in ("gain", "intercept", "read_noise")]
        rows.append([name, *values, correlation, str(noise.get("source") or "not recorded")])
    return rows


def _number(value: float | None, digits: int) -> str:
    return "not known" if value is None else f"{value:.{digits}g}".replace("-", "−")


def _settings(entry: Mapping[str, Any]) -> list[tuple[str, str]]:
    side = entry.get("region_px", "")
    return [
        ("Smallest spot (PSF), sigma", f"{entry.get('spot_px', float('nan')):g} px"),
        ("Filters", "Gaussians of 1, 2 and 4 times this width"),
        ("False discovery rate", f"{100 * entry.get('false_discovery_rate', float('nan')):g} % per frame, half of it "
         "for spots of the result, half for regions"),
        ("Regions", f"{side} × {side} px, one test each"),
        ("Detection limit", "a spot of this peak is found with a probability of 95 %"),
        ("Flat up to", f"{100 * FLAT:g} % of the detection limit; spots of the result are tested from "
         f"{100 * TESTED:g} %"),
        ("Accepted deviation", f"{100 * TOLERANCE:g} % of the signal"),
    ]  # fmt: skip


def _origin(measured: Movie, restored: Movie, entry: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return the recorded origin of the result; what is not recorded is left out."""
    record = restored.provenance.get("restoration", {})
    model = str(record.get("model", ""))
    parts = [model, f"fidelity {record['fidelity']:g}" if "fidelity" in record else ""]
    rows = [
        ("Measured movie", str(measured.origin or f"{measured.name} (in memory)")),
        ("CRC-32 of its restored planes", str(record.get("input_crc32") or "")),
        ("Restored movie", str(restored.origin or f"{restored.name} (in memory)")),
        ("Model", ", ".join(part for part in parts if part)),
        ("SHA-256 of the model", str(record.get("model_sha256", ""))),
        ("Restored frames", str(record.get("frames", ""))),
        ("Precision, backend", ", ".join(str(record[key]) for key in ("precision", "backend") if key in record)),
        ("Restored with", str(record.get("software", ""))),
        ("Trust map with", str(entry.get("software", ""))),
    ]
    return [(label, value) for label, value in rows if value]
