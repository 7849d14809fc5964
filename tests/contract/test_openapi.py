# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The judge is judged first: what it must let pass, and what it must not."""

from __future__ import annotations

from typing import Any

import pytest
from contract.openapi import check_request, check_response, needs_specification

pytestmark = needs_specification

DROPLET = {"name": "web-1", "size": "s-1vcpu-1gb", "image": "debian-13-x64"}
RECORDS = "/v2/domains/a.example/records"
RULE = {"protocol": "tcp", "ports": "22", "sources": {"addresses": ["0.0.0.0/0"]}}


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/v2/droplets", {**DROPLET, "ssh_keys": [7, "aa:bb"], "tags": None}),
        ("POST", RECORDS, {"type": "TXT", "name": "@", "data": "v=spf1 -all"}),
        ("POST", RECORDS, {"type": "MX", "data": "mail.a.example.", "priority": 10}),
        ("POST", "/v2/tags/web/resources", {"resources": [{"resource_id": "x", "resource_type": "database"}]}),
        ("POST", "/v2/droplets/7/actions", {"type": "resize", "size": "s-1vcpu-2gb", "disk": False}),
        ("POST", "/v2/firewalls", {"name": "fw", "inbound_rules": [RULE]}),
        ("POST", "/v2/firewalls", {"name": "fw", "outbound_rules": [{"protocol": "icmp", "destinations": {}}]}),
        ("GET", "/v2/droplets", None),
    ],
)
def test_sound_request_passes(method: str, path: str, body: Any) -> None:
    assert check_request(method, path, body) == []


@pytest.mark.parametrize(
    ("method", "path", "body", "problem"),
    [
        ("POST", "/v2/droplets", {**DROPLET, "siize": "x"}, "body: unknown key siize"),
        ("POST", "/v2/droplets", {"name": "a", "image": "b"}, "body: 'size' is a required property"),
        ("POST", "/v2/droplets", {**DROPLET, "ssh_keys": 7}, "body.ssh_keys: 7 is not of type 'array'"),
        ("POST", "/v2/droplets", None, "is required"),
        (
            "POST",
            "/v2/firewalls",
            {"name": "fw", "inbound_rules": [{**RULE, "sources": {"adresses": ["0.0.0.0/0"]}}]},
            "body.inbound_rules.0.sources: unknown key adresses",
        ),
        (
            "POST",
            "/v2/firewalls",
            {"name": "fw", "inbound_rules": [{"protocol": "tcp", "sources": {}}]},
            "body.inbound_rules.0",
        ),
        # An MX record must not pass as one of the other types.
        ("POST", RECORDS, {"type": "MX", "name": "@", "data": "mail."}, "'priority' is a required property"),
        ("POST", RECORDS, {"type": "PTR", "name": "@", "data": "x"}, "'PTR' is not one of"),
        ("POST", "/v2/account/keys", {"name": "a", "public_key": "b", "id": 7}, "unknown key id"),
        ("GET", "/v2/droplets", {"name": "x"}, "none is expected"),
        ("GET", "/v2/dropplets", None, "is not in the specification"),
    ],
)
def test_unsound_request_is_refused(method: str, path: str, body: Any, problem: str) -> None:
    if method == "POST" and body is None:
        path = "/v2/vpcs"  # whose body the specification requires
    (found,) = check_request(method, path, body)
    assert problem in found


def test_query_is_checked() -> None:
    assert check_request("GET", "/v2/droplets", None, {"per_page": "200", "tag_name": "web"}) == []
    assert check_request("GET", "/v2/droplets", None, {"per_page": "500"}) != []
    assert check_request("GET", "/v2/droplets", None, {"tag": "web"}) == ["query: tag is not known"]


def test_answers_are_closed_too() -> None:
    tag = {"name": "web", "resources": {"count": 0}}
    assert check_response("GET", "/v2/tags/web", 200, {"tag": tag}) == []
    assert check_response("GET", "/v2/tags/web", 200, {"tag": {**tag, "kind": 1}}) == ["body.tag: unknown key kind"]
    assert check_response("GET", "/v2/tags/web", 201, {"tag": tag}) != []
    assert check_response("DELETE", "/v2/tags/web", 204, {"tag": tag}) != []
    assert check_response("DELETE", "/v2/tags/web", 204) == []


def test_errors_have_a_shape() -> None:
    error = {"id": "conflict", "message": "Can not delete VPC with members", "request_id": "x"}
    assert check_response("DELETE", "/v2/vpcs/x", 409, error) == []
    assert check_response("DELETE", "/v2/vpcs/x", 409, {"error": "no"}) != []


def test_nullable_and_formats() -> None:
    action = {
        "id": 7,
        "status": "completed",
        "type": "create",
        "completed_at": None,
        "started_at": "2026-09-01T00:00:00Z",
    }
    assert check_response("GET", "/v2/actions/7", 200, {"action": action}) == []
    assert check_response("GET", "/v2/actions/7", 200, {"action": {**action, "started_at": "yesterday"}}) != []
    assert check_response("GET", "/v2/actions/7", 200, {"action": {**action, "started_at": None}}) != []
