from __future__ import annotations

import pytest

from napari_decrappify.layers.units import factor_to


@pytest.mark.parametrize(
    ("unit", "target", "factor"),
    [("um", "micrometer", 1), ("hour", "second", 3600), ("second", "micrometer", None), ("nonsense", "second", None)],
)
def test_factor_to_converts_units(unit, target, factor):
    assert factor_to(unit, target) == (None if factor is None else pytest.approx(factor))
