from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def quick_validation(few_validation_patches):
    """Validate all runs on few patches; `tiny_train` and `tiny_nogan` do so themselves, also in other processes."""
