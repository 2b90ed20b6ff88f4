from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

CONFTEST = f"""
import sys
sys.path.insert(0, {str(Path(__file__).parent)!r})
from cpu_time import CpuTime
def pytest_configure(config):
    config.addinivalue_line("markers", "slow: without limit")
    config.pluginmanager.register(CpuTime(allowed=0.3))
"""
TESTS = """
import subprocess, sys, time
import pytest
BURN = "import time\\nwhile time.process_time() < 0.6: pass"
@pytest.fixture
def heavy():
    start = time.process_time()
    while time.process_time() < start + 0.4: pass
def test_idle(): time.sleep(0.4)
def test_busy_in_setup(heavy): pass
def test_busy_child(): subprocess.run([sys.executable, "-c", BURN], check=True)
@pytest.mark.slow
def test_busy_but_slow(heavy): pass
"""


@pytest.mark.slow
def test_cpu_time_of_setup_and_children_counts_and_sleep_does_not(tmp_path):
    (tmp_path / "conftest.py").write_text(CONFTEST, encoding="utf-8")
    (tmp_path / "test_it.py").write_text(TESTS, encoding="utf-8")
    (tmp_path / "pytest.ini").write_text("[pytest]\n", encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(tmp_path)]
    environment = os.environ | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment, timeout=120)
    failed = [
        line.split()[0].rpartition("::")[2] for line in done.stdout.splitlines() if line.startswith("test_it.py::")
    ]
    assert failed == ["test_busy_in_setup", "test_busy_child"], done.stdout
    assert "4 passed, 2 errors" in done.stdout
