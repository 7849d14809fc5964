# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a shop can sell, seen from outside.

A check is a method of `Shop`: it returns what it found, or raises `Failed` with what is wrong and what to do. It
proves something that a visitor would notice; Medusa's /health, a constant, is there only to tell a stopped backend
from a broken one.
"""

from __future__ import annotations

import re
import socket
import ssl
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any
from urllib.parse import urljoin, urlsplit

from .medusa import Medusa, MedusaError
from .web import Answer, Browser, WebError

INTERVAL = 2.0  # seconds between two tries of a check
MAX_REDIRECTS = 5
FOREIGN_ORIGIN = "https://elsewhere.invalid"
CORS_ADVICE = "check STORE_CORS, ADMIN_CORS and AUTH_CORS"


class Failed(Exception):
    """What a check found wrong, and what to do about it."""


@dataclass(frozen=True)
class Check:
    """One thing to prove about one address."""

    name: str
    target: str
    proves: str
    run: Callable[[], str]


@dataclass(frozen=True)
class Result:
    """How a check ended. `seconds` counts all its tries."""

    name: str
    target: str
    proves: str
    ok: bool
    detail: str
    seconds: float


@dataclass(frozen=True)
class Shop:
    """The addresses of a shop, without a slash at their ends, and what the checks need to know about it."""

    store_url: str
    admin_url: str
    api_url: str
    publishable_key: str | None = None  # without it, the one that the admin finds in the shop
    admin_email: str | None = None
    admin_password: str | None = None
    health_path: str | None = None  # of the storefront
    ca_file: str | None = None
    certificate_days: int = 7
    closed_ports: tuple[int, ...] = ()
    closed_hosts: tuple[str, ...] = ()  # HOST for the ports above, HOST:PORT for that one
    request_timeout: float = 15

    def checks(self) -> list[Check]:
        """All checks, in the order in which a reader wants to see them."""
        hosts = list(dict.fromkeys(urlsplit(url).netloc for url in (self.store_url, self.admin_url, self.api_url)))
        checks = []
        for host in hosts:
            proves = "visitors trust the TLS certificate"
            checks.append(Check("certificate", host, proves, partial(self.certificate, host)))
            if ":" not in host:  # the proxy's own port 80 belongs to its port 443 only
                proves = "plain HTTP leads to HTTPS"
                checks.append(Check("redirect", f"http://{host}", proves, partial(self.redirect, host)))
        api, store, admin = self.api_url, self.store_url, self.admin_url
        checks += [
            Check("health", f"{api}/health", "the backend's process answers", self.health),
            Check(
                "regions",
                f"{api}/store/regions",
                "the publishable key opens the shop, and it has a region",
                self.regions,
            ),
            Check(
                "products", f"{api}/store/products", "a product with a price comes out of the database", self.products
            ),
            Check("image", "a product's image", "images load from where they are stored", self.image),
            Check("cors", api, "browsers let the shop's own pages call the API, and no others", self.cors),
            Check("admin", f"{admin}/app", "the admin's page and its program load", self.admin),
        ]
        if self.admin_email:
            proves = "an admin can log in: the cookie passes the proxy, the session store (Valkey) keeps it"
            checks.append(Check("session", f"{api}/auth/session", proves, self.session))
        checks.append(Check("storefront", store, "a visitor gets the shop's page and its program", self.storefront))
        if self.health_path not in (None, "", "/"):  # the page itself has been asked for, with cookies
            target = f"{store}{self.health_path}"
            checks.append(
                Check("storefront health", target, "the storefront says that it is well", self.storefront_health)
            )
        for closed in self.closed_hosts or tuple(host.partition(":")[0] for host in hosts):
            host, _separator, named = closed.partition(":")
            for port in [int(named)] if named else self.closed_ports:
                proves = "the way in is through the proxy alone"
                checks.append(Check("closed port", f"{host}:{port}", proves, partial(self.closed, host, port)))
        return checks

    # Transport

    def certificate(self, netloc: str) -> str:
        host, _separator, port = netloc.partition(":")
        context = self._browser().context
        try:
            with (
                socket.create_connection((host, int(port or 443)), self.request_timeout) as raw,
                context.wrap_socket(raw, server_hostname=host) as tls,
            ):
                certificate = tls.getpeercert() or {}
        except ssl.SSLCertVerificationError as error:
            raise Failed(f"not trusted: {error.verify_message}") from None
        except OSError as error:
            raise Failed(
                f"no TLS connection: {error.strerror or error}. Does the name lead to the right host?"
            ) from None
        seconds = ssl.cert_time_to_seconds(str(certificate["notAfter"])) - time.time()
        days = int(seconds // 86400)
        if days < self.certificate_days:
            raise Failed(f"expires in {days} days and was not renewed: see the proxy's log")
        return f"{days} days left" if days else f"{int(seconds // 3600)} hours left"

    def redirect(self, host: str) -> str:
        answer = self._ask(f"http://{host}/")
        target = answer.headers.get("Location") or ""
        if answer.status not in (301, 302, 307, 308) or not target.startswith(f"https://{host}"):
            raise Failed(f"HTTP {answer.status} instead of a redirect to https://{host}")
        return f"HTTP {answer.status} to {target}"

    def closed(self, host: str, port: int) -> str:
        try:
            socket.create_connection((host, port), 3).close()
        except OSError as error:
            return "no answer" if isinstance(error, TimeoutError) else str(error.strerror or error).lower()
        raise Failed(f"port {port} answers from outside: check the firewall, and that the process listens on 127.0.0.1")

    # The API

    def health(self) -> str:
        answer = self._ask(f"{self.api_url}/health")
        if answer.status != 200:
            raise Failed(f"{answer.explanation}: is the backend running behind the proxy?")
        return "HTTP 200"

    def regions(self) -> str:
        regions = self._store("/store/regions", "regions")
        if not regions:
            raise Failed("there is no region: create a region in the admin (Settings, Regions), or run the seed")
        names = ", ".join(f"{region['name']} ({region['currency_code']})" for region in regions[:3])
        return f"{len(regions)}: {names}"

    def products(self) -> str:
        region = next(iter(self._store("/store/regions", "regions")), None)
        if region is None:
            raise Failed("there is no region to sell in: create a region")
        query = f"region_id={region['id']}&fields=title,*variants.calculated_price&limit=20"
        products = self._store(f"/store/products?{query}", "products")
        if not products:
            raise Failed("there is no product to sell: create one in the sales channel of the publishable key")
        for product in products:
            for variant in product.get("variants") or []:
                price = (variant.get("calculated_price") or {}).get("calculated_amount")
                if price is not None:
                    return f"{product['title']}: {price} {region['currency_code']}"
        raise Failed(f"none of {len(products)} products has a price in {region['currency_code']}: set one")

    def image(self) -> str:
        for product in self._store("/store/products?fields=title,thumbnail,*images&limit=20", "products"):
            url = product.get("thumbnail") or next((image["url"] for image in product.get("images") or []), None)
            if url:
                answer = self._ask(urljoin(self.api_url, url))
                kind = answer.headers.get("Content-Type") or "no type"
                if answer.status != 200 or not kind.startswith("image/"):
                    raise Failed(f"{url}: HTTP {answer.status}, {kind}. Can everybody read the bucket's objects?")
                return f"{url} ({kind}, {len(answer.body)} bytes)"
        return "nothing to load: no product has an image"

    def cors(self) -> str:
        # The admin's pages call /admin, both call /auth, the storefront's call /store.
        calls = [("/store/products", self.store_url), ("/auth/customer/emailpass", self.store_url)]
        calls += [("/admin/users/me", self.admin_url), ("/auth/user/emailpass", self.admin_url)]
        for path, page in calls:
            if self._allowed_origin(path, _origin(page)) != _origin(page):
                raise Failed(
                    f"{path} may not be called by pages of {_origin(page)}: check STORE_CORS, ADMIN_CORS, AUTH_CORS"
                )
            if self._allowed_origin(path, FOREIGN_ORIGIN) in (FOREIGN_ORIGIN, "*"):
                raise Failed(f"{path} may be called by the pages of any site: {CORS_ADVICE}")
        return f"{_origin(self.store_url)} and {_origin(self.admin_url)} only"

    def session(self) -> str:
        browser = self._browser()
        data = {"email": self.admin_email, "password": self.admin_password}
        login = self._ask(f"{self.api_url}/auth/user/emailpass", "POST", data=data, browser=browser)
        if login.status != 200:
            raise Failed(f"login as {self.admin_email}: {login.explanation}")
        headers = {"Authorization": f"Bearer {login.json().get('token')}", "Origin": _origin(self.admin_url)}
        opened = self._ask(f"{self.api_url}/auth/session", "POST", headers, {}, browser)
        cookie = opened.headers.get("Set-Cookie") or ""
        if opened.status != 200 or not cookie:
            raise Failed(
                f"{opened.explanation} and no cookie: the proxy must send X-Forwarded-Proto: https, "
                "or the admin's login page comes back for ever"
            )
        if "secure" not in cookie.lower():
            raise Failed("the session's cookie is not Secure: is NODE_ENV=production set?")
        me = self._ask(f"{self.api_url}/admin/users/me", browser=browser)
        self._ask(f"{self.api_url}/auth/session", "DELETE", browser=browser)
        if me.status != 200:
            raise Failed(f"the session was lost at once ({me.explanation}): is Valkey reachable from the backend?")
        return f"as {self.admin_email}"

    # The pages

    def admin(self) -> str:
        return self._page(f"{self.admin_url}/app", self._browser(), "was it built (DISABLE_MEDUSA_ADMIN)?")

    def storefront(self) -> str:
        return self._page(self.store_url, self._browser(), "see the storefront's log")

    def storefront_health(self) -> str:
        answer = self._ask(f"{self.store_url}{self.health_path}")
        if answer.status != 200:
            raise Failed(answer.explanation)
        return "HTTP 200"

    def _page(self, url: str, browser: Browser, advice: str) -> str:
        """A page of HTML whose first script loads. A storefront may redirect until its own cookie comes back."""
        page = self._ask(url, browser=browser, follow=MAX_REDIRECTS)
        kind = page.headers.get("Content-Type") or "no type"
        if page.status != 200 or "html" not in kind or "</" not in page.text:
            raise Failed(f"{page.explanation}, {kind}: {advice}")
        if "__next_error__" in page.text:
            raise Failed(f"the page is an error page: {advice}")
        found = re.search(r'<script[^>]+src="([^"]+)"', page.text)
        if not found:
            return f"{len(page.body)} bytes"
        script = urljoin(page.url, found[1].replace("&amp;", "&"))
        if urlsplit(script).netloc == urlsplit(page.url).netloc:
            answer = self._ask(script, browser=browser)
            if answer.status != 200 or "javascript" not in (answer.headers.get("Content-Type") or ""):
                raise Failed(f"its program {script} does not load (HTTP {answer.status}): {advice}")
        return f"{len(page.body)} bytes at {page.url}"

    # How they ask

    def _store(self, path: str, key: str) -> list[dict[str, Any]]:
        headers = {"x-publishable-api-key": self.publishable_key or self._found_key()}
        answer = self._ask(self.api_url + path, headers=headers)
        if answer.status != 200:
            raise Failed(answer.explanation)
        found = answer.json().get(key)
        return found if isinstance(found, list) else []

    def _found_key(self) -> str:
        """Looked up at each try, so that a backend which still starts is waited for."""
        medusa = Medusa(self.api_url, self.ca_file, self.request_timeout)
        try:
            if not medusa.login(str(self.admin_email), str(self.admin_password)):
                raise Failed(f"without a publishable key: the backend refused the password of {self.admin_email}")
            key = medusa.find_publishable_key()
        except MedusaError as error:
            raise Failed(str(error)) from None
        if key is None:
            raise Failed(
                "no publishable key has a sales channel: create one in the admin (Settings, Publishable API keys)"
            )
        return str(key["token"])

    def _allowed_origin(self, path: str, origin: str) -> str | None:
        # Medusa answers for the methods that a path has, and all others look forbidden.
        method = "POST" if path.startswith("/auth/") else "GET"
        headers = {"Origin": origin, "Access-Control-Request-Method": method}
        headers["Access-Control-Request-Headers"] = "x-publishable-api-key,content-type"
        return self._ask(self.api_url + path, "OPTIONS", headers).headers.get("Access-Control-Allow-Origin")

    def _browser(self) -> Browser:
        try:
            return Browser(self.ca_file, self.request_timeout)
        except WebError as error:
            raise Failed(str(error)) from None

    def _ask(
        self,
        url: str,
        method: str = "GET",
        headers: dict[str, str] | None = None,
        data: object = None,
        browser: Browser | None = None,
        follow: int = 0,
    ) -> Answer:
        try:
            return (browser or self._browser()).ask(url, method, headers, data, follow)
        except WebError as error:
            raise Failed(str(error)) from None


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def examine(checks: list[Check], timeout: float) -> list[Result]:
    """Run all checks at once, each one again until it succeeds or `timeout` seconds are over."""
    deadline = time.monotonic() + timeout
    with ThreadPoolExecutor(max_workers=8) as pool:
        return list(pool.map(lambda check: _examine(check, deadline), checks))


def _examine(check: Check, deadline: float) -> Result:
    start = time.monotonic()
    while True:
        try:
            detail, ok = check.run(), True
        except Failed as failure:
            detail, ok = str(failure), False
        now = time.monotonic()
        if ok or now + INTERVAL > deadline:
            return Result(check.name, check.target, check.proves, ok, detail, round(now - start, 1))
        time.sleep(INTERVAL)


def table(results: list[Result]) -> list[str]:
    """The results as lines of text for a terminal."""
    names = max(len(result.name) for result in results)
    targets = max(len(result.target) for result in results)
    return [
        f"{'ok    ' if result.ok else 'FAILED'}  {result.name:<{names}}  {result.target:<{targets}}  "
        + (f"{result.proves} ({result.detail})" if result.ok else result.detail)
        for result in results
    ]
