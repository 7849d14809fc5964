# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Spaces: Ceph RGW holds the objects and checks signatures, ACLs and policies; the front before it does the rest.

The front ends TLS at the cloud's gateway address, enforces what RGW does not know (the grants of Spaces keys, and that bucket
policies and limited keys exclude each other), and learns which buckets there are. Requests pass unchanged, so that
signatures stay valid.
"""

from __future__ import annotations

import asyncio
import json
import re
import ssl
import threading
import urllib.parse
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from xml.sax.saxutils import escape

import aiohttp
from aiohttp import web
from multidict import CIMultiDict
from yarl import URL

from localcloud.dns import CLOUD_ZONE
from localcloud.hosts import Podman
from localcloud.machines import MachineError
from localcloud.network import GATEWAY, OBJECT_STORE_ADDRESS, attach
from localcloud.tls import Authority, write_private

CONTAINER = "localcloud-spaces"
REGIONS = ("ams3", "atl1", "blr1", "fra1", "lon1", "nyc3", "sfo2", "sfo3", "sgp1", "syd1", "tor1")
DEFAULT_REGION = "fra1"
_SUFFIX = f".spaces.{CLOUD_ZONE}"
_UPSTREAM = f"http://{OBJECT_STORE_ADDRESS}:8000"
_OWNER = "account"  # the one RGW user: all Spaces keys of an account see the same buckets

# sub-resources that configure a bucket, which limited keys may not touch
_CONFIGURATION = {
    *("acl", "cors", "lifecycle", "logging", "notification", "ownershipControls", "policy", "policyStatus"),
    *("publicAccessBlock", "replication", "requestPayment", "tagging", "versioning", "website", "encryption"),
}
_HOP_BY_HOP = {
    *("connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "te", "trailer", "upgrade", "expect"),
    "transfer-encoding",
}
Keys = dict[str, tuple[str, dict[str, str]]]


def rgw_configuration() -> str:
    names = ", ".join(f"{region}{_SUFFIX}" for region in REGIONS)
    return f"""\
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
rgw dns name = {names}
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
    access_key: str  # empty: anonymous
    query: frozenset[str]  # names of the query's parameters
    copy_source: str  # bucket that an object is copied from, or empty

    @property
    def configuration(self) -> frozenset[str]:
        return self.query & _CONFIGURATION


def parse(method: str, host: str, path: str, query: str, headers: CIMultiDict[str]) -> Request | None:
    """Take a request apart, in both addressing styles; None when the host is none of Spaces'. `path` is percent-encoded."""
    name = host.split(":")[0].lower()
    if not name.endswith(_SUFFIX):
        return None
    bucket, _, region = name.removesuffix(_SUFFIX).rpartition(".")
    if region not in REGIONS:
        return None
    plain = urllib.parse.unquote(path).lstrip("/")
    if bucket:
        item = plain
    else:
        bucket, _, item = plain.partition("/")
    parameters = dict(urllib.parse.parse_qsl(query, keep_blank_values=True))
    source = urllib.parse.unquote(headers.get("x-amz-copy-source", "")).lstrip("/")
    return Request(
        method=method,
        region=region,
        bucket=bucket,
        object=item,
        access_key=_access_key(headers.get("Authorization", ""), parameters),
        query=frozenset(parameters),
        copy_source=source.split("/")[0],
    )


def _access_key(authorization: str, parameters: dict[str, str]) -> str:
    if found := re.search(r"Credential=([^/,\s]+)/", authorization):
        return found[1]
    if found := re.match(r"AWS ([^:\s]+):", authorization):
        return found[1]
    credential = parameters.get("X-Amz-Credential", "") or parameters.get("AWSAccessKeyId", "")
    return credential.split("/")[0]


def refusal(request: Request, keys: Keys) -> tuple[int, str, str] | None:
    """(status, S3 code, message) when a grant or the exclusion of policies and limited keys forbids the request."""
    sets_policy = request.method == "PUT" and "policy" in request.query and request.bucket
    if sets_policy and any(request.bucket in grants for _, grants in keys.values()):
        return (
            403,
            "AccessDenied",
            "a bucket policy cannot be applied to a bucket that already uses a limited-access key",
        )
    _, grants = keys.get(request.access_key, ("", {"": "fullaccess"}))
    if grants.get("") == "fullaccess":
        return None  # also unknown and anonymous: RGW has the word on those
    denied = (403, "AccessDenied", "the access key's grants do not permit this")
    permission = grants.get(request.bucket, "") if request.bucket else ""
    reads = request.method in ("GET", "HEAD")
    if not permission or request.configuration and not (reads and request.object):
        return denied
    if not reads and (permission == "read" or not (request.object or "delete" in request.query)):
        return denied
    if request.copy_source and request.copy_source not in grants:
        return denied
    return None


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
        self._buckets: dict[str, dict[str, str]] = {}  # name -> {"region": slug, "policy": "yes" | ""}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None

    # -- life --

    def start(self, ensure_container: Callable[[str, list[str]], bool], image: str, authority: Authority) -> None:
        data = self._folder / "data"
        data.mkdir(parents=True, exist_ok=True)
        (self._folder / "ceph.conf").write_text(rgw_configuration())
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
                runner = web.AppRunner(_application(self._handle), handler_cancellation=True, access_log=None)
                await runner.setup()
                try:
                    await web.TCPSite(runner, GATEWAY, 443, ssl_context=context, shutdown_timeout=1).start()
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

    # -- keys and buckets --

    def set_keys(self, keys: Keys) -> None:
        """Make the object store know exactly these keys."""
        present = self._admin_user()
        for access_key in sorted(present - set(keys)):
            self._admin("key rm --key-type=s3", access_key)
        for access_key, (secret_key, _) in sorted(keys.items()):
            before = self._keys.get(access_key)
            if access_key not in present or before is None or before[0] != secret_key:
                self._admin("key create --key-type=s3", access_key, secret_key)
        self._keys = dict(keys)

    def _admin_user(self) -> set[str]:
        """Access keys of the account's user, made when it does not exist."""
        try:
            found = self._admin("user info")
        except MachineError:
            found = self._admin("user create --display-name=account --max-buckets=100 --gen-access-key=false")
        return {key["access_key"] for key in json.loads(found)["keys"]}

    def _admin(self, words: str, access_key: str = "", secret_key: str = "") -> str:
        # keys go by the environment: arguments can be read by every user of the host
        script = "read -r access; read -r secret; "
        script += 'export CEPH_ARGS="${access:+--access-key=$access} ${secret:+--secret-key=$secret}"; '
        script += f"exec radosgw-admin -n client.rgw --no-mon-config -c /etc/ceph/ceph.conf --uid={_OWNER} {words}"
        return self._podman(
            "exec", "--interactive", CONTAINER, "sh", "-c", script, stdin=f"{access_key}\n{secret_key}\n"
        )

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
        request = parse(incoming.method, incoming.host, path, query, CIMultiDict(incoming.headers))
        if request is None:
            return error_response(404, "NoSuchBucket", f"{incoming.host} is no Spaces endpoint", path)
        if refused := refusal(request, self._keys):
            return error_response(*refused, path)
        headers = CIMultiDict(
            (name, value) for name, value in incoming.headers.items() if name.lower() not in _HOP_BY_HOP
        )
        automatic = [
            name for name in ("Accept", "Accept-Encoding", "User-Agent", "Content-Type") if name not in headers
        ]
        try:
            answer = await self._session.request(
                incoming.method,
                URL(_UPSTREAM + incoming.raw_path, encoded=True),
                headers=headers,
                skip_auto_headers=automatic,
                data=incoming.content if incoming.body_exists else None,
                allow_redirects=False,
            )
        except (aiohttp.ClientError, TimeoutError) as error:
            return error_response(503, "ServiceUnavailable", f"the object store gave no answer: {error!r}", path)
        async with answer:
            # before the client hears of it: whoever created a bucket may ask for it by name at once
            await asyncio.to_thread(self._learn, request, answer.status)
            response = web.StreamResponse(status=answer.status, reason=answer.reason)
            for name, value in answer.headers.items():
                if name.lower() not in _HOP_BY_HOP:
                    response.headers.add(name, value)
            await response.prepare(incoming)
            if incoming.method != "HEAD":
                async for chunk in answer.content.iter_chunked(1 << 16):
                    await response.write(chunk)
            await response.write_eof()
            return response


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
