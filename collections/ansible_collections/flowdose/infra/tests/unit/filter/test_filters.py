# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filters as Ansible's own templating calls them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import yaml

COLLECTIONS = Path(__file__).parents[6]

EXPECTED = {
    # Braces in a value stay data; what group_vars compute is computed.
    "env | flowdose.infra.dotenv('next') | replace('{', '<')": "A='<< 7 * 7 }}'\nB='9000'\n",
    "env | flowdose.infra.env_digests(nonce) | list": ["A", "B"],
    "(nonce * 2) | flowdose.infra.derive_secret('jwt', version=2) | length": 43,
    "db | flowdose.infra.database_url('valkey', database='0')": "rediss://u:p@h:1/0",
}
REFUSED = {
    "{'KEY': 'hidden \\\\$'} | flowdose.infra.dotenv": "dotenv: KEY: a backslash directly before a dollar sign",
    "'text' | flowdose.infra.dotenv": "dotenv: expected a dictionary",
    "[] | flowdose.infra.env_digests(nonce)": "env_digests: expected a dictionary",
    "'' | flowdose.infra.derive_secret('jwt')": "derive_secret: the master key is empty",
    "db | flowdose.infra.database_url('pg')": "database_url: the connection of the pg database has no ca_file",
    "7 | flowdose.infra.database_url('pg')": "database_url: expected a dictionary",
}
VARIABLES = """
nonce: 0123456789abcdef
shop_port: 9000
env: {A: !unsafe "{{ 7 * 7 }}", B: "{{ shop_port }}", C: null}
db: {host: h, port: 1, user: u, password: p, database: d}
"""


def test_filters_in_a_playbook(tmp_path: Path) -> None:
    tasks: list[dict[str, object]] = [
        {"ansible.builtin.assert": {"that": f"({expression}) == expected"}, "vars": {"expected": expected}}
        for expression, expected in EXPECTED.items()
    ]
    for expression, message in REFUSED.items():
        call = {"ansible.builtin.set_fact": {"never": "{{ " + expression + " }}"}, "register": "call"}
        caught = {
            "ansible.builtin.assert": {"that": ["message in text", "'hidden ' not in text"]},
            "vars": {"message": message, "text": "{{ ansible_failed_result.msg }}"},
        }
        tasks.append(
            {"block": [call, {"ansible.builtin.fail": {"msg": f"not refused: {message}"}}], "rescue": [caught]}
        )
    play = {"hosts": "localhost", "gather_facts": False, "vars_files": ["vars.yml"], "tasks": tasks}
    (tmp_path / "vars.yml").write_text(VARIABLES)
    (tmp_path / "play.yml").write_text(yaml.safe_dump([play]))
    result = subprocess.run(
        [sys.executable, "-m", "ansible", "playbook", "play.yml"],
        cwd=tmp_path,
        env=os.environ | {"ANSIBLE_COLLECTIONS_PATH": str(COLLECTIONS)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    assert f"rescued={len(REFUSED)}" in result.stdout
