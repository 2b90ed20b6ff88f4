"""Isolation of the registries from components that a test registers."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from decrappify._common.plugins import VARIABLE
from decrappify.crappify import presets
from decrappify.crappify import registry as parts
from decrappify.io.recognition import registry as formats
from decrappify.losses import registry as losses
from decrappify.metrics import registry as built_in_metrics  # noqa: F401  # registers them
from decrappify.metrics.scoring import registered as metrics
from decrappify.networks import registry as networks

REGISTRIES = (parts._PARTS, presets._PRESETS, losses._LOSSES, metrics._METRICS, networks._CLASSES)


@contextmanager
def isolated() -> Iterator[None]:
    """Remove the components and plugins that the block adds, and keep built-in ones that it imports."""
    names = [{*registry._components, *registry._modules} for registry in REGISTRIES]
    registered = list(formats._registered)
    modules, variable = set(sys.modules), os.environ.pop(VARIABLE, None)
    try:
        yield
    finally:
        formats._registered[:] = registered
        for registry, before in zip(REGISTRIES, names, strict=True):
            for name in set(registry._components) - before:
                del registry._components[name], registry._origins[name]
        for name in set(sys.modules) - modules:
            if name.startswith("decrappify_plugin_"):
                del sys.modules[name]
        os.environ.pop(VARIABLE, None)
        if variable is not None:
            os.environ[VARIABLE] = variable
