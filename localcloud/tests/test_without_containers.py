# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What of the machines' side can be shown without a container."""

from __future__ import annotations

import dataclasses
import json
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from localcloud.hosts import Podman
from localcloud.loadbalancers import LoadBalancer, configuration, server_states
from localcloud.machines import ForwardingRule, HealthCheck, LoadBalancerSpec
from localcloud.network import PUBLIC_NETWORK, Networks
from localcloud.podman import PodmanMachines

from localcloud import hosts, podman

SPEC = LoadBalancerSpec(
    id="lb-1",
    name="lb",
    public_ip="10.77.0.30",
    private_ip="10.78.0.9",
    vpc_id="dev",
    rules=(ForwardingRule("http", 80, "http", 8000),),
    targets=(("droplet-1", "10.78.0.2"),),
    health=HealthCheck("http", 8000, "/", 3, 3, 2, 2),
    idle_timeout=60,
    allow=tuple(f"192.0.2.{number}/32" for number in range(200)),
    deny=("198.51.100.0/24",),
)


def test_no_line_has_more_words_than_haproxy_takes() -> None:
    lines = configuration(SPEC).splitlines()
    assert max(len(line.split()) for line in lines) <= 64
    assert sum("acl allowed src 192.0.2." in line for line in lines) == 200


def states(known: str, spec: LoadBalancerSpec) -> dict[tuple[str, str], tuple[str, str, str]]:
    """(backend, droplet) -> whether it is up (2) or down (0), its port, and whether it is spoken to by TLS (1)."""
    lines = [line.split() for line in server_states(spec, known).splitlines()[1:]]
    assert {len(words) for words in lines} == {25}
    return {(words[1], words[3]): (words[5], words[18], words[20]) for words in lines}


def test_a_droplet_is_down_until_it_has_proved_itself_and_stays_up_in_a_new_rule() -> None:
    assert states("", SPEC) == {("out_80", "droplet-1"): ("0", "8000", "0")}
    # as HAProxy answers, with a comment before and an empty line after it
    known = f"1\n# {'word ' * 25}\n2 out_80 1 droplet-1 10.78.0.2 2 0 1 1 6 15 3 3 6 0 0 0 - 8000 - 0 8000 - - 8000\n\n"
    more = dataclasses.replace(
        SPEC,
        rules=(*SPEC.rules, ForwardingRule("http", 81, "https", 8001)),
        targets=(*SPEC.targets, ("droplet-2", "10.78.0.3")),
    )
    assert states(known, more) == {
        ("out_80", "droplet-1"): ("2", "8000", "0"),
        ("out_80", "droplet-2"): ("0", "8000", "0"),
        ("out_81", "droplet-1"): ("2", "8001", "1"),
        ("out_81", "droplet-2"): ("0", "8001", "1"),
    }


@pytest.mark.parametrize("answer", ["", "Can't find the target PID matching the prefix '@1'\n"])
def test_a_load_balancer_in_the_midst_of_a_reload_tells_nothing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, answer: str
) -> None:
    monkeypatch.setattr(LoadBalancer, "_ask", lambda self, command: answer)
    assert LoadBalancer(Podman(tmp_path), SPEC, tmp_path).measure() == {}


def test_an_address_is_added_once_however_many_machines_start(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    present: list[str] = []

    def run(command: list[str], **options: Any) -> str:
        if command[0:2] == ["ip", "-j"]:
            shown = [{"addr_info": [{"local": address} for address in present]}]
            time.sleep(0.05)  # in which another thread comes
            return json.dumps(shown)
        present.append(command[3].partition("/")[0])
        return ""

    monkeypatch.setattr(hosts, "run", run)
    networks = Networks(Podman(tmp_path))
    monkeypatch.setattr(networks, "_bridges", {PUBLIC_NETWORK: ("lo", "10.77.0.1")})
    threads = [threading.Thread(target=networks.hold, args=(["10.77.0.40"],)) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert present == ["10.77.0.40"]


def test_a_load_balancer_that_crashed_is_started_again_unless_it_is_gone(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    machines = PodmanMachines(tmp_path)
    started: list[str] = []

    def ensure(name: str, arguments: list[str]) -> bool:
        started.append(name)
        return True

    balancer = LoadBalancer(Podman(tmp_path), SPEC, tmp_path / "lb")
    monkeypatch.setattr(podman, "_CRASH_PAUSE", 0.0)
    monkeypatch.setattr(LoadBalancer, "wait", lambda self: None)
    monkeypatch.setattr(machines, "_images", {"services": "image"})
    monkeypatch.setattr(machines, "_container_ids", lambda name: ["dead"])
    monkeypatch.setattr(machines, "_ensure_container", ensure)
    machines._start_again(balancer, "dead")
    assert started == []
    machines._balancers["lb-1"] = balancer
    machines._start_again(balancer, "another")
    assert started == []
    machines._start_again(balancer, "dead")
    assert started == ["localcloud-load-balancer-lb-1"]
