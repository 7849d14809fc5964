# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The container images: Debian, straight from the host's own mirror.

An image's tag is a digest of its recipe, so one that exists is never built again and a changed recipe never meets an
old image. Droplets get one thin layer more, with what differs between hosts and clouds: authorities, sources, proxies.
"""

from __future__ import annotations

import hashlib
import io
import json
import subprocess
import sys
import tarfile
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import IO, cast

from localcloud import hosts
from localcloud.hosts import AptSources, Podman, Progress
from localcloud.machines import MachineError

CACHE = Path("/var/cache/localcloud")  # packages as downloaded, for all clouds of this host
DROPLET_SUITE = "trixie"
_REPOSITORY = "localhost/localcloud"


@dataclass(frozen=True)
class Recipe:
    """One image. `script` runs in the new root directory ($1) after the packages are installed."""

    name: str
    suite: str
    packages: tuple[str, ...]
    before: str = ""  # shell, run before the packages are installed
    script: str = ""

    @property
    def tag(self) -> str:
        recipe = json.dumps([self.suite, self.packages, self.before, self.script, _COMMON_SCRIPT])
        return f"{_REPOSITORY}-{self.name}:{hashlib.sha256(recipe.encode()).hexdigest()[:16]}"


# mmdebstrap leaves its own build settings behind: without this, images would never install Recommends nor manual pages
_COMMON_SCRIPT = 'rm -f "$1"/etc/apt/apt.conf.d/99mmdebstrap "$1"/etc/dpkg/dpkg.cfg.d/99mmdebstrap'

# what a provider's Debian image has on it, no more: roles must install what they need
_DROPLET = Recipe(
    name="droplet",
    suite=DROPLET_SUITE,
    packages=(
        *("systemd", "systemd-sysv", "dbus", "libpam-systemd", "openssh-server", "openssh-sftp-server", "sudo"),
        "systemd-timesyncd",
        *("python3", "python3-apt", "unattended-upgrades", "apt-utils", "cron", "logrotate"),
        *("ca-certificates", "curl", "openssl", "tzdata", "less", "vim-tiny", "nano"),
        *("iproute2", "iputils-ping", "procps", "nftables", "netbase", "bash-completion"),
    ),
    script="""
        rm -f "$1"/etc/ssh/ssh_host_*
        : > "$1"/etc/machine-id
        rm -f "$1"/var/lib/dbus/machine-id "$1"/etc/hostname
        ln -sf /usr/share/zoneinfo/Etc/UTC "$1"/etc/localtime
        echo "LANG=C.UTF-8" > "$1"/etc/default/locale
        sed -i "s/^#*PermitRootLogin .*/PermitRootLogin prohibit-password/" "$1"/etc/ssh/sshd_config
        rm -f "$1"/usr/sbin/policy-rc.d
        # the container's interfaces come up configured; nothing in it may wait for them or change them
        chroot "$1" systemctl mask systemd-networkd-wait-online.service getty@tty1.service console-getty.service
        mkdir -p "$1"/var/log/journal "$1"/root/.ssh
        chmod 700 "$1"/root/.ssh
    """,
)
_PG = Recipe(
    name="pg",
    suite="bookworm",  # the release whose PostgreSQL is 15
    packages=("postgresql-15", "pgbouncer", "openssl"),
    before="""
        mkdir -p "$1"/etc/postgresql-common
        echo "create_main_cluster = false" > "$1"/etc/postgresql-common/createcluster.conf
    """,
)
_SERVICES = Recipe(
    name="services",
    suite="trixie",
    packages=("valkey-server", "radosgw", "caddy", "bind9", "bind9-utils", "haproxy", "ca-certificates", "openssl"),
)
RECIPES = {recipe.name: recipe for recipe in (_DROPLET, _PG, _SERVICES)}

_PHASES = ("apt-get update", "downloading", "installing", "tarball")  # of mmdebstrap, worth telling
_NO_DOCS = ("man", "doc", "locale", "info")


def ensure_images(podman: Podman, say: Progress) -> dict[str, str]:
    """Build what is missing, all at once; {name: tag}. `say` gets lines for a person who waits."""
    with hosts.locked(CACHE / "build.lock"):
        missing = [recipe for recipe in RECIPES.values() if not podman.image_exists(recipe.tag)]
        if missing:
            sources = AptSources()
            say(f"building images {', '.join(recipe.name for recipe in missing)} (about two minutes, once)")
            with ThreadPoolExecutor(len(missing)) as pool:
                for built in [pool.submit(_build, podman, recipe, sources, say) for recipe in missing]:
                    built.result()
    return {name: recipe.tag for name, recipe in RECIPES.items()}


def _build(podman: Podman, recipe: Recipe, sources: AptSources, say: Progress) -> None:
    cache = CACHE / recipe.suite
    cache.mkdir(parents=True, exist_ok=True)
    command = ["mmdebstrap", "--mode=root", "--variant=minbase", "--format=tar", "--dpkgopt=force-unsafe-io"]
    command += ["--aptopt=APT::Install-Recommends false", '--aptopt=Acquire::Languages "none"']
    command += [f'--aptopt={key} "{value}"' for key, value in sources.settings]
    command += [f"--dpkgopt=path-exclude=/usr/share/{folder}/*" for folder in _NO_DOCS]
    command += ["--dpkgopt=path-include=/usr/share/doc/*/copyright"]
    # packages are kept for the next build; links where the file system allows them
    archives = '"$1"/var/cache/apt/archives'
    fill = f"mkdir -p {archives}; cp -l {cache}/*.deb {archives}/ || cp {cache}/*.deb {archives}/ || true"
    save = f"cp -ln {archives}/*.deb {cache}/ 2>/dev/null || cp -n {archives}/*.deb {cache}/ || true"
    command += ["--skip=download/empty", "--skip=essential/unlink", f"--setup-hook={fill}", f"--customize-hook={save}"]
    if recipe.before:
        command += [f"--essential-hook={recipe.before}"]
    if recipe.script:
        command += [f"--customize-hook=set -e\n{recipe.script}"]
    # `|| true` of the hooks must not hide a failed one, hence one hook per purpose
    command += [f"--customize-hook={_COMMON_SCRIPT}", f"--include={','.join(recipe.packages)}"]
    command += [recipe.suite, "-", "-"]

    started = time.monotonic()
    log_file = CACHE / f"build-{recipe.name}.log"
    with log_file.open("wb") as log:
        build = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        pipes = cast("tuple[IO[bytes], IO[bytes], IO[bytes]]", (build.stdin, build.stdout, build.stderr))
        lines, archive, progress = pipes
        lines.write("\n".join(sources.lines(recipe.suite)).encode() + b"\n")
        lines.close()
        load = podman.popen("import", "--quiet", "-", stdin=archive, stdout=subprocess.PIPE, stderr=log)
        archive.close()
        for line in progress:
            log.write(line)
            phase = line.decode(errors="replace").strip().rstrip(".")
            if phase.startswith("I: ") and any(word in phase for word in _PHASES):
                say(f"  {recipe.name}: {phase[3:]} [{time.monotonic() - started:.0f} s]")
        failed = build.wait()
        image = load.communicate()[0].decode().strip()
        failed = failed or load.returncode
    if failed:
        if image:
            podman("rmi", "--force", image)
        raise MachineError(
            f"the image {recipe.name} could not be built; the last lines of {log_file}:\n"
            + "\n".join(log_file.read_text(errors="replace").splitlines()[-12:])
        )
    podman("tag", image, recipe.tag)
    say(f"  {recipe.name}: built [{time.monotonic() - started:.0f} s]")


def droplet_layer(podman: Podman, cloud_ca_pem: str) -> str:
    """The droplet image of this host and cloud: the recipe's, plus trust and package settings. Returns its tag."""
    files = droplet_files(AptSources(), cloud_ca_pem)
    base = RECIPES["droplet"].tag
    digest = hashlib.sha256(json.dumps([base, sorted(files.items())]).encode()).hexdigest()[:16]
    tag = f"{_REPOSITORY}-droplet-local:{digest}"
    if podman.image_exists(tag):
        return tag
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        for path, content in sorted(files.items()):
            entry = tarfile.TarInfo(path.lstrip("/"))
            entry.size = len(content.encode())
            entry.mode = 0o440 if path.startswith("/etc/sudoers.d/") else 0o644
            tar.addfile(entry, io.BytesIO(content.encode()))
    name = f"localcloud-layer-{digest}"
    podman.remove(name)
    setup = "tar -x -C / && rm -f /etc/apt/sources.list && update-ca-certificates >/dev/null"
    try:
        podman(
            "run",
            "--name",
            name,
            "--network=none",
            "--label=localcloud=1",
            "--interactive",
            base,
            "sh",
            "-ec",
            setup,
            stdin=archive.getvalue(),
        )
        podman("commit", "--quiet", "--change", 'CMD ["/lib/systemd/systemd"]', name, tag)
    finally:
        podman.remove(name)
    return tag


_CLOCK_UNIT = "[Unit]\nConditionVirtualization=\nConditionCapability=\n"


def droplet_files(sources: AptSources, cloud_ca_pem: str) -> dict[str, str]:
    """Absolute path -> content of what a droplet of this host and cloud has beyond the plain image."""
    environment = {"LANG": "C.UTF-8", **hosts.environment_for_containers()}
    # Node brings its own list of authorities, on which the cloud's (a public one in the real world) cannot be
    environment["NODE_USE_SYSTEM_CA"] = "1"
    lines = "".join(f'{key}="{value}"\n' for key, value in sorted(environment.items()))
    files = {
        "/etc/environment": lines,
        "/etc/systemd/system.conf.d/localcloud.conf": "[Manager]\nDefaultEnvironment="
        + " ".join(f'"{key}={value}"' for key, value in sorted(environment.items()))
        + "\n",
        "/etc/sudoers.d/localcloud": f'Defaults env_keep += "{" ".join(sorted(environment))}"\n',
        "/etc/apt/sources.list.d/debian.list": "\n".join(sources.lines(DROPLET_SUITE)) + "\n",
        "/etc/apt/apt.conf.d/80localcloud": "".join(f'{key} "{value}";\n' for key, value in sources.settings),
        "/usr/local/share/ca-certificates/localcloud.crt": cloud_ca_pem,
        # keys are made at the first boot: a key in the image would be every droplet's
        "/etc/systemd/system/ssh.service.d/host-keys.conf": (
            "[Service]\nExecStartPre=\nExecStartPre=/usr/bin/ssh-keygen -A\nExecStartPre=/usr/sbin/sshd -t\n"
        ),
        # a machine has a clock to set, a container has not: the daemons run as on a machine and leave the clock alone
        "/etc/systemd/system/systemd-timesyncd.service.d/localcloud.conf": _CLOCK_UNIT,
        "/etc/systemd/system/chrony.service.d/localcloud.conf": _CLOCK_UNIT
        + "[Service]\nExecStart=\nExecStart=!/usr/sbin/chronyd -x $DAEMON_OPTS\n",
        **hosts.package_manager_files(),
    }
    for name, pem in hosts.extra_authorities().items():
        files[f"/usr/local/share/ca-certificates/{name}"] = pem
    return files


def main() -> int:
    """Build the images; for those who want them before the first `localcloud up`."""
    started = time.monotonic()
    lock = threading.Lock()

    def say(line: str) -> None:
        with lock:
            print(f"[{time.monotonic() - started:4.0f} s] {line}", flush=True)

    try:
        hosts.check_requirements()
        with tempfile.TemporaryDirectory(prefix="localcloud-") as folder:
            podman = Podman(Path(folder))
            podman.configure()
            for name, tag in ensure_images(podman, say).items():
                say(f"{name}: {tag}")
    except MachineError as error:
        print(f"localcloud: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
