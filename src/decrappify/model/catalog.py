"""Models with a name, shipped or shared, and the file of a model by name or path."""

from __future__ import annotations

from pathlib import Path

from decrappify._common.checks import nearest
from decrappify.errors import MissingFileError
from decrappify.limits.files import check_regular
from decrappify.model.exchange.kinds import is_package
from decrappify.model.shared import IN_RUN_FOLDER, shared_models

_SHIPPED = Path(__file__).parent / "shipped"


def shipped_models() -> dict[str, Path]:
    """Return the models shipped with the package: name to file."""
    return {path.stem: path for path in sorted(_SHIPPED.glob("*.safetensors"))}


def named_models() -> dict[str, Path]:
    """Return the models that can be selected by name: shipped ones, and those in the shared folders.

    A shared model with the name of a shipped one is selected by its path.

    Raises
    ------
    InputError
        If the configuration file of the shared folders is not valid.
    """
    return shared_models() | shipped_models()


def find_model(name_or_path: str | Path) -> Path:
    """Return the file of a shipped or shared model by name, or check the path of a model file or package.

    Raises
    ------
    MissingFileError
        If no model has this name; the message contains the most similar name of a model.
    InputError
        If it is a name, and the configuration file of the shared folders is not valid.
    """
    shipped = shipped_models()
    if isinstance(name_or_path, str) and name_or_path in shipped:
        return shipped[name_or_path]
    path = Path(name_or_path)
    check_regular(path)
    if not path.is_file() and not is_package(path):
        shared = shared_models()
        if isinstance(name_or_path, str) and name_or_path in shared:
            return shared[name_or_path]
        hint = nearest(str(name_or_path), shared | shipped)
        if path.suffix in (".pth", ".pkl"):
            hint = "; nothing is downloaded automatically, the README of jantic/DeOldify links to its weights"
        if (path / IN_RUN_FOLDER).is_file():
            raise MissingFileError(
                f"{name_or_path} is the folder of a training run; pass its model {path / IN_RUN_FOLDER}"
            )
        others = f", nor a shared one ({', '.join(shared)})," if shared else ""
        raise MissingFileError(
            f"{name_or_path} is neither a shipped model ({', '.join(shipped) or 'none'}){others} nor a model file{hint}"
        )
    return path
