# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Install what a run needs: Debian packages (says which, before it does), and `.venv` from the pinned requirements.

    python3 scripts/bootstrap.py tools        # .venv with what the playbooks and localcloud need
    python3 scripts/bootstrap.py tools dev    # ... and the linters and test tools
    python3 scripts/bootstrap.py cloud        # ... and the Debian packages of localcloud
    python3 scripts/bootstrap.py cloud dev    # ... and the browser of the end-to-end tests

Standard library only. What is there already is left alone, so a second run takes a second.
"""

from __future__ import annotations

import fcntl
import hashlib
import importlib.util
import json
import os
import shutil
import subprocess
import sys

from stages import ROOT, VENV, StageFailed, main, run, say, stage

OLDEST_PYTHON = (3, 11)
STAMP = VENV / "installed.json"

# Debian package -> why it is needed.
CLOUD_PACKAGES = {
    "podman": "runs localcloud's droplets and databases",
    "crun": "podman's runtime",
    "netavark": "podman's networks",
    "iptables": "address translation for podman's networks",
    "nftables": "cloud firewalls and trusted sources",
    "mmdebstrap": "builds the images",
    "debian-archive-keyring": "verifies what the images are built from",
    "iproute2": "network addresses of the host",
    "util-linux": "enters a container's network",
    "openssh-client": "reaches the droplets",
    "git": "fetches an application's source",
    "ca-certificates": "verifies what is downloaded",
}
TEST_PACKAGES = {
    "chromium": "opens the shop in the end-to-end tests",
    "libnss3-tools": "makes that browser trust localcloud's CA",
    "shellcheck": "lints shell scripts",
    "postgresql-client": "asks the database as a stranger would",
}

# Requirement files of each set of Python packages; the second contains the first.
PYTHON_SETS = {
    "run": ["requirements.txt", "localcloud/pyproject.toml"],
    "dev": ["requirements.txt", "requirements-dev.txt", "localcloud/pyproject.toml"],
}


def missing_packages(wanted: list[str]) -> list[str]:
    """Those of the Debian packages that are not installed."""
    answer = subprocess.run(
        ["dpkg-query", "--show", "--showformat", "${Package} ${db:Status-Status}\n", *wanted],
        capture_output=True,
        text=True,
        check=False,  # it fails when it knows one of them not at all
    )
    installed = {line.split()[0] for line in answer.stdout.splitlines() if line.endswith(" installed")}
    return [name for name in wanted if name not in installed]


def missing_commands(packages: list[str]) -> list[str]:
    """Without dpkg: the packages whose command is not on PATH. Those without one are taken as there."""
    commands = {"podman": "podman", "crun": "crun", "nftables": "nft", "mmdebstrap": "mmdebstrap", "git": "git"}
    commands |= {"iproute2": "ip", "openssh-client": "ssh", "chromium": "chromium", "libnss3-tools": "certutil"}
    commands |= {"shellcheck": "shellcheck", "postgresql-client": "psql"}
    path = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
    return [name for name in packages if name in commands and not shutil.which(commands[name], path=path)]


def install_packages(wanted: dict[str, str]) -> None:
    """Install the Debian packages that are missing. Needs root and apt only when one is."""
    has_apt = shutil.which("apt-get") is not None and shutil.which("dpkg-query") is not None
    missing = missing_packages(list(wanted)) if has_apt else missing_commands(list(wanted))
    if not missing:
        return
    listed = "\n".join(f"  {name:18} {wanted[name]}" for name in missing)
    command = f"apt-get install --no-install-recommends {' '.join(missing)}"
    if not has_apt:
        raise StageFailed(
            f"These are missing, and this system has no apt to install them with:\n{listed}\n"
            "Install them with your system's package manager and run the same command again."
        )
    if os.geteuid() != 0:
        raise StageFailed(
            f"These Debian packages are missing, and installing them needs root:\n{listed}\n"
            f"Run `make demo` as root (localcloud needs it too), or install them first:\n  sudo {command}"
        )
    with stage("Debian packages", f"apt installs {len(missing)} packages on this machine:\n{listed}"):
        apt = {"DEBIAN_FRONTEND": "noninteractive"}
        run(["apt-get", "update", "-q"], env=apt, timeout=600, quiet=True)
        options = ["--yes", "-q", "--no-install-recommends", "-o", "DPkg::Lock::Timeout=300"]
        run(["apt-get", "install", *options, *missing], env=apt, timeout=1200, quiet=True)


def fingerprint(files: list[str]) -> str:
    """A digest of this interpreter's version, of where the tree is, and of what the requirement files say."""
    digest = hashlib.sha256(f"{sys.version_info[:3]} {ROOT}".encode())
    for name in ["constraints.txt", *files]:
        digest.update((ROOT / name).read_bytes())
    return digest.hexdigest()


def installed() -> dict[str, str]:
    """What the virtual environment was made from: set -> fingerprint. Empty when there is none, or a broken one."""
    try:
        stamp: dict[str, str] = json.loads(STAMP.read_text())
        subprocess.run([VENV / "bin/python", "-c", "pass"], check=True, capture_output=True)
    except (OSError, ValueError, subprocess.CalledProcessError):
        return {}
    return stamp


def install_python(which: str) -> None:
    """Make `.venv`, or bring it up to the requirement files. `which` is a key of `PYTHON_SETS`."""
    wanted = {name: fingerprint(files) for name, files in PYTHON_SETS.items()}
    stamp = installed()
    if stamp.get(which) == wanted[which]:
        return
    if importlib.util.find_spec("ensurepip") is None:
        install_packages({"python3-venv": "makes Python's virtual environments"})
    with stage("Python tools", "pip installs the pinned requirements into .venv"):
        if not (VENV / "bin/python").exists() or (stamp and stamp.get("python") != sys.version):
            run([sys.executable, "-m", "venv", "--clear", str(VENV)], timeout=300, quiet=True)
        STAMP.unlink(missing_ok=True)
        requirements = [item for name in PYTHON_SETS[which] if name.endswith(".txt") for item in ("-r", name)]
        pip = [str(VENV / "bin/python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        run([*pip, "-c", "constraints.txt", *requirements, "-e", "./localcloud"], timeout=1800, quiet=True)
        covered = ["run", "dev"] if which == "dev" else ["run"]
        STAMP.write_text(json.dumps({"python": sys.version} | {name: wanted[name] for name in covered}))


def bootstrap(cloud: bool, dev: bool) -> None:
    """Install all that is missing. Two at once wait for each other."""
    if sys.version_info < OLDEST_PYTHON:
        raise StageFailed(
            f"Python {'.'.join(map(str, OLDEST_PYTHON))} or newer is needed; {sys.executable} is "
            f"{sys.version.split()[0]}. Name another with `make PYTHON=/path/to/python3 ...`."
        )
    with (ROOT / "Makefile").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if cloud:
            install_packages(CLOUD_PACKAGES | (TEST_PACKAGES if dev else {}))
        install_python("dev" if dev else "run")


def body() -> None:
    arguments = set(sys.argv[1:])
    if not arguments <= {"tools", "cloud", "dev"} or not arguments & {"tools", "cloud"}:
        say(__doc__ or "")
        sys.exit(2)
    bootstrap(cloud="cloud" in arguments, dev="dev" in arguments)


if __name__ == "__main__":
    main(body)
