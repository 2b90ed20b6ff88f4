"""Requests that fail quickly, over connections of the running test only."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest

from decrappify.io.remote import client
from decrappify.io.remote.attempts import Limits


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    limits = Limits(attempts=3, wait_s=0.01, longest_wait_s=0.05, connect_s=2, silent_s=0.4, request_s=3)
    monkeypatch.setattr(client, "_limits", limits)
    client.close_clients()
    gc.freeze()  # only what the test creates is collected after it: a fraction of a second less per test
    yield
    client.close_clients()
    gc.collect()
