"""Write the file of the tests of decrappify_restore.xml: a simulated movie, next to this script."""

from pathlib import Path

from decrappify import save_movie
from decrappify.samples import simulate

movie = simulate("vesicles", n_frames=6, size=(96, 96), seed=0).noisy
save_movie(movie, Path(__file__).parent / "test-data" / "simulated.ome.tif", overwrite=True)
