# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run ansible-test's sanity tests on the collection, with nothing from the network but Python packages.

    python scripts/sanity.py                              # with each supported ansible-core that can be had here
    python scripts/sanity.py --test validate-modules ...  # with the project's own, handed to `ansible-test sanity`

Supported is what `requires_ansible` in meta/runtime.yml says, so its oldest version is tested, the project's own, and
the newest where there is a Python for it.

ansible-test makes virtual environments and puts a pinned pip into each with get-pip, which it downloads from a host of
its own unless its cache holds it. This script fills that cache with a get-pip that runs the same pip from its wheel.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

from side_venv import environment_of, find_python, side_venv
from stages import COLLECTION, VENV, StageFailed, main, run, say, stage

PYTHON = f"{sys.version_info[0]}.{sys.version_info[1]}"
NEWEST_CORE, NEWEST_PYTHON = "2.21.5", "3.12"  # and the oldest Python that it runs on
CACHE = Path("~/.ansible/test/cache").expanduser()

# Called by ansible-test as get-pip is: with pip's options and the packages to install.
GET_PIP = '''\
"""Made by flowdose.infra's scripts/sanity.py: runs pip from the wheel beside it, in place of get-pip."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "WHEEL"))
from pip._internal.cli.main import main

options = [item for item in sys.argv[1:] if item not in ("--no-setuptools", "--no-wheel")]
sys.exit(main(["install", "--upgrade", "--force-reinstall", *options]))
'''

# Asked of ansible-test itself; it has no public interface for it.
ASK_VERSION = """
import json, sys
from ansible_test._internal.host_configs import NativePythonConfig
from ansible_test._internal.python_requirements import get_venv_packages
version = "{}.{}".format(*sys.version_info)
print(json.dumps(get_venv_packages(NativePythonConfig(version=version, path=sys.executable))))
"""


def pip_version(venv: Path) -> str:
    """The version of pip that this ansible-test puts into its environments: what its get-pip is named after."""
    command = [str(venv / "bin/python"), "-c", ASK_VERSION]
    answer = subprocess.run(command, capture_output=True, text=True, check=False, env=environment_of(venv))
    try:
        version = str(json.loads(answer.stdout.splitlines()[-1])["pip"])
    except (LookupError, ValueError):
        raise StageFailed(f"This ansible-test does not tell its pip's version: {answer.stderr.strip()}") from None
    if not re.fullmatch(r"[0-9.]+", version):
        raise StageFailed(f"This ansible-test names an odd version of pip: {version}")
    return version


def fill_cache(venv: Path) -> None:
    """Put a get-pip where ansible-test looks for it. One that is there already, whoever made it, is left alone."""
    version = pip_version(venv)
    script = CACHE / f"get_pip_{version.replace('.', '_')}.py"
    wheel = CACHE / f"pip-{version}-py3-none-any.whl"
    if script.exists() and (wheel.exists() or wheel.name not in script.read_text()):
        return
    CACHE.mkdir(parents=True, exist_ok=True)
    pip = [str(venv / "bin/python"), "-m", "pip", "--disable-pip-version-check", "download", "--quiet", "--no-deps"]
    run([*pip, "--only-binary", ":all:", "--dest", str(CACHE), f"pip=={version}"], timeout=300, quiet=True)
    script.write_text(GET_PIP.replace("WHEEL", wheel.name))


def oldest_core() -> str:
    """The ansible-core version from which on the collection says it works."""
    text = (COLLECTION / "meta/runtime.yml").read_text()
    match = re.search(r'^requires_ansible: "?>=([0-9.]+)"?$', text, re.M)
    if not match:
        raise StageFailed('meta/runtime.yml does not say `requires_ansible: ">=X.Y.Z"`.')
    return match[1]


def sanity(venv: Path, python: str, *arguments: str) -> None:
    """Run the sanity tests with the ansible-core of a virtual environment, whose Python is of version `python`."""
    fill_cache(venv)
    command = [str(venv / "bin/ansible-test"), "sanity", "--local", "--python", python, "--color", "no", *arguments]
    # Quiet, because pip's chatter would hide the one line that matters.
    run(command, cwd=COLLECTION, env=environment_of(venv), timeout=1200, quiet=True)


def body() -> None:
    if sys.argv[1:]:
        sanity(VENV, PYTHON, *sys.argv[1:])
        return
    with stage("ansible-test", "the project's own ansible-core"):
        sanity(VENV, PYTHON)
    oldest = oldest_core()
    with stage("ansible-test", f"ansible-core {oldest}, the oldest that is supported"):
        sanity(side_venv(f"ansible-core-{oldest}", f"ansible-core=={oldest}\n"), PYTHON)
    newest_python = find_python(NEWEST_PYTHON)
    if newest_python is None:
        say(f"\nansible-core {NEWEST_CORE} is not tested: it needs Python {NEWEST_PYTHON}, which is not here.")
        return
    with stage("ansible-test", f"ansible-core {NEWEST_CORE} on Python {NEWEST_PYTHON}, the newest that is supported"):
        venv = side_venv(f"ansible-core-{NEWEST_CORE}", f"ansible-core=={NEWEST_CORE}\n", newest_python)
        sanity(venv, NEWEST_PYTHON)


if __name__ == "__main__":
    main(body)
