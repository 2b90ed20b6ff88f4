from __future__ import annotations

import numpy as np
import pytest
from tests.io.formats.czi.czi_files import edit_metadata, write_planes

import decrappify as dc
from decrappify.io.formats.czi.czi import open_czi
from decrappify.io.formats.czi.metadata import channels, listed_sizes, parse_metadata, scene_names


def document(channel_xml="", display_xml="", scene_xml=""):
    return parse_metadata(
        f"<ImageDocument><Metadata><Information><Image><SizeT>12</SizeT><SizeZ> 3 </SizeZ><SizeC>x</SizeC><Dimensions>"
        f"<Channels>{channel_xml}</Channels><S><Scenes>{scene_xml}</Scenes></S></Dimensions></Image></Information>"
        f"<DisplaySetting><Channels>{display_xml}</Channels></DisplaySetting></Metadata></ImageDocument>",
        "cells.czi",
    )


UNNAMED = '<Channel Id="Channel:0"/><Channel Id="Channel:1"/>'


@pytest.mark.parametrize(
    ("image", "display", "expected"),
    [
        (UNNAMED, '<Channel Id="Channel:1" Name="RFP"/><Channel Id="Channel:0" Name="GFP"/>', ["GFP", "RFP"]),
        (UNNAMED, '<Channel Name="GFP"/><Channel Name="RFP"/>', ["GFP", "RFP"]),
        (UNNAMED, '<Channel Id="Channel:1" Name="RFP"/>', ["C0", "RFP"]),
        ("", '<Channel Id="Channel:0" Name="GFP"/><Channel Id="Channel:1" Name="RFP"/>', ["GFP", "RFP"]),
        ('<Channel Id="a" Name=" "/><Channel Id="b" Name="own"/>', '<Channel Id="a" Name="A"/>', ["A", "own"]),
        ('<Channel Id="a" Name="x"/><Channel Id="b" Name="y"/>', '<Channel Id="a" Name="A"/>', ["x", "y"]),
        (
            '<Channel Id="Channel:0"><Fluor>mCherry</Fluor></Channel><Channel Id="Channel:1"/>',
            '<Channel Id="Channel:1"><DyeName>DAPI</DyeName><ShortName>D</ShortName></Channel>',
            ["mCherry", "DAPI"],
        ),
        (UNNAMED, '<Channel Id="Channel:0"><ShortName>EGFP</ShortName></Channel>', ["EGFP", "C1"]),
        ('<Channel Name="same"/><Channel Name="same"/>', "", ["same", "same"]),
        (UNNAMED, "", ["C0", "C1"]),
    ],
)
def test_channel_names_are_from_the_first_element_with_a_name(image, display, expected):
    assert channels(document(image, display), [0, 1], [0, 1])[0] == expected


@pytest.mark.parametrize(
    ("image", "numbers", "all_numbers", "expected"),
    [
        ('<Channel Name="a"/><Channel Name="b"/>', [3], [2, 3], ["b"]),
        ("".join(f'<Channel Name="{name}"/>' for name in "abcd"), [2, 3], [2, 3], ["c", "d"]),
        ('<Channel Id="Channel:5" Name="f"/><Channel Name="g"/><Channel Name="h"/>', [5], [5], ["f"]),
    ],
)
def test_channels_of_a_subset_keep_their_names(image, numbers, all_numbers, expected):
    assert channels(document(image), numbers, all_numbers)[0] == expected


def test_colors_are_assigned_by_channel_id():
    colors = {1: "#FF00FF00", 0: "#0000FF"}
    display = "".join(f'<Channel Id="Channel:{i}"><Color>{color}</Color></Channel>' for i, color in colors.items())
    assert channels(document(UNNAMED, display), [0, 1], [0, 1])[1] == ["0000FF", "00FF00"]


def test_listed_sizes_omit_values_that_are_not_integers():
    assert listed_sizes(document()) == {"T": 12, "Z": 3}


@pytest.mark.parametrize(
    ("scenes", "numbers", "expected"),
    [
        ('<Scene Index="1" Name="B2"/><Scene Index="0" Name="A1"/>', [0, 1], ["A1", "B2"]),
        ('<Scene Index="0" Name="P1"><ArrayName>B4</ArrayName></Scene>', [0], ["P1-B4"]),
        ('<Scene Index="0" Name="P2"><Shape Name="D4"/><ArrayName>x</ArrayName></Scene>', [0], ["P2-D4"]),
        ('<Scene Index="0" Name="P1-A1"><Shape Name="A1"/></Scene>', [0], ["P1-A1"]),
        ('<Scene Index="0" Name="A1"><ArrayName>A1</ArrayName></Scene>', [0], ["A1"]),
        ('<Scene Index="0"><Shape Name="C7"/></Scene>', [0], ["C7"]),
        ('<Scene Index="0"/><Scene Index="1" Name="  "/>', [0, 1], [None, None]),
        ('<Scene Index="0" Name="a"/><Scene Index="5" Name="f"/>', [0, 2, 5], ["a", "S2", "f"]),
        ('<Scene Index="0" Name="left"/><Scene Index="1" Name="right"/>', [7, 8], ["left", "right"]),
        ('<Scene Index="0" Name="a"/><Scene Index="1" Name="b"/>', [7], ["S7"]),
        ("", [None], [None]),
        ("", [0, 1], [None, None]),
    ],
)
def test_scene_names_follow_the_numbers_of_the_file(scenes, numbers, expected):
    assert scene_names(document(scene_xml=scenes), numbers) == expected


def test_wells_of_a_plate_open_by_name(tmp_path):
    path = write_planes(tmp_path / "plate.czi", {(s, 0, 0, 0): np.full((6, 8), s + 1, np.uint8) for s in range(3)})
    wells = "".join(
        f'<Scene Index="{number}" Name="P1"><ArrayName>{well}</ArrayName><Shape Name="{well}"/></Scene>'
        for number, well in enumerate(("A1", "A2", "B1"))
    )
    edit_metadata(path, lambda xml: xml.replace("<Channels>", f"<S><Scenes>{wells}</Scenes></S><Channels>", 1))
    assert dc.scenes(path) == ["P1-A1", "P1-A2", "P1-B1"]
    assert dc.open_movie(path, scene="P1-B1").frame(0).max() == 3


def test_display_settings_name_channels_of_a_file(tmp_path):
    path = write_planes(tmp_path / "cells.czi", {(0, 0, c, 0): np.full((6, 8), c, np.uint8) for c in (0, 1)})
    display = '<Channel Id="Channel:0" Name="AF488"/><Channel Id="Channel:1"><DyeName>DAPI</DyeName></Channel>'
    setting = f"<DisplaySetting><Channels>{display}</Channels></DisplaySetting></Metadata>"
    edit_metadata(path, lambda xml: xml.replace("</Metadata>", setting, 1))
    assert open_czi(path).channel_names == ("AF488", "DAPI")
