from __future__ import annotations

import subprocess
import sys

import psutil
import pytest

from decrappify.errors import DeviceMemoryError
from decrappify.limits.memory import available_memory, check_memory, control_group_rooms

MB = 1 << 20
V2_MOUNT = "30 20 0:26 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate\n"
V1_MOUNTS = (
    "31 20 0:28 / /sys/fs/cgroup ro - tmpfs tmpfs ro,mode=755\n"
    "32 31 0:29 {root} /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n"
    "33 31 0:30 {root} /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"
)


def group(folder, **files):
    """Write the files of a control group: values by file name, with _ for the first dot."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, value in files.items():
        (folder / name.replace("memory_", "memory.", 1)).write_text(f"{value}\n")


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"memory_max": 500 * MB, "memory_high": "max"}, [420 * MB]),
        ({"memory_max": 500 * MB, "memory_high": 300 * MB}, [220 * MB]),
        ({"memory_max": 50 * MB, "memory_high": "max"}, [0]),
        ({"memory_max": "max", "memory_high": "max"}, []),
    ],
)
def test_control_group_memory_of_version_2(tmp_path, values, expected):
    top = tmp_path / "sys/fs/cgroup"
    group(top / "job", memory_current=100 * MB, memory_stat=f"anon 1\ninactive_file {20 * MB}\nslab 3", **values)
    assert control_group_rooms("0::/job\n", V2_MOUNT, tmp_path) == expected


def test_control_group_memory_of_nested_groups_counts_every_level(tmp_path):
    top = tmp_path / "sys/fs/cgroup"
    group(top / "slurm", memory_max=1000 * MB, memory_current=950 * MB, memory_stat="inactive_file 0")
    group(top / "slurm/step", memory_max="max", memory_high="max", memory_current=10 * MB)
    group(top / "slurm/step/task", memory_max=800 * MB, memory_current=10 * MB, memory_stat="inactive_file 0")
    assert control_group_rooms("0::/slurm/step/task\n", V2_MOUNT, tmp_path) == [790 * MB, 50 * MB]


@pytest.mark.parametrize(
    ("path", "root", "folder"),
    [("/docker/ab", "/", "docker/ab"), ("/docker/ab", "/docker/ab", ""), ("/../other", "/", ""), ("/gone", "/", "")],
)
def test_control_group_memory_of_version_1(tmp_path, path, root, folder):
    top = tmp_path / "sys/fs/cgroup/memory"
    unlimited = {"memory_limit_in_bytes": 9223372036854771712, "memory_usage_in_bytes": 5 * MB}
    group(top, **unlimited)
    limited = {"memory_limit_in_bytes": 550 * MB, "memory_usage_in_bytes": 60 * MB}
    group(top / folder, **limited, memory_stat=f"inactive_file 1\ntotal_inactive_file {10 * MB}")
    groups = f"5:cpu:{path}\n4:memory:{path}\n0::/\n"
    assert control_group_rooms(groups, V1_MOUNTS.format(root=root), tmp_path) == [500 * MB]


@pytest.mark.parametrize(("groups", "mounts"), [("", ""), ("0::/\n", ""), ("garbage", "31 20 - \n - cgroup2\n")])
def test_control_group_memory_without_groups_is_empty(tmp_path, groups, mounts):
    assert control_group_rooms(groups, mounts, tmp_path) == []


def test_available_memory_is_at_most_that_of_the_host():
    assert 0 < available_memory() <= psutil.virtual_memory().total


def test_check_memory_names_size_and_limit():
    check_memory(1000, "a small frame", "leave it")
    with pytest.raises(DeviceMemoryError, match=r"^frame 3 needs 1000000\.0 GB, .* of memory are free; crop it$"):
        check_memory(10**15, "frame 3", "crop it")


@pytest.mark.skipif(sys.platform != "linux", reason="other systems do not enforce RLIMIT_AS")
def test_available_memory_follows_the_limit_of_the_process():
    code = (
        "import resource; resource.setrlimit(resource.RLIMIT_AS, (400 << 20, 400 << 20));"
        "from decrappify.limits.memory import available_memory; print(available_memory())"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert 100 * MB < int(found) < 400 * MB
