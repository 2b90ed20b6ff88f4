from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from decrappify._common.planes.saturation import count_outside, saturate
from decrappify.normalization import Normalization

INTEGERS = [np.dtype(f"{kind}{size}") for kind in "iu" for size in (1, 2, 4, 8)]
FLOATS = [np.dtype(f"f{size}") for size in (2, 4, 8)]
# The limits of all dtypes: values that wrap if a limit is rounded.
EDGES = sorted({float(limit) for dtype in INTEGERS for limit in (np.iinfo(dtype).min, np.iinfo(dtype).max)})


def expected(value, dtype):
    """Return the expected integer, computed in exact arithmetic."""
    limits = np.iinfo(dtype)
    if np.isinf(value):
        return limits.max if value > 0 else limits.min
    return min(max(round(value), limits.min), limits.max)


@settings(max_examples=150, deadline=None)
@given(
    st.sampled_from(FLOATS).flatmap(
        lambda dtype: arrays(
            dtype,
            12,
            elements=st.one_of(
                st.floats(width=8 * dtype.itemsize, allow_nan=False),
                st.sampled_from(EDGES).map(lambda edge: float(dtype.type(np.clip(edge, *_range(dtype))))),
            ),
        )
    ),
    st.sampled_from(INTEGERS),
)
def test_saturate_converts_floats_to_the_nearest_integer_of_the_dtype(values, dtype):
    found = [int(value) for value in saturate(values, dtype)]
    assert found == [expected(float(value), dtype) for value in values]
    below, above = count_outside(values, dtype)
    limits = np.iinfo(dtype)
    rounded = [value if np.isinf(value) else round(value) for value in map(float, values)]
    assert (below, above) == (sum(v < limits.min for v in rounded), sum(v > limits.max for v in rounded))


def _range(dtype):
    return float(np.finfo(dtype).min), float(np.finfo(dtype).max)


@settings(max_examples=100, deadline=None)
@given(st.sampled_from(INTEGERS).flatmap(lambda dtype: arrays(dtype, 12)), st.sampled_from(INTEGERS))
def test_saturate_clips_integers_to_another_integer_dtype(values, dtype):
    limits = np.iinfo(dtype)
    assert saturate(values, dtype).tolist() == [min(max(v, limits.min), limits.max) for v in values.tolist()]
    assert sum(count_outside(values, dtype)) == sum(not limits.min <= v <= limits.max for v in values.tolist())


@settings(max_examples=100, deadline=None)
@given(
    st.sampled_from([*FLOATS, *INTEGERS]).flatmap(lambda dtype: arrays(dtype, 12)),
    st.sampled_from(FLOATS),
)
def test_saturate_keeps_finite_values_finite_in_float_dtypes(values, dtype):
    found, limit = saturate(values, dtype), float(np.finfo(dtype).max)
    finite = np.isfinite(values)
    assert found.dtype == dtype
    assert np.array_equal(np.isfinite(found), finite)
    assert np.array_equal(np.isnan(found), np.isnan(values))
    outside = [abs(float(v)) > limit for v in values[finite]]
    assert sum(count_outside(values, dtype)) == sum(outside)


@pytest.mark.parametrize("dtype", [*INTEGERS, np.dtype(np.float16)])
def test_invert_counted_clips_to_the_dtype_and_counts_clipped_values(dtype):
    limits = np.finfo(dtype) if dtype.kind == "f" else np.iinfo(dtype)
    gray, clipped = Normalization(0.0, 1e20).invert_counted(np.array([-2.0, 0.0, 2.0], np.float32), dtype)
    assert gray.tolist() == [limits.min, 0, limits.max]
    assert clipped == (1, 1)
