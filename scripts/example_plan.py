# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The examples of docs/operations/plan.md: plans of the development environment, as its playbooks make them.

    .venv/bin/python scripts/example_plan.py

writes them anew, after a change of the plan's form or of the environment. A test compares them. No container is needed.
"""

from __future__ import annotations

import json
import re
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import requests
from localcloud.testing import RunningCloud, running_cloud
from stages import ROOT, environment, tool

PAGE = ROOT / "docs/operations/plan.md"
PICTURES = ROOT / "docs/images"
PUBLIC_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGfQ2Cz1Hf1mZpZ1m8q0b8m9w5u8WmYkq5Qh1f5m3e5L"
BUCKET = "development-flowdose-bucket"


class Spaces(BaseHTTPRequestHandler):
    """A Spaces that can be looked at: with the environment's bucket, as declared, or without."""

    buckets: tuple[str, ...] = ()

    def do_GET(self) -> None:
        _path, _, query = self.path.partition("?")
        name = query.split("&")[0].rstrip("=")
        listed = "".join(f"<Bucket><Name>{bucket}</Name></Bucket>" for bucket in self.buckets)
        body = {
            "acl": "<AccessControlPolicy><AccessControlList/></AccessControlPolicy>",
            "versioning": "<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>",
        }.get(name, f"<ListAllMyBucketsResult><Buckets>{listed}</Buckets></ListAllMyBucketsResult>").encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/xml")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: the playbook says what there is to say."""


@contextmanager
def spaces() -> Iterator[str]:
    Spaces.buckets = ()
    with ThreadingHTTPServer(("127.0.0.1", 0), Spaces) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def examples() -> dict[str, str]:
    """What the page and the pictures shall contain, by name."""
    with (
        # Every request lets a minute pass.
        running_cloud(auto_advance=60) as cloud,
        spaces() as endpoint,
        tempfile.TemporaryDirectory() as name,
    ):
        folder = Path(name)
        variables: dict[str, Any] = {
            "flowdose_api_url": cloud.endpoint,
            "flowdose_ca_file": str(cloud.ca_file),
            "flowdose_credentials": {"spaces": {"region": "fra1", "access_key": "key", "secret_key": "secret"}},
            "flowdose_token": cloud.read_only_token,
            "flowdose_spaces_endpoint": endpoint,
            "flowdose_files": name,
            "flowdose_ssh_public_key": PUBLIC_KEY,
        }
        found = {"table": _table(_playbook("plan", variables))}
        found["markdown"] = (folder / "plan/plan.md").read_text().strip()
        found["json"] = (folder / "plan/plan.json").read_text()
        found["topology-development.svg"] = (folder / "plan/topology.svg").read_text()

        Spaces.buckets = (BUCKET,)
        (folder / "stack.yml").write_text(STACK_PLAY.format(tasks=ROOT / "playbooks/tasks/stack.yml"))
        _playbook(str(folder / "stack.yml"), variables | {"flowdose_token": cloud.token})
        _drift(cloud)
        output = _playbook("plan", variables | {"flowdose_storefront_size": "s-2vcpu-4gb"})
        # Its hash is over the ids of what was made, which are new each time.
        found["table of changes"] = _table(output).rpartition("\n")[0]
        found["topology-changes.svg"] = (folder / "plan/topology.svg").read_text()
    return found


STACK_PLAY = """
- hosts: controller
  gather_facts: false
  tasks:
    - ansible.builtin.include_tasks: {tasks}
"""


def _playbook(name: str, variables: dict[str, Any]) -> str:
    path = name if name.endswith(".yml") else f"playbooks/{name}.yml"
    inventory = "inventories/development/groups.yml"
    done = subprocess.run(
        [tool("ansible-playbook"), "-i", inventory, path, "-e", json.dumps(variables)],
        cwd=ROOT,
        env=environment({"ANSIBLE_NOCOLOR": "1", "COLUMNS": "100"}),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(done.stdout + done.stderr)
    return done.stdout


def _table(output: str) -> str:
    return "".join(re.findall(r"^Plan for .*?^Hash of this plan: \w+$", output, re.S | re.M))


def _drift(cloud: RunningCloud) -> None:
    """Somebody works in the control panel."""

    def call(method: str, path: str, **body: Any) -> dict[str, Any]:
        answer = requests.request(
            method,
            f"{cloud.endpoint}/v2/{path}",
            headers={"Authorization": f"Bearer {cloud.token}"},
            json=body or None,
            verify=str(cloud.ca_file),
            timeout=10,
        )
        answer.raise_for_status()
        return answer.json() if answer.content else {}

    firewall = call("GET", "firewalls")["firewalls"][0]
    rule = {"protocol": "tcp", "ports": "9000", "sources": {"addresses": ["0.0.0.0/0"]}}
    call("POST", f"firewalls/{firewall['id']}/rules", inbound_rules=[rule])
    records = call("GET", "domains/flowdose.test/records?per_page=200")["domain_records"]
    admin = next(record for record in records if record["name"].startswith("admin"))
    call("DELETE", f"domains/flowdose.test/records/{admin['id']}")
    stray = {"name": "trial", "region": "fra1", "size": "s-1vcpu-1gb", "image": "debian-13-x64"}
    call("POST", "droplets", **stray, tags=["flowdose-development"])


def updated(page: str, found: dict[str, str]) -> str:
    """The page with the examples between its marks."""
    for name in ("table", "table of changes"):
        page = _between(page, name, f"```text\n{found[name]}\n```")
    return _between(page, "markdown", found["markdown"])


def _between(page: str, name: str, text: str) -> str:
    begin, end = f"<!-- {name}, by scripts/example_plan.py -->\n", f"<!-- end of {name} -->"
    before, _, rest = page.partition(begin)
    _, _, after = rest.partition(end)
    if not rest or not after:
        raise ValueError(f"{PAGE} has no place for {name}")
    return f"{before}{begin}\n{text}\n\n{end}{after}"


def main() -> None:
    found = examples()
    PAGE.write_text(updated(PAGE.read_text(), found))
    for name, text in found.items():
        if name.endswith(".svg"):
            (PICTURES / name).write_text(text)


if __name__ == "__main__":
    main()
