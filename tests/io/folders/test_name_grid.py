from __future__ import annotations

from itertools import product
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from decrappify.io.folders.name_fields import is_channel_word
from decrappify.io.folders.name_grid import arrange
from decrappify.io.folders.natural import natural_key


def arranged(names):
    names = sorted(names, key=lambda name: natural_key(Path(name)))
    return names, arrange(names)


def table(pattern, **values):
    """Return the name of each combination with its indices by axis (s, t, c, z)."""
    axes = list(values)
    return {
        pattern.format(**{axis: values[axis][i] for axis, i in zip(axes, places, strict=True)}): dict(
            zip(axes, places, strict=True)
        )
        for places in product(*(range(len(values[axis])) for axis in axes))
    }


WELLS = ("B02", "B03", "C02")
GUID = "0a1B2c3D-7ac5-4a6f-8d80-3cc2ba7f98c5"


@pytest.mark.parametrize(
    ("names", "scenes"),
    [
        (table("t{t:04d}", t=range(5)), [""]),
        (table("frame_{t}", t=range(12)), [""]),
        (table("cells-{t:03d}-fused", t=range(7)), [""]),
        (table("volume--C00--T{t:05d}", t=range(4)), [""]),
        (table("volume--C{c:02d}--T{t:05d}", c=(0, 1), t=range(4)), [""]),
        (table("scan {z:02d}um_z{z:02d}", z=range(3)), [""]),
        (table("slice{z:03d}", z=range(4)), [""]),
        (table("cells_{c}", c=("DAPI", "GFP")), [""]),
        (table("C{c}-stack_t{t}", c=(1, 2), t=range(3)), [""]),
        (table("img_t{t:03d}_z{z:03d}_c{c:02d}", t=range(2), z=range(3), c=(1, 2)), [""]),
        (table("img_{t:09d}_{c}_{z:03d}", t=range(3), c=("Cy5", "DAPI"), z=range(2)), [""]),
        (table("img_{t:09d}_Default_000", t=range(3)), [""]),
        (table("Pos{s}/img_{t:09d}_Default_000", s=(0, 1), t=range(3)), ["Pos0", "Pos1"]),
        (table("TimePoint_{t}/{s}_w{c}", t=(1, 2), s=WELLS, c=(1, 2)), list(WELLS)),
        (
            table("exp_channel{c:03d}_position{s:03d}_time{t:09d}_z{z:03d}", c=(0, 1), s=(0, 1), t=range(3), z=(0, 1)),
            ["position000", "position001"],
        ),
        (table("pos{s:02d}_ch{c:02d}_t{t:03d}", s=(1, 2), c=(1, 2, 3), t=range(2)), ["pos01", "pos02"]),
        (
            table("Series{s:03d}_t{t}_z{z}_ch{c:02d}", s=(1, 2), t=(0, 1), z=(0, 1), c=(0, 1)),
            ["Series001", "Series002"],
        ),
        (table("exp1t{t:03d}xy{s}c{c}", t=range(3), s=(1, 2), c=(1, 2)), ["xy1", "xy2"]),
        (table("{s}_s1_w{c}", s=WELLS, c=(1, 2)), [f"{well} s1" for well in WELLS]),
        (table("{s}_s1_w{c}" + GUID, s=WELLS, c=(1, 2)), [f"{well} s1" for well in WELLS]),
        (table("C02_s{s}_w{c}", s=(1, 2), c=(1, 2)), ["C02 s1", "C02 s2"]),
        (table("plate_{s}_s1_w{c}_t{t}", s=WELLS, c=(1, 2), t=(1, 2)), [f"{well} s1" for well in WELLS]),
        (table("TimePoint_{t}/exp_{s}_s1_w{c}", t=(1, 2), s=WELLS, c=(1, 2)), [f"{well} s1" for well in WELLS]),
        (table("XY{s:02d}/exp_XY{s:02d}_CH{c}", s=(1, 2), c=(1, 2)), ["XY01", "XY02"]),
        (table("{s}_{c}", s=("ctrl", "drug"), c=("DAPI", "GFP")), ["ctrl", "drug"]),
        (table("exp_w{c}_s{s}_t{t}", c=("1DAPI", "2GFP"), s=(1, 2), t=(1, 2)), ["s1", "s2"]),
        (
            table("r01c{s:02d}f01p{z:02d}-ch{c}sk{t}fk1fl1", s=(3, 4), z=(1, 2), c=(1, 2), t=(1, 2, 3)),
            ["A03 s01", "A04 s01"],
        ),
        (table("Channel{c}-01-{s}-02", c=(1, 2), s="AB"), ["A02 s01", "B02 s01"]),
        (
            table("Plate_{s}_T{t:04d}F001L01A01Z{z:02d}C{c:02d}", s=WELLS, t=(1, 2), z=(1, 2), c=(1, 2)),
            [f"{well} s001" for well in WELLS],
        ),
        (table("W{s:04d}F0001T{t:04d}Z001C{c}", s=(1, 2), t=(1, 2, 3), c=(1, 2)), ["W0001 s0001", "W0002 s0001"]),
        (table("001{s:03d}-1-001001{c:03d}", s=(1, 2), c=(1, 2)), ["A01 s1", "A02 s1"]),
        (table("X_{s}f01d{c}", s=("B02", "B03"), c=(0, 1)), ["B02 s01", "B03 s01"]),
        (table("A - {s:02d}(fld 1 wv {c})", s=(1, 2), c=("DAPI - DAPI", "Green - dsRed")), ["A01 s1", "A02 s1"]),
        (table("VID1_{s}_1_00d{t:02d}h00m", s=("A1", "B2"), t=range(0, 12, 2)), ["A1 s1", "B2 s1"]),
        (table("VID1_{s}_1_2019y05m12d_{t:02d}h00m", s=("A1", "B2"), t=(0, 6, 12)), ["A1 s1", "B2 s1"]),
        (table("{s}_t{t:03d}", s=("mutant", "wild type"), t=range(3)), ["mutant", "wild type"]),
        (table("well_{s}_site_1_ch_{c}", s=("A1", "A2"), c=(1, 2)), ["A1 site1", "A2 site1"]),
    ],
)
def test_arrange_places_every_file_by_its_name(names, scenes):
    ordered, found = arranged(names)
    assert [grid.name for grid in found.grids] == scenes
    assert found.is_sure
    assert sum(len(grid.files) for grid in found.grids) == len(names)
    for number, grid in enumerate(found.grids):
        assert not grid.missing
        for (t, c, z), file in grid.files.items():
            place = names[ordered[file]]
            assert (place.get("s", 0), place.get("t", 0), place.get("c", 0), place.get("z", 0)) == (number, t, c, z)


@pytest.mark.parametrize(
    "names",
    [
        ["control", "treated", "wild type"],
        ["actin", "mito", "nuclei"],
        ["neuron_2020", "liver-overview", "x"],
        ["control_1", "control_2", "treated_1", "treated_2"],
        [*(f"t{t:03d}" for t in range(5)), "overview"],
        ["a", "b"],
    ],
)
def test_arrange_does_not_join_unrelated_names(names):
    assert arranged(names)[1].grids == ()


@pytest.mark.parametrize(
    ("names", "is_sure"),
    [
        (["control", "treated"], True),
        (["control_1", "control_2", "treated_1"], False),
        ([*(f"t{t:03d}" for t in range(5)), "overview"], False),
        (["Snap-112", "Snap-113", "Snap-340"], False),
        (["cell_s1", "cell_s2"], False),
        (["run1_001", "run1_002", "run2_001", "run2_002"], False),
        (["cells_0001_c1", "cells_0001_c2", "cells_0002_c1", "cells_0002_c2"], False),
        (["run1_c1", "run1_c2", "run2_c1", "run2_c2"], False),
        (["t1", "t100", "t5000"], True),
        (["A1", "A2", "A3"], False),
    ],
)
def test_arrange_is_unsure_if_names_are_ambiguous(names, is_sure):
    assert arranged(names)[1].is_sure == is_sure


def test_arrange_names_the_files_that_do_not_fit():
    assert "overview do not match the other 5" in arranged([*(f"t{t:03d}" for t in range(5)), "overview"])[1].reason


def test_arrange_lists_each_word_once():
    assert (
        "(control, treated)" in arranged([f"{word}_{k}" for word in ("control", "treated") for k in range(4)])[1].reason
    )


def test_grid_lists_its_missing_planes():
    names = [f"t{t}_c{c}_z{z}" for t, c, z in product(range(3), range(2), range(3)) if (t, c, z) != (1, 1, 1)]
    (grid,) = arranged(names)[1].grids
    assert (grid.shape, grid.missing) == ((3, 2, 3), [(1, 1, 1)])
    (grid,) = arranged([f"frame{t}" for t in (10, 20, 40)])[1].grids
    assert (grid.shape, grid.missing) == ((4, 1, 1), [(2, 0, 0)])


@pytest.mark.parametrize("absent", ["B03_s2_w1", "B03_s2_w2"])
def test_scenes_share_the_channels_of_the_folder(absent):
    names, found = arranged(table("{s}_s{t}_w{c}", s=("B02", "B03"), t=(1, 2), c=(1, 2)).keys() - {absent})
    assert {(grid.shape, grid.channels) for grid in found.grids} == {((1, 2, 1), ("w1", "w2"))}
    assert [grid.missing for grid in found.grids] == [[], [], [], [(0, int(absent[-1]) - 1, 0)]]
    assert all(names[file][-1] == str(c + 1) for grid in found.grids for (_, c, _), file in grid.files.items())


@pytest.mark.parametrize(
    ("names", "missing"),
    [
        ([*(f"A01_t{t:02d}" for t in range(4)), "A02_t01", "A02_t02"], [(0, 0, 0), (3, 0, 0)]),
        ([*(f"A1_t{t:02d}" for t in range(4)), "A2_t01", "A2_t02"], [(0, 0, 0), (3, 0, 0)]),
        ([*(f"A01_1_ctrl_t{t}" for t in range(4)), *(f"A02_2_drug_t{t}" for t in range(3))], [(3, 0, 0)]),
        ([*(f"pos1_t{t}" for t in range(5)), *(f"pos2_t{t}" for t in range(3))], [(3, 0, 0), (4, 0, 0)]),
        ([*(f"pos1_z{z}" for z in range(4)), "pos2_z1", "pos2_z2"], [(0, 0, 0), (0, 0, 3)]),
    ],
)
def test_wells_and_sites_share_their_frames_and_slices(names, missing):
    complete, partial = arranged(names)[1].grids
    assert (complete.shape, complete.missing, partial.missing) == (partial.shape, [], missing)


@pytest.mark.parametrize(
    "pattern", ["mouse{}_t{}", "cell{}_t{}", "plate{}_s1_t{}", "plate{}_s1_c1_t{}", "Series00{}_t{}"]
)
def test_separate_recordings_have_their_own_length(pattern):
    longer, shorter = arranged([pattern.format(1 + t // 5, t % 5) for t in range(8)])[1].grids
    assert (longer.shape, shorter.shape) == ((5, 1, 1), (3, 1, 1))
    assert not longer.missing + shorter.missing


def test_sites_have_their_own_length_if_most_files_of_a_common_one_are_absent():
    grids = arranged([*(f"s1_t{t:02d}" for t in range(20)), *(f"s{s}_t00" for s in range(2, 9))])[1].grids
    assert [grid.shape[0] for grid in grids] == [20] + [1] * 7


def test_time_stamps_are_frames_in_order():
    names, found = arranged(["x_20240131_120000", "x_20240131_120501", "x_20240201_000003"])
    assert [names[found.grids[0].files[t, 0, 0]] for t in range(3)] == names


def test_channels_are_named_as_in_the_files():
    assert arranged(table("B02_s{s}_w{c}", s=(1, 2), c=(1, 3)))[1].grids[0].channels == ("w1", "w3")
    assert arranged(table("cells_{t:03d}_{c}", t=(1, 2), c=("mCherry", "BF")))[1].grids[0].channels == ("BF", "mCherry")


@pytest.mark.parametrize("word", ["DAPI", "eGFP", "mCherry", "Cy5", "AF488", "561nm", "BF", "phase", "ChannelGFP"])
def test_is_channel_word_accepts_names_of_channels(word):
    assert is_channel_word(word)


LABELS = {"t": ("t", "time", "frame", "T"), "c": ("c", "ch", "channel"), "z": ("z", "Z", "slice"), "s": ("pos", "xy")}


@given(
    data=st.data(),
    order=st.permutations("tczs"),
    separator=st.sampled_from(["_", "-", "--", " ", "."]),
    prefix=st.sampled_from(["", "my cells", "Exp", "2024 plate"]),
    between=st.sampled_from(["", "_"]),
)
def test_labeled_numbers_determine_the_position_in_any_order(data, order, separator, prefix, between):
    sizes = {axis: data.draw(st.integers(1, 3), axis) for axis in order}
    firsts = {axis: data.draw(st.integers(0, 11)) for axis in order}
    width = data.draw(st.integers(1, 4))
    label = {axis: data.draw(st.sampled_from(LABELS[axis])) for axis in order}
    places = {}
    for index in product(*(range(sizes[axis]) for axis in order)):
        at = dict(zip(order, index, strict=True))
        parts = [f"{label[axis]}{between}{at[axis] + firsts[axis]:0{width}d}" for axis in order]
        places[separator.join([prefix, *parts] if prefix else parts)] = at
    names, found = arranged(places)
    for grid in found.grids:
        for (t, c, z), file in grid.files.items():
            at = places[names[file]]
            assert (t, c, z) == (at["t"], at["c"], at["z"])
    assert len(found.grids) == sizes["s"]
    assert sum(len(grid.files) for grid in found.grids) == len(places)
