# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from collections.abc import Iterator

import pytest
from faults.account import Account, serve


@pytest.fixture(scope="session")
def served() -> Iterator[Account]:
    with serve() as account:
        yield account


@pytest.fixture
def account(served: Account) -> Account:
    served.reset()
    return served


@pytest.fixture(scope="session")
def world(served: Account) -> dict[str, list[str]]:
    """What there is after a run on a good day."""
    served.reset()
    served.run()
    return served.world()
