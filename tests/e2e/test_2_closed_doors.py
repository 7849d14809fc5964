# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who reaches what, as whom processes run, and what verify says when something is broken."""

from __future__ import annotations

import re
import socket
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from e2e.shop import Droplet, Shop, playbook, run, wait_for
from stages import tool


def reachable(host: str, port: int) -> bool:
    """Whether a TCP connection from this machine, a stranger to the environment, opens within five seconds."""
    try:
        with socket.create_connection((host, port), timeout=5):
            return True
    except OSError:
        return False


@pytest.fixture(params=["pg", "valkey"])
def database(shop: Shop, request: pytest.FixtureRequest) -> dict[str, Any]:
    return next(cluster for cluster in shop.cloud.databases() if cluster["engine"] == request.param)


def at_once(*asked: Callable[[], bool]) -> list[bool]:
    """Their answers, waited for together: one that does not come takes five seconds."""
    with ThreadPoolExecutor(len(asked)) as pool:
        return list(pool.map(lambda ask: ask(), asked))


def test_a_database_answers_only_the_backend(shop: Shop, database: dict[str, Any]) -> None:
    public, private = database["connection"], database["private_connection"]
    backend, storefront = shop.droplet("backend"), shop.droplet("storefront")
    assert at_once(
        lambda: backend.reaches(private["host"], private["port"]),
        lambda: storefront.reaches(private["host"], private["port"]),
        lambda: storefront.reaches(public["host"], public["port"]),
        lambda: reachable(public["host"], public["port"]),
    ) == [True, False, False, False]


def test_the_applications_answer_only_their_proxy(shop: Shop) -> None:
    backend, storefront = shop.droplet("backend"), shop.droplet("storefront")
    assert backend.reaches("127.0.0.1", 9000), "or the next lines prove nothing"
    assert storefront.reaches("127.0.0.1", 8000), "or the next lines prove nothing"
    assert not any(
        at_once(
            lambda: reachable(backend.address("public"), 9000),
            lambda: reachable(storefront.address("public"), 8000),
            lambda: storefront.reaches(backend.address("private"), 9000),
            lambda: backend.reaches(storefront.address("private"), 8000),
        )
    )
    for droplet in (backend, storefront):
        assert reachable(droplet.address("public"), 443)


@pytest.mark.parametrize("role", ["backend", "storefront"])
def test_nothing_of_ours_runs_as_root(shop: Shop, role: str) -> None:
    processes = shop.droplet(role).run("ps -eo user:32=,args=").must().output.splitlines()
    ours = [line.split(maxsplit=1) for line in processes if re.search(r"node|pm2|medusa|next|caddy|yarn", line, re.I)]
    users = {user for user, command in ours if "ps -eo" not in command}
    assert "flowdose" in users
    assert users <= {"flowdose", "caddy"}


@pytest.mark.parametrize("role", ["backend", "storefront"])
def test_environment_files_are_their_owners_alone(shop: Shop, role: str) -> None:
    found = shop.droplet(role).run("find /srv /etc/flowdose /home -name '.env*' -type f -printf '%m %u %p\\n'").must()
    files = [line.split(maxsplit=2) for line in found.output.splitlines() if "/node_modules/" not in line]
    files = [entry for entry in files if not entry[2].endswith((".template", ".example"))]
    assert files
    assert {(mode, user) for mode, user, _ in files} == {("600", "flowdose")}


def test_a_changed_host_key_is_refused(shop: Shop) -> None:
    """Host keys are pinned by droplet id: whoever else answers at the address is not talked to."""
    backend, storefront = shop.droplet("backend"), shop.droplet("storefront")
    impostor = Droplet({**storefront.facts, "id": backend.facts["id"]})
    assert "REMOTE HOST IDENTIFICATION HAS CHANGED" in impostor.run("true").must(255).output


def test_verify_proves_the_shop(shop: Shop) -> None:
    outcome = playbook("verify").must()
    assert outcome.seconds < 60


def test_verify_names_what_is_broken(shop: Shop) -> None:
    """The storefront's process is online for pm2, and does not answer."""
    storefront = shop.droplet("storefront")
    stop = "pkill -STOP -u flowdose -f next"
    storefront.run(stop).must()
    try:
        outcome = playbook("verify", "-e", "flowdose_readiness_timeout=5")
        assert outcome.status != 0
        assert re.search(r"storefront|store", outcome.output)
    finally:
        storefront.run("pkill -CONT -u flowdose -f next").must()
    wait_for("the storefront", shop.serves, seconds=60)


def test_another_authority_is_refused_at_once(shop: Shop, tmp_path: Any) -> None:
    """The backend's connection to PostgreSQL is verified: with a CA that did not sign it, nothing is deployed."""
    other = tmp_path / "other.pem"
    subject = ["-subj", "/CN=another authority", "-days", "1"]
    run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", str(tmp_path / "key"), *subject,
         "-out", str(other)]).must()  # fmt: skip
    started = time.monotonic()
    outcome = playbook("deploy", *shop.arguments, "-e", f"flowdose_database_ca_file={other}")
    assert outcome.status != 0
    assert re.search(r"certificate", outcome.output)
    assert time.monotonic() - started < 60
    assert shop.serves()


def test_inventory_lists_the_droplets(shop: Shop) -> None:
    outcome = run([tool("ansible-inventory"), "-i", "inventories/development", "--graph"]).must()
    assert "@backend" in outcome.output
    assert "backend-development" in outcome.output
