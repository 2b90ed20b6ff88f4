"""Progress bars and cancellation."""

import subprocess
import sys
import threading

import pytest

from decrappify._common.progress import cancellable, checked_progress, progress_bar
from decrappify.errors import Cancelled, InputError


def test_checked_progress_accepts_true_false_and_none(capsys):
    assert checked_progress(None) is checked_progress(False) is None
    with progress_bar(checked_progress(True), total=3, desc="restoring", unit="plane", initial=1) as bar:
        bar.update(2)
    assert "restoring: 100%" in capsys.readouterr().err


def test_checked_progress_selects_the_bar_of_a_notebook_without_a_warning():
    pytest.importorskip("ipykernel")  # installed with napari
    code = """
import IPython, ipykernel.zmqshell
from decrappify._common.progress import checked_progress
bars = checked_progress(True)
from tqdm.auto import tqdm
print(bars is tqdm)
"""
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert (result.stdout.split(), result.stderr) == (["True"], "")


def test_checked_progress_raises_for_other_types_and_other_bars():
    arguments = {"total": 3, "desc": "restoring", "unit": "plane", "initial": 0}
    with pytest.raises(InputError, match="progress has type int, expected True or a callable such as tqdm"):
        checked_progress(3)
    with pytest.raises(InputError, match=r"cannot be called as progress\(total=, desc=, unit=, initial=\)"):
        checked_progress(print)(**arguments)
    with pytest.raises(InputError, match=r"returns a dict, expected an object with update\(n\) and close\(\)"):
        checked_progress(dict)(**arguments)


def test_cancellable_bar_raises_after_the_unit_in_which_cancel_is_set(bar):
    cancel = threading.Event()
    progress = cancellable(bar, cancel, "cancelled; nothing was written")
    with progress_bar(progress, total=3, desc="writing", unit="plane") as opened:
        opened.update(1)
        cancel.set()
        with pytest.raises(Cancelled, match="nothing was written"):
            opened.update(1)
    assert (bar.n, bar.closed) == (2, True)
    assert cancellable(None, None, "cancelled") is None
