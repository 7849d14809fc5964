# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The DigitalOcean API as the rest of the collection sees it; the only place that knows pydo.

pydo is generated code over azure-core and needs correcting: it hands documented error statuses (404, often 400, 409,
412) back as if they were results, sends a POST again after a 5xx, and loses the error's id and request id. `_Pipeline`
stands where azure-core puts its retry policy, sees every real answer first, and is the one place that decides about
retrying.
"""

from __future__ import annotations

import collections
import json
import math
import random
import re
import sys
import threading
import time
from collections.abc import Callable, Set
from concurrent.futures import ThreadPoolExecutor
from email.utils import parsedate_to_datetime
from operator import attrgetter
from typing import Any
from urllib.parse import urlsplit

from ansible.module_utils.basic import env_fallback

CLIENT_OPTIONS: dict[str, dict[str, Any]] = {
    "token": {"type": "str", "no_log": True, "fallback": (env_fallback, ["DIGITALOCEAN_TOKEN"])},
    "api_url": {
        "type": "str",
        "default": "https://api.digitalocean.com",
        "fallback": (env_fallback, ["DIGITALOCEAN_API_URL"]),
    },
    "ca_file": {"type": "path", "fallback": (env_fallback, ["DIGITALOCEAN_CA_FILE"])},
}

PAGE_SIZE = 200  # the API's maximum; its default is 20
ATTEMPTS = 5  # of a request that can safely be sent again; 0.5 + 1 + 2 + 4 s between them at most
CONNECT_ATTEMPTS = 3  # fewer: somebody who mistyped the address waits for the answer
PATIENCE = 300.0  # seconds that one request waits in all for rate limits before it gives up
IN_FLIGHT = 32  # requests at the same time; what waits for a resource to become ready holds none of them
RESERVE = 250  # requests left of the hour's when they begin to be spaced out, instead of all being refused at zero
CONNECT_TIMEOUT, READ_TIMEOUT = 10, 60  # seconds; azure-core's own default is 300 s each
PARALLEL_PAGES = 8
READINGS = 5  # of a list that changes while its pages are read
# Refusals of something that another action still has a hold of: the same request succeeds when that has ended.
BUSY = ((422, "pending event"), (403, "while it processes previous actions"))
CERTIFICATE_REFUSED = "CERTIFICATE_VERIFY_FAILED"  # in OpenSSL's messages

# Sent twice they have the effect of being sent once. PATCH is among them because every PATCH here sets values.
IDEMPOTENT = frozenset({"GET", "HEAD", "PUT", "PATCH", "DELETE"})
TRANSIENT = frozenset({408, 429, 500, 502, 503, 504})

HINTS = {
    401: "The token was refused. Check the option `token` or DIGITALOCEAN_TOKEN, and that the token belongs to the API "
    "at `api_url` (localcloud's token stands in .localcloud/credentials.json).",
    403: "The token is valid but not allowed to do this: it may be one that only reads. Use one with write access, or "
    "give it the scopes for this resource.",
    429: "The rate limit of the token (250 requests a minute, 5,000 an hour) is used up, perhaps by another program "
    "with the same token. Wait and run again: what was done stays done.",
}


class CloudError(Exception):
    """Something could not be done. Says what was attempted, what came back, and what to do about it.

    `status`, `id`, `message` and `request_id` are the API's own when it answered. `ambiguous`: the request may have had
    its effect although no success came back. `repeated`: it was sent before, so that what is refused may be the second
    sending only. `transient`: it may well succeed later. Never contains the token.
    """

    def __init__(
        self,
        message: str,
        *,
        attempted: str = "",
        status: int | None = None,
        id: str | None = None,
        request_id: str | None = None,
        hint: str | None = None,
        ambiguous: bool = False,
        repeated: bool = False,
        transient: bool = False,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.attempted = attempted
        self.status = status
        self.id = id
        self.request_id = request_id
        self.hint = hint
        self.ambiguous = ambiguous
        self.repeated = repeated
        self.transient = transient or status in TRANSIENT

    @property
    def busy(self) -> bool:
        """Whether it was refused only because another action still goes on."""
        return any(self.status == status and text in self.message.lower() for status, text in BUSY)

    def __str__(self) -> str:
        answer = self.message
        if self.status is not None:
            answer = " ".join(str(part) for part in ("HTTP", self.status, self.id) if part) + f": {answer}"
        if self.request_id:
            answer += f" (request id {self.request_id})"
        text = f"Could not {self.attempted}: {answer}" if self.attempted else answer
        return f"{text}\n{self.hint}" if self.hint else text

    def as_result(self) -> dict[str, Any]:
        """The keys of a failed task's result: `msg` for people, `error` for programs."""
        return {
            "msg": str(self),
            "error": {
                "attempted": self.attempted,
                "status": self.status,
                "id": self.id,
                "message": self.message,
                "request_id": self.request_id,
                "hint": self.hint,
            },
        }


class RateLimiter:
    """At most `count` requests in any `period` seconds, over all threads; who asks first goes first."""

    def __init__(
        self, count: int, period: float, sleep: Callable[[float], None], monotonic: Callable[[], float]
    ) -> None:
        self._turns: collections.deque[float] = collections.deque(maxlen=count)  # past ones, and those given away
        self._period = period
        self._paused_until = 0.0
        self._spacing = 0.0
        self._sleep = sleep
        self._monotonic = monotonic
        self._lock = threading.Lock()

    def acquire(self) -> None:
        """Wait until one more request may be sent."""
        with self._lock:
            turn = max(self._monotonic(), self._paused_until)
            if self._turns:
                turn = max(turn, self._turns[-1] + self._spacing)
            if len(self._turns) == self._turns.maxlen:
                turn = max(turn, self._turns[0] + self._period)
            self._turns.append(turn)
        # Somebody may be told to pause while this one waits.
        while (wait := max(turn, self._paused_until) - self._monotonic()) > 0:
            self._sleep(wait)

    def pause(self, seconds: float) -> None:
        """Nobody sends for this long: the API said so to one of us."""
        with self._lock:
            self._paused_until = max(self._paused_until, self._monotonic() + seconds)

    def space_out(self, seconds: float) -> None:
        """From now on at least so much time between two requests."""
        with self._lock:
            self._spacing = seconds


class Client:
    """Calls of the API, each with one retry policy, one rate limit and one kind of error.

    `sleep` and `monotonic` (seconds) can be those of a test's virtual clock.
    """

    def __init__(
        self,
        token: str | None,
        *,
        api_url: str = "https://api.digitalocean.com",
        ca_file: str | None = None,
        sleep: Callable[[float], None] = time.sleep,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        token = (token or "").strip()
        if not token:
            raise CloudError(
                "No DigitalOcean token was given.",
                hint="Set DIGITALOCEAN_TOKEN in the environment or the option `token`.",
            )
        if not (token.isascii() and token.isprintable()) or " " in token:
            # requests would refuse it too, with the token in its message
            raise CloudError("The DigitalOcean token contains characters that no token has (a space or a line break?).")
        address = urlsplit(api_url)
        if address.scheme != "https" or not address.hostname:
            raise CloudError(
                f"api_url is {api_url!r}, but must be an https:// address, else the token would travel in clear."
            )
        if ca_file:
            try:
                with open(ca_file, "rb"):
                    pass
            except OSError as error:
                raise CloudError(
                    f"The CA file {ca_file} cannot be read: {error.strerror}.",
                    hint="Check `ca_file` or DIGITALOCEAN_CA_FILE (localcloud up writes .localcloud/ca.pem).",
                ) from error
        self._token = token
        self.api_url = api_url.rstrip("/")
        self.ca_file = ca_file
        self.sleep = sleep
        self.monotonic = monotonic
        self._limiter = RateLimiter(250, 60, sleep, monotonic)
        self._ssh_key_limiter = RateLimiter(10, 60, sleep, monotonic)
        self._in_flight = threading.BoundedSemaphore(IN_FLIGHT)
        self._closed = False
        self._pydo: Any = None
        self._pydo_lock = threading.Lock()

    def __repr__(self) -> str:
        return f"Client({self.api_url})"

    def close(self) -> None:
        """No request leaves any more, whatever thread still wants to send one."""
        self._closed = True

    def call(self, attempted: str, operation: str, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """One operation of pydo, by its name such as `droplets.create`; the decoded answer, {} when it has no body.

        `attempted` completes "Could not ..." in errors. A status of 400 or more raises `CloudError`, whatever it is.
        `repeatable=True` tells of a POST that does no harm when it is sent twice, because it says what shall be.
        """
        try:
            return attrgetter(operation)(self._connected())(*args, **kwargs) or {}
        except CloudError as error:
            error.attempted = error.attempted or attempted
            raise
        except json.JSONDecodeError as error:
            raise CloudError(
                "the answer was not JSON", attempted=attempted, hint=self._not_the_api(), ambiguous=True
            ) from error
        except Exception as error:
            from azure.core.exceptions import AzureError

            if not isinstance(error, AzureError):
                raise
            raise CloudError(
                self._clean(str(error)), attempted=attempted, hint=self._not_the_api(), ambiguous=True
            ) from error

    def find(self, attempted: str, operation: str, *args: Any, **kwargs: Any) -> dict[str, Any] | None:
        """Like `call`, but None when the API says 404."""
        try:
            return self.call(attempted, operation, *args, **kwargs)
        except CloudError as error:
            if error.status == 404:
                return None
            raise

    def list_all(
        self,
        attempted: str,
        operation: str,
        key: str,
        *args: Any,
        convert: Callable[[dict[str, Any]], dict[str, Any]] | None = None,
        **query: Any,
    ) -> list[dict[str, Any]]:
        """All objects of a paginated list, page by page at 200; the pages after the first are asked for at once.

        `convert` is applied to each object as its page comes: of a long list, only what it returns is kept in memory.
        """

        def page(number: int) -> tuple[dict[Any, dict[str, Any]], int]:
            answer = self.call(attempted, operation, *args, per_page=PAGE_SIZE, page=number, **query)
            found = {_identity(item): convert(item) if convert else item for item in answer.get(key) or []}
            return found, (answer.get("meta") or {}).get("total") or 0

        previous: Set[Any] | None = None
        for _reading in range(READINGS):
            objects, total = page(1)
            # The links are not followed: they name the public host, which a proxy or a stand-in is not. Nor is a page
            # taken to be as long as was asked for.
            pages = range(2, -(-total // (len(objects) or PAGE_SIZE)) + 1)
            if pages:
                with ThreadPoolExecutor(max_workers=PARALLEL_PAGES) as pool:
                    for more, counted in pool.map(page, pages):
                        objects |= more
                        total = max(total, counted)
            # What is created between two pages moves others on, so that they are seen twice; what is deleted moves
            # them up, so that one is not seen, and would be created again. Then all is read once more, until nothing
            # is missing or nothing changes.
            if len(objects) >= total or objects.keys() == previous:
                return list(objects.values())
            previous = objects.keys()
        raise CloudError(
            f"the list was different in each of {READINGS} readings, and none was complete",
            attempted=attempted,
            hint="Something creates and deletes all the time. Run again when it has ended.",
            transient=True,
        )

    def _connected(self) -> Any:
        with self._pydo_lock:
            if self._pydo is None:
                try:
                    import pydo
                    import requests
                except ImportError as error:
                    raise CloudError(
                        f"The Python package pydo is missing in {sys.executable}: {error}.",
                        hint="Install it there (pip install pydo), or let the task run with the project's own Python.",
                    ) from error
                options: dict[str, Any] = {"connection_verify": self.ca_file} if self.ca_file else {}
                session = requests.Session()  # azure-core's own keeps ten connections
                session.mount("https://", requests.adapters.HTTPAdapter(pool_maxsize=IN_FLIGHT))
                self._pydo = pydo.Client(
                    self._token,
                    endpoint=self.api_url,
                    session=session,
                    retry_policy=_Pipeline(self),
                    connection_timeout=CONNECT_TIMEOUT,
                    read_timeout=READ_TIMEOUT,
                    **options,
                )
        return self._pydo

    def _limiters(self, method: str, path: str) -> list[RateLimiter]:
        if method == "GET" and path.rstrip("/").endswith("/account/keys"):
            return [self._ssh_key_limiter, self._limiter]
        return [self._limiter]

    def _clean(self, text: str) -> str:
        return text.replace(self._token, "***")

    def _not_the_api(self) -> str:
        return f"Is {self.api_url} (api_url) the DigitalOcean API?"


class _Pipeline:
    """Sends one request as often as is safe; every answer that is not a success becomes a `CloudError`.

    azure-core takes any object with `send` (and sets `next` on it) as a policy; this one has the retry policy's place.
    """

    next: Any

    def __init__(self, client: Client) -> None:
        self._client = client

    def send(self, request: Any) -> Any:
        from azure.core.exceptions import AzureError

        client = self._client
        method = request.http_request.method
        repeatable = request.context.options.pop("repeatable", False) or method in IDEMPOTENT
        limiters = client._limiters(method, urlsplit(request.http_request.url).path)
        waited = 0.0
        attempt = 0
        repeated = False  # an earlier sending may have had its effect
        while True:
            attempt += 1
            for limiter in limiters:
                limiter.acquire()
            try:
                with client._in_flight:
                    if client._closed:
                        raise CloudError("this run was interrupted", hint="Run again: what was done stays done.")
                    answer = self.next.send(request)
            except AzureError as error:  # of the transport: what the API answers comes as a response
                if never_left(error):
                    # So any method may be sent again.
                    if attempt >= CONNECT_ATTEMPTS or CERTIFICATE_REFUSED in str(error):
                        raise self._unreachable(error) from error
                else:
                    if attempt >= ATTEMPTS or not repeatable:
                        raise CloudError(
                            f"the connection broke before an answer came ({client._clean(_root_cause(error))})",
                            hint="Run again: what was done stays done.",
                            ambiguous=True,
                            transient=True,
                        ) from error
                    repeated = True
                client.sleep(backoff(attempt))
                continue

            response = answer.http_response
            client._limiter.space_out(spacing(response.headers))
            if response.status_code < 400:
                return answer
            failure = self._refused(response, method)
            failure.repeated = repeated
            if failure.status == 429:
                # Not processed, so safe for every method. How often does not matter, only the time that goes by.
                delay = retry_after(response.headers)
                if delay is None:
                    delay = backoff(attempt)
                if waited + delay > PATIENCE:
                    raise failure
                waited += delay
                # The narrowest limit is the one that was hit; those who hit the other one are told so themselves.
                limiters[0].pause(delay)
            elif failure.transient and repeatable and attempt < ATTEMPTS:
                repeated = True
                client.sleep(backoff(attempt))
            else:
                raise failure

    def _refused(self, response: Any, method: str) -> CloudError:
        client = self._client
        try:
            body = json.loads(response.text())
        except ValueError:
            body = None
        if not isinstance(body, dict):
            # A proxy in front of the API answers its own errors in HTML.
            body = {"message": f"{response.reason or 'an error'}, without an explanation from the API"}
        return CloudError(
            client._clean(str(body.get("message") or response.reason)),
            status=response.status_code,
            id=body.get("id"),
            request_id=body.get("request_id") or response.headers.get("x-request-id"),
            hint=HINTS.get(response.status_code),
            ambiguous=method not in IDEMPOTENT and (response.status_code >= 500 or response.status_code == 408),
        )

    def _unreachable(self, error: Exception) -> CloudError:
        client = self._client
        cause = client._clean(_root_cause(error))
        if CERTIFICATE_REFUSED in cause:
            return CloudError(
                f"the certificate of {client.api_url} is not signed by an authority that is trusted here ({cause})",
                hint=f"ca_file is {client.ca_file or 'not set'}. Set `ca_file` or DIGITALOCEAN_CA_FILE to the CA of "
                "this API (localcloud's is .localcloud/ca.pem; it is new after each reset).",
            )
        return CloudError(
            f"{client.api_url} cannot be reached ({cause})",
            hint="Check `api_url` or DIGITALOCEAN_API_URL and the network (for localcloud: localcloud status).",
            transient=True,
        )


def retry_after(headers: Any) -> float | None:
    """Seconds to wait that the headers of a 429 ask for; None when they do not say.

    Only the limit per minute comes with `retry-after`; the one per hour gives the time (`ratelimit-reset`, epoch) at
    which the oldest request expires, which is compared with the server's own clock, not with ours.
    """
    try:
        if headers.get("retry-after"):
            seconds = float(headers["retry-after"])
            return None if math.isnan(seconds) else max(0.0, seconds)
        if headers.get("ratelimit-reset") and headers.get("date"):
            now = parsedate_to_datetime(headers["date"]).timestamp()
            return max(1.0, float(headers["ratelimit-reset"]) - now)
    except ValueError:
        pass
    return None


def spacing(headers: Any) -> float:
    """Seconds between two requests, so that what is left of the hour's limit lasts: 0 while there is enough of it.

    In a sliding window requests come free as fast as they were used, which is `limit` in 3600 seconds at most.
    """
    try:
        limit, left = int(headers["ratelimit-limit"]), int(headers["ratelimit-remaining"])
    except (KeyError, ValueError):
        return 0.0
    return 3600 / limit if limit > RESERVE > left else 0.0


def never_left(error: Exception) -> bool:
    """Whether a connection failed before the request was sent, so that it cannot have had an effect.

    azure-core's own distinction (ServiceRequestError, ServiceResponseError) is not enough: it takes a TLS connection
    that breaks after the request for one that was never made.
    """
    from urllib3.exceptions import ConnectTimeoutError, NewConnectionError, ProxyError

    kinds = (ConnectTimeoutError, NewConnectionError, ProxyError)
    return any(isinstance(cause, kinds) or CERTIFICATE_REFUSED in str(cause) for cause in _causes(error))


def backoff(attempt: int) -> float:
    """Seconds before the next try: 0.5, 1, 2, 4, 8 at most, with jitter so that threads do not come back together."""
    longest = min(8.0, 0.5 * 2 ** (attempt - 1))
    return longest * (0.5 + random.random() / 2)  # noqa: S311


def _identity(item: dict[str, Any]) -> Any:
    """What the API knows an object by."""
    keys = ("id", "uuid", "urn", "access_key", "ip", "slug", "name")
    return next((item[key] for key in keys if item.get(key)), str(item))


def _causes(error: BaseException) -> list[BaseException]:
    """The nested exceptions of azure-core, requests and urllib3, from the outermost to the innermost."""
    causes = [error]
    while True:
        inner = getattr(error, "inner_exception", None) or getattr(error, "reason", None)
        if not isinstance(inner, BaseException):
            inner = next((arg for arg in error.args if isinstance(arg, BaseException)), None)
        if inner is None or any(inner is cause for cause in causes):
            return causes
        causes.append(inner)
        error = inner


def _root_cause(error: BaseException) -> str:
    """The innermost reason, as one short line without addresses of objects."""
    innermost = _causes(error)[-1]
    text = " ".join(str(innermost).split())
    # urllib3 puts the object or the address first, which the message says already.
    return re.sub(r"^(<.*?>|HTTPS?Connection\(.*?\)): ", "", text) or type(innermost).__name__
