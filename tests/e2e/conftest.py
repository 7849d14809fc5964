# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One cloud and one shop for all end-to-end tests. The numbers in the files' names are the order they run in."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from canary.canary import watched
from e2e.browser import browser
from e2e.shop import CONTROLLER_FILES, TORTURE_PASSWORD, TORTURE_RESEND_KEY, Cloud, Host, Shop, run
from playwright.sync_api import BrowserContext
from stages import ROOT, environment, tool

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what needs containers; put the contract between the shop's tests and the cloud's end: it reads their log."""
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.machines)
            item.add_marker(pytest.mark.timeout(1800))
    items.sort(key=_turn)


def _turn(item: pytest.Item) -> int:
    if item.path.name == "test_9_down.py":
        return 3
    if item.path.name == "test_site_requests.py":
        return 2
    return 1 if HERE in item.path.parents else 0


@pytest.fixture(scope="session")
def untouched() -> Host:
    """The machine before the tests start anything."""
    return Host.now()


@pytest.fixture(scope="session")
def cloud(untouched: Host) -> Iterator[Cloud]:
    """A fresh localcloud of this clone, stopped at the end."""
    run([tool("localcloud"), "down"]).must()
    try:
        run([tool("localcloud"), "up", "--speed", "20"]).must()
        yield Cloud()
    finally:
        run([tool("localcloud"), "down"]).must()


@pytest.fixture(scope="session")
def arguments(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """What every run of the site is given beside its inventory: a hard value, which Ansible is told not to template."""
    values = tmp_path_factory.mktemp("values") / "torture.yml"
    quoted = TORTURE_RESEND_KEY.replace("\\", "\\\\").replace('"', '\\"')
    values.write_text(f'flowdose_resend_api_key: !unsafe "{quoted}"\n')
    return ["-e", f"@{values}"]


@pytest.fixture(scope="session")
def shop(cloud: Cloud, arguments: list[str]) -> Shop:
    """The shop as `make demo` brings it up, at -vvv, with an admin password that is hard to carry."""
    CONTROLLER_FILES.mkdir(parents=True, exist_ok=True)
    password = CONTROLLER_FILES / "admin_password"
    password.touch(mode=0o600)
    password.write_text(TORTURE_PASSWORD)
    command = ["make", "demo", f"ARGS={' '.join(arguments)} -vvv"]
    return Shop(watched(command, cwd=ROOT, env=environment({"ANSIBLE_NOCOLOR": "1"}), timeout=1800), arguments, cloud)


@pytest.fixture(scope="session")
def visitor(shop: Shop, tmp_path_factory: pytest.TempPathFactory) -> Iterator[BrowserContext]:
    with browser(Path(shop.addresses["ca"]), tmp_path_factory.mktemp("visitor")) as running:
        yield running
