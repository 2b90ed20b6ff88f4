from __future__ import annotations

import numpy as np
import pytest

from decrappify._common.planes.sampling import evenly_spaced


@pytest.mark.parametrize("count", [1, 2, 7, 100, 1001])
@pytest.mark.parametrize("at_most", [1, 2, 16, 5000])
def test_evenly_spaced_returns_distinct_indices_with_equal_spacing(count, at_most):
    found = evenly_spaced(count, at_most)
    assert len(found) == min(count, at_most)
    assert found[0] == 0
    if len(found) > 1:
        assert found[-1] == count - 1
        assert np.ptp(np.diff(found)) <= 1


def test_evenly_spaced_without_ends_skips_the_first_and_the_last_item():
    assert evenly_spaced(100, 3, ends=False).tolist() == [25, 50, 74]
    assert evenly_spaced(0, 3).size == 0
