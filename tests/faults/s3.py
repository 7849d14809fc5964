# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""S3 for the real boto3, in memory: as much as buckets and their settings need. Objects are not part of it."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any
from urllib.parse import unquote, urlsplit

from ansible_collections.flowdose.infra.plugins.module_utils.spaces import Spaces
from botocore.awsrequest import AWSResponse, HTTPHeaders

XML = '<?xml version="1.0" encoding="UTF-8"?>'
# What is asked for in the query -> what an answer without it is called
SETTINGS = {
    "policy": "NoSuchBucketPolicy",
    "cors": "NoSuchCORSConfiguration",
    "lifecycle": "NoSuchLifecycleConfiguration",
    "versioning": "",
    "acl": "",
}
ACL = (
    "<AccessControlPolicy><Owner><ID>owner</ID></Owner><AccessControlList>{}</AccessControlList></AccessControlPolicy>"
)
EVERYBODY = (
    '<Grant><Grantee xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:type="Group">'
    "<URI>http://acs.amazonaws.com/groups/global/AllUsers</URI></Grantee><Permission>READ</Permission></Grant>"
)

Answer = tuple[int, bytes]


class Raw(io.BytesIO):
    """A body as botocore reads it."""

    def stream(self, **kwargs: Any) -> Any:
        while chunk := self.read(1024):
            yield chunk


class S3:
    """`buckets`: name -> its settings. `around(method, path, carry_out)` stands between boto3 and each call."""

    def __init__(self) -> None:
        self.buckets: dict[str, dict[str, bytes]] = {}
        self.around: Callable[[str, str, Callable[[], Answer]], Answer] = lambda method, path, carry_out: carry_out()
        self.spaces = Spaces("https://spaces.test", "key", "secret", None)
        events = self.spaces.connect("fra1").meta.events
        events.register("before-send.s3", self._send)

    def _send(self, request: Any, **kwargs: Any) -> Any:
        address = urlsplit(request.url)
        bucket = unquote(address.path.strip("/"))
        setting = address.query.partition("=")[0].partition("&")[0]
        path = "/" + "?".join(part for part in ("bucket" if bucket else "", setting) if part)
        sent = {key.lower(): value for key, value in request.headers.items()}
        body = request.body if isinstance(request.body, bytes) else str(request.body or "").encode()
        status, answer = self.around(
            request.method, path, lambda: self._answer(request.method, bucket, setting, sent, body)
        )
        headers = HTTPHeaders.from_dict({"x-amz-request-id": "tx0001"})
        return AWSResponse(request.url, status, headers, Raw(answer))

    def _answer(self, method: str, bucket: str, setting: str, headers: dict[str, Any], body: bytes) -> Answer:
        if not bucket:
            names = "".join(f"<Bucket><Name>{name}</Name></Bucket>" for name in self.buckets)
            return 200, f"{XML}<ListAllMyBucketsResult><Buckets>{names}</Buckets></ListAllMyBucketsResult>".encode()
        if method == "PUT" and not setting:
            if bucket in self.buckets:
                return refusal(409, "BucketAlreadyOwnedByYou")
            self.buckets[bucket] = {"acl": acl(headers)}
            return 200, b""
        if bucket not in self.buckets:
            return refusal(404, "NoSuchBucket")
        settings = self.buckets[bucket]
        if method == "DELETE":
            (settings if setting else self.buckets).pop(setting or bucket, None)
            return 204, b""
        if not setting:
            return 200, b""
        if method == "PUT" and setting == "lifecycle" and "content-md5" not in headers:
            return refusal(400, "InvalidRequest")  # as Ceph does
        if method == "PUT":
            settings[setting] = acl(headers) if setting == "acl" else body
            return 200, b""
        if setting in settings:
            return 200, settings[setting]
        missing = SETTINGS[setting]
        return refusal(404, missing) if missing else (200, f"{XML}<VersioningConfiguration/>".encode())


def acl(headers: dict[str, Any]) -> bytes:
    canned = headers.get("x-amz-acl", "private")
    canned = canned.decode() if isinstance(canned, bytes) else canned
    return (XML + ACL.format(EVERYBODY if canned == "public-read" else "")).encode()


def refusal(status: int, code: str) -> Answer:
    return status, f"{XML}<Error><Code>{code}</Code><Message>{code}</Message></Error>".encode()
