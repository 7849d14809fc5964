# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.flowdose.infra.plugins.module_utils.medusa import Medusa, MedusaError
from ansible_collections.flowdose.infra.plugins.modules.medusa_publishable_key import create
from ansible_collections.flowdose.infra.tests.unit.module_utils.fake_shop import (
    EMAIL,
    PASSWORD,
    FakeShop,
    data,
    running_shop,
)


@pytest.fixture
def fake(tmp_path: Path) -> Iterator[FakeShop]:
    with running_shop(tmp_path) as shop:
        yield shop


@pytest.fixture
def medusa(fake: FakeShop) -> Medusa:
    medusa = Medusa(f"{fake.url}/", fake.ca_file, timeout=5)
    assert medusa.login(EMAIL, PASSWORD)
    return medusa


def key(title: str, created: str, channel: bool = True, revoked: bool = False) -> dict[str, Any]:
    return {
        "title": title,
        "created_at": created,
        "revoked_at": created if revoked else None,
        "sales_channels": [{"id": "sc_1", "name": "Default"}] if channel else [],
    }


def test_login(fake: FakeShop, medusa: Medusa) -> None:
    assert not medusa.login(EMAIL, "another")
    assert medusa.token == ""
    fake.replies["POST /auth/user/emailpass"] = data(500, {"message": "no database"})
    with pytest.raises(MedusaError, match=r"could not log in to .* as admin@example.com: HTTP 500 \(no database\)"):
        medusa.login(EMAIL, PASSWORD)
    with pytest.raises(MedusaError, match=r"the backend does not answer: https://127.0.0.1:1/auth.* cannot be reached"):
        Medusa("https://127.0.0.1:1").login(EMAIL, PASSWORD)


def test_the_key_that_is_chosen(fake: FakeShop, medusa: Medusa) -> None:
    assert medusa.find_publishable_key("Storefront") is None
    fake.keys = [
        key("Revoked", "2026-01-01", revoked=True),
        key("Without channel", "2026-01-02", channel=False),
        key("Webshop", "2026-01-04"),
        key("Default", "2026-01-03"),
        key("Storefront", "2026-01-05"),
    ]
    chosen = medusa.find_publishable_key("Storefront")  # on the third page: the fake gives two at a time
    assert chosen
    assert chosen["title"] == "Storefront"
    fake.keys.pop()
    chosen = medusa.find_publishable_key("Storefront")
    assert chosen
    assert chosen["title"] == "Default"


def test_a_key_is_made_for_the_default_channel(fake: FakeShop, medusa: Medusa) -> None:
    channels = [{"id": "sc_1", "name": "First"}, {"id": "sc_2", "name": "Default"}]
    fake.replies |= {
        "GET /admin/stores": data(200, {"stores": [{"default_sales_channel_id": "sc_2"}], "count": 1}),
        "GET /admin/sales-channels": data(200, {"sales_channels": channels, "count": 2}),
        "POST /admin/api-keys": data(200, {"api_key": {"id": "apk_1", "title": "Storefront", "token": "pk_1"}}),
        "POST /admin/api-keys/apk_1/sales-channels": data(200, {}),
    }
    assert create(medusa, "Storefront")["sales_channels"] == [channels[1]]
    fake.replies["POST /admin/api-keys/apk_1/sales-channels"] = data(404, {"message": "not found"})
    with pytest.raises(MedusaError, match=r"could not link the key to the sales channel Default at .*HTTP 404"):
        create(medusa, "Storefront")
    fake.replies["GET /admin/sales-channels"] = data(200, {"sales_channels": [], "count": 0})
    with pytest.raises(MedusaError, match="has no sales channel"):
        create(medusa, "Storefront")
