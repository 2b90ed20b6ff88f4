"""Arguments in messages of the library, in the words of the widgets."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

from decrappify.messages import ArgumentNames, argument_names

_DEVICES = {"auto": "Automatic", "cpu": "CPU"}
# How a control is set to a value, for arguments with a control.
_CONTROLS: dict[str, Callable[[object], str]] = {
    "device": lambda value: f"the device {_DEVICES.get(str(value), str(value))}",
    "fidelity": lambda value: f"the fidelity {value}",
    "frames": lambda value: f"the frames {value}",
    "noise": lambda value: f"{value} as Noise",
    "render_factor": lambda value: f"the render factor {value}",
    "scene": lambda value: f"{str(value)!r} in the widget Scenes",
}
_lock = threading.Lock()
_active = ExitStack()
_depth = 0


class ControlNames(ArgumentNames):
    """Names of arguments as controls of a widget; others are options of the command line.

    Examples
    --------
    >>> names = ControlNames()
    >>> names.setting("device", "cpu"), names.has("device", "cpu")
    ('the device CPU', True)
    >>> names.setting("absent_chunks", "fill"), names.setting("overwrite", True), names.has("overwrite", True)
    ('--absent-chunks fill on the command line', '--overwrite on the command line', False)
    """

    def argument(self, name: str) -> str:
        """Return the name of a control."""
        return name.replace("_", " ")

    def setting(self, name: str, value: object) -> str:
        """Return how the user sets a control, or an option of the command line, to a value."""
        if name in _CONTROLS:
            return _CONTROLS[name](value)
        given = "" if value is True else f" {value}"
        return f"--{name.replace('_', '-')}{given} on the command line"

    def has(self, name: str, value: object) -> bool:
        """Return whether there is a control for an argument."""
        return name in _CONTROLS


@contextmanager
def control_names() -> Iterator[None]:
    """Name controls in the messages created within this context, in any number of threads at the same time."""
    global _depth
    with _lock:
        if _depth == 0:
            _active.enter_context(argument_names(ControlNames()))
        _depth += 1
    try:
        yield
    finally:
        with _lock:
            _depth -= 1
            if _depth == 0:
                _active.close()
