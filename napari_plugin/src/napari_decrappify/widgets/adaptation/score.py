"""Live comparison of an adapted model with the given one."""

from __future__ import annotations

from qtpy.QtWidgets import QLabel, QVBoxLayout, QWidget

from napari_decrappify.widgets.running.forms import named
from napari_decrappify.widgets.training.plots import Curve, CurvePlot
from napari_decrappify.workers.models.adapt import Compared

_ADAPTED, _GIVEN, _GAUSSIAN = "#4fc3f7", "#9e9e9e", "#81c784"


class AdaptationScore(QWidget):
    """Plot of the error on held-out frames over the steps, and the latest comparison in words.

    Parameters
    ----------
    name : str
        Prefix of the objectNames.
    """

    def __init__(self, name: str) -> None:
        super().__init__()
        self._compared: list[Compared] = []
        self._plot = named(
            CurvePlot("Error on held-out frames (lower is better)"),
            f"{name}_score",
            "Error on half of the photons of held-out frames: 0 is the given model, 100 the best Gaussian filter",
        )
        self._words = named(QLabel(), f"{name}_comparison", "Latest comparison with the given model")
        self._words.setWordWrap(True)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._plot, 1)
        layout.addWidget(self._words)

    def clear(self) -> None:
        """Remove the comparisons of an earlier run."""
        self._compared.clear()
        self._plot.show_curves([])
        self._words.setText("")

    def add(self, compared: Compared) -> None:
        """Add a comparison."""
        self._compared.append(compared)
        ends = (0.0, float(max(compared.step, 1)))
        self._plot.show_curves(
            [
                Curve("adapted", tuple((each.step, each.error) for each in self._compared), _ADAPTED),
                Curve("given", tuple((step, 0.0) for step in ends), _GIVEN, is_dashed=True),
                Curve("Gaussian", tuple((step, compared.gaussian) for step in ends), _GAUSSIAN, is_dashed=True),
            ]
        )
        self._words.setText(words_of(compared))


def words_of(compared: Compared) -> str:
    """Return a comparison in words.

    >>> words_of(Compared(40, -52.0, 8.0, 100.0, True))
    'step 40: the adapted model is better than the given one (error -52 ± 8; best Gaussian filter 100)'
    """
    if compared.step == 0:
        return "step 0: the given model"
    which = "is better than the given one" if compared.is_better else "is not clearly better than the given one"
    return (
        f"step {compared.step}: the adapted model {which} (error {compared.error:.0f} ± {compared.uncertainty:.0f}; "
        f"best Gaussian filter {compared.gaussian:.0f})"
    )
