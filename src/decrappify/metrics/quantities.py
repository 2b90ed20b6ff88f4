"""Inputs of metrics by name: movies, frames and running sums."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

# Allowed parameters of the function of a metric.
QUANTITIES = {
    "restored": "restored frames, float64 (T, Y, X): at most 16 (and 16 megapixels), spread evenly over the movie",
    "reference": "the same frames of the reference",
    "source": "the same frames of the degraded source, on the grid of the reference",
    "restored_movie": "the whole restored movie, a lazy `Movie` (T, 1, 1, Y, X)",
    "reference_movie": "the whole reference",
    "source_movie": "the whole source",
    "data_range": "D in gray levels",
    "scale": "how many times finer the restored movie is than the source was",
    # Sums over all frames, from one pass over the movie
    "pixel_sums": "`PairSums` of restored and reference",
    "pixel_sample": "`PixelSample` of restored and reference",
    "reference_range": "max - min of the reference",
    "affine_slope": "slope of the affine fit to the reference",
    "linearity": "`Linearity` of the sampled pixels",
    "mean_ssim": "SSIM averaged over all frames",
    "frame_gains": "slopes of restored on reference, one per frame",
    "frame_steps": "`StepSums` of restored and reference; missing if the reference does not move",
    "flicker": "flicker in gray levels on static pixels",
    "source_flicker": "flicker of the source, if above 0",
    "noise": "`NoiseSums` of the restored movie",
    "source_noise": "`NoiseSums` of the source",
    "residual": "`ResidualSums` of source minus restored",
    # Only in benchmarks
    "mean_ms_ssim": "MS-SSIM averaged over the sampled frames",
    "foreground_similarity": "SSIM of all foreground windows of the sampled frames",
    "ring_correlation": "`RingCorrelation` of restored and reference",
    "band_ratios": "power of restored over reference in dB, in three bands",
    "ssim_terms": "`SSIMTerms` of the sampled frames, without background",
    "micro_ssim_gain": "gain for the whole dataset",
    "megapixels_per_s": "output megapixels per second",
    "held_out_gain_db": "gain over the best Gaussian filter, estimated from independent photons",
    "confirmed_px": "resolution confirmed by independent photons, in source pixels",
}


class Quantities:
    """Named quantities of one restored movie, each a value or computed on first use.

    Examples
    --------
    >>> quantities = Quantities({"data_range": 255.0}, lazy={"scale": lambda: 1 + 1})
    >>> "scale" in quantities, quantities.get("scale"), quantities.get("reference")
    (True, 2, None)
    """

    def __init__(self, values: dict[str, Any], *, lazy: dict[str, Callable[[], Any]] | None = None) -> None:
        self._values, self._lazy = dict(values), dict(lazy or {})

    def __contains__(self, name: object) -> bool:
        return name in self._values or name in self._lazy

    def get(self, name: str) -> Any:
        """Return a quantity; None if it is missing."""
        if name not in self._values and name in self._lazy:
            self._values[name] = self._lazy[name]()
        return self._values.get(name)

    def update(self, values: dict[str, Any]) -> None:
        """Add or replace quantities."""
        self._values |= values
