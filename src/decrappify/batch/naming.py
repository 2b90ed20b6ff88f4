"""Names of outputs: a template, scenes, and collisions."""

from __future__ import annotations

import string
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from decrappify._common.argument_names import setting
from decrappify.batch.inputs import Source
from decrappify.errors import InputError
from decrappify.io.recognition.registry import plain_stem, writer_for
from decrappify.io.scene_names import scene_outputs, scene_parts

FIELDS = ("stem", "name", "folder", "scene", "scene_number")
DEFAULT = "{stem}.ome.zarr"


@dataclass(frozen=True, slots=True)
class NameTemplate:
    """Template of the names of outputs, such as ``{stem}_restored.ome.tif``.

    Attributes
    ----------
    text : str
        With the fields ``{stem}`` (name of the input without suffix), ``{name}`` (with suffix), ``{folder}`` (of the
        input), ``{scene}`` and ``{scene_number}``. The suffix determines the format.

    Raises
    ------
    InputError
        If a field is unknown, or the template contains a path.
    FormatError
        If the suffix is not a supported output format.

    Examples
    --------
    >>> template = NameTemplate("{stem}_restored.ome.tif")
    >>> [path.name for path in template.outputs(Source(Path("raw/cells.czi")), ["A1", "A2"])]
    ['cells_restored_A1.ome.tif', 'cells_restored_A2.ome.tif']
    """

    text: str = DEFAULT

    def __post_init__(self) -> None:
        try:
            used = [name for _, name, _, _ in string.Formatter().parse(self.text) if name is not None]
        except ValueError as error:
            raise InputError(f"{setting('name', self.text)} is not a valid template: {error}") from error
        unknown = [name for name in used if name not in FIELDS]
        if unknown:
            fields = ", ".join(f"{{{name}}}" for name in FIELDS)
            raise InputError(f"{setting('name', self.text)} has the unknown field {{{unknown[0]}}}, expected {fields}")
        if "/" in self.text or "\\" in self.text or self.text in (".", ".."):
            raise InputError(
                f"{setting('name', self.text)} is a path, expected a file name; the folder of the outputs is separate"
            )
        writer_for(Path(self.text))

    def outputs(self, source: Source, scenes: Sequence[str]) -> list[Path]:
        """Return one path per scene, relative to the folder of the outputs."""
        absolute = source.path.absolute()
        values = {"stem": plain_stem(absolute.name), "name": absolute.name, "folder": absolute.parent.name}
        names_scenes = any(name in ("scene", "scene_number") for _, name, _, _ in string.Formatter().parse(self.text))
        parts = scene_parts(scenes)
        names = [self.text.format(**values, scene=part, scene_number=number) for number, part in enumerate(parts)]
        outputs = [Path(source.folder) / name for name in names]
        if names_scenes or len(scenes) == 1:
            return outputs
        return scene_outputs(outputs[0], scenes)


def check_collisions(outputs: Iterable[tuple[Path, Source]], template: NameTemplate | None = None) -> None:
    """Raise InputError if two inputs would be written to one output; names that differ in case only are equal.

    Parameters
    ----------
    outputs : iterable of (Path, Source)
        Outputs and inputs.
    template : NameTemplate, optional
        The template, if the user can choose one.

    Raises
    ------
    InputError
        The message names the first two inputs.
    """
    taken: dict[str, tuple[Path, Source]] = {}
    for output, source in outputs:
        key = unicodedata.normalize("NFC", str(output)).casefold()
        if key in taken:
            first_output, first = taken[key]
            other = f" and {output}" if str(output) != str(first_output) else ""
            raise InputError(
                f"{first.path} and {source.path} would both be written to {first_output}{other}; {_ways(template)}"
            )
        taken[key] = output, source


def _ways(template: NameTemplate | None) -> str:
    """Return the advice for two inputs with one output."""
    if template is None:
        return "rename one of them, or write them to different folders"
    texts = [template.text.replace("{stem}", field) for field in ("{name}", "{folder}_{stem}")]
    texts = [text for text in texts if text != template.text] or ["{name}.ome.zarr"]
    return f"use a template with another field, such as {' or '.join(setting('name', text) for text in texts)}"
