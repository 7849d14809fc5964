# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""AWS Signature Version 4 as S3 servers check it: in headers, in presigned URLs, and chunk by chunk.

https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-authenticating-requests.html
"""

from __future__ import annotations

import datetime
import hashlib
import hmac
import re
import urllib.parse
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Protocol

ALGORITHM = "AWS4-HMAC-SHA256"
UNSIGNED = "UNSIGNED-PAYLOAD"
SIGNED_CHUNKS = ("STREAMING-AWS4-HMAC-SHA256-PAYLOAD", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER")
UNSIGNED_CHUNKS = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
MAX_SKEW = 900  # seconds
MAX_EXPIRY = 604800  # seconds
_EMPTY_SHA256 = hashlib.sha256(b"").hexdigest()


class SignatureError(Exception):
    """A request that must be refused: HTTP status, S3's code, message."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code


@dataclass(frozen=True)
class Signed:
    """A request's claim of who sent it."""

    access_key: str
    date: str  # 20260131T120000Z
    scope: str  # 20260131/fra1/s3/aws4_request
    headers: tuple[str, ...]  # names of the signed headers, lower case
    signature: str
    payload_hash: str
    expires: int | None  # seconds after `date`; None when signed by header

    @property
    def region(self) -> str:
        return self.scope.split("/")[1]


def read(headers: Mapping[str, str], query: Mapping[str, str]) -> Signed | None:
    """The claim of a request; None when it makes none (anonymous)."""
    authorization = headers.get("Authorization", "")
    if authorization:
        found = re.fullmatch(
            rf"{ALGORITHM}\s+Credential=([^/,\s]+)/([^,\s]+)\s*,\s*SignedHeaders=([^,\s]+)\s*,\s*Signature=([0-9a-f]{{64}})",
            authorization.strip(),
        )
        if found is None:
            raise SignatureError(400, "InvalidArgument", f"Authorization must be {ALGORITHM}, Signature Version 4")
        if "x-amz-content-sha256" not in headers:
            raise SignatureError(
                400, "InvalidRequest", "Missing required header for this request: x-amz-content-sha256"
            )
        access_key, scope, names, signature = found.groups()
        date, payload, expires = headers.get("x-amz-date", ""), headers["x-amz-content-sha256"], None
    elif "X-Amz-Signature" in query:
        access_key, _, scope = query.get("X-Amz-Credential", "").partition("/")
        names, signature = query.get("X-Amz-SignedHeaders", ""), query["X-Amz-Signature"]
        date, payload = query.get("X-Amz-Date", ""), headers.get("x-amz-content-sha256", UNSIGNED)
        try:
            expires = int(query.get("X-Amz-Expires", ""))
        except ValueError:
            expires = -1
        if not 0 < expires <= MAX_EXPIRY:
            raise SignatureError(400, "AuthorizationQueryParametersError", "X-Amz-Expires must be between 1 and 604800")
    elif "Signature" in query and "AWSAccessKeyId" in query:
        raise SignatureError(
            400, "InvalidArgument", f"the request must be signed with {ALGORITHM}, Signature Version 4"
        )
    else:
        return None
    parts = scope.split("/")
    if len(parts) != 4 or parts[2:] != ["s3", "aws4_request"] or not date.startswith(parts[0]):
        raise SignatureError(400, "AuthorizationHeaderMalformed", f"the credential's scope {scope} is malformed")
    signed = tuple(names.lower().split(";"))
    if "host" not in signed:
        raise SignatureError(403, "AccessDenied", "the host header must be signed")
    return Signed(access_key, date, scope, signed, signature, payload, expires)


def check_time(signed: Signed, now: float) -> None:
    try:
        at = datetime.datetime.strptime(signed.date, "%Y%m%dT%H%M%SZ").replace(tzinfo=datetime.UTC).timestamp()
    except ValueError:
        raise SignatureError(403, "AccessDenied", "X-Amz-Date is missing or malformed") from None
    if signed.expires is None and abs(now - at) > MAX_SKEW:
        raise SignatureError(
            403, "RequestTimeTooSkewed", "The difference between the request time and the current time is too large."
        )
    if signed.expires is not None and (now > at + signed.expires or at > now + MAX_SKEW):
        raise SignatureError(403, "AccessDenied", "Request has expired")


def sign(signed: Signed, secret_key: str, method: str, path: str, query: str, headers: Mapping[str, str]) -> str:
    """The signature that this request must carry. `path` and `query` as they stand in the request line."""
    canonical = "\n".join(
        [
            method,
            _quote(path, keep="/"),
            _canonical_query(query),
            *(f"{name}:{' '.join(headers.get(name, '').split())}" for name in signed.headers),
            "",
            ";".join(signed.headers),
            signed.payload_hash,
        ]
    )
    text = "\n".join([ALGORITHM, signed.date, signed.scope, hashlib.sha256(canonical.encode()).hexdigest()])
    return hmac.new(_key(secret_key, signed.scope), text.encode(), hashlib.sha256).hexdigest()


def authorization(signed: Signed, signature: str) -> str:
    return (
        f"{ALGORITHM} Credential={signed.access_key}/{signed.scope}, "
        f"SignedHeaders={';'.join(signed.headers)}, Signature={signature}"
    )


def _quote(text: str, keep: str = "") -> str:
    return urllib.parse.quote(urllib.parse.unquote_to_bytes(text), safe=keep + "-_.~")


def _canonical_query(query: str) -> str:
    pairs = [part.partition("=") for part in query.split("&") if part]
    encoded = sorted((_quote(name), _quote(value)) for name, _, value in pairs if name != "X-Amz-Signature")
    return "&".join(f"{name}={value}" for name, value in encoded)


def _key(secret_key: str, scope: str) -> bytes:
    key = f"AWS4{secret_key}".encode()
    for part in scope.split("/"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    return key


class Reader(Protocol):
    """What is used of aiohttp.StreamReader."""

    async def readuntil(self, separator: bytes = b"\n") -> bytes: ...

    async def readexactly(self, n: int) -> bytes: ...


async def chunks(reader: Reader, signed: Signed, secret_key: str) -> AsyncIterator[bytes]:
    """The content of an `aws-chunked` body. A wrong chunk signature ends it with SignatureError."""
    previous = signed.signature
    key = _key(secret_key, signed.scope)
    while True:
        size, _, extension = (await reader.readuntil(b"\n")).strip().decode("ascii").partition(";")
        data = await reader.readexactly(int(size, 16))
        if signed.payload_hash in SIGNED_CHUNKS:
            text = "\n".join(
                [
                    *(f"{ALGORITHM}-PAYLOAD", signed.date, signed.scope, previous),
                    *(_EMPTY_SHA256, hashlib.sha256(data).hexdigest()),
                ]
            )
            previous = hmac.new(key, text.encode(), hashlib.sha256).hexdigest()
            if not hmac.compare_digest(extension.removeprefix("chunk-signature="), previous):
                raise SignatureError(403, "SignatureDoesNotMatch", "a chunk's signature does not match")
        if not data:
            return  # the trailer holds checksums, which TLS makes superfluous here
        yield data
        await reader.readexactly(2)
