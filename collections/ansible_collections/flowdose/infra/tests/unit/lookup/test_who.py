# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import getpass
import os

import pytest
from ansible_collections.flowdose.infra.plugins.lookup import who as plugin


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("GITHUB_") or name in ("SUDO_USER", "LOGNAME", "USER")]:
        monkeypatch.delenv(name)
    monkeypatch.setattr(plugin.socket, "gethostname", lambda: "laptop")


def test_user_and_host(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOGNAME", "anna")
    assert plugin.LookupModule().run([]) == ["anna@laptop"]


def test_with_sudo_it_is_the_person(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOGNAME", "root")
    monkeypatch.setenv("SUDO_USER", "anna")
    assert plugin.who() == "anna@laptop"


def test_a_user_without_a_name(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown() -> str:
        raise KeyError("getpwuid(): uid not found: 1234")

    monkeypatch.setattr(getpass, "getuser", unknown)
    assert plugin.who() == f"{os.getuid()}@laptop"


def test_github_names_the_person_and_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_ACTOR", "anna")
    monkeypatch.setenv("GITHUB_SERVER_URL", "https://git.example.com")
    monkeypatch.setenv("GITHUB_REPOSITORY", "flowdose/shop")
    monkeypatch.setenv("GITHUB_RUN_ID", "17")
    assert plugin.who() == "anna (https://git.example.com/flowdose/shop/actions/runs/17)"
