# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The inventory of an account with many droplets: requests, seconds and memory of `ansible-inventory --list`.

The cloud is in this process and answers without latency, so the seconds are Ansible's and the plugin's own.
"""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from localcloud.testing import RunningCloud, running_cloud
from stages import COLLECTION, environment, say, tool

REQUESTS = {10: 1, 1_000: 5, 10_000: 51}
SECONDS, MEGABYTES = 15, 300  # for 10,000 droplets

NATIVE: dict[str, Any] = {"tag": "flowdose-bench", "tag_groups": ["backend"], "group_by": ["tag", "region"]}
COMPOSED: dict[str, Any] = {
    "compose": {"alias": "'droplet-' ~ do_id"},
    "keyed_groups": [{"key": "do_tags", "prefix": "keyed_tag"}, {"key": "do_region", "prefix": "keyed_region"}],
}
CASES = [
    pytest.param(count, options, id=f"{count}-droplets-{name}")
    for count in REQUESTS
    for name, options in (("native", NATIVE), ("composed", NATIVE | COMPOSED))
]


@dataclass
class Measured:
    droplets: int
    options: str
    requests: int
    seconds: float
    processor_seconds: float
    megabytes: float  # resident, at its highest


@pytest.fixture(scope="module")
def table() -> Iterator[list[Measured]]:
    rows: list[Measured] = []
    yield rows
    say("\n\n  droplets  options                        requests  seconds  of processor  peak MB")
    for row in rows:
        numbers = f"{row.requests:8} {row.seconds:8.1f} {row.processor_seconds:13.1f} {row.megabytes:8.0f}"
        say(f"  {row.droplets:8,}  {row.options:30} {numbers}")


@pytest.fixture(scope="module")
def cloud(request: pytest.FixtureRequest) -> Iterator[RunningCloud]:
    """An account with so many droplets of the environment, and as many of a neighbour."""
    half = request.param // 2
    with running_cloud() as running:
        running.seed_droplets(half, name="backend", tags=["flowdose-bench", "backend"])
        running.seed_droplets(half, name="storefront", tags=["flowdose-bench", "storefront"])
        running.seed_droplets(request.param, name="other", tags=["flowdose-other", "backend"])
        yield running


@pytest.mark.parametrize(("cloud", "options"), CASES, indirect=["cloud"])
def test_inventory(cloud: RunningCloud, options: dict[str, Any], table: list[Measured], tmp_path: Path) -> None:
    count = len(cloud.state["droplets"]) // 2
    (tmp_path / "droplets.yml").write_text(yaml.safe_dump({"plugin": "flowdose.infra.droplets", **options}))
    access = {
        "DIGITALOCEAN_TOKEN": cloud.token,
        "DIGITALOCEAN_API_URL": cloud.endpoint,
        "DIGITALOCEAN_CA_FILE": str(cloud.ca_file),
        "ANSIBLE_COLLECTIONS_PATH": str(COLLECTION.parents[2]),
        "ANSIBLE_INVENTORY_ENABLED": "flowdose.infra.droplets",
        "ANSIBLE_INVENTORY_ANY_UNPARSED_IS_FAILED": "true",
    }
    shell = environment(access)
    what = "compose, 2 keyed_groups" if "compose" in options else "tag and region groups"
    busy = os.getloadavg()[0] > (os.cpu_count() or 1)
    measured = measure(cloud, count, what, tmp_path, shell)
    table.append(measured)

    inventory = json.loads((tmp_path / "inventory.json").read_text())
    assert len(inventory["_meta"]["hostvars"]) == count
    assert len(inventory["tag_flowdose_bench"]["hosts"]) == len(inventory["region_fra1"]["hosts"]) == count
    assert len(inventory["backend"]["hosts"]) == count // 2
    assert measured.requests <= REQUESTS[count]
    if "compose" not in options:
        assert measured.processor_seconds < SECONDS
        assert measured.seconds < SECONDS or busy, "on a machine that was free before"
        assert measured.megabytes < MEGABYTES


def measure(cloud: RunningCloud, count: int, what: str, folder: Path, shell: dict[str, str]) -> Measured:
    """Run ansible-inventory once, in `folder`."""
    cloud.clock.advance(3600)  # as long as it takes until no earlier request counts against the rate limit
    asked = len(cloud.requests)
    command = [tool("ansible-inventory"), "-i", "droplets.yml", "--list", "--output", "inventory.json"]
    started = time.monotonic()
    process = subprocess.Popen(command, cwd=folder, env=shell)
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.monotonic() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0
    processor_seconds = usage.ru_utime + usage.ru_stime
    return Measured(count, what, len(cloud.requests) - asked, seconds, processor_seconds, usage.ru_maxrss / 1024)
