from __future__ import annotations

import errno
import json
import logging
import os
import socket
import subprocess
import sys
import time
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import psutil
import pytest

from decrappify.errors import OutputError
from decrappify.io.store import locks
from decrappify.io.store.lock_record import Holder, holder_entry, lock_line
from decrappify.io.store.locks import OutputLock, lock_path, locked, locked_folder

OTHER = "another machine"


def write_lock(target: Path, holder: Holder, *entries: dict[str, Any], age_s: float = 0.0) -> None:
    """Write the lock file of a process that ended, or of another machine."""
    lines = b"".join(map(lock_line, (holder_entry(holder), *entries)))
    lock_path(target).write_bytes(lines)
    os.utime(lock_path(target), (time.time() - age_s,) * 2)


def no_locks(descriptor: int, operation: int) -> None:
    raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))


@pytest.fixture(params=["flock", "no flock"])
def system(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """A file system with locks, and one without."""
    if locks.fcntl is None:
        pytest.skip("this system has no flock")
    if request.param == "no flock":
        monkeypatch.setattr(locks.fcntl, "flock", no_locks)
    return str(request.param)


@pytest.mark.usefixtures("system")
def test_second_lock_on_an_output_raises_with_the_holder(tmp_path: Path) -> None:
    (tmp_path / "linked").symlink_to(tmp_path)
    with locked(tmp_path / "cells.ome.zarr"):
        record = lock_path(tmp_path / "cells.ome.zarr").read_bytes()
        holder = json.loads(record)["holder"]
        assert (holder["pid"], holder["host"]) == (os.getpid(), socket.gethostname())
        for same in (tmp_path / "cells.ome.zarr", tmp_path / "linked" / "cells.ome.zarr"):
            message = rf"cells.ome.zarr is being written by process {os.getpid()} on .*wait until it has ended"
            with pytest.raises(OutputError, match=message):
                OutputLock(same)
        with locked(tmp_path / "other.ome.zarr"):
            pass
    with locked(tmp_path / "cells.ome.zarr"):
        pass
    assert [path.name for path in tmp_path.iterdir()] == ["linked"]


INHERITED = """
import os, sys, time
from pathlib import Path
from decrappify.io.store.locks import OutputLock
lock = OutputLock(Path(sys.argv[1]))
os.dup(lock._descriptor)  # not closed in the child
if os.fork() == 0:
    time.sleep(0.2)
    os._exit(0)
print("ready", flush=True)
time.sleep(60)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="a child is forked")
def test_lock_waits_for_a_child_that_closes_the_inherited_file_late(tmp_path: Path) -> None:
    target = tmp_path / "cells.ome.zarr"
    with subprocess.Popen([sys.executable, "-c", INHERITED, str(target)], stdout=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"ready\n"
        process.kill()
        process.wait()
        with locked(target):
            pass


HOLD = """
import os, sys, time
from pathlib import Path
from decrappify.io.store.locks import OutputLock
lock = OutputLock(Path(sys.argv[1]))
(lock.temporary("trash")).mkdir()
child = os.fork()
if child == 0:
    time.sleep(60)
print(child, flush=True)
time.sleep(60)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="a child is forked")
def test_lock_of_a_killed_process_is_taken_over_while_its_child_runs(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    target = tmp_path / "cells.ome.zarr"
    with subprocess.Popen([sys.executable, "-c", HOLD, str(target)], stdout=subprocess.PIPE, text=True) as process:
        child = psutil.Process(int(process.stdout.readline()))
        with pytest.raises(OutputError, match=f"is being written by process {process.pid} on"):
            OutputLock(target)
        process.kill()
        process.wait()
        assert child.is_running()
        with caplog.at_level(logging.WARNING), locked(target):
            assert len(list(tmp_path.iterdir())) == 1  # the folder of the killed run was deleted
        child.kill()
    assert f"process {process.pid} on " in caplog.text
    assert not list(tmp_path.iterdir())


@pytest.mark.usefixtures("system")
def test_lock_of_another_machine_expires_if_it_is_not_updated(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    target = tmp_path / "cells.ome.zarr"
    elsewhere = replace(Holder.present(locked_by_system=True), host=OTHER, boot=OTHER, pid=7)
    write_lock(target, elsewhere, age_s=50)
    with pytest.raises(OutputError, match=r"process 7 on another machine.* updated 50 s ago, expires"):
        OutputLock(target)
    write_lock(target, elsewhere, age_s=500)
    with caplog.at_level(logging.WARNING), locked(target):
        pass
    assert "process 7 on another machine" in caplog.text
    assert not list(tmp_path.iterdir())


@pytest.mark.usefixtures("system")
@pytest.mark.parametrize("pid", [-5, 0, 2**40, 10**30])
def test_lock_with_an_impossible_process_id_is_taken_over(tmp_path: Path, pid: int) -> None:
    target = tmp_path / "cells.ome.zarr"
    write_lock(target, replace(Holder.present(locked_by_system=False), pid=pid))
    with locked(target):
        pass


@pytest.mark.usefixtures("system")
def test_lock_with_a_reused_process_id_is_taken_over(tmp_path: Path) -> None:
    target = tmp_path / "cells.ome.zarr"
    mine = Holder.present(locked_by_system=False)
    write_lock(target, mine)
    with pytest.raises(OutputError, match="is being written by process"):
        OutputLock(target)
    write_lock(target, replace(mine, process_started=mine.process_started - 1000))
    with locked(target):
        pass


def test_only_temporary_names_recorded_by_a_killed_run_are_deleted(tmp_path: Path) -> None:
    target = tmp_path / "cells.ome.zarr"
    kept = [".cells.ome.zarr." + "0" * 32 + ".trash", "cells.ome.zarr.old", "raw.ome.zarr"]
    deleted = ".cells.ome.zarr." + "1" * 32 + ".new"
    for name in (*kept, deleted):
        (tmp_path / name).mkdir()
    gone = replace(Holder.present(locked_by_system=True), process_started=0.0)
    recorded = ["cells.ome.zarr.old", "../outside", "raw.ome.zarr", deleted]
    (tmp_path.parent / "outside").mkdir(exist_ok=True)
    write_lock(target, gone, *({"temporary": name} for name in recorded))
    with locked(target):
        pass
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(kept)
    assert (tmp_path.parent / "outside").is_dir()


@pytest.mark.parametrize("content", [b"", b"\0" * 40, b'{"form', b'\n{"format": "decrappify lock 1", "holder": {"tok'])
def test_truncated_lock_is_taken_over(tmp_path: Path, content: bytes) -> None:
    lock_path(tmp_path / "out.mp4").write_bytes(content)
    with locked(tmp_path / "out.mp4"):
        pass
    assert not list(tmp_path.iterdir())


def test_other_file_with_the_name_of_the_lock_raises_and_is_kept(tmp_path: Path) -> None:
    target = tmp_path / "out.mp4"
    lock_path(target).write_text("notes", encoding="utf-8")
    with pytest.raises(OutputError, match=r"\.out\.mp4\.lock is not a lock of decrappify.*rename it"):
        OutputLock(target)
    assert lock_path(target).read_text(encoding="utf-8") == "notes"


def test_lock_of_a_folder_is_inside_the_folder(tmp_path: Path) -> None:
    with locked_folder(tmp_path):
        assert [path.name for path in tmp_path.iterdir()] == [".decrappify.lock"]
        with pytest.raises(OutputError, match=rf"{tmp_path.name} is being written by process"), locked_folder(tmp_path):
            pass
    assert not list(tmp_path.iterdir())


def test_lock_without_a_thread_for_its_heartbeat_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(thread: Any) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(locks.threading.Thread, "start", fail)
    with locked(tmp_path / "out.mp4"), pytest.raises(OutputError):
        OutputLock(tmp_path / "out.mp4")


def test_long_name_is_locked(tmp_path: Path) -> None:
    with locked(tmp_path / ("a" * 240 + ".ome.zarr")) as lock:
        assert len(lock.temporary("partial", ".zarr").name) < 255
    assert not list(tmp_path.iterdir())


def test_holder_is_equal_after_writing_and_reading() -> None:
    mine = Holder.present(locked_by_system=True)
    entry = json.loads(lock_line(holder_entry(mine)))
    assert Holder(**entry["holder"]) == mine
    assert entry["holder"] == asdict(mine)


def test_message_about_a_holder_is_short_for_a_damaged_lock_file():
    values = dict.fromkeys(("token", "host", "boot", "started", "command"), "x" * 100_000)
    holder = Holder(pid=10**1000, process_started=1.0, locked_by_system=False, **values)
    assert len(str(holder)) < 400


def test_lock_age_is_measured_by_the_clock_of_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = replace(Holder.present(locked_by_system=False), host=OTHER, boot=OTHER)
    write_lock(tmp_path / "out.tif", other, age_s=-86400.0)  # the clock was set back since
    OutputLock(tmp_path / "out.tif").release()
    write_lock(tmp_path / "out.tif", other)
    monkeypatch.setattr(time, "time", lambda: 4e9)  # the clock of this computer, not of the disk
    with pytest.raises(OutputError, match="is being written by process"):
        OutputLock(tmp_path / "out.tif")


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="needs two users")
def test_lock_and_old_output_of_another_user_are_named(tmp_path: Path) -> None:
    for folder in (tmp_path, *tmp_path.parents[:2]):
        folder.chmod(0o777)
    lock = OutputLock(tmp_path / "held.tif")
    (tmp_path / "out.ome.zarr").mkdir()
    (tmp_path / "out.ome.zarr" / "zarr.json").write_text("{}")
    code = (
        "import os, pathlib, logging; from decrappify.io.store.locks import locked; logging.basicConfig()\n"
        "with locked(pathlib.Path('first.tif')) as lock: lock.temporary('new')\n"  # loads modules as the first user
        "os.setuid(65534)\n"
        "with locked(pathlib.Path('out.ome.zarr')) as lock:\n"
        "    new = lock.temporary('new'); new.mkdir(); (new / 'zarr.json').write_text('new')\n"
        "    lock.place(new, overwrite=True)\n"
        "with locked(pathlib.Path('held.tif')): pass"
    )
    ran = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    lock.release()
    assert "could not be deleted (Permission denied) and is kept as" in ran.stderr
    assert f"is being written by another user, process {os.getpid()} on" in ran.stderr
    assert (tmp_path / "out.ome.zarr" / "zarr.json").read_text() == "new"
