"""Client of a worker: starts it in its own environment and sends requests as JSON lines."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Any

from benchmarks.peers.environments import interpreter

HERE = Path(__file__).parent


class Worker:
    """One method in its own process.

    The output of the method is appended to `log`. If the worker fails, the benchmark exits and shows the end of `log`.
    """

    def __init__(self, method: str, *, environments: Path, log: Path, threads: int = 1, device: str = "cpu") -> None:
        self.method, self.log = method, log
        command = [interpreter(method, environments), HERE / f"{method}_worker.py", str(threads)]
        quiet = {"OMP_NUM_THREADS": str(threads), "OMP_WAIT_POLICY": "passive"}  # waiting threads use no CPU time
        if device == "cpu":
            quiet["CUDA_VISIBLE_DEVICES"] = ""
        with log.open("ab") as prints:
            self._process = subprocess.Popen(
                [str(word) for word in command],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=prints,
                env=os.environ | quiet,
                text=True,
            )

    def ask(self, verb: str, **request: Any) -> dict[str, Any]:
        """Send one request and wait for the answer."""
        stdin, stdout = self._process.stdin, self._process.stdout
        if stdin is None or stdout is None:
            raise RuntimeError("the worker has no pipes")
        plain = {name: str(value) if isinstance(value, Path) else value for name, value in request.items()}
        try:
            stdin.write(json.dumps({"verb": verb, **plain}) + "\n")
            stdin.flush()
        except BrokenPipeError:
            line = ""
        else:
            line = stdout.readline()
        if not line:
            end = self.log.read_text(errors="replace").splitlines()[-30:]
            sys.exit(f"{self.method} failed in {verb!r}; end of {self.log}:\n" + "\n".join(end))
        answer: dict[str, Any] = json.loads(line)
        return answer

    def __enter__(self) -> Worker:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process.stdin is not None:
            self._process.stdin.close()
        try:
            self._process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            self._process.kill()
