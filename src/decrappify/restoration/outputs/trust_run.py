"""Trust map of a restoration, computed after it and written next to its output."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from decrappify._common.argument_names import setting
from decrappify._common.progress import Cancel, Progress
from decrappify.errors import Cancelled, InputError, OutputExistsError
from decrappify.movie import Movie
from decrappify.noise import NoiseModel
from decrappify.trust import TrustMap, channel_noise, trust_map, trust_path

if TYPE_CHECKING:
    from decrappify.model import Model


@dataclass(frozen=True, slots=True)
class TrustRun:
    """A trust map to compute when the restoration is complete.

    Attributes
    ----------
    measured : Movie
        Input of the restoration.
    models : sequence of NoiseModel
        Noise of each channel.
    output : Path
        Output of the restoration.
    path : Path
        Output of the map.
    """

    measured: Movie
    models: Sequence[NoiseModel]
    output: Path
    path: Path

    def write(
        self, restored: Movie, *, overwrite: bool, resume: bool, progress: Progress | None, cancel: Cancel | None
    ) -> TrustMap:
        """Compute the map of the finished output."""
        settings: dict[str, Any] = {"overwrite": overwrite, "resume": resume, "progress": progress, "cancel": cancel}
        try:
            return trust_map(self.measured, restored, self.models, self.path, **settings)
        except Cancelled as error:
            raise Cancelled(f"{self.output} is complete; {_resume(self.output, self.measured)}") from error


def planned_trust(
    measured: Movie, models: Sequence[Model], output: Path | None, trust: Any, *, overwrite: bool
) -> TrustRun:
    """Check that a trust map can be computed, before the restoration, and calibrate the noise if it is not passed.

    `trust` is True, or the noise of the camera.

    Raises
    ------
    InputError
        Without an output, for a scale above 1, and if the noise is not determined.
    FormatError
        If the format of the output cannot contain maps.
    OutputExistsError
        If the map exists and `overwrite` is False.
    """
    from decrappify.io.store.outputs import check_output
    from decrappify.io.store.working_paths import working_path
    from decrappify.trust.maps import check_format

    if output is None:
        raise InputError(
            f"{setting('trust', True)} needs an output such as 'restored.ome.zarr', next to which the map is written",
            advice="pass one, or call trust_map(movie, restored) afterwards",
            option="output",
        )
    for model in models:
        if model.scale != 1 or model.in_channels != model.network.out_channels:
            raise InputError(
                f"model {model.name!r} has scale {model.scale}, {model.in_channels} input and "
                f"{model.network.out_channels} output channels; trust maps need scale 1 and equal channels"
            )
    path = trust_path(output)
    check_format(path)
    if not overwrite:
        if output.exists() and working_path(path).exists():
            raise OutputExistsError(f"{output} is complete, its trust map is not; {_resume(output, measured)}")
        check_output(path)
    try:
        return TrustRun(measured, channel_noise(measured, None if trust is True else trust), output, path)
    except InputError as error:
        advice = f"{error.advice or 'correct it'}, or restore without a trust map"
        raise InputError(error.problem, advice=advice, option=error.option) from error


def _resume(output: Path, measured: Movie) -> str:
    source = measured.origin or "IN"
    return f"finish it with 'decrappify trust {output} {source}', or trust_map(movie, {str(output)!r}, output=...)"
