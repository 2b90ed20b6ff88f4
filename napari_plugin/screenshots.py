"""Screenshots of docs/napari.md and docs/napari-more.md: the real widgets in a real viewer, clicked by this script.

`make screenshots` runs it on a virtual display. It runs for several minutes, MINUTES of them for training. Names of
functions as further arguments, such as ``trust batch``, create only their screenshots.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import napari
import numpy as np
from PIL import Image
from qtpy.QtCore import QSettings, Qt
from qtpy.QtWidgets import QApplication, QLabel, QLineEdit, QListWidget, QWidget

from decrappify import Movie, save_movie
from decrappify.samples import simulate

SIZE = (1280, 800)
MINUTES = 6.0
ADAPT_MINUTES = 3.0
SAMPLING: Any = {"pixel_size_um": (None, 0.1, 0.1), "frame_interval_s": 5.0}
PATIENCE_S = 1200.0


def main(folder: Path, names: list[str]) -> None:
    """Write the screenshots to `folder`, all or only those of the functions with some names."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as own:
        QSettings.setPath(QSettings.Format.IniFormat, QSettings.Scope.UserScope, own)  # not those of the user
        for show in (restore_and_compare, model, channels, trust, adapt, batch, train):
            if names and show.__name__ not in names:
                continue
            viewer = napari.Viewer()
            viewer.window.resize(*SIZE)
            place = Path(own) / show.__name__
            place.mkdir()
            show(viewer, folder, place)
            viewer.close()


def restore_and_compare(viewer: napari.Viewer, folder: Path, own: Path) -> None:
    """Preview a noisy movie, restore it, and compare the result with the reference."""
    noisy = sample(viewer)
    reference = next(layer for layer in viewer.layers if layer != noisy)
    _, widget = viewer.window.add_plugin_dock_widget("decrappify", "Restore")
    control(widget, "restore_layer").layer = noisy
    control(widget, "restore_folder").setText(str(own / "results"))
    control(widget, "restore_split").setValue(50)
    settle()
    click(widget, "restore_preview")
    wait(lambda: control(widget, "restore_preview").isEnabled())
    control(widget, "restore_folder").setText("~/decrappify-results")  # the default path, for the screenshot
    save_screenshot(viewer, folder / "napari-restore.png")
    control(widget, "restore_folder").setText(str(own / "results"))
    click(widget, "restore_clear")
    click(widget, "restore_run")
    wait(lambda: control(widget, "restore_run").isEnabled())
    viewer.window.remove_dock_widget(widget)

    _, widget = viewer.window.add_plugin_dock_widget("decrappify", "Compare")
    control(widget, "compare_restored").layer = viewer.layers[-1]
    control(widget, "compare_reference").layer = reference
    control(widget, "compare_input").layer = noisy
    click(widget, "compare_difference")
    wait(lambda: control(widget, "compare_run").isEnabled() and len(viewer.layers) == 4)
    control(widget, "compare_restored").layer = viewer.layers[2]
    click(widget, "compare_run")
    wait(lambda: control(widget, "compare_table").rowCount() > 0)
    reference.visible = True
    for layer in viewer.layers[:3]:  # one contrast for a visual comparison
        layer.contrast_limits = reference.contrast_limits
    viewer.canvas.grid.stride, viewer.canvas.grid.enabled = 1, True
    viewer.fit_to_view()
    save_screenshot(viewer, folder / "napari-compare.png")


def model(viewer: napari.Viewer, folder: Path, own: Path) -> None:
    """Check a model on the noisy movie, on the page Model."""
    noisy = sample(viewer)
    _, widget = viewer.window.add_plugin_dock_widget("decrappify", "Restore")
    control(widget, "restore_layer").layer = noisy
    control(widget, "restore_folder").setText(str(own / "results"))
    control(widget, "restore_tabs").setCurrentIndex(3)
    settle()
    click(widget, "restore_about_run")
    wait(lambda: control(widget, "restore_about_run").isEnabled())
    save_screenshot(viewer, folder / "napari-model.png")


def channels(viewer: napari.Viewer, folder: Path, own: Path) -> None:
    """Restore two channels with a model each, while a second movie waits in the queue."""
    movies = [simulate(scene, n_frames=12, size=(256, 256), seed=3).noisy for scene in ("filaments", "nuclei")]
    for name in ("mitosis-1", "mitosis-2"):
        path = own / f"{name}.ome.tif"
        pixels = np.concatenate([np.asarray(movie) for movie in movies], axis=1)
        names, colors = ("Tubulin", "H2B"), ("00FF00", "FF00FF")
        both = Movie.from_array(pixels, "TCZYX", channel_names=names, channel_colors=colors, **SAMPLING)
        save_movie(both, path)
        viewer.open(str(path), plugin="decrappify")
    viewer.dims.set_current_step(0, 6)
    for layer in viewer.layers[2:]:
        layer.visible = False
    _, widget = viewer.window.add_plugin_dock_widget("decrappify", "Restore")
    control(widget, "restore_folder").setText(str(own / "results"))
    control(widget, "restore_layer").layer = viewer.layers[0]
    control(widget, "restore_channels").setChecked(True)
    control(widget, "restore_model_1").setCurrentText("fluorescence-still")
    settle()
    home(widget, own)
    save_screenshot(viewer, folder / "napari-channels.png")
    click(widget, "restore_queue_add")
    control(widget, "restore_layer").layer = viewer.layers[2]
    click(widget, "restore_queue_add")
    control(widget, "restore_tabs").setCurrentIndex(1)
    click(widget, "restore_queue_start")
    wait(lambda: len(viewer.layers) == 8)
    for layer in viewer.layers[:2]:
        layer.visible = False
    save_screenshot(viewer, folder / "napari-queue.png")
    wait(lambda: control(widget, "restore_run").isEnabled())


def trust(viewer: napari.Viewer, folder: Path, own: Path) -> None:
    """Restore with a trust map."""
    noisy = sample(viewer)
    _, widget = viewer.window.add_plugin_dock_widget("decrappify", "Restore")
    control(widget, "restore_layer").layer = noisy
    control(widget, "restore_folder").setText(str(own / "results"))
    control(widget, "restore_trust").setChecked(True)
    control(widget, "restore_last").setValue(13)
    click(widget, "restore_run")
    wait(lambda: control(widget, "restore_run").isEnabled())
    control(widget, "restore_folder").setText("~/decrappify-results")
    viewer.layers.selection.active = viewer.layers[-1]
    home(widget, own)
    save_screenshot(viewer, folder / "napari-trust.png")
    control(widget, "restore_trust").setChecked(False)


def adapt(viewer: napari.Viewer, folder: Path, own: Path) -> None:
    """Adapt a model to the noisy movie."""
    sample(viewer)
    _, widget = viewer.window.add_plugin_dock_widget("decrappify", "Adapt")
    control(widget, "adapt_minutes").setValue(ADAPT_MINUTES)
    control(widget, "adapt_folder").setText(str(own / "models"))
    click(widget, "adapt_run")
    wait(lambda: control(widget, "adapt_run").isEnabled())
    control(widget, "adapt_folder").setText("~/decrappify-models")
    home(widget, own)
    save_screenshot(viewer, folder / "napari-adapt.png")


def batch(viewer: napari.Viewer, folder: Path, own: Path) -> None:
    """Restore a folder of three movies, a still image and a damaged file."""
    raw = own / "raw"
    raw.mkdir()
    for number, scene in enumerate(("cell", "filaments", "nuclei")):
        noisy = simulate(scene, n_frames=4, size=(128, 128), seed=number).noisy
        save_movie(noisy, raw / f"{scene}.ome.tif")
    save_movie(noisy[:1], raw / "overview.ome.tif")
    (raw / "torn.tif").write_bytes(b"II*\0damaged")
    _, widget = viewer.window.add_plugin_dock_widget("decrappify", "Batch")
    control(widget, "batch_folder").setText(str(own / "results"))
    control(widget, "batch_inputs").parentWidget().add([str(raw)])
    click(widget, "batch_run")
    wait(lambda: control(widget, "batch_run").isEnabled())
    control(widget, "batch_folder").setText("~/decrappify-results")
    home(widget, own)
    save_screenshot(viewer, folder / "napari-batch.png")


def sample(viewer: napari.Viewer) -> Any:
    """Open the simulated movie, hide its reference, and return the noisy layer."""
    viewer.open_sample("decrappify", "simulated_movie")
    noisy, reference = sorted(viewer.layers, key=lambda layer: "reference" in layer.name)
    reference.visible = False
    viewer.dims.set_current_step(0, 12)
    return noisy


def train(viewer: napari.Viewer, folder: Path, own: Path) -> None:
    """Preview a crappifier, then train for MINUTES."""
    viewer.open_sample("decrappify", "degraded_copy")
    clean = next(layer for layer in viewer.layers if "degraded" not in layer.name)
    viewer.layers.remove(next(layer for layer in viewer.layers if layer is not clean))
    viewer.dims.set_current_step(0, 12)
    _, widget = viewer.window.add_plugin_dock_widget("decrappify", "Train")
    control(widget, "train_minutes").setValue(MINUTES)
    control(widget, "train_models").setText("~/decrappify-models")
    control(widget, "train_crappifier_preset").setCurrentText("low-light")
    control(widget, "train_live").setChecked(True)
    wait(lambda: len(viewer.layers) == 2)
    save_screenshot(viewer, folder / "napari-train-setup.png")
    control(widget, "train_live").setChecked(False)
    viewer.layers.selection.active = clean
    control(widget, "train_models").setText(str(own / "models"))
    control(widget, "train_n_frames").setCurrentText("3")
    click(widget, "train_run")
    wait(lambda: late(widget) or control(widget, "train_run").isEnabled())  # a slow run ends before its last step
    save_screenshot(viewer, folder / "napari-train.png")
    control(widget, "train_cancel").click()
    wait(lambda: control(widget, "train_run").isEnabled())


def home(widget: QWidget, own: Path) -> None:
    """Show the paths of the temporary folder as those of the home folder of a user."""
    for label in widget.findChildren(QLabel):
        label.setText(label.text().replace(str(own / "results"), "/home/user/decrappify-results"))
        label.setText(label.text().replace(str(own), "/home/user"))
    for box in widget.findChildren(QListWidget):
        for item in box.findItems("", Qt.MatchFlag.MatchContains):
            item.setText(item.text().replace(str(own), "/home/user"))
    for line in widget.findChildren(QLineEdit):
        line.setText(line.text().replace(str(own / "results"), "~/decrappify-results").replace(str(own), "~"))


def late(widget: QWidget) -> bool:
    """Return whether a training run is nearly complete, so that its curves are."""
    bar = control(widget, "train_progress")
    return bool(bar.maximum() > 0 and bar.value() > 0.9 * bar.maximum())


def control(widget: QWidget, name: str) -> Any:
    """Find a control by its objectName."""
    found = widget.findChild(QWidget, name)
    if found is None:
        raise LookupError(f"no control has the objectName {name!r}")
    return found


def click(widget: QWidget, name: str) -> None:
    """Click a button."""
    control(widget, name).click()


def wait(until: Callable[[], bool]) -> None:
    """Process events of the viewer until a condition is met."""
    deadline = time.monotonic() + PATIENCE_S
    while not until():
        QApplication.processEvents()
        time.sleep(0.01)
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited for {PATIENCE_S:.0f} s")


def settle(seconds: float = 1.5) -> None:
    """Process events until everything is drawn."""
    deadline = time.monotonic() + seconds
    wait(lambda: time.monotonic() > deadline)


def save_screenshot(viewer: napari.Viewer, path: Path) -> None:
    """Save the whole window as a PNG of 256 colors."""
    settle()
    image = Image.fromarray(viewer.screenshot(canvas_only=False, flash=False)).convert("RGB")
    image.quantize(256, method=Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE).save(path, optimize=True)
    sys.stdout.write(f"{path}: {image.size[0]} x {image.size[1]}, {path.stat().st_size // 1000} kB\n")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "docs/images"), sys.argv[2:])
