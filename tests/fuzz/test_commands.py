"""Commands with damaged inputs, settings, models, unfinished runs and arguments."""

from __future__ import annotations

import pytest

from . import commands
from .conftest import Fuzz

pytestmark = pytest.mark.fuzz
_PRELOAD = (
    "decrappify.cli", "decrappify.restoration.pipeline", "decrappify.restoration.scenes", "decrappify.io", "zarr",
    "tifffile", "decrappify.crappify", "decrappify.colorization", "decrappify.colorization.film",
    "decrappify.benchmarking.report.report", "decrappify.benchmarking.report.files", "jinja2",
    "decrappify.training.config.run_file", "decrappify.model.importing", "decrappify.model.fastai_import",
    "lightning_fabric",
    "tests.colorization.films", "av", "PIL.Image",
)  # fmt: skip


def test_damaged_commands_end_in_one_line_or_write_a_complete_output(fuzz: Fuzz) -> None:
    fuzz("command", "command", commands.command_folders, 540, preload=_PRELOAD)
