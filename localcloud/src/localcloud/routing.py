# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Routes, and what a handler sees of a request.

A handler is a plain function `(call) -> (status, body)`: it runs to its end in the event loop, so it needs no lock. It
declares the keys of its body; others are ignored, as by the real API, and noted in the request log.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from localcloud.errors import bad_request, unprocessable

if TYPE_CHECKING:
    from localcloud.cloud import Cloud

Answer = tuple[int, Any]
# The shape of a JSON value: a type, a tuple of types, [shape] for an array, {key: shape} for an object.
Shape = Any

DEFAULT_PER_PAGE = 20
MAX_PER_PAGE = 200

_TYPE_NAMES = {str: "string", int: "integer", bool: "boolean", dict: "object", list: "array", float: "number"}


@dataclass
class Call:
    """One request. `params` come from the path; `body` holds only declared keys that are not null."""

    cloud: Cloud
    method: str
    path: str
    base_url: str  # scheme and host as the client wrote them: links are built from it
    read_only: bool  # the token may not write and sees no password
    params: dict[str, str] = field(default_factory=dict)
    query: dict[str, str] = field(default_factory=dict)
    body: dict[str, Any] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)

    def require(self, *keys: str) -> None:
        for key in keys:
            if key not in self.body or self.body[key] == "":
                raise unprocessable(f"{key} is required")

    def page(self, key: str, items: Iterable[Any], render: Callable[[Any], Any] | None = None) -> Answer:
        """Answer one page of `items`; only the page's own items are rendered."""
        page = self._positive("page", 1)
        per_page = self._positive("per_page", DEFAULT_PER_PAGE)
        if per_page > MAX_PER_PAGE:
            raise bad_request(f"per_page must be between 1 and {MAX_PER_PAGE}")
        items = list(items)
        shown = items[(page - 1) * per_page : page * per_page]
        last = max(1, -(-len(items) // per_page))
        pages: dict[str, str] = {}
        if page > 1:
            pages |= {"first": self._page_link(1), "prev": self._page_link(min(page - 1, last))}
        if page < last:
            pages |= {"next": self._page_link(page + 1), "last": self._page_link(last)}
        return 200, {
            key: [render(item) for item in shown] if render else shown,
            "links": {"pages": pages} if pages else {},
            "meta": {"total": len(items)},
        }

    def _positive(self, name: str, default: int) -> int:
        text = self.query.get(name, str(default))
        if not text.isdecimal() or int(text) < 1:
            raise bad_request(f"{name} must be a positive integer")
        return int(text)

    def _page_link(self, page: int) -> str:
        return f"{self.base_url}{self.path}?{urlencode({**self.query, 'page': page})}"


Handler = Callable[[Call], Answer]


@dataclass(frozen=True)
class Route:
    method: str
    pattern: re.Pattern[str]
    handler: Handler
    body: Mapping[str, Shape] | None
    exclusive: str | None


ROUTES: list[Route] = []


def route(
    method: str, path: str, body: Mapping[str, Shape] | None = None, exclusive: str | None = None
) -> Callable[[Handler], Handler]:
    """Register a handler for `path`; `{x_id}` stands for one segment. Fixed paths are declared before such.

    Of two calls at the same time with one value of the path's parameter `exclusive`, the second one fails.
    """
    pattern = re.compile("^" + re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", path) + "$")

    def register(handler: Handler) -> Handler:
        ROUTES.append(Route(method, pattern, handler, body, exclusive))
        return handler

    return register


def find(method: str, path: str) -> tuple[Route | None, dict[str, str]]:
    for candidate in ROUTES:
        match = candidate.pattern.match(path)
        if match and candidate.method == method:
            return candidate, match.groupdict()
    return None, {}


def accept(shape: Shape, value: Any, where: str, warnings: list[str]) -> Any:
    """Return `value` without nulls and undeclared keys (noted in `warnings`); refuse a wrong type."""
    if isinstance(shape, Mapping):
        if not isinstance(value, dict):
            raise unprocessable(f"{where or 'body'} must be an object")
        result = {}
        for key, item in value.items():
            place = f"{where}.{key}" if where else key
            if key not in shape:
                warnings.append(f"unknown key {place} ignored")
            elif item is not None:
                result[key] = accept(shape[key], item, place, warnings)
        return result
    if isinstance(shape, list):
        if not isinstance(value, list):
            raise unprocessable(f"{where} must be an array")
        return [accept(shape[0], item, f"{where}[{index}]", warnings) for index, item in enumerate(value)]
    types = shape if isinstance(shape, tuple) else (shape,)
    # bool is an int to Python, not to JSON
    if not isinstance(value, types) or (isinstance(value, bool) and bool not in types):
        raise unprocessable(f"{where} must be {' or '.join(_TYPE_NAMES[kind] for kind in types)}")
    return value
