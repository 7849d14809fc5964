# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The client through the real pydo, against the API: what pydo and azure-core would do wrong is put right here."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.flowdose.infra.plugins.module_utils.client import (
    Client,
    CloudError,
    RateLimiter,
    backoff,
    retry_after,
    spacing,
)
from localcloud.cloud import cloud_authority, server_certificate

DROPLET = {"name": "one", "region": "fra1", "size": "s-1vcpu-1gb", "image": "debian-13-x64"}


def test_a_documented_error_status_is_an_error(account: Any) -> None:
    with pytest.raises(CloudError) as caught:
        account.client().call("read droplet 7", "droplets.get", 7)
    error = caught.value
    assert (error.status, error.id, error.ambiguous) == (404, "not_found", False)
    assert error.request_id
    assert str(error).startswith("Could not read droplet 7: HTTP 404 not_found: ")
    assert error.request_id in str(error)


def test_find_is_none_for_what_does_not_exist(account: Any) -> None:
    assert account.client().find("read droplet 7", "droplets.get", 7) is None


def test_a_refusal_is_neither_repeated_nor_ambiguous(account: Any) -> None:
    with pytest.raises(CloudError) as caught:
        account.client().call("create droplet one", "droplets.create", body={**DROPLET, "size": "huge"})
    assert (caught.value.status, caught.value.ambiguous) == (422, False)
    assert account.written() == ["POST /v2/droplets"]


@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_a_post_is_never_repeated_blindly(account: Any, status: int) -> None:
    account.server.fault("POST /v2/droplets", status=status, effect=True)
    with pytest.raises(CloudError) as caught:
        account.client().call("create droplet one", "droplets.create", body=DROPLET)
    assert (caught.value.status, caught.value.ambiguous) == (status, True)
    assert account.written() == ["POST /v2/droplets"]


@pytest.mark.parametrize("fault", [{"status": 502, "effect": True}, {"reset": "after"}, {"reset": "before"}])
def test_a_post_that_does_no_harm_twice_may_be_repeated(account: Any, fault: dict[str, Any]) -> None:
    account.server.fault("POST /v2/tags", count=2, **fault)
    account.client().call("create the tag a", "tags.create", body={"name": "a"}, repeatable=True)
    assert account.written() == ["POST /v2/tags"] * 3


def test_a_broken_connection_after_a_post_is_ambiguous(account: Any) -> None:
    account.server.fault("POST /v2/droplets", reset="after")
    with pytest.raises(CloudError) as caught:
        account.client().call("create droplet one", "droplets.create", body=DROPLET)
    assert caught.value.ambiguous
    assert len(account.client().list_all("list", "droplets.list", "droplets")) == 1


@contextlib.contextmanager
def torn_server(directory: Path, answer: bytes, encrypted: bool) -> Iterator[tuple[str, list[bytes]]]:
    """Takes each request, sends `answer` for it and ends the connection, without a word of TLS that would end it."""
    context = server_certificate(cloud_authority(directory), ["localhost"], ["127.0.0.1"], directory)
    requests: list[bytes] = []

    def serve(listener: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                plain, _address = listener.accept()
                connection = context.wrap_socket(plain, server_side=True)
                requests.append(connection.recv(65536))
                if encrypted:
                    connection.sendall(answer)
                with socket.socket(fileno=connection.detach()) as torn:
                    if not encrypted:
                        torn.sendall(answer)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=serve, args=(listener,), daemon=True).start()
        yield f"https://127.0.0.1:{listener.getsockname()[1]}", requests
        listener.shutdown(socket.SHUT_RDWR)


@pytest.mark.parametrize(
    ("answer", "encrypted"),
    [
        (b"", True),
        (b"\0" * 64, False),  # azure-core takes this for a connection that was never made
        (b"HTTP/1.1 202 Accepted\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{", True),
    ],
    ids=["no answer", "no TLS", "half a body"],
)
def test_an_answer_that_does_not_come_whole_is_ambiguous(
    account: Any, tmp_path: Path, answer: bytes, encrypted: bool
) -> None:
    """Whatever azure-core makes of it: sent again, the request would make a second droplet."""
    with torn_server(tmp_path, answer, encrypted) as (url, requests):
        client = Client(account.server.token, api_url=url, ca_file=str(tmp_path / "ca.pem"), sleep=lambda seconds: None)
        with pytest.raises(CloudError) as caught:
            client.call("create droplet one", "droplets.create", body=DROPLET)
        assert (len(requests), caught.value.ambiguous, caught.value.transient) == (1, True, True)
        with pytest.raises(CloudError, match="the connection broke before an answer came"):
            client.call("list the regions", "regions.list")
        assert len(requests) == 1 + 5, "and a read is sent again"


def test_what_is_refused_for_a_second_sending_says_so(account: Any) -> None:
    account.server.fault("DELETE /v2/domains/example.test", status=504, effect=True)
    client = account.client()
    client.call("create domain", "domains.create", body={"name": "example.test"})
    with pytest.raises(CloudError) as caught:
        client.call("delete domain", "domains.delete", "example.test")
    assert (caught.value.status, caught.value.repeated) == (404, True)
    with pytest.raises(CloudError) as caught:
        client.call("delete domain", "domains.delete", "example.test")
    assert (caught.value.status, caught.value.repeated) == (404, False)


@pytest.mark.parametrize(
    ("status", "message", "busy"),
    [
        (422, "Droplet already has a pending event.", True),
        (403, "Load Balancer can't be updated while it processes previous actions", True),
        (403, "You are not authorized to perform this operation", False),
        (422, "Size is invalid", False),
        (404, "pending event", False),
    ],
)
def test_what_is_refused_because_of_another_action(status: int, message: str, busy: bool) -> None:
    assert CloudError(message, status=status).busy is busy


def test_so_many_requests_at_a_time(account: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from azure.core.pipeline.transport import RequestsTransport

    monkeypatch.setattr("ansible_collections.flowdose.infra.plugins.module_utils.client.IN_FLIGHT", 3)
    send, lock, now, most = RequestsTransport.send, threading.Lock(), 0, 0

    def counted(transport: Any, request: Any, **options: Any) -> Any:
        nonlocal now, most
        with lock:
            now += 1
            most = max(most, now)
        try:
            return send(transport, request, **options)
        finally:
            with lock:
                now -= 1

    monkeypatch.setattr(RequestsTransport, "send", counted)
    account.server.fault("GET /v2/regions", delay=0.02, count=12)
    client = account.client()
    threads = [threading.Thread(target=client.call, args=("list the regions", "regions.list")) for number in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == 3
    assert len(account.asked()) == 12


def test_an_interrupted_run_sends_nothing_more(account: Any) -> None:
    client = account.client()
    client.close()
    with pytest.raises(CloudError, match="interrupted"):
        client.list_all("list the regions", "regions.list", "regions")
    assert account.asked() == []


@pytest.mark.parametrize("fault", [{"status": 502}, {"status": 503}, {"reset": "before"}, {"reset": "after"}])
def test_a_read_is_repeated(account: Any, fault: dict[str, Any]) -> None:
    account.server.fault("GET /v2/regions", count=3, **fault)
    assert account.client().list_all("list the regions", "regions.list", "regions")


def test_a_repeated_read_gives_up(account: Any) -> None:
    account.server.fault("GET /v2/regions", count=50, status=502)
    with pytest.raises(CloudError, match="Could not list the regions: HTTP 502"):
        account.client().list_all("list the regions", "regions.list", "regions")
    assert account.asked() == ["GET /v2/regions"] * 5


@pytest.mark.parametrize("method", ["GET /v2/domains", "POST /v2/domains"])
@pytest.mark.parametrize("retry_after_header", [None, 30])
def test_a_rate_limit_is_waited_for(account: Any, method: str, retry_after_header: int | None) -> None:
    account.server.fault(method, status=429, count=2, retry_after=retry_after_header)
    start = account.server.clock.now()
    client = account.client()
    if method.startswith("GET"):
        client.list_all("list the domains", "domains.list", "domains")
    else:
        client.call("create domain", "domains.create", body={"name": "example.test"})
    assert len([call for call in account.asked() if call == method]) == 3
    assert account.server.clock.now() - start >= 2 * (retry_after_header or 0)


def test_a_rate_limit_that_lasts_is_said(account: Any) -> None:
    account.server.fault("GET /v2/regions", count=1000, status=429, retry_after=100)
    with pytest.raises(CloudError, match=r"(?s)HTTP 429.*rate limit of the token"):
        account.client().list_all("list the regions", "regions.list", "regions")


def test_the_ssh_keys_list_has_a_limit_of_its_own(account: Any) -> None:
    client = account.client()
    start = account.server.clock.now()
    for _round in range(12):
        client.list_all("list the SSH keys", "ssh_keys.list", "ssh_keys")
    assert {entry["status"] for entry in account.server.requests} == {200}, "no 429 was provoked"
    assert account.server.clock.now() - start >= 60


def test_all_pages_are_read(account: Any) -> None:
    client = account.client()
    names = {f"zone-{number}.test" for number in range(230)}
    for name in names:
        client.call("create domain", "domains.create", body={"name": name})
    before = len(account.server.requests)
    found = client.list_all("list the domains", "domains.list", "domains")
    assert {domain["name"] for domain in found} == names
    assert account.asked(before) == ["GET /v2/domains"] * 2


class Pages:
    """A list whose pages are `length` long, whatever is asked for; `changes` happen before the page of that number."""

    def __init__(self, names: list[str], length: int, changes: dict[int, list[str]] | None = None) -> None:
        self.names = names
        self.length = length
        self.changes = changes or {}
        self.asked: list[int] = []

    def call(self, attempted: str, operation: str, *, page: int, per_page: int) -> dict[str, Any]:
        self.asked.append(page)
        self.names = self.changes.pop(page, self.names)
        start = (page - 1) * self.length
        items = [{"name": name} for name in self.names[start : start + self.length]]
        return {"tags": items, "meta": {"total": len(self.names)}}

    def read(self, client: Client, monkeypatch: pytest.MonkeyPatch) -> list[str]:
        monkeypatch.setattr(client, "call", self.call)
        monkeypatch.setattr("ansible_collections.flowdose.infra.plugins.module_utils.client.PARALLEL_PAGES", 1)
        return [item["name"] for item in client.list_all("list the tags", "tags.list", "tags")]


NAMES = [f"tag-{number:02}" for number in range(60)]


def test_pages_may_be_shorter_than_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    pages = Pages(NAMES, 25)
    assert pages.read(Client("token"), monkeypatch) == NAMES
    assert pages.asked == [1, 2, 3]


def test_what_moves_on_while_pages_are_read_is_listed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    pages = Pages(NAMES, 25, {2: ["new", *NAMES]})
    found = pages.read(Client("token"), monkeypatch)
    assert sorted(found) == ["new", *NAMES]
    assert pages.asked == [1, 2, 3, 1, 2, 3], "the first page was read before there was a new one"


def test_what_moves_up_while_pages_are_read_is_not_overlooked(monkeypatch: pytest.MonkeyPatch) -> None:
    pages = Pages(NAMES, 25, {2: NAMES[1:]})
    assert sorted(pages.read(Client("token"), monkeypatch)) == NAMES[1:]


def test_a_total_that_is_never_reached_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Some lists count what they do not show."""

    def call(*arguments: Any, **query: Any) -> dict[str, Any]:
        return {"tags": [{"name": "a"}] if query["page"] == 1 else [], "meta": {"total": 2}}

    client = Client("token")
    monkeypatch.setattr(client, "call", call)
    assert client.list_all("list the tags", "tags.list", "tags") == [{"name": "a"}]


def test_wrong_token(account: Any) -> None:
    token = "dop_v1_" + "f" * 64
    with pytest.raises(CloudError) as caught:
        account.client(token=token).list_all("list the droplets", "droplets.list", "droplets")
    assert caught.value.status == 401
    assert "The token was refused" in str(caught.value)
    assert token not in str(caught.value)


@pytest.mark.parametrize("token", [None, "", "  \n"])
def test_no_token(token: str | None) -> None:
    with pytest.raises(CloudError, match=r"(?s)No DigitalOcean token was given.*DIGITALOCEAN_TOKEN"):
        Client(token)


def test_a_token_read_from_a_file_may_end_with_a_newline(account: Any) -> None:
    assert account.client(token=account.server.token + "\n").list_all("list", "regions.list", "regions")


@pytest.mark.parametrize("token", ["two words", "two\nlines", "dop_é"])
def test_a_token_that_cannot_be_one_is_not_shown(token: str) -> None:
    with pytest.raises(CloudError) as caught:
        Client(token)
    assert token not in str(caught.value)


def test_the_token_is_in_no_text(account: Any) -> None:
    client = account.client()
    assert account.server.token not in repr(client)
    account.server.fault("GET /v2/regions", count=9, status=400, message=f"bad {account.server.token}")
    with pytest.raises(CloudError) as caught:
        client.list_all("list the regions", "regions.list", "regions")
    assert account.server.token not in str(caught.value) + str(caught.value.as_result())


def test_plain_http_is_refused() -> None:
    with pytest.raises(CloudError, match="must be an https:// address"):
        Client("token", api_url="http://api.example.test")


def test_unreachable(account: Any) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        url = f"https://127.0.0.1:{listener.getsockname()[1]}"
        with pytest.raises(CloudError) as caught:
            account.client(api_url=url).list_all("list the droplets", "droplets.list", "droplets")
    assert f"Could not list the droplets: {url} cannot be reached" in str(caught.value)
    assert "Connection refused" in str(caught.value)
    assert "HTTPSConnection" not in str(caught.value)
    assert not caught.value.ambiguous


def test_wrong_ca(account: Any) -> None:
    client = Client(account.server.token, api_url=account.server.endpoint, sleep=account.server.clock.advance)
    with pytest.raises(CloudError, match=r"(?s)certificate of .* is not signed by .*DIGITALOCEAN_CA_FILE"):
        client.list_all("list the droplets", "droplets.list", "droplets")


def test_missing_ca_file() -> None:
    with pytest.raises(CloudError, match=r"CA file /no/such/ca.pem cannot be read: No such file"):
        Client("token", ca_file="/no/such/ca.pem")


def test_the_limiter_counts_in_a_sliding_window() -> None:
    now = [0.0]

    def sleep(seconds: float) -> None:
        now[0] += seconds

    limiter = RateLimiter(3, 60, sleep, lambda: now[0])
    times = []
    for _request in range(7):
        limiter.acquire()
        times.append(now[0])
        now[0] += 1
    assert times == [0, 1, 2, 60, 61, 62, 120]
    limiter.pause(100)
    limiter.acquire()
    assert now[0] == 221


def test_who_asks_first_goes_first() -> None:
    """Each has its turn from the moment of asking, so that nobody is overtaken for ever."""
    now = [0.0]
    waits: list[float] = []
    limiter = RateLimiter(1, 60, waits.append, lambda: now[0])

    def sleep(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) < 3:
            limiter.acquire()  # others ask while the first ones still wait
        now[0] = max(now[0], 60.0 * len(waits))

    limiter._sleep = sleep
    limiter.acquire()
    limiter.acquire()
    assert waits == [60, 120, 180]


def test_the_end_of_the_hours_limit_is_spaced_out() -> None:
    assert spacing({"ratelimit-limit": "5000", "ratelimit-remaining": "4000"}) == 0
    assert spacing({"ratelimit-limit": "5000", "ratelimit-remaining": "249"}) == pytest.approx(0.72)
    assert spacing({"ratelimit-limit": "5000"}) == 0
    assert spacing({"ratelimit-limit": "many", "ratelimit-remaining": "0"}) == 0
    now = [0.0]
    limiter = RateLimiter(250, 60, lambda seconds: now.__setitem__(0, now[0] + seconds), lambda: now[0])
    limiter.space_out(0.72)
    for _request in range(5):
        limiter.acquire()
    assert now[0] == pytest.approx(4 * 0.72)


def test_an_hour_of_requests_is_never_refused(account: Any) -> None:
    """The 5,001st within an hour would be, without a word on how long."""
    client = account.client()
    start = account.server.clock.now()
    server = account.server._server
    server._limits[account.server.token]._hour.extend(start - 3599 + 0.72 * number for number in range(4990))
    for _request in range(40):
        client.call("list the regions", "regions.list")
    assert {entry["status"] for entry in account.server.requests} == {200}


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "17"}, 17.0),
        ({"ratelimit-reset": "1767225660", "date": "Thu, 01 Jan 2026 00:00:00 GMT"}, 60.0),
        ({"ratelimit-reset": "1767225500", "date": "Thu, 01 Jan 2026 00:00:00 GMT"}, 1.0),
        ({"ratelimit-reset": "1767225660"}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "nan"}, None),
        ({}, None),
    ],
)
def test_retry_after(headers: dict[str, str], seconds: float | None) -> None:
    assert retry_after(headers) == seconds


def test_backoff_grows_to_a_limit() -> None:
    for attempt, longest in ((1, 0.5), (2, 1), (4, 4), (9, 8)):
        assert longest / 2 <= backoff(attempt) <= longest
