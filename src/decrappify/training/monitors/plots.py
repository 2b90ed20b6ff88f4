"""Plots of a GAN phase: its monitors with the selected checkpoint, and a contact sheet of checkpoints."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from decrappify._common.plotting import new_figure
from decrappify.errors import InputError
from decrappify.io.store.outputs import atomic_output, check_output
from decrappify.movie import Array
from decrappify.training.monitors.inflection import Limits, Verdict, smoothed_kid
from decrappify.training.monitors.measure import MonitorRow
from decrappify.training.monitors.signals import BANDS

_ALLOWED, _CHOSEN, _REFUSED = "#d9efd8", "#c2185b", "0.88"
_LINES = ("#1f5fa8", "#d9822b", "#3b8f4f")
_LEAST_SIDE, _GAP, _FRAME = 128, 6, 4  # pixels of the contact sheet
_LABEL, _LINE_HEIGHT = 15, 20
_KID_TITLE = "KID (lower: closer to real images)"

Lines = dict[str, list[float]]


def plot_monitors(
    path: str | os.PathLike[str],
    baseline: MonitorRow,
    rows: Sequence[MonitorRow],
    verdict: Verdict,
    limits: Limits | None = None,
    *,
    images_total: int | None = None,
    overwrite: bool = False,
) -> Path:
    """Plot each monitor against the number of training images, as a PNG.

    The allowed range is green, checkpoints beyond the limits are gray, the red line is the selected one.

    Parameters
    ----------
    path : path
        The PNG to write.
    baseline, rows, verdict, limits
        Arguments and result of `choose`.
    images_total : int, optional
        Images in the training set; the axis is then their share in %, the usual unit of NoGAN schedules.
    overwrite : bool
        Whether to replace `path`.

    Returns
    -------
    Path
        `path`.
    """
    check_output(path, overwrite=overwrite)
    limits = limits or Limits()
    if len(verdict.feasible) != len(rows):
        raise InputError(f"the verdict has {len(verdict.feasible)} checkpoints, expected {len(rows)} like the rows")
    everything = [baseline, *rows]
    scale = 100 / images_total if images_total else 1
    share = [row.images_seen * scale for row in everything]
    figure = new_figure(13, 6.2)
    figure.subplots_adjust(left=0.04, right=0.985, bottom=0.1, top=0.94, wspace=0.2, hspace=0.22)
    axes = list(figure.subplots(2, 4, sharex=True).flat)
    for axis, (title, lines, allowed) in zip(axes, _panels(everything, limits), strict=False):
        _draw_panel(axis, title, share, lines, allowed)
    kid_axis, key = axes[6], axes[7]
    _draw_kid(kid_axis, share, baseline, rows)
    _draw_key(key, verdict)
    for axis in axes[:7]:
        _mark(axis, share, verdict)
    axes[3].tick_params(labelbottom=True)  # the panel below it has no axis
    label = "share of the training images seen (%)" if images_total else "training images seen"
    figure.supxlabel(label, fontsize=11)
    with atomic_output(path, overwrite=overwrite) as partial:
        figure.savefig(partial, dpi=130, format="png")
    return Path(path)


def plot_fidelity(
    path: str | os.PathLike[str],
    fidelities: Sequence[float],
    rows: Sequence[MonitorRow],
    limits: Limits | None = None,
    *,
    overwrite: bool = False,
) -> Path:
    """Plot each monitor against the fidelity, from the GAN checkpoint (0) to the pretrained generator (1), as a PNG.

    Parameters
    ----------
    path : path
        The PNG to write.
    fidelities : sequence of float
        Fidelity of each row; the first is 1.
    rows : sequence of MonitorRow
        Monitors relative to the pretrained generator.
    limits : Limits, optional
        Limits of checkpoints, which are green.
    overwrite : bool
        Whether to replace `path`.

    Returns
    -------
    Path
        `path`.
    """
    check_output(path, overwrite=overwrite)
    if len(fidelities) != len(rows) or not rows or fidelities[0] != 1:
        raise InputError(f"the fidelities are {list(fidelities)}, expected one for each of {len(rows)} rows, from 1")
    figure = new_figure(13, 6.2)
    figure.subplots_adjust(left=0.04, right=0.99, bottom=0.1, top=0.94, wspace=0.2, hspace=0.22)
    axes = list(figure.subplots(2, 4, sharex=True).flat)
    for axis, (title, lines, allowed) in zip(axes, _panels(rows, limits or Limits()), strict=False):
        _draw_panel(axis, title, list(fidelities), lines, allowed)
    kids = np.array([row.kid for row in rows])
    errors = np.array([0.0, *(row.kid_error for row in rows[1:])])
    axes[6].fill_between(fidelities, kids - errors, kids + errors, color=_LINES[0], alpha=0.18, linewidth=0)
    _draw_panel(axes[6], _KID_TITLE, list(fidelities), {"": [row.kid for row in rows]}, (np.nan, np.nan))
    _limit_view(axes[6], [*(kids - errors), *(kids + errors)], (np.nan, np.nan), n_labels=0)
    for axis in axes[:7]:
        axis.tick_params(labelsize=8)
        axis.spines[["top", "right"]].set_visible(False)
    axes[3].tick_params(labelbottom=True)  # the panel below it has no axis
    _draw_allowed_key(axes[7], "1: pretrained generator\n0: selected GAN checkpoint")
    figure.supxlabel("fidelity", fontsize=11)
    with atomic_output(path, overwrite=overwrite) as partial:
        figure.savefig(partial, dpi=130, format="png")
    return Path(path)


def _draw_allowed_key(axis: Any, text: str) -> None:
    from matplotlib.patches import Patch

    axis.axis("off")
    handles = [Patch(color=_ALLOWED, label="allowed range of checkpoints")]
    axis.legend(handles=handles, loc="upper left", frameon=False, fontsize=10)
    axis.text(0.03, 0.7, text, transform=axis.transAxes, va="top", fontsize=10)


def _panels(rows: Sequence[MonitorRow], limits: Limits) -> list[tuple[str, Lines, tuple[float, float]]]:
    """Return title, lines and allowed range of all panels except that of KID; the first row is the baseline."""

    def line(value: Callable[[MonitorRow], float]) -> list[float]:
        return [value(row) for row in rows]

    nothing = (np.nan, np.nan)
    names = [f"{low:g} to {high:g} cycles/px" for low, high in BANDS]
    bands: Lines = {name: [row.band_power[k] for row in rows] for k, name in enumerate(names)}
    splits: Lines = {"confirmed": line(lambda row: row.confirmed), "invented": line(lambda row: row.invented)}
    psnr: Lines = {"": line(lambda row: row.psnr - rows[0].psnr)}
    return [
        ("PSNR change (dB)", psnr, (-limits.psnr_budget_db, np.inf)),
        ("power relative to the reference (dB)", bands, (-np.inf, limits.band_3_db)),
        ("grid peak (ratio to pretrained)", {"": line(lambda row: row.grid_peak)}, (-np.inf, limits.grid_peak)),
        (
            "noise dependence (ratio to pretrained)",
            {"": line(lambda row: row.noise_draw)},
            (-np.inf, limits.noise_draw),
        ),
        ("texture power (ratio to pretrained)", splits, nothing),
        ("classifier AUC (0.5: indistinguishable)", {"": line(lambda row: row.referee_auc)}, nothing),
    ]


def _draw_panel(axis: Any, title: str, share: list[float], lines: Lines, allowed: tuple[float, float]) -> None:
    for (label, values), color in zip(lines.items(), _LINES, strict=False):
        axis.plot(share, values, color=color, marker=".", markersize=3, linewidth=1.3, label=label or None)
    axis.set_title(title, fontsize=10)
    _limit_view(axis, [value for values in lines.values() for value in values], allowed, n_labels=sum(map(bool, lines)))


def _limit_view(axis: Any, values: Sequence[float], allowed: tuple[float, float], n_labels: int) -> None:
    """Set the view to the finite values and limits, without single outliers, with space for a legend at the top."""
    finite = np.array([*(v for v in values if np.isfinite(v)), *(v for v in allowed if np.isfinite(v))])
    if not len(finite):
        axis.text(0.5, 0.5, "not measured", transform=axis.transAxes, ha="center", color="0.4")
        return
    low, high = np.percentile(finite, [3, 97]) if len(finite) > 40 else (finite.min(), finite.max())
    limits = [v for v in allowed if np.isfinite(v)]
    low, high = min([low, *limits]), max([high, *limits])
    margin = 0.08 * (high - low) or 0.05 * max(abs(high), 1e-3)
    axis.set_ylim(low - margin, high + margin * (1 + 1.1 * n_labels))
    if n_labels:
        axis.legend(loc="upper left", fontsize=8, framealpha=0.8, edgecolor="none", borderpad=0.1)
    if limits:
        axis.axhspan(max(allowed[0], low - 9 * margin), min(allowed[1], high + 9 * margin), color=_ALLOWED, zorder=0)


def _draw_kid(axis: Any, share: list[float], baseline: MonitorRow, rows: Sequence[MonitorRow]) -> None:
    kids = np.array([baseline.kid, *(row.kid for row in rows)])
    errors = np.array([0.0, *(row.kid_error for row in rows)])
    axis.fill_between(share, kids - errors, kids + errors, color=_LINES[0], alpha=0.18, linewidth=0)
    axis.plot(share, kids, color=_LINES[0], linewidth=0.8, marker=".", markersize=3, label="each checkpoint")
    axis.plot(share[1:], smoothed_kid(baseline, rows), color="black", linewidth=1.8, label="median of 5")
    axis.axhline(baseline.kid, color="0.5", linestyle=":", linewidth=1, label="before the GAN phase")
    axis.set_title(_KID_TITLE, fontsize=10)
    _limit_view(axis, list(kids), (np.nan, np.nan), n_labels=3)


def _draw_key(axis: Any, verdict: Verdict) -> None:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    axis.axis("off")
    chosen = "selected checkpoint" if verdict.row is not None else "selected: pretrained generator"
    handles = [
        Line2D([], [], color=_CHOSEN, linewidth=2, label=chosen),
        Patch(color=_ALLOWED, label="allowed range"),
        Patch(color=_REFUSED, label="checkpoint beyond a limit"),
    ]
    axis.legend(handles=handles, loc="upper left", frameon=False, fontsize=10)
    axis.text(0.03, 0.52, _wrapped(verdict.reason, 34), transform=axis.transAxes, va="top", fontsize=10)


def _mark(axis: Any, share: list[float], verdict: Verdict) -> None:
    """Mark checkpoints beyond the limits in gray, the selected one by a line; entry 0 of `share` is the baseline."""
    for k, feasible in enumerate(verdict.feasible, start=1):
        if not feasible:
            after = share[k + 1] if k + 1 < len(share) else share[k]
            axis.axvspan((share[k - 1] + share[k]) / 2, (share[k] + after) / 2, color=_REFUSED, zorder=0.5, linewidth=0)
    axis.axvline(share[0 if verdict.index is None else verdict.index + 1], color=_CHOSEN, linewidth=1.6, zorder=3)
    axis.tick_params(labelsize=8)
    axis.spines[["top", "right"]].set_visible(False)


def _wrapped(text: str, width: int) -> str:
    from textwrap import fill

    return fill(text, width)


def contact_sheet(
    path: str | os.PathLike[str],
    columns: Sequence[tuple[str, Sequence[Array]]],
    chosen: int | None = None,
    *,
    value_range: tuple[float, float] | None = None,
    least_side: int = _LEAST_SIDE,
    overwrite: bool = False,
) -> Path:
    """Write a contact sheet of checkpoints, one column each, as a PNG.

    Parameters
    ----------
    path : path
        The PNG to write.
    columns : sequence of (str, sequence of ndarray)
        A label, and images (Y, X) or (C, Y, X), the same scenes in every column. Three channels are shown as RGB, which
        must be display colors, not normalized ones; otherwise each channel has its own row. An image smaller than its
        row (a source to be upsampled) is enlarged by repeating pixels.
    chosen : int, optional
        Index of the column to frame.
    value_range : (float, float), optional
        Black and white of all images. By default uint8 is unchanged; other dtypes have one contrast for each row, from
        the 0.5th to the 99.8th percentile (the median over columns, so that a collapsed checkpoint does not darken the
        rest).
    least_side : int
        Images of fewer pixels are enlarged by repeating pixels.
    overwrite : bool
        Whether to replace `path`.

    Returns
    -------
    Path
        `path`.
    """
    from PIL import Image, ImageDraw, ImageFont

    check_output(path, overwrite=overwrite)
    _check_columns(columns, chosen, value_range)
    if value_range is None and all(np.asarray(image).dtype == np.uint8 for _, images in columns for image in images):
        value_range = (0, 255)
    rows = [row for scene in zip(*(images for _, images in columns), strict=True) for row in _split(scene)]
    tiles = [_tiles(row, value_range, least_side) for row in rows]
    side_x, sides_y = max(row[0].shape[1] for row in tiles), [row[0].shape[0] for row in tiles]
    font = ImageFont.load_default(_LABEL)
    labels = [_wrapped(label, max(6, side_x // 8)) for label, _ in columns]
    header = _LINE_HEIGHT * max(label.count("\n") + 1 for label in labels) + _GAP
    size = (len(columns) * (side_x + _GAP) + _GAP, header + sum(sides_y) + _GAP * (len(sides_y) + 1))
    sheet = Image.new("RGB", size, "white")
    draw = ImageDraw.Draw(sheet)
    for number, label in enumerate(labels):
        x, y = _GAP + number * (side_x + _GAP), header + _GAP
        draw.multiline_text((x + 1, _GAP // 2), label, fill=_CHOSEN if number == chosen else "black", font=font)
        for row, height in zip(tiles, sides_y, strict=True):
            sheet.paste(Image.fromarray(row[number]), (x, y))
            y += height + _GAP
    if chosen is not None:
        x = _GAP + chosen * (side_x + _GAP)
        box = (x - _FRAME, header + _GAP - _FRAME, x + side_x + _FRAME - 1, size[1] - _GAP + _FRAME - 1)
        draw.rectangle(box, outline=_CHOSEN, width=_FRAME)
    with atomic_output(path, overwrite=overwrite) as partial:
        sheet.save(partial, format="PNG", optimize=True)
    return Path(path)


def _check_columns(
    columns: Sequence[tuple[str, Sequence[Array]]], chosen: int | None, value_range: tuple[float, float] | None
) -> None:
    counts = [len(images) for _, images in columns]
    if not columns or not all(counts) or len(set(counts)) > 1:
        raise InputError(f"a contact sheet needs columns with equal numbers of images, found {counts}")
    if chosen is not None and not 0 <= chosen < len(columns):
        raise InputError(f"chosen is {chosen}, expected a column 0 to {len(columns) - 1} or None")
    if value_range is not None and not value_range[1] > value_range[0]:
        raise InputError(f"value_range is {value_range!r}, expected (black, white) with black < white")
    for label, images in columns:
        for image in images:
            if np.ndim(image) not in (2, 3):
                raise InputError(f"an image of {label!r} has the shape {np.shape(image)}, expected (Y, X) or (C, Y, X)")


def _split(scene: Sequence[Array]) -> list[list[Array]]:
    """Return one row of (Y, X) or (Y, X, 3) images, or a row per channel if they cannot be shown as RGB."""
    images = [np.asarray(image, dtype=np.float64) for image in scene]
    stacks = [image[None] if image.ndim == 2 else image for image in images]
    channels = {len(stack) for stack in stacks}
    if len(channels) > 1:
        raise InputError(f"one row of a contact sheet has images of {sorted(channels)} channels, expected one number")
    if channels == {3}:
        return [[np.moveaxis(stack, 0, -1) for stack in stacks]]
    return [[stack[c] for stack in stacks] for c in range(channels.pop())]


def _tiles(row: Sequence[Array], value_range: tuple[float, float] | None, least_side: int) -> list[NDArray[np.uint8]]:
    """Return uint8 tiles of equal size with one contrast."""
    low, high = value_range or tuple(np.median([np.nanpercentile(image, [0.5, 99.8]) for image in row], axis=0))
    height = max(image.shape[0] for image in row)
    height *= -(-least_side // height)
    tiles = []
    for image in row:
        levels = np.clip(np.nan_to_num((image - low) / max(high - low, 1e-9)), 0, 1) * 255
        factor = max(1, height // image.shape[0])
        tiles.append(np.rint(levels).astype(np.uint8).repeat(factor, axis=0).repeat(factor, axis=1))
    return tiles
