from __future__ import annotations

import pytest
import torch

from napari_decrappify.widgets.choices.device import DeviceChoice
from napari_decrappify.workers.running import devices


def items(box):
    return [box.itemText(i) for i in range(box.count())]


def test_device_choice_lists_the_devices_that_torch_finds(qtbot):
    box = DeviceChoice("device", "restore/device")
    qtbot.addWidget(box)
    assert items(box)[:2] == ["Automatic", "CPU"]
    qtbot.waitUntil(lambda: devices.gpus() is not None, timeout=30_000)
    found = {"GPU (CUDA)": torch.cuda.is_available(), "Apple GPU (MPS)": torch.backends.mps.is_available()}
    expected = ["Automatic", "CPU", *(label for label, is_available in found.items() if is_available)]
    qtbot.waitUntil(lambda: items(box) == expected, timeout=5000)


@pytest.mark.parametrize("choice", ["CPU", "GPU (CUDA)"])
def test_device_choice_keeps_the_device_of_the_last_session_if_it_exists(qtbot, monkeypatch, choice):
    monkeypatch.setattr(devices, "_found", ["cuda"])
    devices._known.set()
    box = DeviceChoice("device", "restore/device")
    qtbot.addWidget(box)
    box.setCurrentText(choice)
    again = DeviceChoice("device", "restore/device")
    qtbot.addWidget(again)
    assert again.currentText() == choice
    monkeypatch.setattr(devices, "_found", [])
    elsewhere = DeviceChoice("device", "restore/device")
    qtbot.addWidget(elsewhere)
    assert elsewhere.device == ("cpu" if choice == "CPU" else "auto")
