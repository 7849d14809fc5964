# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Faults on order: what the real API does on a bad day, on the calls that a test names."""

from __future__ import annotations

import dataclasses
import json
import re
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

HTML_GATEWAY_ERROR = """<html>
<head><title>{status} {reason}</title></head>
<body>
<center><h1>{status} {reason}</h1></center>
<hr><center>cloudflare</center>
</body>
</html>
"""


@dataclass
class Fault:
    """One order. It waits for calls that match, lets `nth - 1` of them pass, then hits `count` of them.

    `call`: method and path with `*` wildcards ("POST /v2/droplets", "* /v2/databases/*").
    "* *" is every call, so that `nth` addresses the k-th one of a whole run.
    One of `status` and `reset`, or neither. `hide`, `stale` and `fail` go with both when the call is carried out.
      `status`: answer this instead; with `effect` the call is carried out all the same. 502 and 504 come as HTML, as
                from the edge in front of the real API; `html` says otherwise. 429 with `retry_after` (seconds) is the
                burst limit, without it the hourly one.
      `reset`:  "before" or "after": drop the connection before or after the call was carried out.
      `hide`:   carry the call out, but answer 404 to this many reads of what it created.
      `stale`:  carry the call out, but leave what it created out of this many lists.
      `fail`:   carry the call out, but what it created never comes up: a droplet's creation and a load balancer end
                errored, a certificate in error, a cluster stays as it is.
      `delay`:  wait so many real seconds before the call.
    """

    call: str
    nth: int = 1
    count: int = 1
    status: int | None = None
    effect: bool = False
    html: bool | None = None
    message: str = ""
    retry_after: int | None = None
    reset: str | None = None
    hide: int = 0
    stale: int = 0
    fail: bool = False
    delay: float = 0.0
    seen: int = 0  # matching calls so far
    hits: int = 0  # of those, answered with the fault

    def __post_init__(self) -> None:
        if not re.fullmatch(r"(\*|GET|POST|PUT|PATCH|DELETE) \S+", self.call):
            raise ValueError(f"'{self.call}' is not a method and a path, such as 'POST /v2/droplets'")
        if self.reset not in (None, "before", "after"):
            raise ValueError("reset is 'before' or 'after' the call is carried out")
        if self.status is not None and self.reset is not None:
            raise ValueError("status and reset exclude each other")
        carried_out = self.effect if self.status is not None else self.reset != "before"
        if (self.hide or self.stale or self.fail) and not carried_out:
            raise ValueError("hide, stale and fail need a call that is carried out")
        if self.status is None and self.reset is None and not (self.hide or self.stale or self.fail or self.delay):
            raise ValueError("a fault needs status, reset, hide, stale, fail or delay")
        if self.status is not None and not 400 <= self.status <= 599:
            raise ValueError("status must be between 400 and 599")
        if self.nth < 1 or self.count < 1 or self.hide < 0 or self.stale < 0 or self.delay < 0:
            raise ValueError("nth and count are 1 or more, hide, stale and delay 0 or more")

    def matches(self, method: str, path: str) -> bool:
        wanted_method, wanted_path = self.call.split(" ", 1)
        return wanted_method in ("*", method) and fnmatchcase(path, wanted_path)

    @property
    def spent(self) -> bool:
        return self.hits >= self.count

    def as_html(self) -> bool:
        return self.status in (502, 504) if self.html is None else self.html

    def name(self) -> str:
        """How the request log calls it."""
        shown = {key: value for key, value in self.to_json().items() if value not in (None, False, 0, 0.0, "")}
        return json.dumps({key: shown[key] for key in shown if key not in ("call", "nth", "count", "seen", "hits")})

    def to_json(self) -> dict[str, Any]:
        return dataclasses.asdict(self)


# What is created by a call -> by which queue the cloud knows whether it comes up.
_QUEUES = {
    "/v2/droplets": "droplet",
    "/v2/databases": "cluster",
    "/v2/load_balancers": "load_balancer",
    "/v2/certificates": "certificate",
}


class Faults:
    """The orders that wait, in the order they came; the first that matches and is due hits."""

    def __init__(self) -> None:
        self.orders: list[Fault] = []
        self._hidden: dict[str, int] = {}  # path -> reads that still get a 404
        self._unlisted: list[Unlisted] = []

    def add(self, call: str, **options: Any) -> Fault:
        fault = Fault(call, **options)
        self.orders.append(fault)
        return fault

    def clear(self) -> None:
        self.orders.clear()
        self._hidden.clear()
        self._unlisted.clear()

    def strike(self, method: str, path: str) -> Fault | None:
        """The fault that hits this call, if any. Every matching order counts the call."""
        due: Fault | None = None
        for fault in self.orders:
            if fault.spent or not fault.matches(method, path):
                continue
            fault.seen += 1
            if due is None and fault.seen >= fault.nth:
                fault.hits += 1
                due = fault
        return due

    def created(self, fault: Fault, path: str, answer: Any) -> list[str]:
        """Remember what must not be seen yet of what a call has just created; name the queues that are to fail."""
        for key, value in identities(answer):
            if fault.hide:
                self._hidden[f"{path}/{value}"] = fault.hide
            if fault.stale:
                self._unlisted.append(Unlisted(path, key, value, fault.stale))
        kind = _QUEUES.get(path)
        return [f"{kind}:{value}" for _, value in identities(answer)] if fault.fail and kind else []

    def is_hidden(self, method: str, path: str) -> bool:
        """True for a read of something that is not to be seen yet; counts it."""
        if method != "GET" or path not in self._hidden:
            return False
        self._hidden[path] -= 1
        if self._hidden[path] <= 0:
            del self._hidden[path]
        return True

    def as_listed(self, method: str, path: str, answer: Any) -> Any:
        """`answer` without what its list must not show yet; counts the list."""
        for order in [order for order in self._unlisted if (method, path) == ("GET", order.path)]:
            for name, items in list(answer.items()):
                if isinstance(items, list):
                    shown = [item for item in items if item.get(order.key) != order.value]
                    if "meta" in answer:
                        answer["meta"]["total"] -= len(items) - len(shown)
                    answer[name] = shown
            order.lists -= 1
            if order.lists <= 0:
                self._unlisted.remove(order)
        return answer


@dataclass
class Unlisted:
    """Something created that the next `lists` answers of `path` leave out; known by `item[key] == value`."""

    path: str
    key: str
    value: Any
    lists: int


def identities(answer: Any) -> list[tuple[str, Any]]:
    """What an answer says was created: `{"droplet": {"id": 7, ...}}` -> `[("id", 7)]`."""
    for value in answer.values() if isinstance(answer, dict) else ():
        created = value if isinstance(value, list) else [value]
        if created and all(isinstance(item, dict) for item in created):
            found = [(key, item[key]) for item in created if (key := _identity(item))]
            if found:
                return found
    return []


def _identity(item: dict[str, Any]) -> str | None:
    return next((key for key in ("id", "uuid", "access_key", "ip", "name") if key in item), None)
