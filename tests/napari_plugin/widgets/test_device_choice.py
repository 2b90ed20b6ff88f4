from __future__ import annotations

from napari_decrappify.widgets.device_choice import DeviceChoice


def test_device_choice_lists_devices_of_the_library(qtbot):
    box = DeviceChoice("device")
    qtbot.addWidget(box)
    assert [box.itemData(i) for i in range(box.count())] == ["auto", "cpu", "cuda", "mps"]
