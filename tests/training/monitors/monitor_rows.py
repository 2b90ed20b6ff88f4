"""Monitor values of a pretrained generator, the baseline of the simulated histories."""

from __future__ import annotations

from decrappify.training.monitors.measure import MonitorRow

BASE = MonitorRow(
    step=0,
    images_seen=0,
    psnr=30.0,
    band_power=(-0.5, -2.0, -5.0),
    grid_peak=1.0,
    confirmed=1.0,
    invented=1.0,
    noise_draw=1.0,
    kid=1.0,
    kid_error=0.1,
    referee_auc=0.9,
)
