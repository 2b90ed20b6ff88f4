"""Detection of remote stores that were replaced or removed after they were opened."""

from __future__ import annotations

from collections.abc import Sequence

from zarr.core.sync import sync

from decrappify.errors import FormatError
from decrappify.io.remote.store import RemoteStore


class RemoteGuard:
    """State of the metadata documents of a remote array at the time it was opened.

    A server whose files were removed answers as one that never had them: chunks would be read as the fill value.

    Parameters
    ----------
    store : RemoteStore
        Store of the array.
    names : sequence of str
        Names of its documents; absent ones are ignored.
    """

    def __init__(self, store: RemoteStore, names: Sequence[str]) -> None:
        self._store = store
        states = sync(store.states(names))
        self._opened = {name: state for name, state in zip(names, states, strict=True) if state is not None}

    def check(self) -> None:
        """Raise FormatError if a document was removed or changed since the array was opened."""
        names = list(self._opened)
        for name, state in zip(names, sync(self._store.states(names)), strict=True):
            if state is None:
                raise FormatError(
                    f"{self._store.address / name} was removed after it was opened; restore it on the server, and "
                    "repeat the run"
                )
            if state != self._opened[name]:
                raise FormatError(
                    f"{self._store.address / name} was changed after it was opened, so its frames may not belong "
                    "together; wait until the store is complete, and repeat the run"
                )
