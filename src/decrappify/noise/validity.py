"""Warning of a calibrated crappifier that contains values that are not valid, or no photon noise."""

from __future__ import annotations

from collections.abc import Mapping

from decrappify._common.caller_warning import warn_caller
from decrappify.noise.estimate import Estimate

_NOT_SIMULATED = ("excess_noise",)  # contained in the gain

Estimates = Mapping[str, Estimate | tuple[Estimate, ...]]


def warn_of_values(estimates: Estimates) -> None:
    """Warn once of simulated values that are not valid, and of a crappifier without photon noise.

    Parameters
    ----------
    estimates : mapping of name to Estimate, or to one Estimate per lag
        Quantities of a noise model, and of optics.
    """
    found = []
    names = invalid_names(estimates)
    if names:
        found.append(f"contains values that are not valid ({', '.join(names)}; their notes state the reason)")
    gain = estimates["gain"]
    if isinstance(gain, Estimate) and not _has_photon_noise(estimates):
        found.append(f"has no photon noise, as the gain is not determined ({gain.note})")
    if found:
        warn_caller(f"the calibrated crappifier {' and '.join(found)}")


def invalid_names(estimates: Estimates) -> list[str]:
    """Return the names of the values that a crappifier simulates and that are not valid.

    >>> blur, flat = Estimate(1.5, 0.4, False, "few images"), Estimate(None)
    >>> invalid_names({"blur": blur, "gain": Estimate(2.0), "row_noise": flat})
    ['blur']
    """
    simulated = {name: one[1] if isinstance(one, tuple) else one for name, one in estimates.items()}
    left_out = (*_NOT_SIMULATED, "noise_sd") if _has_photon_noise(estimates) else _NOT_SIMULATED
    return [
        name.replace("_", " ")
        for name, one in simulated.items()
        if one.value and not one.valid and name not in left_out
    ]


def _has_photon_noise(estimates: Estimates) -> bool:
    pair = (estimates.get("gain"), estimates.get("intercept"))
    return all(isinstance(one, Estimate) and one.value is not None for one in pair)
