"""Unique names of compared models, from their cards and paths."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from decrappify.errors import InputError
from decrappify.model import find_model, named_models, read_card
from decrappify.model.fastai_import.kinds import is_checkpoint


def unique_names(models: Sequence[str]) -> dict[str, str]:
    """Return a unique name for each of several shipped or shared models, or model files, in their order.

    A shipped or shared model keeps its name, a file has the name on its card. Names that occur twice are extended by
    the name of the file and as many of its parent folders as needed, such as ``mine (run_a/model)``.

    Raises
    ------
    InputError
        If the same model is given twice.
    MissingFileError, ModelFileError
        If one is not a model.
    """
    paths = [find_model(model).resolve() for model in models]
    twice = [model for model, path in zip(models, paths, strict=True) if paths.count(path) > 1]
    if twice:
        raise InputError(f"model {twice[-1]} is listed twice; pass each model once")
    names = [_own_name(model, path) for model, path in zip(models, paths, strict=True)]
    alike = {name for name, count in Counter(names).items() if count > 1}
    for name in alike:
        members = [i for i, own in enumerate(names) if own == name]
        for i, ending in zip(members, _endings([paths[i] for i in members]), strict=True):
            names[i] = f"{name} ({ending})"
    return dict(zip(names, models, strict=True))


def _own_name(model: str, path: Path) -> str:
    if model in named_models():
        return model
    if is_checkpoint(path):
        return path.stem
    card = read_card(path).get("card")
    name = card.get("name") if isinstance(card, dict) else None
    return " ".join(name.split()) if isinstance(name, str) and name.strip() else path.stem


def _endings(paths: Sequence[Path]) -> list[str]:
    """Return the shortest ends of different paths that differ from each other."""
    parts = [[*path.parts[:-1], path.stem] for path in paths]
    for length in range(1, max(map(len, parts)) + 1):
        endings = ["/".join(part[-length:]) for part in parts]
        if len(set(endings)) == len(endings):
            return endings
    return [str(path) for path in paths]  # they differ only in their suffixes
