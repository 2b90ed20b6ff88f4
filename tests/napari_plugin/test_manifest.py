from __future__ import annotations

import subprocess
import sys
from importlib.resources import files
from xml.etree import ElementTree

import pytest
from napari.layers import Layer
from npe2 import PluginManifest

from decrappify.io import readable_suffixes, writable_suffixes
from napari_decrappify import samples


@pytest.fixture(scope="module")
def manifest():
    return PluginManifest.from_distribution("decrappify")


def test_manifest_is_valid(manifest):
    manifest.validate_imports()
    assert manifest.display_name == "decrappify"
    package, icon = manifest.icon.split(":")
    assert ElementTree.fromstring(files(package).joinpath(icon).read_text()).tag.endswith("svg")
    widgets = {widget.command for widget in manifest.contributions.widgets}
    in_menus = {item.command for items in manifest.contributions.menus.values() for item in items}
    assert widgets == in_menus


def test_manifest_lists_suffixes_of_the_registry(manifest):
    patterns = {pattern for reader in manifest.contributions.readers for pattern in reader.filename_patterns}
    images = {".png", ".jpg", ".jpeg", ".bmp"}  # read by napari itself
    assert patterns == {f"*{suffix}" for suffix in set(readable_suffixes()) - images}
    written = {suffix for writer in manifest.contributions.writers for suffix in writer.filename_extensions}
    assert written == set(writable_suffixes()) - {".mp4"}


def test_import_of_readers_loads_neither_qt_nor_napari():
    code = (
        "import sys, napari_decrappify.readers, napari_decrappify.writers, napari_decrappify.samples\n"
        "print([name for name in sys.modules if name.split('.')[0] in ('napari', 'qtpy', 'PyQt6', 'torch')])"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


@pytest.mark.parametrize("sample", [samples.simulated_movie, samples.degraded_copy])
def test_samples_are_two_layers_of_one_scene(sample):
    clean, degraded = (Layer.create(*item) for item in sample())
    assert clean.data.shape == degraded.data.shape == (24, 256, 256)
    assert tuple(clean.scale) == tuple(degraded.scale) == (1.0, 0.1, 0.1)
    frames = [layer.data[12].compute().astype(float) for layer in (clean, degraded)]
    assert abs(frames[0] - frames[1]).mean() > 1
