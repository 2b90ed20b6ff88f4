"""`decrappify models` and `decrappify presets`."""

from __future__ import annotations

import click

from decrappify._common.terminal import echo, echo_lines
from decrappify.cli.group import Command


@click.command(cls=Command)
@click.argument("name", required=False)
def models(name: str | None) -> None:
    """List the shipped and shared models, or print the card of one (a name or a model file)."""
    from decrappify.model.card import card_text, model_table

    echo_lines(model_table() if name is None else card_text(name))


@click.command(cls=Command)
def presets() -> None:
    """List the crappifier presets."""
    from decrappify.crappify import preset_description, preset_names

    width = max(map(len, preset_names()))
    for name in preset_names():
        echo(f"{name:<{width}}  {preset_description(name)}")
