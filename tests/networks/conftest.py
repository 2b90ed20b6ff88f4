"""Reference outputs of the original engines, where the machine has them."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture(scope="session")
def parity() -> Path:
    """The folder of reference outputs, or a skip that says how to get one."""
    folder = os.environ.get("DECRAPPIFY_PARITY")
    if not folder:
        pytest.skip("DECRAPPIFY_PARITY is not set: parity tests need the folder of reference outputs")
    return Path(folder)


@pytest.fixture(scope="session")
def recipe(parity: Path) -> Any:
    """The module that makes the reference weights and inputs."""
    spec = importlib.util.spec_from_file_location("parity_recipe", parity / "recipe.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
