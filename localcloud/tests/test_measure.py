# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is read from cgroups of both versions, laid out in a folder; test_machines.py measures real containers."""

from __future__ import annotations

from pathlib import Path

import pytest
from localcloud.measure import Meter, Subject

from localcloud import measure

MIB = 2**20
NETWORK = "header\nheader\n  lo: 9 0 0 0 0 0 0 0 9 0\neth0: {received} 1 0 0 0 0 0 0 {sent} 1 0 0\n"


class Host:
    """The files of one container, process 7, that runs under cgroups of `version`."""

    def __init__(self, root: Path, version: int) -> None:
        self.root = root
        self.version = version
        self.clock = 1000.0
        below = "libpod_parent/libpod-abc"
        if version == 1:
            self._write("proc/7/cgroup", f"4:memory:/{below}\n2:cpu,cpuacct:/{below}\n0::/{below}/init.scope\n")
            self.cpu, self.memory = f"cgroup/cpuacct/{below}", f"cgroup/memory/{below}"
        else:
            self._write("proc/7/cgroup", f"0::/{below}/container/init.scope\n")
            self.cpu = self.memory = f"cgroup/{below}"
        self._write(f"{self.memory}/cgroup.procs", "7\n" if version == 1 else "")
        if version == 2:
            self._write(f"{self.memory}/container/init.scope/cgroup.procs", "7\n")
        self._write("proc/7/stat", "7 (a (b) c) R 1 7")

    def _write(self, path: str, text: str) -> None:
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    def use(self, *, seconds: float, cpu: float, memory: int, received: int) -> None:
        """`cpu` in seconds and `received` in bytes since the beginning, `memory` in MiB beside 10 MiB of old files."""
        self.clock += seconds
        if self.version == 1:
            self._write(f"{self.cpu}/cpuacct.usage", f"{round(cpu * 1e9)}\n")
            self._write(f"{self.memory}/memory.usage_in_bytes", f"{(memory + 10) * MIB}\n")
            self._write(f"{self.memory}/memory.stat", f"cache 5\ntotal_inactive_file {10 * MIB}\n")
        else:
            self._write(f"{self.cpu}/cpu.stat", f"usage_usec {round(cpu * 1e6)}\nuser_usec 1\n")
            self._write(f"{self.memory}/memory.current", f"{(memory + 10) * MIB}\n")
            self._write(f"{self.memory}/memory.stat", f"anon 5\ninactive_file {10 * MIB}\n")
        self._write("proc/7/net/dev", NETWORK.format(received=received, sent=0))


@pytest.fixture(params=[1, 2])
def host(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Host:
    given = Host(tmp_path, request.param)
    monkeypatch.setattr(measure, "_CGROUPS", tmp_path / "cgroup")
    monkeypatch.setattr(measure, "_PROCESSES", tmp_path / "proc")
    monkeypatch.setattr(measure.time, "monotonic", lambda: given.clock)
    return given


def test_rates_take_two_measurements(host: Host, tmp_path: Path) -> None:
    asked: list[str] = []

    def pid_of(container: str) -> int:
        asked.append(container)
        return 7

    meter, subject = Meter(pid_of), Subject("web", 2, 1024, tmp_path)
    host.use(seconds=0, cpu=5, memory=256, received=0)
    (first,) = meter.measure([subject])
    assert (first["memory_utilization_percent"], "cpu" in first) == (25.0, False)
    host.use(seconds=10, cpu=15, memory=512, received=20_000_000)
    (second,) = meter.measure([subject])
    assert second["cpu"] == pytest.approx(50)  # 10 s of two processors in 10 s
    assert second["memory_utilization_percent"] == 50.0
    assert (second["public_inbound_bandwidth"], second["public_outbound_bandwidth"]) == (2.0, 0.0)
    assert 1 > second["load_1"] > second["load_5"] > second["load_15"] > 0  # one process runs, since a moment
    assert asked == ["web"]  # podman is not asked again


def test_a_container_that_does_not_run_says_nothing(host: Host, tmp_path: Path) -> None:
    subject = Subject("web", 2, 1024, tmp_path)
    assert Meter(lambda container: 0).measure([subject]) == [{}]
    assert Meter(lambda container: 8).measure([subject]) == [{}]  # it ended between two looks


def test_a_disk_that_is_being_removed_says_nothing(host: Host, tmp_path: Path) -> None:
    host.use(seconds=0, cpu=5, memory=256, received=0)
    assert Meter(lambda container: 7).measure([Subject("web", 2, 1024, tmp_path / "gone")]) == [{}]
