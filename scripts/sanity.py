# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run ansible-test's sanity tests on the collection, with nothing from the network but Python packages.

ansible-test makes virtual environments and puts a pinned pip into each with get-pip, which it downloads from a host of
its own unless its cache holds it. This script fills that cache with a get-pip that runs the same pip from its wheel.
Arguments are handed to `ansible-test sanity`, such as `--test validate-modules plugins/modules/vpc.py`.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

from stages import COLLECTION, StageFailed, environment, main, run, tool

PYTHON = f"{sys.version_info[0]}.{sys.version_info[1]}"
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
ASK_VERSION = f"""
import json, sys
from ansible_test._internal.host_configs import NativePythonConfig
from ansible_test._internal.python_requirements import get_venv_packages
print(json.dumps(get_venv_packages(NativePythonConfig(version={PYTHON!r}, path=sys.executable))))
"""


def pip_version() -> str:
    """The version of pip that this ansible-test puts into its environments: what its get-pip is named after."""
    answer = subprocess.run(
        [tool("python"), "-c", ASK_VERSION], capture_output=True, text=True, check=False, env=environment()
    )
    try:
        version = str(json.loads(answer.stdout.splitlines()[-1])["pip"])
    except (LookupError, ValueError):
        raise StageFailed(f"This ansible-test does not tell its pip's version: {answer.stderr.strip()}") from None
    if not re.fullmatch(r"[0-9.]+", version):
        raise StageFailed(f"This ansible-test names an odd version of pip: {version}")
    return version


def fill_cache() -> None:
    """Put a get-pip where ansible-test looks for it. One that is there already, whoever made it, is left alone."""
    version = pip_version()
    script = CACHE / f"get_pip_{version.replace('.', '_')}.py"
    wheel = CACHE / f"pip-{version}-py3-none-any.whl"
    if script.exists() and (wheel.exists() or wheel.name not in script.read_text()):
        return
    CACHE.mkdir(parents=True, exist_ok=True)
    pip = [tool("python"), "-m", "pip", "--disable-pip-version-check", "download", "--quiet", "--no-deps"]
    run([*pip, "--only-binary", ":all:", "--dest", str(CACHE), f"pip=={version}"], timeout=300, quiet=True)
    script.write_text(GET_PIP.replace("WHEEL", wheel.name))


def body() -> None:
    fill_cache()
    command = [tool("ansible-test"), "sanity", "--local", "--python", PYTHON, "--color", "no", *sys.argv[1:]]
    run(command, cwd=COLLECTION, timeout=1200, quiet=True)  # pip's chatter would hide the one line that matters


if __name__ == "__main__":
    main(body)
