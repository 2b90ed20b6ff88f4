"""Trust maps as layers: labels over the image, and the detection limit and the score as images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from decrappify import Movie, open_movie
from decrappify.errors import DecrappifyError
from decrappify.trust import LABEL_COLORS, Label, open_trust_map, trust_path
from napari_decrappify.layers.attributes import calibration
from napari_decrappify.layers.image import METADATA, LayerData
from napari_decrappify.layers.lazy import MovieArray, as_dask

LABELS = {label.value: label.name.lower() for label in Label}
COLORS = {label.value: color for label, color in LABEL_COLORS.items()}
MEANINGS = {
    1: "the data agree with the result, within the noise",
    2: "below the detection limit: may be true or false",
    3: "the data and the result differ by more than noise",
}
_OPACITIES = {1: 0.15, 2: 0.6, 3: 1.0}  # most pixels of a good result are confirmed
_MAPS = 3  # channels of the map for each one of the result: label, score and limit
_OPACITY = 0.5
_CONTRAST_PX = 512
_SCORES = 6.0  # standard deviations


@dataclass(frozen=True)
class TrustRecord:
    """Record of what a trust map found.

    Attributes
    ----------
    path : Path
        The map.
    summary : str
        The result in one line.
    shares : dict of str to float
        Shares of the labels, by name.
    """

    path: Path
    summary: str
    shares: dict[str, float]

    @classmethod
    def of(cls, movie: Movie, path: Path) -> TrustRecord | None:
        """Return the record in the provenance of a movie; None if it is not a trust map."""
        entry = movie.provenance.get("trust")
        if not isinstance(entry, Mapping) or movie.shape[1] % _MAPS:
            return None
        shares = entry.get("shares")
        found = {str(name): float(share) for name, share in shares.items()} if isinstance(shares, Mapping) else {}
        return cls(path, str(entry.get("summary", "")), found)


def trust_layers(
    movie: Movie,
    record: TrustRecord,
    names: str | Sequence[str],
    place: Mapping[str, Any] | None = None,
    *,
    with_score: bool = False,
) -> list[LayerData]:
    """Convert a trust map to lazy layers, for each channel of the result; the labels are visible and last.

    Parameters
    ----------
    movie : Movie
        The map.
    record : TrustRecord
        Stored in the metadata of the layers.
    names : str or sequence of str
        Name of the result, or one per channel, in the names of the layers.
    place : mapping, optional
        Scale, translation, units and axis labels of the result; by default those of the map.
    with_score : bool
        Whether to add the score, too.
    """
    n_t, n_c, n_z = movie.shape[:3]
    labels = (place or {}).get("axis_labels")
    axes = "".join(labels).upper() if labels else "T" * (n_t > 1) + "Z" * (n_z > 1) + "YX"
    common = dict(calibration(movie, axes) if place is None else place)
    common["metadata"] = {
        METADATA: {
            "trust_of": names if isinstance(names, str) else ", ".join(names),
            "trust": record,
            "path": str(record.path.absolute()),
        }
    }
    layers: list[LayerData] = []
    for channel in range(n_c // _MAPS):
        title = _title(names, channel, n_c // _MAPS)
        first = _MAPS * channel
        parts = [movie.select(channels=first + number) for number in range(_MAPS)]
        if with_score:
            layers.append(_score(parts[1], axes, title, common))
        layers.append(_limit(parts[2], axes, title, common))
        layers.append(_labels(parts[0], axes, title, common))
    return layers


def _title(names: str | Sequence[str], channel: int, count: int) -> str:
    if isinstance(names, str):
        return names if count == 1 else f"{names} C{channel}"
    return names[channel]


def with_trust_layers(path: Path, layers: Sequence[LayerData]) -> list[LayerData]:
    """Return the layers of a file with those of the trust map next to it; for a map, its own ones in place of images.

    Parameters
    ----------
    path : Path
        File or store that was opened.
    layers : sequence of LayerData
        Its layers, with the provenance of the file in their metadata.
    """
    provenance = layers[0][1]["metadata"][METADATA].get("provenance") or {} if layers else {}
    try:
        if "trust" in provenance:
            return _of_map(path) or list(layers)
        if "restoration" in provenance and trust_path(path).exists():
            return [*layers, *_of_result(path, trust_path(path))]
    except (DecrappifyError, OSError):  # such as the map of another result
        pass
    return list(layers)


def _of_map(path: Path) -> list[LayerData]:
    movie = open_movie(path)
    record = TrustRecord.of(movie, path)
    if record is None:
        movie.close()
        return []
    return trust_layers(movie, record, path.name, with_score=True)


def _of_result(path: Path, beside: Path) -> list[LayerData]:
    with open_movie(path) as result:
        movie = open_trust_map(beside, result, result).movie
    record = TrustRecord.of(movie, beside)
    return [] if record is None else trust_layers(movie, record, path.name)


def _labels(labels: Movie, axes: str, name: str, common: Mapping[str, Any]) -> LayerData:
    from napari.utils.colormaps import DirectLabelColormap  # napari is not loaded by an import of the readers

    whole = labels.map_planes(lambda t, c, z: np.rint(labels.frame(t, c, z)), dtype=np.uint8)
    colors: dict[int | None, tuple[float, ...]] = dict.fromkeys((None, 0), (0.0, 0.0, 0.0, 0.0))
    colors |= {value: (*_rgb(COLORS[value]), _OPACITIES[value]) for value in LABELS}
    attributes = {
        "name": f"trust · {name}",
        "opacity": _OPACITY,
        "colormap": DirectLabelColormap(color_dict=colors),
        "features": {"index": list(LABELS), "trust": list(LABELS.values())},  # in the status bar
    }
    return as_dask(MovieArray(whole, axes)), {**common, **attributes}, "labels"


def _limit(movie: Movie, axes: str, name: str, common: Mapping[str, Any]) -> LayerData:
    n_t, _, n_z, height, width = movie.shape
    rows, columns = (slice((side - part) // 2, (side + part) // 2) for side, part in _middle(height, width))
    levels = np.nan_to_num(movie.region(n_t // 2, 0, n_z // 2, rows, columns))
    high = max(float(np.percentile(levels, 99.5)), 1.0)
    attributes = {
        "name": f"detection limit (photons) · {name}",
        "colormap": "viridis",
        "contrast_limits": (0.0, high),
        "visible": False,
    }
    return as_dask(MovieArray(movie, axes)), {**common, **attributes}, "image"


def _middle(height: int, width: int) -> list[tuple[int, int]]:
    """Return each side, and that of the part in the middle that is read for the contrast."""
    return [(side, min(side, _CONTRAST_PX)) for side in (height, width)]


def _score(movie: Movie, axes: str, name: str, common: Mapping[str, Any]) -> LayerData:
    attributes = {
        "name": f"trust score · {name}",
        "colormap": "PiYG",
        "contrast_limits": (-_SCORES, _SCORES),
        "visible": False,
    }
    return as_dask(MovieArray(movie, axes)), {**common, **attributes}, "image"


def _rgb(color: str) -> tuple[float, float, float]:
    red, green, blue = (int(color[place : place + 2], 16) / 255 for place in (1, 3, 5))
    return red, green, blue
