# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The computer that localcloud runs on: what it lacks, what it can do, and how it reaches its package sources.

Whatever the host needs to fetch packages (mirror, proxy, private authorities), its containers need as well. It is read
from the host at run time and handed on; nothing of it stands in this package.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import resource
import shutil
import subprocess
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

from localcloud.machines import MachineError

# command -> Debian package; netavark, which is on no PATH, calls iptables (podman 4) or nft (podman 5) for NAT
REQUIRED_COMMANDS = {
    "podman": "podman",
    "mmdebstrap": "mmdebstrap",
    "nft": "nftables",
    "iptables": "iptables",
    "ip": "iproute2",
    "nsenter": "util-linux",
}
REQUIRED_FILES = {
    "/usr/lib/podman/netavark": "netavark",
    "/usr/share/keyrings/debian-archive-keyring.gpg": "debian-archive-keyring",
}
# settings that name a CA file: tools with a trust list of their own are told of the system's by these
TLS_VARIABLES = (
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "CURL_CA_BUNDLE",
    "PIP_CERT",
    "REQUESTS_CA_BUNDLE",
    "NODE_EXTRA_CA_CERTS",
    "GIT_SSL_CAINFO",
    "AWS_CA_BUNDLE",
)
PROXY_VARIABLES = ("http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")
SYSTEM_CA_BUNDLE = "/etc/ssl/certs/ca-certificates.crt"

# what of apt's settings decides whether a source can be reached; the rest (caches, languages) is the container's own
_APT_SETTINGS = re.compile(
    r"^Acquire::((https?|ftp)::.*|Check-Valid-Until|Check-Date|Retries|ForceIPv[46]|Queue-Mode)$", re.IGNORECASE
)
_HOSTS_BEGIN = "# localcloud begin"
_HOSTS_END = "# localcloud end"
_LOCAL_NAMES = {"localhost", "ip6-localhost", "ip6-loopback", "ip6-localnet", "ip6-allnodes", "ip6-allrouters"}


def missing_packages() -> list[str]:
    """Debian packages that must be installed before machines can be run; empty when all is there."""
    path = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
    missing = [package for command, package in REQUIRED_COMMANDS.items() if not shutil.which(command, path=path)]
    missing += [package for file, package in REQUIRED_FILES.items() if not Path(file).exists()]
    return sorted(set(missing))


def check_requirements() -> None:
    """Raise MachineError when this host cannot run machines, saying what to do about it."""
    if os.geteuid() != 0:
        raise MachineError(
            "localcloud's machines are containers with addresses of their own, which only root can make: "
            "run this as root, or use `localcloud up --api-only`"
        )
    if missing := missing_packages():
        raise MachineError(f"packages are missing on this host; install them with: apt-get install {' '.join(missing)}")


def run(
    command: list[str], *, stdin: str | bytes | None = None, env: dict[str, str] | None = None, timeout: float = 300
) -> str:
    """Run `command`, return its stdout; a failure is a MachineError with the command's own words."""
    data = stdin.encode() if isinstance(stdin, str) else stdin
    try:
        done = subprocess.run(
            command,
            input=data if data is not None else b"",
            capture_output=True,
            timeout=timeout,
            env={**os.environ, **(env or {})},
            check=False,
        )
    except FileNotFoundError:
        raise MachineError(f"{command[0]} is not installed on this host") from None
    except subprocess.TimeoutExpired:
        raise MachineError(f"`{' '.join(command[:6])} ...` gave no answer in {timeout:.0f} s") from None
    if done.returncode != 0:
        words = (done.stderr or done.stdout).decode(errors="replace").strip()
        raise MachineError(f"`{' '.join(command[:6])} ...` ended with {done.returncode}: {words[-2000:]}")
    return done.stdout.decode(errors="replace")


class Podman:
    """podman with a configuration of our own: neither the user's settings nor the host's limits come into play."""

    def __init__(self, state_dir: Path) -> None:
        self.state_dir = state_dir
        self._env = {"CONTAINERS_CONF": str(state_dir / "containers.conf")}

    def configure(self) -> None:
        """Write containers.conf. Without CAP_SYS_RESOURCE no container may have higher limits than the caller."""
        limits = []
        for name, kind, wanted in (("nofile", resource.RLIMIT_NOFILE, 65536), ("nproc", resource.RLIMIT_NPROC, 32768)):
            hard = resource.getrlimit(kind)[1]
            limit = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
            limits.append(f'"{name}={limit}:{limit}"')
        # systemd as the host's PID 1 must stay the only writer of its cgroup tree
        manager = "systemd" if Path("/proc/1/comm").read_text().strip() == "systemd" else "cgroupfs"
        self.state_dir.mkdir(parents=True, exist_ok=True)
        Path(self._env["CONTAINERS_CONF"]).write_text(
            "[containers]\n"
            f"default_ulimits = [{', '.join(limits)}]\n"
            'base_hosts_file = "none"\n'
            "[engine]\n"
            f'cgroup_manager = "{manager}"\n'
            'events_logger = "file"\n'
            "[network]\n"
            'network_backend = "netavark"\n'
        )

    def __call__(self, *arguments: str, stdin: str | bytes | None = None, timeout: float = 120) -> str:
        return run(["podman", *arguments], stdin=stdin, env=self._env, timeout=timeout)

    def popen(self, *arguments: str, **options: Any) -> subprocess.Popen[bytes]:
        return subprocess.Popen(["podman", *arguments], env={**os.environ, **self._env}, **options)

    @cached_property
    def info(self) -> dict[str, Any]:
        return json.loads(self("info", "--format", "json"))

    @property
    def cgroup_v1(self) -> bool:
        return self.info["host"]["cgroupVersion"] == "v1"

    def container_pid(self, name: str) -> int:
        """The process id of the container's first process; 0 when it does not run."""
        try:
            return int(self("inspect", "--type", "container", "--format", "{{.State.Pid}}", name))
        except MachineError:
            return 0

    def last_words(self, name: str) -> str:
        """The end of what a container wrote, wherever it wrote it to."""
        process = self.popen("logs", "--tail=15", name, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        return process.communicate(timeout=60)[0].decode(errors="replace").strip()

    def image_exists(self, tag: str) -> bool:
        try:
            self("image", "exists", tag)
        except MachineError:
            return False
        return True

    def remove(self, name: str, grace: int = 2) -> None:
        """Stop and remove one container; one that is not there is fine."""
        try:
            self("rm", "--force", "--ignore", "--volumes", "--time", str(grace), name)
        except MachineError:
            # podman 4.3 reports containers that ended by themselves in the meantime; gone is what counts
            if self("ps", "--all", "--quiet", "--filter", f"name=^{re.escape(name)}$").strip():
                raise


class AptSources:
    """The host's Debian mirrors and apt settings, and the lines by which another release is had from the same place."""

    def __init__(self) -> None:
        self._targets = self._read()

    @staticmethod
    def _read() -> list[tuple[str, str]]:
        """(base URI, suite suffix) with the suffix "", "-updates" or "-security"."""
        if mirror := os.environ.get("LOCALCLOUD_DEBIAN_MIRROR"):
            return [(mirror, ""), (mirror, "-updates")]
        codename = next(
            (
                line.split("=", 1)[1].strip().strip('"')
                for line in Path("/etc/os-release").read_text().splitlines()
                if line.startswith("VERSION_CODENAME=")
            ),
            "",
        )
        found: dict[str, str] = {}
        wanted = "$(REPO_URI)\t$(RELEASE)\t$(CODENAME)\t$(COMPONENT)\t$(ORIGIN)"
        for line in run(["apt-get", "indextargets", "--format", wanted, "Created-By: Packages"]).splitlines():
            uri, release, released_as, component, origin = line.split("\t")
            # apt leaves the field's name in place when it has never fetched the index
            name = release if released_as.startswith("$(") else released_as
            ours = origin == "Debian" or origin.startswith("$(")
            if ours and component == "main" and name.startswith(codename):
                suffix = name.removeprefix(codename)
                if suffix in ("", "-updates", "-security"):
                    found.setdefault(suffix, uri)
        if not codename or "" not in found:
            raise MachineError(
                "this host's apt sources name no Debian archive, from which the droplets' image is built; "
                "set LOCALCLOUD_DEBIAN_MIRROR to the URL of one"
            )
        return [(found[suffix], suffix) for suffix in sorted(found)]

    def lines(self, suite: str) -> list[str]:
        """sources.list lines of the Debian release `suite`."""
        return [f"deb {uri} {suite}{suffix} main" for uri, suffix in self._targets]

    @cached_property
    def settings(self) -> list[tuple[str, str]]:
        """Acquire settings that decide how sources are reached (proxy, dates, retries)."""
        found = {}
        for line in run(["apt-config", "dump", "--no-empty", "--format", "%F\t%v%n"]).splitlines():
            key, _, value = line.partition("\t")
            if _APT_SETTINGS.match(key):
                found[key] = value
        return sorted(found.items())


def extra_authorities() -> dict[str, str]:
    """File name -> PEM of the authorities that this host's administrator added to the system's own."""
    folder = Path("/usr/local/share/ca-certificates")
    found = sorted(folder.rglob("*.crt")) if folder.is_dir() else []
    return {f"host-{number}-{path.name}": path.read_text() for number, path in enumerate(found)}


def environment_for_containers() -> dict[str, str]:
    """TLS and proxy variables of this process that hold in a container as well."""
    kept = {}
    for name in TLS_VARIABLES:
        # a CA file of the host's own exists in the container only inside the system bundle
        if os.environ.get(name):
            kept[name] = str(Path(SYSTEM_CA_BUNDLE).parent) if name == "SSL_CERT_DIR" else SYSTEM_CA_BUNDLE
    for name in PROXY_VARIABLES:
        value = os.environ.get(name, "")
        # a proxy on the host's loopback is out of a container's reach
        if value and not re.search(r"//(localhost|127\.)", value):
            kept[name] = value
    return kept


def package_manager_files() -> dict[str, str]:
    """Absolute path -> content of pip's and npm's system-wide settings, so far as they say where and how to fetch."""
    files = {}
    pip = {}
    for line in _output(["pip", "config", "list"]):
        key, _, value = line.partition("=")
        section, _, option = key.partition(".")
        if section in ("global", "install", ":env:") and option in ("index-url", "cert", "proxy", "trusted-host"):
            pip[option] = SYSTEM_CA_BUNDLE if option == "cert" else value.strip("'\"")
    if pip:
        files["/etc/pip.conf"] = "[global]\n" + "".join(f"{key} = {value}\n" for key, value in sorted(pip.items()))
    npm = {}
    for path in (Path("/etc/npmrc"), Path("/usr/etc/npmrc"), Path("/usr/local/etc/npmrc"), Path.home() / ".npmrc"):
        for line in path.read_text().splitlines() if path.is_file() else ():
            key, _, value = (part.strip() for part in line.partition("="))
            if key == "cafile":
                npm[key] = SYSTEM_CA_BUNDLE
            elif key in ("registry", "proxy", "https-proxy", "noproxy", "strict-ssl"):
                npm[key] = value.strip("'\"")
    if npm:
        files["/etc/npmrc"] = "".join(f"{key}={value}\n" for key, value in sorted(npm.items()))
    return files


def _output(command: list[str]) -> list[str]:
    try:
        return run(command, timeout=30).splitlines()
    except MachineError:
        return []


def forwarders() -> list[str]:
    """Addresses of the resolvers this host uses, as a container can reach them."""
    for path in ("/etc/resolv.conf", "/run/systemd/resolve/resolv.conf"):
        lines = Path(path).read_text().splitlines() if Path(path).is_file() else []
        servers = [line.split()[1] for line in lines if line.startswith("nameserver") and len(line.split()) > 1]
        # a stub on the loopback (systemd-resolved) only answers the host itself
        if usable := [server for server in servers if not server.startswith("127.") and ":" not in server]:
            return usable
    return []


def static_names() -> dict[str, list[str]]:
    """Address -> names of this host's /etc/hosts that mean something to a container: neither loopback nor our own."""
    names: dict[str, list[str]] = {}
    for line in _without_block(Path("/etc/hosts").read_text()).splitlines():
        address, *found = line.split("#", 1)[0].split() or [""]
        if address and not address.startswith(("127.", "::1", "fe", "ff")):
            names.setdefault(address, []).extend(name for name in found if name not in _LOCAL_NAMES)
    return {address: found for address, found in names.items() if found}


def _without_block(text: str) -> str:
    return re.sub(rf"^{_HOSTS_BEGIN}.*?^{_HOSTS_END}\n?", "", text, flags=re.MULTILINE | re.DOTALL)


def write_hosts(entries: Iterable[tuple[str, str]], path: Path = Path("/etc/hosts")) -> None:
    """Make the marked block of /etc/hosts hold exactly these (address, name) pairs; none removes the block."""
    lines = sorted({f"{address}\t{name}" for address, name in entries})
    with path.open("r+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        before = file.read()
        text = _without_block(before)
        if lines:
            text = text.rstrip("\n") + "\n" + "\n".join([_HOSTS_BEGIN, *lines, _HOSTS_END]) + "\n"
        if text != before:
            # in place, not by rename: in many containers /etc/hosts is a bind mount
            file.seek(0)
            file.write(text)
            file.truncate()


def settle_cgroups() -> None:
    """Give version 1 the controllers that a hybrid cgroup tree left to version 2: crun refuses a mixture.

    Only on hosts without systemd as PID 1; a host with it has one version or the other.
    """
    root = Path("/sys/fs/cgroup")
    unified = root / "unified/cgroup.controllers"
    for controller in unified.read_text().split() if unified.exists() else ():
        folder = root / controller
        folder.mkdir(exist_ok=True)
        run(["mount", "-t", "cgroup", "-o", controller, "cgroup", str(folder)])


_FORWARDING = Path("/proc/sys/net/ipv4/ip_forward")


def _tables() -> list[str]:
    return [line.removeprefix("table ") for line in run(["nft", "list", "tables"]).splitlines()]


def remember_host(file: Path) -> None:
    """Note what podman's networks change on this host and never change back, unless a killed cloud has noted it."""
    if not file.exists():
        file.write_text(json.dumps({"tables": _tables(), "ip_forward": _FORWARDING.read_text().strip()}))


def restore_host(file: Path, podman: Podman) -> None:
    """Undo what remains of podman's networks, empty NAT tables and IP forwarding, if nobody else needs them."""
    if not file.exists():
        return
    before = json.loads(file.read_text())
    file.unlink()
    if podman("ps", "--all", "--quiet").strip():
        return
    for table in set(_tables()) - set(before["tables"]):
        if table in ("ip nat", "ip filter", "ip6 nat", "ip6 filter", "inet netavark"):
            rules = run(["nft", "list", "table", *table.split()])
            # netavark leaves its chains and the jumps to them; a rule of somebody else's keeps the table
            if not any(" jump " not in line and _RULE.search(line) for line in rules.splitlines()):
                run(["nft", "delete", "table", *table.split()])
    _FORWARDING.write_text(before["ip_forward"])


_RULE = re.compile(r"\b(accept|drop|reject|masquerade|dnat|snat|return|goto)\b(?!;$)")


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold an exclusive lock on `path` among processes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


Progress = Callable[[str], None]
