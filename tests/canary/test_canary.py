# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The watcher itself: it finds what leaks, and nothing else."""

from __future__ import annotations

import base64
import os
import sys
from pathlib import Path

import pytest
from canary.canary import SHORTEST, forms, watched

# One of its own for each process of pytest: each sees the arguments of the others' too.
SECRET = f"s3cret/wïth 'quotes' & signs {os.getpid()}"


def python(code: str) -> list[str]:
    return [sys.executable, "-c", code]


@pytest.mark.parametrize(
    ("code", "how"),
    [
        ("print(SECRET)", "as it is"),
        ("import sys; print('token', SECRET, file=sys.stderr)", "as it is"),
        ("import json; print(json.dumps({'a': SECRET}))", "in JSON"),
        ("import urllib.parse; print('https://x/?' + urllib.parse.quote(SECRET, safe=''))", "in a URL"),
        ("import shlex; print(shlex.quote(SECRET))", "in a shell's quotes"),
        ("import hashlib; print(hashlib.sha256(SECRET.encode()).hexdigest())", "as its sha256"),
        *(
            (f"import base64; print(base64.b64encode(b'{'.' * before}' + SECRET.encode() + b'after').decode())", how)
            for before, how in ((0, "offset 0"), (1, "offset 1"), (2, "offset 2"), (4, "offset 1"))
        ),
    ],
)
def test_what_is_printed(code: str, how: str, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text(SECRET)
    run = watched(python(f"SECRET = open('secret').read(); {code}"), cwd=tmp_path)
    assert run.returncode == 0, run.output
    leaks = run.leaks({"password": SECRET})
    assert any(how in leak for leak in leaks)
    assert all(leak.startswith("password (") and leak.endswith(" in the output") for leak in leaks)


def test_what_is_in_files_and_their_names(tmp_path: Path) -> None:
    (tmp_path / "kept").write_text(SECRET)
    (tmp_path / "deep/er").mkdir(parents=True)
    (tmp_path / "deep/er/leaked").write_bytes(b"\xff\0" + SECRET.encode())
    (tmp_path / "deep/plainsecret.txt").touch()
    run = watched(python("pass"), cwd=tmp_path)
    assert run.leaks({"p": SECRET}, places=[tmp_path], allowed=[tmp_path / "kept"]) == [
        f"p (as it is) in {tmp_path}/deep/er/leaked"
    ]
    assert run.leaks({"p": "plainsecret"}, places=[tmp_path]) == [f"p (as it is) in the name of {tmp_path}/deep/..."]


def test_what_is_in_the_arguments_of_a_process(tmp_path: Path) -> None:
    code = (
        "import subprocess, sys; subprocess.run([sys.executable, '-c', 'import time; time.sleep(1)', open('s').read()])"
    )
    (tmp_path / "s").write_text(SECRET)
    run = watched(python(code), cwd=tmp_path)
    (leak,) = run.leaks({"p": SECRET})
    assert leak == f"p (as it is) in the arguments of {sys.executable} -c import time; time.sleep(1) ..."


def test_nothing_leaks_from_a_run_that_does_not(tmp_path: Path) -> None:
    run = watched(python("print('se', 'cret')"), cwd=tmp_path)
    assert run.leaks({"p": SECRET}, places=[tmp_path]) == []


def test_what_would_be_found_by_chance_is_refused() -> None:
    with pytest.raises(ValueError, match="by chance"):
        forms("p", "x" * (SHORTEST - 1))
    assert base64.b64encode(b"12345678")[:-4] in forms("p", "12345678").values()
