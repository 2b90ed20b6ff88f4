"""Repetition of requests that fail for a reason that may pass, with a bounded number of attempts and waiting time."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

from decrappify.errors import RemoteError

T = TypeVar("T")

_ADVICE = "check the address and the connection, and repeat the command"


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of the requests to a server, in seconds.

    Attributes
    ----------
    attempts : int
        Requests until an error is raised.
    wait_s, longest_wait_s : float
        Pause after the first failure, doubled after each further one, and the longest pause that a server may request.
    connect_s, silent_s, request_s : float
        Longest time to connect, without a byte of the answer, and for a whole answer.
    """

    attempts: int = 5
    wait_s: float = 0.5
    longest_wait_s: float = 30.0
    connect_s: float = 10.0
    silent_s: float = 30.0
    request_s: float = 300.0


class Passing(Exception):
    """A failure that may pass, such as a broken connection.

    Parameters
    ----------
    reason : str
        What was found, for messages.
    wait_s : float
        Pause that the server requested.
    """

    def __init__(self, reason: str, wait_s: float = 0.0) -> None:
        super().__init__(reason)
        self.reason, self.wait_s = reason, wait_s


class Permanent(Exception):
    """A failure that another attempt does not change, such as denied access.

    Parameters
    ----------
    reason, advice : str
        What was found, and what to do.
    """

    def __init__(self, reason: str, advice: str = _ADVICE) -> None:
        super().__init__(reason)
        self.reason, self.advice = reason, advice


async def repeated(request: Callable[[], Awaitable[T]], what: str, limits: Limits) -> T:
    """Return the result of a request; repeat it after a failure that may pass.

    Parameters
    ----------
    request : callable
        Returns an awaitable; raises `Passing` or `Permanent`.
    what : str
        Address without credentials, for messages.
    limits : Limits
        Number of attempts and pauses.

    Raises
    ------
    RemoteError
        If all attempts fail. It has no cause: the texts of network errors contain addresses with their query.
    """
    started = time.monotonic()
    reason = ""
    for attempt in range(limits.attempts):
        try:
            return await request()
        except Permanent as error:
            permanent = error
            break
        except Passing as error:
            reason, asked = error.reason, error.wait_s
        if attempt + 1 < limits.attempts:
            pause = limits.wait_s * 2**attempt * random.uniform(0.75, 1.25)
            await asyncio.sleep(min(max(pause, asked), limits.longest_wait_s))
    else:
        after = f"after {limits.attempts} attempts in {time.monotonic() - started:.0f} s"
        raise RemoteError(f"{what} cannot be read: {reason}, {after}; {_ADVICE}")
    raise RemoteError(f"{what} cannot be read: {permanent.reason}; {permanent.advice}")
