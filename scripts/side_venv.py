# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Virtual environments beside `.venv`, for tools whose requirements exclude each other. Kept in `.cache/venvs`."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

from stages import ROOT, environment, run, say

FOLDER = ROOT / ".cache/venvs"


def side_venv(name: str, requirements: str, python: str = sys.executable) -> Path:
    """A virtual environment with `requirements` (the text of a requirements file); made once for each such text."""
    folder = FOLDER / name
    wanted = hashlib.sha256(f"{python} {ROOT} {requirements}".encode()).hexdigest()
    stamp = folder / "made-for"
    if stamp.exists() and stamp.read_text() == wanted:
        return folder
    say(f"    making {folder.relative_to(ROOT)}: pip installs what {name} needs")
    shutil.rmtree(folder, ignore_errors=True)
    run([python, "-m", "venv", str(folder)], timeout=300, quiet=True)
    (folder / "requirements.txt").write_text(requirements)
    pip = [str(folder / "bin/python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    run([*pip, "-r", str(folder / "requirements.txt")], timeout=1200, quiet=True)
    stamp.write_text(wanted)
    return folder


def environment_of(venv: Path) -> dict[str, str]:
    """The process environment of a virtual environment's commands: they find each other first."""
    return environment({"PATH": f"{venv / 'bin'}:{os.environ.get('PATH', '')}", "VIRTUAL_ENV": str(venv)})


def find_python(version: str) -> str | None:
    """An interpreter of that version, such as 3.12, on PATH or among pyenv's; None when there is none that runs."""
    root = Path(os.environ.get("PYENV_ROOT", "~/.pyenv")).expanduser()
    places = [f"python{version}", *map(str, sorted(root.glob(f"versions/{version}.*/bin/python{version}")))]
    for place in places:
        try:
            subprocess.run([place, "-c", "import venv, ensurepip"], check=True, capture_output=True, timeout=30)
        except (OSError, subprocess.SubprocessError):
            continue
        return place
    return None
