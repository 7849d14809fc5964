# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Droplets: containers that boot systemd from a disk of their own.

A droplet's disk is an overlay over the image, kept in the state directory: it outlives the container, which is made
anew at every boot. So power off, resize and a crash lose nothing but what was in memory, as with a real machine.
"""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path

from localcloud import hosts
from localcloud.hosts import Podman
from localcloud.machines import DropletSpec, MachineError
from localcloud.network import DNS_ADDRESS, attach, vpc_network

_PREFIX = "localcloud-droplet-"
# beyond podman's own: what a system needs to boot, to sandbox its units, to filter and to look at its network
_CAPABILITIES = "SYS_ADMIN,SYS_BOOT,NET_ADMIN,NET_RAW,AUDIT_WRITE,MKNOD,SYS_PTRACE,SYS_NICE,SYS_CHROOT,IPC_LOCK,SETPCAP"
_BOOT_TIMEOUT = 60.0  # seconds
# exit statuses of a container with CAP_SYS_BOOT: 128 + the signal by which reboot(2) ends a PID namespace
EXIT_REBOOT = 129

_USER_DATA_UNIT = """[Unit]
Description=Run the user data of this droplet once
After=network.target ssh.service
ConditionPathExists=!/var/lib/cloud/instance/boot-finished

[Service]
Type=oneshot
ExecStart=/var/lib/cloud/instance/user-data.txt
ExecStopPost=/usr/bin/touch /var/lib/cloud/instance/boot-finished

[Install]
WantedBy=multi-user.target
"""


def container(droplet_id: int) -> str:
    return f"{_PREFIX}{droplet_id}"


def droplet_id(container_name: str) -> int | None:
    """The droplet whose container this is, None for any other container."""
    number = container_name.removeprefix(_PREFIX)
    return int(number) if container_name.startswith(_PREFIX) and number.isdigit() else None


class Disk:
    """The root file system of one droplet below `folder`: `image` names its base, `upper` holds what differs."""

    def __init__(self, podman: Podman, folder: Path) -> None:
        self._podman = podman
        self.folder = folder
        self.root = folder / "root"

    def mount(self, image: str, spec: DropletSpec) -> None:
        """Mount the disk, made and furnished for its first boot when it is new."""
        record = self.folder / "image"
        new = not record.exists()
        if new:
            shutil.rmtree(self.folder, ignore_errors=True)
            for name in ("upper", "work", "root"):
                (self.folder / name).mkdir(parents=True)
        base = image if new else record.read_text()
        if not self.root.is_mount():
            lower = self._podman("image", "mount", base).strip()
            options = f"lowerdir={lower},upperdir={self.folder / 'upper'},workdir={self.folder / 'work'}"
            try:
                hosts.run(["mount", "-t", "overlay", "-o", options, "localcloud", str(self.root)])
            except MachineError as error:
                raise MachineError(
                    f"{self.folder} cannot hold a droplet's disk (an overlay; ext4 and xfs can, a container's own "
                    f"file system cannot; choose another --state folder): {error}"
                ) from None
        if new:
            _furnish(self.root, spec)
            record.write_text(base)

    def unmount(self) -> None:
        if self.root.is_mount():
            hosts.run(["umount", str(self.root)])

    def delete(self) -> None:
        self.unmount()
        shutil.rmtree(self.folder, ignore_errors=True)


def unmount_all(besides: Path | None = None) -> None:
    """Unmount the disks of all droplets on this host, whatever cloud they are of, but those below `besides`."""
    for line in Path("/proc/mounts").read_text().splitlines():
        source, target, kind = line.split(" ")[:3]
        root = Path(target.encode().decode("unicode_escape"))  # a space stands there as \040
        if (source, kind) == ("localcloud", "overlay") and not (besides and root.is_relative_to(besides)):
            hosts.run(["umount", str(root)])


def check_user_data(user_data: str) -> None:
    if user_data and not user_data.startswith("#!"):
        raise MachineError("localcloud's droplets take a script (#!...) as user_data, not cloud-init's other formats")


def _furnish(root: Path, spec: DropletSpec) -> None:
    """What cloud-init does at the first boot: name, keys, resolver, user data."""
    (root / "etc/hostname").write_text(f"{spec.name}\n")
    (root / "etc/hosts").write_text(
        f"127.0.0.1 localhost\n127.0.1.1 {spec.name}\n::1 localhost ip6-localhost ip6-loopback\n"
    )
    (root / "etc/resolv.conf").unlink(missing_ok=True)
    (root / "etc/resolv.conf").write_text(f"nameserver {DNS_ADDRESS}\n")
    keys = root / "root/.ssh/authorized_keys"
    keys.write_text("".join(f"{key.strip()}\n" for key in spec.authorized_keys))
    keys.chmod(0o600)
    if spec.user_data:
        script = root / "var/lib/cloud/instance/user-data.txt"
        script.parent.mkdir(parents=True)
        script.write_text(spec.user_data)
        script.chmod(0o700)
        unit = root / "etc/systemd/system/user-data.service"
        unit.write_text(_USER_DATA_UNIT)
        wants = unit.parent / "multi-user.target.wants"
        wants.mkdir(exist_ok=True)
        (wants / unit.name).symlink_to(unit.relative_to(root).as_posix().join(("/", "")))


def hostname(root: Path) -> str:
    """The name by which the droplet calls itself, which it may have changed since it was made."""
    return (root / "etc/hostname").read_text().strip() or "localhost"


def processors(spec: DropletSpec) -> int:
    """No more than the host has."""
    return min(spec.vcpus, os.cpu_count() or 1)


def arguments(podman: Podman, spec: DropletSpec, root: Path) -> list[str]:
    """podman's arguments that boot this droplet from its mounted disk."""
    found = [
        f"--name={container(spec.id)}",
        "--no-hosts",
        "--dns=none",
        "--systemd=always",
        f"--cap-add={_CAPABILITIES}",
        f"--shm-size={spec.memory_mib // 2}m",
        attach(spec.public_ip),
        attach(spec.private_ip, vpc_network(spec.vpc_id), "eth1"),
    ]
    if podman.cgroup_v1:
        # systemd 257 refuses the legacy hierarchy unless told so twice
        found.append(
            "--env=SYSTEMD_PROC_CMDLINE=SYSTEMD_CGROUP_ENABLE_LEGACY_FORCE=1 systemd.unified_cgroup_hierarchy=0"
        )
    if podman.info["host"]["security"]["apparmorEnabled"]:
        found.append(
            "--security-opt=apparmor=unconfined"
        )  # the default profile forbids mounts, so sandboxed units fail
    controllers = podman.info["host"]["cgroupControllers"]
    if "memory" in controllers:
        found += [f"--memory={spec.memory_mib}m", f"--memory-swap={spec.memory_mib}m"]
    if "cpu" in controllers:
        found.append(f"--cpus={processors(spec)}")
    return [*found, "--rootfs", str(root), "/lib/systemd/systemd"]


def _free_hostname(pid: int) -> None:
    """podman mounts a file of its own over /etc/hostname, so that a droplet could not change its name.

    umount needs the PID namespace as well, for /proc/self.
    """
    if " /etc/hostname " in Path(f"/proc/{pid}/mountinfo").read_text():
        hosts.run(["nsenter", f"--target={pid}", "--mount", "--pid", "umount", "/etc/hostname"])


def wait_for_systemd(podman: Podman, name: str) -> None:
    deadline = time.monotonic() + _BOOT_TIMEOUT
    while pid := podman.container_pid(name):
        # the private socket exists once systemd manages units
        if Path(f"/proc/{pid}/root/run/systemd/private").exists():
            _free_hostname(pid)
            return
        if time.monotonic() > deadline:
            break
        time.sleep(0.1)
    words = podman.last_words(name)
    raise MachineError(f"{name} {'has not booted' if pid else 'ended while booting'}; its last words: {words}")
