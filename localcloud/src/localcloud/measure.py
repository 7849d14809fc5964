# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What containers use, read from their cgroups (version 1 or 2) and from /proc: no process is started for it."""

from __future__ import annotations

import math
import os
import re
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

_CGROUPS = Path("/sys/fs/cgroup")
_PROCESSES = Path("/proc")
_LOADS = {"load_1": 60, "load_5": 300, "load_15": 900}  # seconds over which the load is smoothed


@dataclass(frozen=True)
class Subject:
    """A container to measure. `cpus` and `memory_mib` are what 100 % is, `disk` lies on the file system in question."""

    container: str
    cpus: float
    memory_mib: int
    disk: Path


@dataclass
class _Before:
    """What the last measurement of a container leaves to the next one."""

    pid: int
    at: float
    cpu: float  # seconds used
    traffic: dict[str, tuple[int, int]]  # interface -> bytes received, sent
    loads: dict[str, float] = field(default_factory=lambda: dict.fromkeys(_LOADS, 0.0))


class Meter:
    """Rates need two measurements: the first one of a container tells only what holds at a moment."""

    def __init__(self, pid_of: Callable[[str], int]) -> None:
        self._pid_of = pid_of  # of a container's first process, 0 when it does not run
        self._before: dict[str, _Before] = {}

    def measure(self, subjects: Iterable[Subject]) -> list[dict[str, float]]:
        """One dictionary a subject, with the names of the droplets' alert policies; empty when it does not run."""
        subjects = list(subjects)
        found = [self._measure(subject) for subject in subjects]
        known = {subject.container for subject in subjects}
        self._before = {name: before for name, before in self._before.items() if name in known}
        return found

    def _measure(self, subject: Subject) -> dict[str, float]:
        name = subject.container
        before = self._before.pop(name, None)
        pid = before.pid if before is not None and _is_container(before.pid) else self._pid_of(name)
        if not pid:
            return {}
        try:
            now = _Before(pid, time.monotonic(), _cpu_seconds(pid), _traffic(pid))
            memory, waiting = _memory(pid), _running(pid)
            usage = os.statvfs(subject.disk)
        except (OSError, ValueError):  # it ended meanwhile
            return {}
        self._before[name] = now
        found = {
            "memory_utilization_percent": min(100.0, 100 * memory / (subject.memory_mib * 2**20)),
            "disk_utilization_percent": 100 * (1 - usage.f_bavail / usage.f_blocks),
        }
        if before is None or before.pid != pid or now.at <= before.at:
            return found
        seconds = now.at - before.at
        for load, period in _LOADS.items():
            weight = math.exp(-seconds / period)
            now.loads[load] = before.loads[load] * weight + waiting * (1 - weight)
        found |= now.loads
        found["cpu"] = min(100.0, 100 * (now.cpu - before.cpu) / seconds / subject.cpus)
        for network, interface in (("public", "eth0"), ("private", "eth1")):
            if interface in now.traffic and interface in before.traffic:
                for direction, index in (("inbound", 0), ("outbound", 1)):
                    moved = now.traffic[interface][index] - before.traffic[interface][index]
                    found[f"{network}_{direction}_bandwidth"] = moved / seconds / 1e6
        return found


def _is_container(pid: int) -> bool:
    try:
        return "libpod-" in (_PROCESSES / str(pid) / "cgroup").read_text()
    except OSError:
        return False


def _cgroup(pid: int, controller: str) -> Path:
    """The container's own cgroup, which its systemd may have left for one below it."""
    unified = None
    for line in (_PROCESSES / str(pid) / "cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        path = re.sub(r"(/container)?/init\.scope$", "", path)
        if controller in controllers.split(","):
            return _CGROUPS / controller / path.lstrip("/")  # a link where controllers share a hierarchy
        if not controllers:
            unified = _CGROUPS / path.lstrip("/")
    if unified is None:
        raise ValueError(f"process {pid} has no cgroup for {controller}")
    return unified


def _cpu_seconds(pid: int) -> float:
    folder = _cgroup(pid, "cpuacct")
    if (folder / "cpuacct.usage").exists():
        return int((folder / "cpuacct.usage").read_text()) / 1e9
    return _stat(folder / "cpu.stat")["usage_usec"] / 1e6


def _memory(pid: int) -> int:
    """Bytes in use, without the pages that hold files nobody uses now."""
    folder = _cgroup(pid, "memory")
    if (folder / "memory.usage_in_bytes").exists():
        used = int((folder / "memory.usage_in_bytes").read_text())
        return used - _stat(folder / "memory.stat")["total_inactive_file"]
    return int((folder / "memory.current").read_text()) - _stat(folder / "memory.stat")["inactive_file"]


def _stat(file: Path) -> dict[str, int]:
    return {name: int(value) for name, value in (line.split() for line in file.read_text().splitlines())}


def _running(pid: int) -> int:
    """Processes that run, wait for a processor or for a disk, which is what a load counts."""
    count = 0
    for listed in _cgroup(pid, "memory").rglob("cgroup.procs"):
        for process in listed.read_text().split():
            try:
                state = (_PROCESSES / process / "stat").read_text().rpartition(")")[2].split()[0]
            except OSError:
                continue
            count += state in "RD"
    return count


def _traffic(pid: int) -> dict[str, tuple[int, int]]:
    found = {}
    for line in (_PROCESSES / str(pid) / "net/dev").read_text().splitlines()[2:]:
        name, _, numbers = line.partition(":")
        fields = numbers.split()
        found[name.strip()] = (int(fields[0]), int(fields[8]))
    return found
