# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Errors in DigitalOcean's shape."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class ApiError(Exception):
    """An answer that refuses: HTTP `status`, DigitalOcean's error `id` and `message`."""

    def __init__(self, status: int, id: str, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.id = id
        self.message = message
        self.headers = dict(headers or {})

    def body(self, request_id: str) -> dict[str, Any]:
        body = {"id": self.id, "message": self.message}
        if self.status not in (401, 429):  # the edge answers these, before a request has an id
            body["request_id"] = request_id
        return body


class TagError(ApiError):
    """The creation of a tag refuses in a shape of its own."""

    def __init__(self, message: str) -> None:
        super().__init__(400, "bad_request", message)

    def body(self, request_id: str) -> dict[str, Any]:
        return {"error": self.message, "messages": None, "root_causes": []}


def unauthorized() -> ApiError:
    return ApiError(401, "unauthorized", "Unable to authenticate you")


def forbidden(message: str = "You are not authorized to perform this operation") -> ApiError:
    return ApiError(403, "forbidden", message)


def not_found(message: str = "The resource you were accessing could not be found.") -> ApiError:
    return ApiError(404, "not_found", message)


def conflict(message: str) -> ApiError:
    return ApiError(409, "conflict", message)


def precondition_failed(message: str) -> ApiError:
    return ApiError(412, "precondition_failed", message)


def unprocessable(message: str) -> ApiError:
    return ApiError(422, "unprocessable_entity", message)


def bad_request(message: str) -> ApiError:
    return ApiError(400, "bad_request", message)


def too_many_requests(headers: Mapping[str, str]) -> ApiError:
    return ApiError(429, "too_many_requests", "API Rate limit exceeded.", headers)
