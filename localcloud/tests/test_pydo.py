# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The real client of DigitalOcean, unbent: TLS, its own retries, its own idea of errors."""

from __future__ import annotations

from typing import Any

import pydo
import pytest
from azure.core.exceptions import ClientAuthenticationError, HttpResponseError
from localcloud.testing import RunningCloud
from plain_api import PUBLIC_KEY


def client(cloud: RunningCloud, token: str | None = None) -> Any:
    return pydo.Client(token or cloud.token, endpoint=cloud.endpoint, connection_verify=str(cloud.ca_file))


def test_a_small_environment(cloud: RunningCloud) -> None:
    do = client(cloud)
    key = do.ssh_keys.create({"name": "ops", "public_key": PUBLIC_KEY})["ssh_key"]
    vpc = do.vpcs.create({"name": "dev", "region": "fra1", "ip_range": "10.78.0.0/20"})["vpc"]
    body = {
        "name": "web-1",
        "region": "fra1",
        "size": "s-2vcpu-4gb",
        "image": "debian-13-x64",
        "vpc_uuid": vpc["id"],
        "ssh_keys": [key["id"]],
        "tags": ["web"],
    }
    droplet = do.droplets.create(body)["droplet"]
    rule = {"protocol": "tcp", "ports": "22", "sources": {"addresses": ["0.0.0.0/0"]}}
    do.firewalls.create({"name": "fw", "tags": ["web"], "inbound_rules": [rule]})
    cluster = do.databases.create_cluster(
        {
            "name": "db-1",
            "engine": "pg",
            "version": "15",
            "region": "fra1",
            "size": "db-s-1vcpu-1gb",
            "num_nodes": 1,
            "private_network_uuid": vpc["id"],
            "rules": [{"type": "tag", "value": "web"}],
        }
    )["database"]
    cloud.clock.advance(300)
    assert do.droplets.get(droplet["id"])["droplet"]["status"] == "active"
    assert do.databases.get_cluster(cluster["id"])["database"]["status"] == "online"
    assert do.databases.add_user(cluster["id"], {"name": "app"})["user"]["role"] == "normal"
    do.domains.create({"name": "flowdose.xyz"})
    do.domains.create_record("flowdose.xyz", {"type": "A", "name": "www", "data": "10.77.0.16"})
    found = do.domains.list_records("flowdose.xyz", name="www.flowdose.xyz", type="A")["domain_records"]
    assert [record["data"] for record in found] == ["10.77.0.16"]
    assert not any(entry["warnings"] for entry in cloud.requests)


def test_errors_as_pydo_shows_them(cloud: RunningCloud) -> None:
    with pytest.raises(ClientAuthenticationError):
        client(cloud, "dop_v1_wrong").account.get()
    do = client(cloud)
    assert do.droplets.get(7)["id"] == "not_found"  # pydo returns a documented 404 as if it were an answer
    with pytest.raises(HttpResponseError, match="invalid size"):
        do.droplets.create({"name": "a", "size": "x", "image": "debian-13-x64"})


def test_post_that_timed_out_at_the_gateway_is_sent_again(cloud: RunningCloud) -> None:
    """Why a client needs a retry policy of its own: pydo's makes two droplets of one."""
    cloud.fault("POST /v2/droplets", status=504, effect=True)
    do = client(cloud)
    do.droplets.create({"name": "a", "size": "s-1vcpu-1gb", "image": "debian-13-x64"})
    assert len(do.droplets.list()["droplets"]) == 2
