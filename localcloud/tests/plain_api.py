# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A client for tests that hides nothing."""

from __future__ import annotations

from typing import Any

import requests
from localcloud.testing import RunningCloud

PUBLIC_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGk9bJ0kQbpHvn8Zmc2Z7cF5l0cJ1gkqv4l0m0z9c1Vq ops@localcloud.test"


class Api:
    """Plain HTTP, so that a test sees what stands on the wire."""

    def __init__(self, cloud: RunningCloud, token: str | None = None) -> None:
        self.cloud = cloud
        self.session = requests.Session()
        self.session.verify = str(cloud.ca_file)
        self.session.trust_env = False
        self.session.headers["Authorization"] = f"Bearer {token or cloud.token}"

    def send(self, method: str, path: str, body: Any = None, **options: Any) -> requests.Response:
        return self.session.request(method, self.cloud.endpoint + path, json=body, timeout=10, **options)

    def __call__(self, method: str, path: str, body: Any = None, *, status: int = 200) -> Any:
        """Send, insist on `status`, return the decoded answer."""
        response = self.send(method, path, body)
        assert response.status_code == status, response.text
        return response.json() if response.content else None

    def refused(self, method: str, path: str, body: Any = None, *, status: int) -> str:
        """Send, insist on a refusal of the right shape, return its message."""
        error = self(method, path, body, status=status)
        ids = {400: "bad_request", 403: "forbidden", 404: "not_found", 409: "conflict", 412: "precondition_failed"}
        assert error["id"] == ids.get(status, "unprocessable_entity")
        assert set(error) == {"id", "message", "request_id"}
        return str(error["message"])

    # -- what many tests begin with --

    def vpc(self, name: str = "dev", ip_range: str = "10.78.0.0/20") -> dict[str, Any]:
        body = {"name": name, "region": "fra1", "ip_range": ip_range}
        vpc: dict[str, Any] = self("POST", "/v2/vpcs", body, status=201)["vpc"]
        return vpc

    def droplet(self, name: str = "web-1", *, ready: bool = True, **more: Any) -> dict[str, Any]:
        body = {"name": name, "region": "fra1", "size": "s-1vcpu-1gb", "image": "debian-13-x64", **more}
        droplet: dict[str, Any] = self("POST", "/v2/droplets", body, status=202)["droplet"]
        if ready:
            self.cloud.drain()  # of machines, if there are any
            self.cloud.clock.advance(40)
            droplet = self("GET", f"/v2/droplets/{droplet['id']}")["droplet"]
        return droplet

    def cluster(self, name: str = "db-1", engine: str = "pg", *, ready: bool = True, **more: Any) -> dict[str, Any]:
        body = {"name": name, "engine": engine, "region": "fra1", "size": "db-s-1vcpu-1gb", "num_nodes": 1, **more}
        cluster: dict[str, Any] = self("POST", "/v2/databases", body, status=201)["database"]
        if ready:
            self.cloud.drain()
            self.cloud.clock.advance(300)
            cluster = self("GET", f"/v2/databases/{cluster['id']}")["database"]
        return cluster
