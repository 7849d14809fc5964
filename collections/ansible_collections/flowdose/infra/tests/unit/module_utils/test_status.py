# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from typing import Any

from ansible_collections.flowdose.infra.plugins.module_utils.status import report

SERVES = {
    "name": "medusa-backend",
    "port": 9001,
    "state": "online",
    "listens": True,
    "restarts": 2,
    "since": "2026-11-23T02:00:00Z",
    "release": "b2",
    "serves": True,
}
BACKEND = {
    "app": "backend",
    "current": "b2",
    "since": "2026-11-23T02:01:00Z",
    "releases": [
        {"id": "b3", "complete": False, "taken_back": {}},
        {
            "id": "b2",
            "complete": True,
            "taken_back": {},
            "made_at": "2026-11-23T01:00:00Z",
            "made_by": "anna@laptop",
            "commit": "3f2a9c01d7be5b0c6a1d",
            "subject": "Prices",
        },
        {"id": "b1", "complete": True, "taken_back": {"time": "yesterday", "who": "ben@desk", "for": "b0"}},
    ],
    "processes": [SERVES],
}
LOG = [
    {
        "time": "2026-11-23T02:01:00Z",
        "event": "deploy",
        "app": "backend",
        "release": "b2",
        "outcome": "ok",
        "who": "anna",
    },
    {
        "time": "2026-11-23T02:05:00Z",
        "event": "deploy",
        "app": "backend",
        "release": "b3",
        "outcome": "failed",
        "who": "ben",
        "detail": {"failed": "it did not\nopen port 9000"},
    },
]
CHECKS = [
    {"name": "certificate", "target": "api.example.com", "ok": True, "detail": "61 days left"},
    {"name": "health", "target": "https://api.example.com/health", "ok": False, "detail": "HTTP 502"},
]


def deployed(**changed: Any) -> dict[str, Any]:
    now = "2026-11-23T03:00:00Z"
    return {"apps": [BACKEND], "lock": None, "log": LOG, "now": now, "problems": [], **changed}


def test_all_of_it() -> None:
    lock = {"id": "a1", "who": "ben@desk", "purpose": "deploys backend b4", "since": "2026-11-23T02:48:00Z"}
    pending = {"needed": True, "message": ["migration Migration1", "link product_brand"]}
    lines = report({"backend-1": deployed(lock=lock)}, {"checks": CHECKS}, pending)
    assert lines == [
        "lock         ben@desk deploys backend b4, since 2026-11-23T02:48:00Z (12 minutes ago), lock a1",
        "health       1 of 2 checks from outside succeeded",
        "             FAILED health, https://api.example.com/health: HTTP 502",
        "certificate  api.example.com: 61 days left",
        "migrations   migration Migration1; link product_brand",
        "",
        "backend on backend-1: b2 since 2026-11-23T02:01:00Z",
        "  serves  medusa-backend on port 9001  online  since 2026-11-23T02:00:00Z  2 restarts",
        "           b3                                                          unfinished",
        "  current  b2  2026-11-23T01:00:00Z  anna@laptop  3f2a9c01d7be Prices",
        "           b1" + 58 * " " + "taken back yesterday by ben@desk for b0",
        "",
        "The log",
        "  2026-11-23T02:01:00Z  ok      deploy  backend  b2  backend-1  anna",
        "  2026-11-23T02:05:00Z  failed  deploy  backend  b3  backend-1  ben   it did not open port 9000",
    ]


def test_what_is_for_several_hosts_is_one_line_of_the_log() -> None:
    lines = report({"backend-1": deployed(), "backend-2": deployed(log=LOG[:1])}, {"checks": CHECKS}, {"message": []})
    assert [line for line in lines if "b2  backend" in line] == [
        "  2026-11-23T02:01:00Z  ok      deploy  backend  b2  backend-1, backend-2  anna"
    ]


def test_a_shop_that_is_down() -> None:
    stopped = {**BACKEND, "current": "", "processes": [{**SERVES, "state": "errored", "listens": False}]}
    hosts = {
        "backend-1": deployed(apps=[stopped], problems=["pm2: no daemon runs"]),
        "storefront-1": {"unreachable": True, "msg": "Connection\n  timed out"},
        "storefront-2": {},
        "worker-1": deployed(apps=[]),
    }
    lines = report(hosts, {"msg": "no CA file"}, {"problem": "no database"})
    assert "health      not known: no CA file" in lines
    assert "migrations  not known: no database" in lines
    assert "backend on backend-1: nothing was ever switched to" in lines
    assert any("errored, but its port is closed" in line for line in lines)
    assert "  not read: pm2: no daemon runs" in lines
    assert "storefront-1: not reached. Connection timed out" in lines
    assert "storefront-2: not reached. Nothing was read." in lines
    assert "worker-1: no application" in lines


def test_before_the_first_run() -> None:
    assert report({}, {}, {}) == [
        "lock        none: there is no droplet",
        "health      not known: Nothing was read.",
        "migrations  not known: no release of the backend serves",
        "",
        "The log",
        "  nothing was logged",
    ]
