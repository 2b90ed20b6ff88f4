from __future__ import annotations

import numpy as np
import pytest

from decrappify.datasets.sizes import check_sizes
from decrappify.errors import InputError
from decrappify.movie import Movie


def still(height, width, name="still"):
    return Movie.from_array(np.zeros((height, width)), name=name)


@pytest.mark.parametrize(
    ("movies", "arguments", "message"),
    [
        (
            [still(300, 300), still(60, 90, "small.tif")],
            {"scale": 2},
            "small.tif has 60 x 90 pixels, too few for patches of 128 x 128 (64 x scale 2); leave out small images, or "
            "choose a patch_size of at most 16",
        ),
        (
            [still(60, 60), still(300, 300), still(20, 40, "small.tif")],
            {"is_chosen": False},
            "2 images are too small for patches of 64 x 64 pixels, such as small.tif with 20 x 40 pixels; leave out "
            "small images",
        ),
        (
            [still(52, 60)],
            {"given": [still(100, 60)]},
            "still has 52 x 60 pixels without the part held out for validation, too few for patches of 64 x 64; use "
            "larger images, or choose a patch_size of at most 48",
        ),
    ],
)
def test_check_sizes_states_the_smallest_image_and_a_patch_size_that_fits(movies, arguments, message):
    with pytest.raises(InputError) as caught:
        check_sizes(movies, 64, **arguments)
    assert str(caught.value) == message
