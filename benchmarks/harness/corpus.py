"""Assignment of the real files to training and test, fixed before any training.

Training uses only files with a definite, permissive license. Files of unclear license are used for evaluation only.
The environment variable DECRAPPIFY_TEST_DATA contains the path of the data folder.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from decrappify import Movie, open_movie

TRAIN_MOVIES = {
    "movies/mitocheck_h2b_30f.tif": "CC BY 4.0, Mitocheck, NEUBIAS training-resources",
    "movies/lightsheet_embryo_46f.tif": "BSD-2, EMBL, bigdataprocessor2",
}
TRAIN_STILLS = {
    "highres/BPAE_actin.tif": "CC BY 4.0, BioImageAnalysisNotebooks",
    "highres/BPAE_mito.tif": "CC BY 4.0, BioImageAnalysisNotebooks",
    "highres/BPAE_nuclei.tif": "CC BY 4.0, BioImageAnalysisNotebooks",
    "highres/hela_cells_rgb16.tif": "public domain (ImageJ sample), BioImageAnalysisNotebooks",
    "highres/maize_clsm.tif": "CC BY 4.0, D. Legland, BioImageAnalysisNotebooks",
    "highres/ssi_nuclei924x624.png": "BSD-3, royerlab/ssi-code",
    "highres/ssi_membrane924x924.png": "BSD-3, royerlab/ssi-code",
    "highres/ssi_vesicules924x924.png": "BSD-3, royerlab/ssi-code",
    "highres/ssi_fishembryo700x700.png": "BSD-3, royerlab/ssi-code",
    "highres/neubias_xy_8bit__nuclei_PLK1_control.tif": "CC BY 4.0, NEUBIAS training-resources",
    "highres/dsb_nuclei_img2d.tif": "BSD-3 / CC0 (DSB 2018), stardist",
}
TRAIN_EM = {
    "highres/ssi_fibsem1910x1910.png": "BSD-3, royerlab/ssi-code",
    "highres/neubias_celegans_em_21z.tif": "CC BY 4.0, NEUBIAS training-resources",
}
# Held out from every training run.
TEST_MOVIES = (
    "movies/cancer_cell_nuclei_48f.tif",
    "movies/microglia_maxproj_122f.tif",
    "movies/drosophila_histone_gfp_confocal_61f.tif",
)
TEST_STILLS = (
    "highres/ssi_neurons768x768.png",
    "highres/speckles_1-162hrh2ax2.tif",
    "highres/neubias_xyc_16bit__cell_dna_mts_actin.tif",
    "highres/aics_membrane.tif",
    "highres/aics_dna.tif",
)
TEST_EM = ("highres/neubias_xy_8bit__em_mitochondria_er.tif",)


def folder() -> Path:
    """Return the data folder; exit with a message if DECRAPPIFY_TEST_DATA is not set."""
    named = os.environ.get("DECRAPPIFY_TEST_DATA")
    if not named:
        sys.exit("set DECRAPPIFY_TEST_DATA to the folder of the real movies and stills")
    return Path(named)


def load(name: str) -> Movie:
    """Open one file of the corpus, lazily."""
    return open_movie(folder() / name)
