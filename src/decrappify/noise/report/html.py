"""HTML page of a calibration."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from decrappify._common.pages.page import render_page
from decrappify._common.pages.plots import svg_markup
from decrappify._common.pages.png import data_url, gray_png
from decrappify.errors import InputError
from decrappify.noise.estimate import Estimate
from decrappify.noise.measurement.transfer import Transfer
from decrappify.noise.model import NoiseModel
from decrappify.noise.optics.optics import Optics
from decrappify.noise.report import plots
from decrappify.noise.report.comparison import Comparison, compare
from decrappify.noise.report.residual import residual_spectrum
from decrappify.noise.table import quantities

Array = NDArray[Any]
_SHOWN = 384  # pixels of the images side by side
_NO_SAMPLES = "the calibration was read from a file, which does not contain the pixels"


def page(
    noise: NoiseModel, optics: Optics, transfer: Transfer | None, low: Sequence[Array], high: Sequence[Array]
) -> str:
    """Return the whole page.

    Parameters
    ----------
    noise, optics
        Measured values.
    transfer : Transfer, optional
        Photon-transfer curve.
    low : sequence of arrays (T, Y, X)
        Regions of the low images; empty if not known.
    high : sequence of arrays (1, Y, X)
        Good images; empty without.
    """
    from decrappify._version import __version__

    lines = quantities(noise, optics)
    return render_page(
        "decrappify.noise.report",
        source=noise.source,
        rows=[_row(*line) for line in lines],
        plots=_plots(noise, transfer, low),
        **_both(noise, optics, transfer, low, high),
        version=__version__,
    )


def _row(label: str, estimate: Estimate, unit: str) -> dict[str, str]:
    kind = "unknown" if estimate.value is None else "ok" if estimate.valid else "invalid"
    mark = "not valid: " if kind == "invalid" else ""
    value = f"{estimate.text()} {unit}".strip() if estimate.value is not None else estimate.text()
    return {"label": label, "value": value, "kind": kind, "note": mark + estimate.note}


def _plots(noise: NoiseModel, transfer: Transfer | None, low: Sequence[Array]) -> list[dict[str, Any]]:
    """Return the plots of the noise, each with an explanation, or the reason why there is none."""
    spectrum = residual_spectrum(low)
    curve = {
        "title": "Photon-transfer curve",
        "svg": None if transfer is None else svg_markup(plots.photon_transfer(transfer)),
        "text": _transfer_text(noise, transfer, bool(low)),
    }
    lags = {
        "title": "Autocorrelation of the noise",
        "svg": svg_markup(plots.correlation(noise)),
        "text": "Bars are standard errors. White noise has 1 at lag 0 and 0 elsewhere.",
    }
    if lags["svg"] is None:
        lags["text"] = f"Not shown: {noise.correlation_x[1].note or 'not measured'}."
    residual = {
        "title": "Spectrum of the differences of frames",
        "svg": None if spectrum is None else svg_markup(plots.residual(spectrum, noise)),
        "text": "A constant power is white noise. A rise at low frequencies without one of the measured noise (dashed) "
        "is moving structure.",
    }
    if spectrum is None:
        residual["text"] = f"Not shown: {'requires successive frames of at least 64 pixels' if low else _NO_SAMPLES}."
    return [curve, lags, residual]


def _transfer_text(noise: NoiseModel, transfer: Transfer | None, has_samples: bool) -> str:
    if transfer is None:
        return f"Not shown: {(noise.gain.note or 'not measured') if has_samples else _NO_SAMPLES}."
    text = (
        f"Variance = {transfer.gain:.3g} × mean {'+' if transfer.intercept >= 0 else '−'} "
        f"{abs(transfer.intercept):.3g}; chi squared {transfer.misfit:.3g} per degree of freedom."
    )
    return text if noise.gain.value is not None else f"{text} The gain is not determined: {noise.gain.note}."


def _both(
    noise: NoiseModel, optics: Optics, transfer: Transfer | None, low: Sequence[Array], high: Sequence[Array]
) -> dict[str, Any]:
    """Return the section of low and crappified images, or the reason why there is none."""
    if not low or not high:
        return {"both": None, "reason": "No good images were passed (high)." if low else f"Not shown: {_NO_SAMPLES}."}
    try:
        found = compare(noise, optics, transfer, low, high)
    except InputError as error:
        return {"both": None, "reason": f"Not shown: {error}."}
    images = [_middle(image) for image in (found.low, found.crappified)]
    black, white = (float(level) for level in np.percentile(images[0], [0.5, 99.8]))
    white = white if white > black else black + 1
    sentences = found.sentences()
    drawings = (plots.histograms(found), plots.spectra(found), plots.noise_of_both(transfer, found))
    both = {
        "images": [
            (name, data_url(gray_png(image, black, white)))
            for name, image in zip(("low image", "crappified good image"), images, strict=True)
        ],
        "contrast": f"{black:.4g} to {white:.4g}",
        "parts": [_part(one) for one in (*optics.parts(), *noise.parts())],
        "sentences": sentences,
        "verdict": _verdict(found, sentences),
        "plots": [drawing for one in drawings if (drawing := svg_markup(one)) is not None],
    }
    return {"both": both, "reason": ""}


def _verdict(found: Comparison, sentences: Sequence[tuple[bool, str]]) -> str:
    names = {"H": "histograms", "R": "radial spectra", "N": "noise against mean"}
    failed = [names[text[0]] for met, text in sentences if not met]
    if not failed:
        return "The crappifier fits by all criteria that were computed."
    reasons = []
    if "histograms" in failed:
        reasons.append("other density or brightness of the specimen also changes the histogram")
    if "radial spectra" in failed and found.largest_decibel is not None:
        fine = found.largest_decibel[1] > 0.25
        reasons.append(
            "fine detail differs by noise or blur" if fine else "coarse detail differs by specimen, blur or background"
        )
    if "noise against mean" in failed:
        reasons.append("the noise model does not hold at that gray level")
    return f"The crappifier does not fit the {' and the '.join(failed)}: {'; '.join(reasons)}."


def _part(part: Any) -> str:
    values = {key: getattr(part, key) for key in part.limits if getattr(part, key) not in (0, (0, 1_000_000_000))}
    values |= {key: getattr(part, key) for key in ("factor", "bits", "bit_depth") if hasattr(part, key)}
    shown = ", ".join(f"{key} {value:.3g}" for key, value in values.items() if isinstance(value, int | float))
    return f"{part.name}: {shown}" if shown else str(part.name)


def _middle(image: Array) -> Array:
    rows, columns = (slice((size - min(size, _SHOWN)) // 2, (size + min(size, _SHOWN)) // 2) for size in image.shape)
    return image[rows, columns]
