# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Spaces: Ceph RGW holds objects, ACLs, policies, CORS and versions; the front before it is what clients talk to.

The front ends TLS at the cloud's gateway address, checks signatures and the grants of Spaces keys, and that bucket
policies and limited keys exclude each other; it learns which buckets there are. What it lets through it signs anew as
RGW's one user: RGW on SQLite finds a user by the first key only, and knows no region names.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import re
import secrets
import shutil
import socket
import ssl
import threading
import time
import urllib.parse
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from xml.sax.saxutils import escape

import aiohttp
from aiohttp import web
from multidict import CIMultiDict
from yarl import URL

from localcloud import spaces_multipart as multipart
from localcloud import spaces_sigv4 as sigv4
from localcloud.dns import CLOUD_ZONE
from localcloud.hosts import Podman
from localcloud.machines import MachineError
from localcloud.network import GATEWAY, OBJECT_STORE_ADDRESS, attach
from localcloud.spaces_sigv4 import SignatureError
from localcloud.tls import Authority, write_private

CONTAINER = "localcloud-spaces"
REGIONS = ("ams3", "atl1", "blr1", "fra1", "lon1", "nyc3", "sfo2", "sfo3", "sgp1", "syd1", "tor1")
DEFAULT_REGION = "fra1"
_SUFFIX = f".spaces.{CLOUD_ZONE}"
_UPSTREAM = f"http://{OBJECT_STORE_ADDRESS}:8000"

_MAX_CONFIGURATION = 65536  # bytes of a CreateBucketConfiguration

# sub-resources that configure a bucket, which limited keys may not touch
_CONFIGURATION = {
    *("acl", "cors", "lifecycle", "logging", "notification", "ownershipControls", "policy", "policyStatus"),
    *("publicAccessBlock", "replication", "requestPayment", "tagging", "versioning", "website", "encryption"),
}
_HOP_BY_HOP = {
    *("connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "te", "trailer", "upgrade", "expect"),
    "transfer-encoding",
}
# what the front says itself, or has settled already
_NOT_PASSED = {
    *_HOP_BY_HOP,
    *("host", "authorization", "x-amz-date", "x-amz-content-sha256", "x-amz-decoded-content-length", "x-amz-trailer"),
    *("x-amz-security-token", "x-forwarded-for", "x-forwarded-proto", "forwarded", "range", "if-range"),
}
_AUTOMATIC = ("Accept", "Accept-Encoding", "User-Agent", "Content-Type")  # aiohttp would add them
Keys = dict[str, tuple[str, dict[str, str]]]


RGW_CONFIGURATION = """\
[global]
fsid = 4f0b6d1e-52a5-4a3e-9c0a-1d2f6c0a77aa
auth cluster required = none
auth service required = none
auth client required = none
log file = /data/rgw.log
run dir = /run
[client.rgw]
rgw backend store = dbstore
rgw config store = dbstore
dbstore db dir = /data
dbstore config uri = file:/data/config.db
rgw data = /data
rgw trust forwarded https = true
rgw remote addr param = HTTP_X_FORWARDED_FOR
rgw thread pool size = 32
rgw frontends = beast endpoint=0.0.0.0:8000
"""


@dataclass(frozen=True)
class Request:
    """What the front has to know of a request to decide about it."""

    method: str
    region: str
    bucket: str
    object: str
    query: dict[str, str]
    copy_source: str  # bucket that an object is copied from, or empty
    by_host: bool  # the bucket stands in the host name, not in the path

    @property
    def configuration(self) -> frozenset[str]:
        return frozenset(self.query) & _CONFIGURATION


def parse(method: str, host: str, path: str, query: str, headers: Mapping[str, str]) -> Request | None:
    """Take a request apart, in both addressing styles; None when the host is none of Spaces'. `path` is as sent."""
    name = host.split(":")[0].lower()
    if not name.endswith(_SUFFIX):
        return None
    bucket, _, region = name.removesuffix(_SUFFIX).rpartition(".")
    if region not in REGIONS:
        return None
    plain = urllib.parse.unquote(path).lstrip("/")
    by_host = bool(bucket)
    if by_host:
        item = plain
    else:
        bucket, _, item = plain.partition("/")
    source = urllib.parse.unquote(headers.get("x-amz-copy-source", "")).lstrip("/")
    return Request(
        method=method,
        region=region,
        bucket=bucket,
        object=item,
        query=dict(urllib.parse.parse_qsl(query, keep_blank_values=True)),
        copy_source=source.split("/")[0],
        by_host=by_host,
    )


def check_grants(request: Request, access_key: str, keys: Keys) -> None:
    """Refuse what a limited key may not do, and a policy on a bucket that a limited key is for."""
    sets_policy = request.method == "PUT" and "policy" in request.query and request.bucket
    if sets_policy and any(request.bucket in grants for _, grants in keys.values()):
        raise SignatureError(
            403, "AccessDenied", "a bucket policy cannot be applied to a bucket that already uses a limited-access key"
        )
    grants = keys[access_key][1]
    if grants.get("") == "fullaccess":
        return
    permission = grants.get(request.bucket, "") if request.bucket else ""
    reads = request.method in ("GET", "HEAD")
    of_objects = bool(request.object) or (reads and not request.configuration) or "delete" in request.query
    allowed = permission and of_objects and (reads or permission != "read")
    if not allowed or (request.copy_source and request.copy_source not in grants):
        raise SignatureError(403, "AccessDenied", "the access key's grants do not permit this")


def error_response(status: int, code: str, message: str, resource: str) -> web.Response:
    body = (
        '<?xml version="1.0" encoding="UTF-8"?>'
        f"<Error><Code>{code}</Code><Message>{escape(message)}</Message><Resource>{escape(resource)}</Resource></Error>"
    )
    return web.Response(status=status, body=body.encode(), content_type="application/xml")


class Spaces:
    """The object store and its front. `on_buckets` is called, from any thread, when the set of buckets changed."""

    def __init__(self, podman: Podman, folder: Path, on_buckets: Callable[[], None]) -> None:
        self._podman = podman
        self._folder = folder
        self._on_buckets = on_buckets
        self._keys: Keys = {}
        self._owner: tuple[str, ...] = ("", "")
        self._buckets: dict[str, dict[str, str]] = {}  # name -> {"region": slug, "policy": "yes" | ""}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None

    # -- life --

    def start(self, ensure_container: Callable[[str, list[str]], bool], image: str, authority: Authority) -> None:
        data = self._folder / "data"
        data.mkdir(parents=True, exist_ok=True)
        (self._folder / "ceph.conf").write_text(RGW_CONFIGURATION)
        record = self._folder / "buckets.json"
        self._buckets = json.loads(record.read_text()) if record.exists() else {}
        ensure_container(
            CONTAINER,
            [
                *(f"--name={CONTAINER}", attach(OBJECT_STORE_ADDRESS), f"--volume={data}:/data"),
                *(f"--volume={self._folder / 'ceph.conf'}:/etc/ceph/ceph.conf:ro", image),
                *("radosgw", "-n", "client.rgw", "-f", "--no-mon-config", "-c", "/etc/ceph/ceph.conf"),
            ],
        )
        _wait_for_object_store()
        self._ensure_owner()
        if self._thread is None:
            self._serve(_tls_context(authority, self._folder))

    def _serve(self, context: ssl.SSLContext) -> None:
        ready: list[BaseException | None] = []
        started = threading.Event()

        async def main() -> None:
            timeout = aiohttp.ClientTimeout(total=None, sock_connect=10, sock_read=300)
            connector = aiohttp.TCPConnector(limit=200)
            async with aiohttp.ClientSession(timeout=timeout, connector=connector, auto_decompress=False) as session:
                self._session = session
                application = _application(self._handle)
                runner = web.AppRunner(application, handler_cancellation=True, access_log=None, shutdown_timeout=1)
                await runner.setup()
                try:
                    await web.TCPSite(runner, GATEWAY, 443, ssl_context=context).start()
                    ready.append(None)
                    started.set()
                    self._stopped = asyncio.Event()
                    self._loop = asyncio.get_running_loop()
                    await self._stopped.wait()
                finally:
                    await runner.cleanup()

        def run() -> None:
            try:
                asyncio.run(main())
            except BaseException as error:  # handed to the thread that started this one
                ready.append(error)
            finally:
                started.set()

        self._thread = threading.Thread(target=run, name="spaces", daemon=True)
        self._thread.start()
        started.wait(30)
        if not ready or ready[0] is not None:
            self._thread = None
            raise MachineError(f"Spaces cannot answer at {GATEWAY}:443: {ready[0] if ready else 'no start in 30 s'}")

    def stop(self) -> None:
        if self._thread is not None and self._loop is not None:
            self._loop.call_soon_threadsafe(self._stopped.set)
            self._thread.join(10)
        self._thread = self._loop = None

    def forget(self) -> None:
        """Remove all data; the object store must not run. `start` makes it anew."""
        for name in ("data", "uploads"):
            shutil.rmtree(self._folder / name, ignore_errors=True)
        (self._folder / "buckets.json").unlink(missing_ok=True)

    # -- keys and buckets --

    def set_keys(self, keys: Keys) -> None:
        """From now on exactly these keys are known."""
        self._keys = dict(keys)

    def _ensure_owner(self) -> None:
        """The one RGW user, who owns all buckets, with a key that only the front knows."""
        file, made = self._folder / "owner.json", self._folder / "data/owner-made"
        if not file.exists():
            write_private(file, json.dumps([secrets.token_hex(10), secrets.token_hex(20)]))
        self._owner = tuple(json.loads(file.read_text()))
        if made.exists():
            return
        # The key goes by the environment: every user of the host can read arguments. radosgw-admin now and then hangs
        # at its end, when all is done (its clean-up thread misses the signal to stop), hence the timeout.
        script = """
            read -r access; read -r secret
            export CEPH_ARGS="--access-key=$access --secret-key=$secret"
            for try in 1 2 3 4 5; do
                said=$(timeout --signal=KILL 5 radosgw-admin -n client.rgw --no-mon-config -c /etc/ceph/ceph.conf \\
                    user create --uid=account --display-name=account --max-buckets=100 2>&1)
                case "$said" in *'"access_key"'* | *exists*) exit 0 ;; esac
            done
            echo "$said" | tail -3 >&2
            exit 1"""
        self._podman("exec", "--interactive", CONTAINER, "sh", "-c", script, stdin="\n".join(self._owner) + "\n")
        made.touch()

    def names(self) -> list[str]:
        """Host names that answer: the endpoint's and each bucket's."""
        default = f"{DEFAULT_REGION}{_SUFFIX}"
        endpoints = {default, *(f"{bucket['region']}{_SUFFIX}" for bucket in self._buckets.values())}
        return sorted({*endpoints, *(f"{name}.{bucket['region']}{_SUFFIX}" for name, bucket in self._buckets.items())})

    def buckets_with_policy(self) -> frozenset[str]:
        return frozenset(name for name, bucket in self._buckets.items() if bucket["policy"])

    def _learn(self, request: Request, status: int) -> None:
        """Note what a successful request changed about the buckets."""
        if status >= 300 or request.object or not request.bucket:
            return
        buckets = {name: dict(bucket) for name, bucket in self._buckets.items()}
        if request.method == "PUT" and not request.query:
            buckets.setdefault(request.bucket, {"region": request.region, "policy": ""})
        elif request.method == "DELETE" and not request.query:
            buckets.pop(request.bucket, None)
        elif "policy" in request.query and request.method in ("PUT", "DELETE") and request.bucket in buckets:
            buckets[request.bucket]["policy"] = "yes" if request.method == "PUT" else ""
        if buckets != self._buckets:
            self._buckets = buckets
            write_private(self._folder / "buckets.json", json.dumps(buckets))
            self._on_buckets()

    # -- the front --

    async def _handle(self, incoming: web.Request) -> web.StreamResponse:
        path, _, query = incoming.raw_path.partition("?")
        request = parse(incoming.method, incoming.host, path, query, incoming.headers)
        if request is None:
            return error_response(404, "NoSuchBucket", f"{incoming.host} is no Spaces endpoint", path)
        try:
            return await self._pass_on(incoming, request, path, query)
        except SignatureError as error:
            return error_response(error.status, error.code, str(error), path)
        except (aiohttp.ClientError, TimeoutError) as error:
            return error_response(503, "ServiceUnavailable", f"the object store gave no answer: {error!r}", path)

    async def _pass_on(self, incoming: web.Request, request: Request, path: str, query: str) -> web.StreamResponse:
        signed = sigv4.read(incoming.headers, request.query)
        secret = ""
        if signed is not None:
            secret = self._authenticate(signed, request, incoming, path, query)
            check_grants(request, signed.access_key, self._keys)
        known = self._buckets.get(request.bucket)
        if known is not None and known["region"] != request.region:
            raise SignatureError(404, "NoSuchBucket", f"the bucket is in {known['region']}, not in {request.region}")
        if request.method == "POST" and incoming.content_type == "multipart/form-data":
            raise SignatureError(501, "NotImplemented", "uploads by HTML forms are not supported; use a presigned PUT")

        headers = CIMultiDict(
            (name, value) for name, value in incoming.headers.items() if name.lower() not in _NOT_PASSED
        )
        headers["X-Forwarded-For"] = incoming.remote or ""
        headers["X-Forwarded-Proto"] = "https"
        headers["Host"] = f"{request.region}{_SUFFIX}"
        body: AsyncIterator[bytes] | None = None
        payload = signed.payload_hash if signed else sigv4.UNSIGNED
        if signed is not None and payload in (*sigv4.SIGNED_CHUNKS, sigv4.UNSIGNED_CHUNKS):
            body = sigv4.chunks(incoming.content, signed, secret)
            payload = sigv4.UNSIGNED
            headers["Content-Length"] = incoming.headers.get("x-amz-decoded-content-length", "")
            encodings = [item.strip() for item in headers.pop("Content-Encoding", "").split(",")]
            if rest := [item for item in encodings if item and item != "aws-chunked"]:
                headers["Content-Encoding"] = ", ".join(rest)
        elif request.method == "PUT" and request.bucket and not request.object and not request.query:
            await self._check_location(incoming, request, payload)
            payload = sigv4.UNSIGNED
            headers["Content-Length"] = "0"
            headers.pop("Content-MD5", None)
        elif incoming.body_exists:
            body = incoming.content.iter_any()
        if body is not None and not headers.get("Content-Length", "").isdigit():
            raise SignatureError(411, "MissingContentLength", "You must provide the Content-Length HTTP header.")

        if request.bucket and ("uploads" in request.query or "uploadId" in request.query):
            if signed is None:
                raise SignatureError(403, "AccessDenied", "multipart uploads must be signed")
            return await self._multipart(incoming, request, path, headers, body, payload)
        return await self._forward(incoming, request, path, query, headers, body, payload if signed else "")

    async def _forward(
        self,
        incoming: web.Request,
        request: Request,
        path: str,
        query: str,
        headers: CIMultiDict[str],
        body: AsyncIterator[bytes] | None,
        payload: str,
    ) -> web.StreamResponse:
        """Have RGW answer; `payload` is the body's hash to sign with, empty for an anonymous request."""
        async with self._ask(request.method, self._target(request, path), query, headers, body, payload) as answer:
            # before the client hears of it: whoever created a bucket may ask for it by name at once
            await asyncio.to_thread(self._learn, request, answer.status)
            return await _answer(incoming, request, answer)

    def _target(self, request: Request, path: str) -> str:
        return f"/{request.bucket}{path}" if request.by_host else path

    def _ask(
        self,
        method: str,
        target: str,
        query: str,
        headers: CIMultiDict[str],
        body: AsyncIterator[bytes] | None,
        payload: str,
    ) -> AbstractAsyncContextManager[aiohttp.ClientResponse]:
        query = "&".join(part for part in query.split("&") if part and not part.lower().startswith("x-amz-"))
        if payload:
            self._sign_anew(headers, method, target, query, payload)
        return self._session.request(
            method,
            URL(_UPSTREAM + target + (f"?{query}" if query else ""), encoded=True),
            headers=headers,
            skip_auto_headers=[name for name in _AUTOMATIC if name not in headers],
            data=body,
            allow_redirects=False,
        )

    async def _multipart(
        self,
        incoming: web.Request,
        request: Request,
        path: str,
        headers: CIMultiDict[str],
        body: AsyncIterator[bytes] | None,
        payload: str,
    ) -> web.StreamResponse:
        folder, bucket, key = self._folder / "uploads", request.bucket, request.object
        if bucket not in self._buckets:
            raise SignatureError(404, "NoSuchBucket", "The specified bucket does not exist.")
        if "uploads" in request.query and request.method == "POST":
            upload = multipart.Upload.begin(folder, bucket, key, headers)
            return _xml("InitiateMultipartUploadResult", upload.describe())
        if "uploads" in request.query:
            entries = "".join(
                f"<Upload><Key>{escape(name)}</Key><UploadId>{upload_id}</UploadId></Upload>"
                for name, upload_id in multipart.uploads_of(folder, bucket)
            )
            return _xml(
                "ListMultipartUploadsResult", f"<Bucket>{bucket}</Bucket><IsTruncated>false</IsTruncated>{entries}"
            )
        upload = multipart.Upload(folder, request.query["uploadId"], bucket, key)
        match request.method:
            case "PUT" if request.copy_source:
                raise SignatureError(501, "NotImplemented", "a part cannot be copied from another object")
            case "PUT":
                etag = await upload.add(request.query.get("partNumber", ""), body or multipart.joined([]), payload)
                return web.Response(headers={"ETag": etag})
            case "DELETE":
                upload.delete()
                return web.Response(status=204)
            case "POST":
                text = b"".join([chunk async for chunk in body]) if body else b""
                return await self._complete(upload, text, request, path, headers["Host"])
            case _:
                entries = "".join(
                    f'<Part><PartNumber>{number}</PartNumber><ETag>"{etag}"</ETag><Size>{size}</Size></Part>'
                    for number, etag, size in upload.parts()
                )
                return _xml("ListPartsResult", upload.describe(f"<IsTruncated>false</IsTruncated>{entries}"))

    async def _complete(
        self, upload: multipart.Upload, text: bytes, request: Request, path: str, host: str
    ) -> web.StreamResponse:
        files = upload.chosen(text)
        headers = CIMultiDict(upload.headers)
        headers["Host"] = host
        headers["Content-Length"] = str(sum(file.stat().st_size for file in files))
        target = self._target(request, path)
        async with self._ask("PUT", target, "", headers, multipart.joined(files), sigv4.UNSIGNED) as answer:
            if answer.status != 200:
                return web.Response(status=answer.status, body=await answer.read(), content_type="application/xml")
            etag = answer.headers.get("ETag", "")
        upload.delete()
        location = f"<Location>https://{host}{escape(target)}</Location><ETag>{escape(etag)}</ETag>"
        return _xml("CompleteMultipartUploadResult", location + upload.describe())

    def _authenticate(
        self, signed: sigv4.Signed, request: Request, incoming: web.Request, path: str, query: str
    ) -> str:
        """The secret of the key by which the request is signed; SignatureError when it is not."""
        if signed.access_key not in self._keys:
            raise SignatureError(403, "InvalidAccessKeyId", "The access key id does not exist.")
        if signed.region not in (request.region, "us-east-1"):
            raise SignatureError(
                400, "AuthorizationHeaderMalformed", f"the region {signed.region} is wrong; expecting {request.region}"
            )
        secret = self._keys[signed.access_key][0]
        expected = sigv4.sign(signed, secret, incoming.method, path, query, incoming.headers)
        if not hmac.compare_digest(expected, signed.signature):
            raise SignatureError(
                403, "SignatureDoesNotMatch", "The request signature does not match; check key and method."
            )
        sigv4.check_time(signed, time.time())
        return secret

    async def _check_location(self, incoming: web.Request, request: Request, payload: str) -> None:
        """A bucket is made in the region of the endpoint; RGW has no names for regions, so the constraint ends here."""
        text = b""
        async for chunk in incoming.content.iter_any():
            text += chunk
            if len(text) > _MAX_CONFIGURATION:
                raise SignatureError(400, "EntityTooLarge", "CreateBucketConfiguration is too large")
        if payload != sigv4.UNSIGNED and hashlib.sha256(text).hexdigest() != payload:
            raise SignatureError(400, "XAmzContentSHA256Mismatch", "the body is not what x-amz-content-sha256 says")
        found = re.search(rb"<LocationConstraint>\s*([^<]*?)\s*</LocationConstraint>", text)
        if found and found[1].decode(errors="replace") not in ("", request.region):
            raise SignatureError(400, "InvalidLocationConstraint", "The specified location-constraint is not valid")

    def _sign_anew(self, headers: CIMultiDict[str], method: str, path: str, query: str, payload: str) -> None:
        headers["x-amz-date"] = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
        headers["x-amz-content-sha256"] = payload
        names = sorted({"host", *(name.lower() for name in headers if name.lower().startswith("x-amz-"))})
        access_key, secret = self._owner
        scope = f"{headers['x-amz-date'][:8]}/us-east-1/s3/aws4_request"
        signed = sigv4.Signed(access_key, headers["x-amz-date"], scope, tuple(names), "", payload, None)
        headers["Authorization"] = sigv4.authorization(signed, sigv4.sign(signed, secret, method, path, query, headers))


def _xml(name: str, inner: str) -> web.Response:
    return web.Response(body=multipart.xml(name, inner), content_type="application/xml")


def byte_range(asked: Mapping[str, str], answer: Mapping[str, str], size: int) -> tuple[int, int] | None:
    """(first, end) of the one range that a request asks for, end excluded; None when the whole object is to be sent."""
    found = re.fullmatch(r"bytes=(\d*)-(\d*)", asked.get("Range", "").strip())
    if found is None or not (found[1] or found[2]):
        return None
    if "If-Range" in asked and asked["If-Range"] not in (answer.get("ETag"), answer.get("Last-Modified")):
        return None
    if found[1]:
        first, end = int(found[1]), min(size, int(found[2] or size - 1) + 1)
    else:
        first, end = max(0, size - int(found[2])), size
    if first >= end:
        raise SignatureError(416, "InvalidRange", "The requested range is not satisfiable")
    return first, end


async def _answer(incoming: web.Request, request: Request, answer: aiohttp.ClientResponse) -> web.StreamResponse:
    if request.method == "GET" and "location" in request.query and not request.object and answer.status == 200:
        body = (
            f'<LocationConstraint xmlns="http://s3.amazonaws.com/doc/2006-03-01/">{request.region}</LocationConstraint>'
        )
        return web.Response(
            body=f'<?xml version="1.0" encoding="UTF-8"?>{body}'.encode(), content_type="application/xml"
        )
    response = web.StreamResponse(status=answer.status, reason=answer.reason)
    for name, value in answer.headers.items():
        if name.lower() not in _HOP_BY_HOP:
            response.headers.add(name, value)
    first, end = 0, answer.content_length
    if answer.status == 200 and request.method == "GET" and request.object and end is not None:
        # cut here: RGW on SQLite answers a range of a large object with other bytes, and more of them than it says
        found = byte_range(incoming.headers, answer.headers, end)
        if found is not None:
            response.set_status(206)
            response.headers["Content-Range"] = f"bytes {found[0]}-{found[1] - 1}/{end}"
            first, end = found
            response.content_length = end - first
    await response.prepare(incoming)
    if incoming.method != "HEAD":
        position = 0
        async for chunk in answer.content.iter_chunked(1 << 16):
            wanted = chunk[max(0, first - position) : None if end is None else max(0, end - position)]
            position += len(chunk)
            if wanted:
                await response.write(wanted)
            if end is not None and position >= end:
                break
    await response.write_eof()
    return response


def _wait_for_object_store() -> None:
    """Two programs that make RGW's new database at the same moment can lock each other out for good."""
    deadline = time.monotonic() + 30
    while True:
        try:
            with socket.create_connection((OBJECT_STORE_ADDRESS, 8000), 1):
                return
        except OSError as error:
            if time.monotonic() > deadline:
                raise MachineError(f"the object store does not answer: {error}") from None
            time.sleep(0.1)


def _application(handler: Callable[[web.Request], object]) -> web.Application:
    application = web.Application()
    application.router.add_route("*", "/{path:.*}", handler)  # type: ignore[arg-type]
    return application


def _tls_context(authority: Authority, folder: Path) -> ssl.SSLContext:
    names = [name for region in REGIONS for name in (f"{region}{_SUFFIX}", f"*.{region}{_SUFFIX}")]
    chain, key = authority.issue(names)
    write_private(folder / "tls.pem", chain)
    write_private(folder / "tls-key.pem", key)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "tls.pem", folder / "tls-key.pem")
    return context
