# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Each check against a shop that is well, and against one that is not in just that way."""

from __future__ import annotations

import dataclasses
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible_collections.flowdose.infra.plugins.module_utils.readiness import Failed, Shop, examine, table
from ansible_collections.flowdose.infra.tests.unit.module_utils.fake_shop import (
    EMAIL,
    KEY,
    PASSWORD,
    FakeShop,
    Reply,
    data,
    html,
    running_shop,
)
from ansible_collections.flowdose.infra.tests.unit.task import run_task


@pytest.fixture
def fake(tmp_path: Path) -> Iterator[FakeShop]:
    with running_shop(tmp_path) as shop:
        yield shop


@pytest.fixture
def shop(fake: FakeShop) -> Shop:
    return Shop(
        store_url=fake.url,
        admin_url=fake.url,
        api_url=fake.url,
        publishable_key=KEY,
        admin_email=EMAIL,
        admin_password=PASSWORD,
        health_path="/health",
        ca_file=fake.ca_file,
        request_timeout=5,
    )


def test_a_shop_that_can_sell(shop: Shop) -> None:
    results = examine(shop.checks(), timeout=0)
    assert [(result.name, result.detail) for result in results if not result.ok] == []
    found = {result.name: result.detail for result in results}
    assert list(found) == [
        *("certificate", "health", "regions", "products", "image", "cors", "admin", "session"),
        *("storefront", "storefront health"),
    ]
    assert found["certificate"] == "30 days left"
    assert found["regions"] == "1: Europe (eur)"
    assert found["products"] == "Pump: 25 eur"


@pytest.mark.parametrize(
    ("check", "route", "reply", "message"),
    [
        ("health", "GET /health", (502, {}, b""), "HTTP 502: is the backend running behind the proxy"),
        ("regions", "GET /store/regions", data(200, {"regions": []}), "create a region"),
        ("regions", "GET /store/regions", data(500, {"message": "db"}), r"HTTP 500 \(db\)"),
        ("products", "GET /store/regions", data(200, {"regions": []}), "create a region"),
        ("products", "GET /store/products", data(200, {"products": []}), "no product to sell"),
        (
            "products",
            "GET /store/products",
            data(200, {"products": [{"title": "Pump"}]}),
            "none of 1 products has a price",
        ),
        ("image", "GET /static/pump.png", (403, {"Content-Type": "application/xml"}, b""), "HTTP 403, application/xml"),
        ("admin", "GET /app", data(404, {"message": "Cannot GET /app"}), r"HTTP 404 \(Cannot GET /app\)"),
        ("admin", "GET /app/assets/index.js", html("</"), "its program .* does not load"),
        ("session", "POST /auth/session", data(200, {}), "the proxy must send X-Forwarded-Proto"),
        ("session", "POST /auth/session", (200, {"Set-Cookie": "connect.sid=1; Path=/"}, b"{}"), "is not Secure"),
        ("session", "GET /admin/users/me", data(401, {"message": "Unauthorized"}), "the session was lost at once"),
        ("storefront", "GET /", (307, {"Location": "/"}, b""), "HTTP 307"),
        ("storefront", "GET /", html('<html id="__next_error__"></html>'), "the page is an error page"),
        ("storefront", "GET /_next/static/a.js", html("</"), "does not load"),
        ("storefront_health", "GET /health", (503, {}, b""), "HTTP 503"),
    ],
)
def test_what_is_wrong(fake: FakeShop, shop: Shop, check: str, route: str, reply: Reply, message: str) -> None:
    fake.replies[route] = reply
    with pytest.raises(Failed, match=message):
        getattr(shop, check)()


def test_wrong_key_and_wrong_password(shop: Shop) -> None:
    with pytest.raises(Failed, match="A valid publishable key is required"):
        dataclasses.replace(shop, publishable_key="pk_wrong").regions()
    with pytest.raises(Failed, match=rf"login as {EMAIL}: HTTP 401 \(Invalid email or password\)") as caught:
        dataclasses.replace(shop, admin_password="hidden").session()
    assert "hidden" not in str(caught.value)


def test_cors_must_let_in_its_own_pages_and_no_others(fake: FakeShop, shop: Shop) -> None:
    fake.cors = set()
    with pytest.raises(Failed, match=r"may not be called by pages of https://127\.0\.0\.1"):
        shop.cors()
    fake.cors = {fake.url, "https://elsewhere.invalid"}
    with pytest.raises(Failed, match="may be called by the pages of any site"):
        shop.cors()


def test_certificates(shop: Shop, tmp_path: Path) -> None:
    host = shop.store_url.removeprefix("https://")
    with pytest.raises(Failed, match=r"not trusted: .*unable to get local issuer|not trusted: self"):
        dataclasses.replace(shop, ca_file=None).certificate(host)
    with pytest.raises(Failed, match=r"the certificate of .* is not trusted"):
        dataclasses.replace(shop, ca_file=None).health()
    with pytest.raises(Failed, match=r"no TLS connection"):
        shop.certificate("127.0.0.1:1")
    with pytest.raises(Failed, match=r"the CA file .* cannot be read"):
        dataclasses.replace(shop, ca_file=str(tmp_path / "none.pem")).health()
    with running_shop(tmp_path, days=3) as old:
        again = dataclasses.replace(shop, ca_file=old.ca_file)
        with pytest.raises(Failed, match="expires in 3 days and was not renewed"):
            again.certificate(old.url.removeprefix("https://"))


def test_redirect_to_https(shop: Shop, tmp_path: Path) -> None:
    with running_shop(tmp_path, tls=False) as plain:
        host = plain.url.removeprefix("http://")
        plain.replies["GET /"] = (308, {"Location": f"https://{host}/"}, b"")
        assert shop.redirect(host) == f"HTTP 308 to https://{host}/"
        plain.replies["GET /"] = (302, {"Location": "https://elsewhere.invalid/"}, b"")
        with pytest.raises(Failed, match=f"HTTP 302 instead of a redirect to https://{host}"):
            shop.redirect(host)
    with socket.create_server(("127.0.0.1", 0)) as silent, pytest.raises(Failed, match="did not answer in time"):
        dataclasses.replace(shop, request_timeout=0.2).redirect(f"127.0.0.1:{silent.getsockname()[1]}")
    names = [check.name for check in dataclasses.replace(shop, store_url="https://shop.invalid").checks()]
    assert names.count("redirect") == 1  # not for addresses that name a port


def test_the_page_is_not_asked_twice(shop: Shop) -> None:
    names = [check.name for check in dataclasses.replace(shop, health_path="/", admin_email=None).checks()]
    assert "storefront health" not in names
    assert "session" not in names


def test_ports_that_must_be_closed(shop: Shop) -> None:
    port = int(shop.store_url.rpartition(":")[2])
    with pytest.raises(Failed, match=f"port {port} answers from outside"):
        shop.closed("127.0.0.1", port)
    assert "refused" in shop.closed("127.0.0.1", 1)
    checks = dataclasses.replace(shop, closed_ports=(8000, 9000), closed_hosts=("192.0.2.1", "192.0.2.1:80")).checks()
    targets = [check.target for check in checks if check.name == "closed port"]
    assert targets == ["192.0.2.1:8000", "192.0.2.1:9000", "192.0.2.1:80"]


def test_an_address_that_does_not_answer(shop: Shop) -> None:
    with pytest.raises(Failed, match=r"https://127\.0\.0\.1:1/health cannot be reached"):
        dataclasses.replace(shop, api_url="https://127.0.0.1:1").health()


def test_checks_are_tried_until_they_succeed(fake: FakeShop, shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    fake.replies["GET /health"] = (503, {}, b"")
    check = next(check for check in shop.checks() if check.name == "health")
    module = sys.modules[Shop.__module__]
    monkeypatch.setattr(module.time, "sleep", lambda _: fake.replies.clear())
    (result,) = examine([check], timeout=60)
    assert result.ok


def test_without_a_key_the_admin_finds_one(fake: FakeShop, shop: Shop) -> None:
    shop = dataclasses.replace(shop, publishable_key=None)
    with pytest.raises(Failed, match="no publishable key has a sales channel"):
        shop.regions()
    channels = [{"name": "Shop"}]
    fake.keys = [{"title": "Webshop", "token": KEY, "created_at": "2026-01-01", "sales_channels": channels}]
    assert shop.regions() == "1: Europe (eur)"
    fake.users.clear()
    with pytest.raises(Failed, match=f"refused the password of {EMAIL}"):
        shop.regions()


def test_table(fake: FakeShop, shop: Shop) -> None:
    fake.replies["GET /store/regions"] = data(200, {"regions": []})
    lines = table(examine([check for check in shop.checks() if check.name in ("health", "regions")], timeout=0))
    assert lines[0].startswith("ok      health   ")
    assert lines[0].endswith("the backend's process answers (HTTP 200)")
    assert lines[1].startswith("FAILED  regions  ")


def test_the_module(fake: FakeShop, tmp_path: Path) -> None:
    fake.users[EMAIL] = "another"
    options = {"store_url": fake.url, "admin_url": f"{fake.url}/", "api_url": fake.url, "ca_file": fake.ca_file}
    options |= {"publishable_key": KEY, "admin_email": EMAIL, "admin_password": PASSWORD}
    result, output = run_task("readiness", {**options, "closed_ports": [1], "timeout": 0}, tmp_path, "-vvv")
    assert result["failed"]
    assert result["msg"].startswith(f"1 of 10 checks failed: {fake.url} is not ready to sell.\n")
    assert [check["name"] for check in result["checks"] if not check["ok"]] == ["session"]
    assert any(line.startswith("FAILED  session") for line in result["table"])
    assert PASSWORD not in output

    fake.users[EMAIL] = PASSWORD
    result, _output = run_task("readiness", {**options, "closed_ports": [], "skip": ["cors"]}, tmp_path)
    assert not result.get("failed"), result
    assert not result["changed"]
    assert len(result["checks"]) == 8
    result, _output = run_task("readiness", {**options, "skip": ["corse"]}, tmp_path)
    assert result["msg"] == "skip names no check: corse"
