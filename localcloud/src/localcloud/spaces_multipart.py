# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Multipart uploads of Spaces: parts are kept in files until they are put into the object store as one object.

RGW 18 on SQLite accepts multipart uploads and gives wrong bytes back, so it never gets to see one.
"""

from __future__ import annotations

import hashlib
import json
import re
import secrets
import shutil
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from xml.sax.saxutils import escape, unescape

from localcloud.spaces_sigv4 import SignatureError

MINIMUM_PART = 5 * 1024 * 1024  # bytes, of every part but the last
_NAMESPACE = 'xmlns="http://s3.amazonaws.com/doc/2006-03-01/"'
_KEPT_HEADERS = (
    "content-type",
    "cache-control",
    "content-disposition",
    "content-encoding",
    "content-language",
    "expires",
)


def xml(name: str, inner: str) -> bytes:
    return f'<?xml version="1.0" encoding="UTF-8"?><{name} {_NAMESPACE}>{inner}</{name}>'.encode()


class Upload:
    """One upload below `folder`; `upload_id` comes from a client and is checked."""

    def __init__(self, folder: Path, upload_id: str, bucket: str, key: str) -> None:
        self.id = upload_id
        self._folder = folder / upload_id
        record = self._folder / "upload.json"
        known = re.fullmatch(r"[0-9a-f]{32}", upload_id) and record.exists()
        self._record = json.loads(record.read_text()) if known else {}
        if (self._record.get("bucket"), self._record.get("key")) != (bucket, key):
            raise SignatureError(404, "NoSuchUpload", "The specified multipart upload does not exist.")
        self.headers: dict[str, str] = self._record["headers"]

    @classmethod
    def begin(cls, folder: Path, bucket: str, key: str, headers: Mapping[str, str]) -> Upload:
        kept = {
            name.lower(): value
            for name, value in headers.items()
            if name.lower() in _KEPT_HEADERS or name.lower().startswith(("x-amz-meta-", "x-amz-acl"))
        }
        upload_id = secrets.token_hex(16)
        (folder / upload_id).mkdir(parents=True)
        record = {"bucket": bucket, "key": key, "headers": kept}
        (folder / upload_id / "upload.json").write_text(json.dumps(record))
        return cls(folder, upload_id, bucket, key)

    def _part(self, number: int) -> Path:
        return self._folder / f"{number}.part"

    async def add(self, number: str, body: AsyncIterator[bytes], expected_sha256: str) -> str:
        """Store one part, whole or not at all; returns its ETag."""
        if not number.isdigit() or not 1 <= int(number) <= 10000:
            raise SignatureError(400, "InvalidArgument", "partNumber must be between 1 and 10000")
        md5, sha256 = hashlib.md5(usedforsecurity=False), hashlib.sha256()
        arriving = self._folder / f"{number}.{secrets.token_hex(4)}.new"
        try:
            with arriving.open("wb") as file:
                async for chunk in body:
                    md5.update(chunk)
                    sha256.update(chunk)
                    file.write(chunk)
            if len(expected_sha256) == 64 and sha256.hexdigest() != expected_sha256:
                raise SignatureError(400, "XAmzContentSHA256Mismatch", "the body is not what x-amz-content-sha256 says")
            (self._folder / f"{int(number)}.etag").write_text(md5.hexdigest())
            arriving.replace(self._part(int(number)))
        finally:
            arriving.unlink(missing_ok=True)
        return f'"{md5.hexdigest()}"'

    def parts(self) -> list[tuple[int, str, int]]:
        """(number, ETag without quotes, size) of the parts that arrived, in order."""
        found = sorted(int(path.stem) for path in self._folder.glob("*.part"))
        etags = {number: (self._folder / f"{number}.etag").read_text() for number in found}
        return [(number, etags[number], self._part(number).stat().st_size) for number in found]

    def chosen(self, body: bytes) -> list[Path]:
        """The files of the parts that a CompleteMultipartUpload body names."""
        arrived = {number: (etag, size) for number, etag, size in self.parts()}
        files: list[Path] = []
        previous = 0
        named = re.findall(rb"<Part>(.*?)</Part>", body, re.DOTALL)
        if not named:
            raise SignatureError(400, "MalformedXML", "the list of parts is empty")
        for position, part in enumerate(named):
            number_found = re.search(rb"<PartNumber>\s*(\d+)\s*</PartNumber>", part)
            etag_found = re.search(rb"<ETag>\s*(.*?)\s*</ETag>", part, re.DOTALL)
            number = int(number_found[1]) if number_found else 0
            etag = unescape(etag_found[1].decode(), {"&quot;": '"', "&#34;": '"'}).strip('"') if etag_found else ""
            if number <= previous:
                raise SignatureError(400, "InvalidPartOrder", "parts must be named in ascending order")
            if arrived.get(number, ("", 0))[0] != etag:
                raise SignatureError(400, "InvalidPart", f"part {number} has not been uploaded, or has another ETag")
            if position < len(named) - 1 and arrived[number][1] < MINIMUM_PART:
                raise SignatureError(400, "EntityTooSmall", f"part {number} is smaller than 5 MiB and not the last")
            previous = number
            files.append(self._part(number))
        return files

    def delete(self) -> None:
        shutil.rmtree(self._folder, ignore_errors=True)

    def describe(self, inner: str = "") -> str:
        bucket, key = escape(self._record["bucket"]), escape(self._record["key"])
        return f"<Bucket>{bucket}</Bucket><Key>{key}</Key><UploadId>{self.id}</UploadId>{inner}"


def uploads_of(folder: Path, bucket: str) -> list[tuple[str, str]]:
    """(key, upload id) of a bucket's unfinished uploads."""
    records = [(path.parent.name, json.loads(path.read_text())) for path in folder.glob("*/upload.json")]
    return sorted((record["key"], upload_id) for upload_id, record in records if record["bucket"] == bucket)


async def joined(files: list[Path]) -> AsyncIterator[bytes]:
    for path in files:
        with path.open("rb") as file:
            while chunk := file.read(1 << 20):
                yield chunk
