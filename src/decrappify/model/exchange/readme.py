"""Documentation of a package: use, normalization, limits, training data and validation of a model, as Markdown."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from decrappify._common.counting import counted
from decrappify._common.indented import indented
from decrappify._version import __version__
from decrappify.errors import printable
from decrappify.networks.spec import NetworkSpec
from decrappify.normalization import NormalizationRule

if TYPE_CHECKING:
    from decrappify.model.model import Model

_MOST_SCORES = 40
_WIDTH = 110


def readme(model: Model) -> str:
    """Return the content of README.md."""
    card, spec = model.card, model.network.spec
    frames = counted(spec.n_frames, "frame")
    parts = [
        f"# {printable(model.name)}",
        f"{_sentence(card.get('summary') or 'restoration of microscopy images')} Exported by decrappify {__version__}.",
        "## Input and output",
        " ".join(_input_and_output(spec)),
        "## Normalization",
        *_normalization(model),
        *_list("Limits", card.get("limits")),
        *_list("Pixel sizes of the training images", _pixel_sizes(card.get("pixel_size"))),
        *_list("Training data", card.get("data")),
        *_list("Validation", _scores(card.get("scores"))),
        "To validate the model on your own data, compare its predictions from noisy images with averages or long "
        "exposures of the same fields of view, such as with `decrappify benchmark`.",
        f"{frames}, scale {spec.scale}, {model.n_parameters:,} parameters; SHA-256 of the model (architecture, "
        f"normalization and weights): `{model.sha256}`.",
    ]
    return "\n\n".join(map(_wrapped, parts)) + "\n"


def _input_and_output(spec: NetworkSpec) -> Iterator[str]:
    half = spec.n_frames // 2
    if half:
        yield (
            f"The channel axis contains a window of {spec.n_frames} successive frames of one movie, from t-{half} to "
            f"t+{half}; the prediction is frame t. At the ends of a movie, missing frames are replaced by their mirror "
            "images in time: frame t+1 substitutes for frame t-1 of the first frame."
        )
    else:
        yield "The input is one image."
    if spec.in_channels > 1:
        yield f"Each frame has {spec.in_channels} channels, one after the other."
    if spec.scale > 1:
        yield f"The prediction has {spec.scale} times as many rows and columns; fine detail is estimated."
    yield "Tiles need the stated halo, otherwise seams are visible. Cover and test arrays show a simulated sample."


def _normalization(model: Model) -> Iterator[str]:
    rule = model.normalization.on_source(model.scale)
    if not isinstance(rule, NormalizationRule):
        yield (
            "Images have 8 bits; divide images of 16 bits by 257. Mean and standard deviation of each channel are "
            "those of the preprocessing. The prediction is in the same units: `gray = prediction * std + mean`."
        )
        return
    yield (
        f"decrappify measures one normalization per movie: percentiles {rule.low:g} and {rule.high:g} of the means of "
        f"{rule.bin_size} x {rule.bin_size} pixels, in up to 32 planes, become 0 and 1. The specification of packages "
        "has no such step, so the preprocessing uses percentiles of the pixels of each input: the range is wider in "
        "noisy images, and differs between the windows of a movie. For measurements, normalize the whole movie with "
        "the same two numbers instead, `(gray - low) / (high - low)`, and run the network without preprocessing."
    )
    if model.network.spec.homogeneous:
        yield "The network has no biases: only `low` has an effect on the result in gray levels, and `high` has none."
    yield (
        "Packages have no postprocessing: the prediction is in the units of the normalized input, and "
        "`gray = prediction * (high - low) + low`, with the two percentiles of the input."
    )


def _list(title: str, values: Any) -> Iterator[str]:
    if not values:
        return
    entries = values if isinstance(values, list) else [values]
    texts = ["; ".join(map(str.strip, indented(each))) if isinstance(each, dict) else str(each) for each in entries]
    yield f"## {title}"
    yield "\n".join(f"- {printable(text)}" for text in texts)


def _pixel_sizes(given: Any) -> list[str]:
    return [f"{key}: {value}" for key, value in given.items()] if isinstance(given, dict) else []


def _scores(given: Any) -> Any:
    return given[:_MOST_SCORES] if isinstance(given, list) and given else ["no scores are recorded"]


def _sentence(text: Any) -> str:
    line = printable(text).strip().rstrip(".")
    return f"{line[:1].upper()}{line[1:]}."


def _wrapped(part: str) -> str:
    is_text = not part.startswith(("#", "- "))
    return textwrap.fill(part, _WIDTH, break_long_words=False, break_on_hyphens=False) if is_text else part
