from __future__ import annotations

from itertools import product

import pytest

from decrappify.restoration.job.region import divided, part_of


@pytest.mark.parametrize("shape", [(1, 1), (3, 1), (100, 1), (1, 70), (13, 5), (2000, 3), (4, 900)])
@pytest.mark.parametrize("n_workers", [1, 2, 7])
@pytest.mark.parametrize("window_axis", ["T", "Z"])
def test_regions_contain_every_plane_once(shape, n_workers, window_axis):
    regions = divided(*shape, n_workers, window_axis=window_axis)
    places = [place for region in regions for place in product(region.frames, region.slices)]
    assert sorted(places) == list(product(*map(range, shape)))
    assert len(regions) >= min(n_workers, shape[0] * shape[1])
    assert max(len(region.frames) * len(region.slices) for region in regions) <= 64


def test_long_movies_have_as_many_regions_for_every_worker():
    assert len(divided(100, 1, 2)) % 2 == 0
    lengths = {len(region.frames) for region in divided(100, 1, 2)}
    assert max(lengths) - min(lengths) <= 1


@pytest.mark.parametrize("shape", [(10, 1), (2, 9), (3, 3)])
@pytest.mark.parametrize("count", [1, 3, 16])
def test_parts_contain_every_plane_once(shape, count):
    parts = [part_of(*shape, number, count) for number in range(1, count + 1)]
    places = [place for part in parts if part for place in product(part.frames, part.slices)]
    assert sorted(places) == list(product(*map(range, shape)))
