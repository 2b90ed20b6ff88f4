"""Names of arguments in messages, which graphical interfaces replace by their controls."""

from __future__ import annotations

from decrappify._common.argument_names import ArgumentNames as ArgumentNames
from decrappify._common.argument_names import argument_names as argument_names

__all__ = ["ArgumentNames", "argument_names"]
