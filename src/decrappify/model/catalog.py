"""Models shipped with the package, and the file of a model by name or path."""

from __future__ import annotations

from pathlib import Path

from decrappify._common.checks import nearest
from decrappify.errors import MissingFileError
from decrappify.limits.files import check_regular

_IN_RUN_FOLDER = "model.safetensors"
_SHIPPED = Path(__file__).parent / "shipped"


def shipped_models() -> dict[str, Path]:
    """Return the models shipped with the package: name to file."""
    return {path.stem: path for path in sorted(_SHIPPED.glob("*.safetensors"))}


def find_model(name_or_path: str | Path) -> Path:
    """Return the file of a shipped model by name, or check the path of a model file.

    Raises
    ------
    MissingFileError
        If there is no such model; the message contains the most similar name of a shipped model.
    """
    shipped = shipped_models()
    if isinstance(name_or_path, str) and name_or_path in shipped:
        return shipped[name_or_path]
    path = Path(name_or_path)
    check_regular(path)
    if not path.is_file():
        hint = nearest(str(name_or_path), shipped)
        if path.suffix in (".pth", ".pkl"):
            hint = "; nothing is downloaded automatically, the README of jantic/DeOldify links to its weights"
        if (path / _IN_RUN_FOLDER).is_file():
            raise MissingFileError(
                f"{name_or_path} is the folder of a training run; pass its model {path / _IN_RUN_FOLDER}"
            )
        raise MissingFileError(
            f"{name_or_path} is neither a shipped model ({', '.join(shipped) or 'none'}) nor a model file{hint}"
        )
    return path
