# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""HTTP as a shop's visitor speaks it: every status is an answer, no redirect is followed unasked, cookies are kept."""

from __future__ import annotations

import json
import ssl
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from email.message import Message
from http.cookiejar import CookieJar
from typing import IO, Any, NoReturn
from urllib.parse import urljoin


class WebError(Exception):
    """No answer came: the address cannot be reached, its certificate is not trusted, or it took too long."""


@dataclass(frozen=True)
class Answer:
    """What came back. Header names are looked up without regard to case."""

    status: int
    headers: Message
    body: bytes
    url: str

    @property
    def text(self) -> str:
        return self.body.decode(errors="replace")

    def json(self) -> Any:
        """The decoded body, {} when it is no JSON."""
        try:
            return json.loads(self.body)
        except ValueError:
            return {}

    @property
    def explanation(self) -> str:
        """One line for an error: the status and what the server said about it."""
        data = self.json()
        message = data.get("message") if isinstance(data, dict) else None
        return f"HTTP {self.status}" + (f" ({str(message)[:200]})" if message else "")


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, req: object, fp: IO[bytes], *_: object) -> None:
        return None


class Browser:
    """Requests that share cookies and an authority to trust."""

    def __init__(self, ca_file: str | None = None, timeout: float = 20) -> None:
        """`ca_file` is added to the authorities of the system; `timeout` in seconds, for each wait on the network."""
        context = ssl.create_default_context()
        if ca_file:
            try:
                context.load_verify_locations(ca_file)
            except (OSError, ssl.SSLError) as error:
                raise WebError(f"the CA file {ca_file} cannot be read: {error}") from None
        self.timeout = timeout
        self.context = context
        self.cookies = CookieJar()
        self._opener = urllib.request.build_opener(
            urllib.request.HTTPSHandler(context=context),
            urllib.request.HTTPCookieProcessor(self.cookies),
            _NoRedirect(),
            # The shop is asked itself, not a proxy that may know another one of that name.
            urllib.request.ProxyHandler({}),
        )

    def ask(
        self,
        url: str,
        method: str = "GET",
        headers: Mapping[str, str] | None = None,
        data: object = None,
        follow: int = 0,
    ) -> Answer:
        """Send one request, `data` as JSON; follow up to `follow` redirects. WebError when no answer comes."""
        body = None if data is None else json.dumps(data).encode()
        request = urllib.request.Request(url, body, dict(headers or {}), method=method)  # noqa: S310
        if body is not None:
            request.add_header("Content-Type", "application/json")
        try:
            try:
                with self._opener.open(request, timeout=self.timeout) as response:
                    answer = Answer(response.status, response.headers, response.read(), url)
            except urllib.error.HTTPError as error:
                with error:
                    answer = Answer(error.code, error.headers, error.read(), url)
        except (OSError, ValueError, urllib.error.URLError) as error:
            _explain(url, error)
        target = answer.headers.get("Location")
        if follow and target and answer.status in (301, 302, 303, 307, 308):
            return self.ask(urljoin(url, target), follow=follow - 1)
        return answer


def _explain(url: str, error: Exception) -> NoReturn:
    reason = getattr(error, "reason", None) or error
    if isinstance(reason, ssl.SSLCertVerificationError):
        raise WebError(f"the certificate of {url} is not trusted: {reason.verify_message}") from None
    if isinstance(reason, TimeoutError):
        raise WebError(f"{url} did not answer in time") from None
    text = getattr(reason, "strerror", None) or str(reason) or type(reason).__name__
    raise WebError(f"{url} cannot be reached: {text}") from None
