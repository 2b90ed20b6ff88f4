from __future__ import annotations

import numpy as np
import pytest

from decrappify.errors import InputError
from napari_decrappify.layers.axes import axes_of


@pytest.mark.parametrize(
    ("shape", "labels", "given", "expected"),
    [
        ((5, 8, 9), None, None, "TYX"),
        ((5, 8, 9), ("z", "y", "x"), None, "ZYX"),
        ((5, 8, 9), ("z", "y", "x"), "TYX", "TYX"),
        ((5, 3, 8, 9), ("axis -4", "axis -3", "y", "x"), None, "TZYX"),
        ((2, 5, 3, 8, 9), None, None, "TCZYX"),
    ],
)
def test_axes_of_uses_choice_labels_or_count(shape, labels, given, expected):
    assert axes_of(np.zeros(shape), {"axis_labels": labels}, given) == expected


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        ({"scale": (2, 0.3, 0.3)}, "ZYX"),
        ({"scale": (2, 0.3, 0.3), "units": ("pixel",) * 3}, "ZYX"),
        ({"scale": (1, 0.3, 0.3), "units": ("um",) * 3}, "ZYX"),
        ({"scale": (2, 0.3, 0.3), "units": ("s", "um", "um")}, "TYX"),
        ({"scale": (1, 0.3, 0.3)}, "TYX"),
        ({"scale": (2, 0.3, 0.3), "axis_labels": ("time", "y", "x")}, "TYX"),
        ({"scale": (2, 0.3, 0.3), "axis_labels": ("axis -3", "axis -2", "axis -1")}, "ZYX"),
        ({"axis_labels": ("channel", "y", "x")}, "CYX"),
    ],
)
def test_axes_of_unlabeled_layers_uses_scale_and_units(attributes, expected):
    assert axes_of(np.zeros((5, 8, 9)), attributes) == expected


@pytest.mark.parametrize(
    ("attributes", "axes"), [({}, "XY"), ({"axis_labels": ("y", "x", "t")}, None), ({"rgb": True}, "CYX"), ({}, "YX")]
)
def test_axes_of_raises_for_axes_that_do_not_fit(attributes, axes):
    with pytest.raises(InputError, match=r"layer 'image' of shape \(4, 5, 3\) does not fit the axes"):
        axes_of(np.zeros((4, 5, 3)), attributes, axes)
