"""Progress of a training run: curves of PSNR and loss, and a validation patch."""

from __future__ import annotations

from qtpy.QtWidgets import QVBoxLayout, QWidget

from napari_decrappify.widgets.running.forms import named
from napari_decrappify.widgets.training.patch_strip import PatchStrip
from napari_decrappify.widgets.training.plots import Curve, CurvePlot
from napari_decrappify.workers.models.train import Validated

_RESTORED, _DEGRADED, _GAUSSIAN, _LOSS = "#4fc3f7", "#9e9e9e", "#81c784", "#ffb74d"


class TrainingProgress(QWidget):
    """Page with the curves and the patch.

    Parameters
    ----------
    name : str
        Prefix of the objectNames.
    """

    def __init__(self, name: str) -> None:
        super().__init__()
        self.psnr = named(CurvePlot("Validation PSNR (dB)"), f"{name}_psnr", "Validation PSNR on held-out images")
        self.loss = named(CurvePlot("Training loss"), f"{name}_loss", "Mean loss of the training steps")
        self.patches = named(
            PatchStrip(),
            f"{name}_patches",
            "Part of a held-out image at the latest validation: degraded, best Gaussian, restored and reference",
        )
        layout = QVBoxLayout(self)
        layout.addWidget(self.psnr, 1)
        layout.addWidget(self.loss, 1)
        layout.addWidget(self.patches, 1)

    def clear(self) -> None:
        """Remove the curves of an earlier run."""
        for plot in (self.psnr, self.loss):
            plot.show_curves([])

    def show_validation(self, validated: Validated) -> None:
        """Show the curves up to a validation, and its patch."""

        def points(key: str) -> tuple[tuple[float, float], ...]:
            return tuple((line["step"], line[key]) for line in validated.log)

        self.psnr.show_curves(
            [
                Curve("restored", points("psnr"), _RESTORED),
                Curve("Gaussian", points("psnr_gaussian"), _GAUSSIAN, is_dashed=True),
                Curve("degraded", points("psnr_source"), _DEGRADED, is_dashed=True),
            ]
        )
        self.loss.show_curves([Curve("loss", points("loss"), _LOSS)])
        captions = ("degraded", "Gaussian", "restored", "reference")
        self.patches.show_images(list(zip(captions, validated.patch, strict=True)))
