from __future__ import annotations

import numpy as np
import pytest
import tifffile

from decrappify.metrics.baselines import best_gaussian
from decrappify.metrics.scorecard import score_movie


@pytest.mark.parametrize(
    "name",
    [
        "cancer_cell_nuclei_48f",
        *(pytest.param(name, marks=pytest.mark.slow) for name in ("microglia_maxproj_122f", "mitocheck_h2b_30f")),
    ],
)
def test_best_gaussian_improves_a_noisy_real_movie(real_data, rng, name):
    reference = tifffile.imread(real_data / "movies" / f"{name}.tif").squeeze()[:24].astype(np.float32)
    rows, columns = (
        slice(side // 2 - min(side, 128) // 2, side // 2 + min(side, 128) // 2) for side in reference.shape[1:]
    )
    reference = reference[:, rows, columns]
    source = reference + rng.normal(0, 0.08 * np.ptp(reference), reference.shape)
    best = best_gaussian(source, reference)
    before, after = score_movie(source, reference), score_movie(best.restored, reference, source)
    assert after.psnr == pytest.approx(best.psnr)
    assert after.psnr > before.psnr + 3
    assert after.ssim > before.ssim
    assert after.flicker_floor < 0.5 * before.flicker_floor
    assert before.tdr > 1.5 > after.tdr
    assert after.noise_sigma < 0.5 * after.source_noise_sigma
