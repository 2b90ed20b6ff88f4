"""CPU time of each test: the slowest tests are listed, and tests above the limit fail.

Wall time is not meaningful on a machine under load. CPU time includes all threads, and the processes that a test
started and waited for. Imports and shared fixtures count for the first test that uses them.
"""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Generator
from pathlib import Path

import pytest

# The rule is 10 s on an idle machine; processor type and load change the CPU time by up to a factor of two.
ALLOWED = float(os.environ.get("DECRAPPIFY_TEST_CPU_SECONDS", "20"))
LISTED = 12
WORTH_LISTING = 1.0

try:
    import resource
except ImportError:  # Windows does not count the time of ended child processes
    resource = None


def cpu_seconds() -> float:
    """Return the CPU seconds of this process and of the ended processes that it started."""
    if resource is None:
        return time.process_time()
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


class CpuTime:
    """A pytest plugin that measures every test, including setup and teardown.

    A test that is not marked `slow`, `faults` or `fuzz` and exceeds `allowed` seconds is an error in its teardown; 0
    disables the limit.
    """

    def __init__(self, allowed: float = ALLOWED) -> None:
        self.allowed = allowed
        self.seconds: dict[str, float] = {}
        self._start = 0.0

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, object, object]:
        self._start = cpu_seconds()
        return (yield)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        report = yield
        if call.when != "teardown":
            return report
        seconds = self.seconds[item.nodeid] = cpu_seconds() - self._start
        is_slow = any(item.get_closest_marker(mark) for mark in ("slow", "faults", "fuzz"))
        if report.passed and not is_slow and 0 < self.allowed < seconds:
            report.outcome = "failed"
            report.longrepr = (
                f"{item.nodeid} took {seconds:.1f} s of CPU including setup, {self.allowed:g} s are allowed: use "
                "smaller data or share a fixture (DECRAPPIFY_TEST_CPU_SECONDS sets the limit, 0 for none)"
            )
        return report

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        slowest = sorted(self.seconds.items(), key=lambda entry: entry[1], reverse=True)[:LISTED]
        if any(seconds >= WORTH_LISTING for _, seconds in slowest):
            total = sum(self.seconds.values())
            terminalreporter.section(f"slowest of {len(self.seconds)} tests, which took {total:.0f} s of CPU")
            for name, seconds in slowest:
                if seconds >= WORTH_LISTING:
                    terminalreporter.write_line(f"{seconds:6.1f} s  {name}")
            files: Counter[str] = Counter()
            for name, seconds in self.seconds.items():
                files[name.split("::")[0]] += seconds
            listed = [f"{Path(name).name} {seconds:.0f} s" for name, seconds in files.most_common(LISTED)]
            terminalreporter.write_line(f"  by file: {', '.join(listed)}")
