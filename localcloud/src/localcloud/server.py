# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The HTTPS server: authorises, limits, injects faults, dispatches, logs."""

from __future__ import annotations

import asyncio
import contextlib
import http
import json
import logging
import marshal
import math
import socket
import ssl
import struct
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.utils import formatdate
from typing import Any

from aiohttp import web

from localcloud import routing
from localcloud.alerting import ringing
from localcloud.api import (
    account,
    certificates,
    database_objects,
    databases,
    domains,
    droplets,
    firewalls,
    load_balancers,
    monitoring,
    projects,
    reserved_ips,
    spaces_keys,
    ssh_keys,
    tags,
    uptime,
    volumes,
    vpcs,
)
from localcloud.clock import VirtualClock, iso
from localcloud.cloud import Cloud
from localcloud.errors import ApiError, bad_request, forbidden, not_found, unauthorized
from localcloud.faults import HTML_GATEWAY_ERROR, Fault, Faults
from localcloud.limits import RateLimits
from localcloud.routing import Answer, Call
from localcloud.store import RequestLog
from localcloud.sync import balanced_droplets
from localcloud.watch import Watch

logger = logging.getLogger(__name__)

ADMIN = "/_localcloud/"
MAX_BODY = 4 * 1024 * 1024
EXCLUSIVE_SECONDS = 0.02  # real ones, that an exclusive call takes

# Importing them registers their routes.
HANDLERS = (
    account,
    certificates,
    database_objects,
    databases,
    domains,
    droplets,
    firewalls,
    load_balancers,
    monitoring,
    projects,
    reserved_ips,
    spaces_keys,
    ssh_keys,
    tags,
    uptime,
    volumes,
    vpcs,
)


@dataclass
class Exchange:
    """One request on its way, and what the log will tell of it."""

    method: str
    path: str
    query: dict[str, str]
    base_url: str
    raw_body: bytes
    token: str | None
    request_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    body: Any = None
    warnings: list[str] = field(default_factory=list)
    fault: Fault | None = None
    reset: bool = False


class Server:
    """Serves one `Cloud`. `token` may do everything, `read_only_token` only read."""

    def __init__(
        self, cloud: Cloud, log: RequestLog, token: str, read_only_token: str, auto_advance: float = 0.0
    ) -> None:
        self.cloud = cloud
        self.log = log
        self.faults = Faults()
        self.port = 0
        self.stopping = asyncio.Event()  # somebody asked for the end
        self.remove_machines = False  # and to leave nothing behind
        self._tokens = {token: False, read_only_token: True}  # token -> may only read
        self._limits = {token: RateLimits(), read_only_token: RateLimits()}
        self._in_hand: set[str] = set()  # what an exclusive call is working at
        self._auto_advance = auto_advance
        self._runner: web.ServerRunner | None = None
        self.watch = Watch(cloud)
        self._tasks: list[asyncio.Task[None]] = []

    # -- life --

    async def start(self, host: str, port: int, certificate: ssl.SSLContext) -> None:
        if self.cloud.machines is not None:
            loop = asyncio.get_running_loop()

            def power_event(droplet_id: int, status: str) -> None:  # comes from a thread of the machines
                loop.call_soon_threadsafe(self._power_changed, droplet_id, status)

            self.cloud.machines.on_power_event(power_event)
        self._runner = web.ServerRunner(web.Server(self._serve, access_log=None))
        await self._runner.setup()
        site = web.TCPSite(self._runner, host, port, ssl_context=certificate)
        await site.start()
        self.port = self._runner.addresses[0][1]
        if not isinstance(self.cloud.clock, VirtualClock):
            self._tasks = [asyncio.create_task(self._tick()), asyncio.create_task(self.watch.run())]

    async def stop(self) -> None:
        """Answer no more, let the machines finish what they do, save."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._runner is not None:
            await self._runner.cleanup()
        await self.cloud.queues.drain()
        self.cloud.changed()

    async def _tick(self) -> None:
        """Let time pass between requests: what falls due moves the machines."""
        while True:
            self.cloud.wake.clear()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.cloud.wake.wait(), self.cloud.seconds_to_next())
            try:
                if self.cloud.settle():
                    self.cloud.changed()
            except Exception:  # such as a full disk: it must show, and not stop time
                logger.exception("what fell due could not be carried out or saved")

    def _power_changed(self, droplet_id: int, status: str) -> None:
        droplets.power_changed(self.cloud, droplet_id, status)
        self.cloud.changed()

    # -- one request --

    async def _serve(self, request: web.BaseRequest) -> web.StreamResponse:
        exchange = Exchange(
            method=request.method,
            path=request.path,
            query=dict(request.query),
            base_url=f"https://{request.host}",
            raw_body=await request.read(),
            token=_bearer(request.headers),
        )
        if exchange.path.startswith(ADMIN):
            return self._respond(*self._guarded(lambda: self._administer(exchange), exchange))
        started = time.monotonic()
        status, body, headers = await self._exchange(exchange)
        self._record(exchange, status, body, headers, time.monotonic() - started)
        if exchange.reset:
            _drop_connection(request)
        return self._respond(status, body, headers)

    async def _exchange(self, exchange: Exchange) -> tuple[int, Any, dict[str, str]]:
        clock = self.cloud.clock
        if self._auto_advance and isinstance(clock, VirtualClock):
            clock.advance(self._auto_advance)
        try:
            read_only = self._authenticate(exchange)
            limits = self._limits[str(exchange.token)]
            self._limit(limits, exchange)
        except ApiError as error:
            return error.status, error.body(exchange.request_id), self._headers(exchange, error.headers)
        fault = exchange.fault = self.faults.strike(exchange.method, exchange.path)
        if fault is not None and fault.delay:
            await asyncio.sleep(fault.delay)
        if fault is None or self._is_carried_out(fault):
            answer = await self._carry_out(exchange, read_only)
            if fault is None:
                return answer
            status, body, _ = answer
            if 200 <= status < 300:
                for queue in self.faults.created(fault, exchange.path, body):
                    self.cloud.queues.failures[queue] = "a fault was ordered"
            if fault.reset is None and fault.status is None:
                return answer
        if fault.reset is not None:
            exchange.reset = True
            return 0, None, {}
        return self._faulty_answer(exchange, fault)

    async def _carry_out(self, exchange: Exchange, read_only: bool) -> tuple[int, Any, dict[str, str]]:
        """Dispatch; what must not be done to one thing by two at a time takes long enough for them to meet."""
        route, params = routing.find(exchange.method, exchange.path)
        if route is None or route.exclusive is None or read_only:
            return self._guarded(lambda: self._dispatch(exchange, read_only), exchange)
        key = params[route.exclusive]
        if key in self._in_hand:
            failure = ApiError(500, "server_error", "Server Error")
            return 500, failure.body(exchange.request_id), self._headers(exchange)
        self._in_hand.add(key)
        try:
            answer = self._guarded(lambda: self._dispatch(exchange, read_only), exchange)
            await asyncio.sleep(EXCLUSIVE_SECONDS)
            return answer
        finally:
            self._in_hand.discard(key)

    def _limit(self, limits: RateLimits, exchange: Exchange) -> None:
        key_list = (exchange.method, exchange.path) == ("GET", "/v2/account/keys")
        limits.admit(self.cloud.clock.limits_now(), key_list=key_list)

    @staticmethod
    def _is_carried_out(fault: Fault) -> bool:
        if fault.status is not None:
            return fault.effect
        return fault.reset != "before"

    def _authenticate(self, exchange: Exchange) -> bool:
        """Return whether the token may only read."""
        if exchange.token is None or exchange.token not in self._tokens:
            raise unauthorized()
        return self._tokens[exchange.token]

    def _dispatch(self, exchange: Exchange, read_only: bool) -> Answer:
        if self.cloud.settle():
            self.cloud.changed()
        if self.faults.is_hidden(exchange.method, exchange.path):
            exchange.warnings.append("hidden by a fault")
            raise not_found()
        if read_only and exchange.method != "GET":
            raise forbidden()
        route, params = routing.find(exchange.method, exchange.path)
        if route is None:
            exchange.warnings.append(f"localcloud has no {exchange.method} {exchange.path}")
            raise not_found()
        call = Call(
            cloud=self.cloud,
            method=exchange.method,
            path=exchange.path,
            base_url=exchange.base_url,
            read_only=read_only,
            params=params,
            query=exchange.query,
            warnings=exchange.warnings,
        )
        self._read_body(exchange)
        if route.body is not None:
            call.body = routing.accept(route.body, {} if exchange.body is None else exchange.body, "", call.warnings)
        status, answer = route.handler(call)
        # A copy, because an answer shares its objects with the state, which moves on; marshal is quick at it.
        answer = marshal.loads(marshal.dumps(answer))  # noqa: S302 (nobody else's bytes)
        answer = self.faults.as_listed(exchange.method, exchange.path, answer)
        if exchange.method != "GET":
            self.cloud.changed()
        return status, answer

    @staticmethod
    def _read_body(exchange: Exchange) -> None:
        if not exchange.raw_body:
            return
        if len(exchange.raw_body) > MAX_BODY:
            raise ApiError(413, "request_entity_too_large", "Request body is too large")
        try:
            exchange.body = json.loads(exchange.raw_body, parse_constant=_refuse_constant)
        except ValueError:
            raise bad_request("Request body is not valid JSON") from None

    def _guarded(self, call: Any, exchange: Exchange) -> tuple[int, Any, dict[str, str]]:
        try:
            status, body = call()
            return status, body, self._headers(exchange)
        except ApiError as error:
            return error.status, error.body(exchange.request_id), self._headers(exchange, error.headers)
        except Exception:
            logger.exception("%s %s", exchange.method, exchange.path)
            exchange.warnings.append("localcloud failed: its log tells where")
            failure = ApiError(500, "server_error", "Unexpected server-side error")
            return 500, failure.body(exchange.request_id), self._headers(exchange)

    def _faulty_answer(self, exchange: Exchange, fault: Fault) -> tuple[int, Any, dict[str, str]]:
        status = int(fault.status or 500)
        headers = self._headers(exchange)
        if fault.as_html():
            reason = http.HTTPStatus(status).phrase
            return status, HTML_GATEWAY_ERROR.format(status=status, reason=reason), headers
        if status == 429:
            error = ApiError(429, "too_many_requests", "API Rate limit exceeded.")
            headers |= {"ratelimit-remaining": "0"}
            if fault.retry_after is not None:
                headers |= {"retry-after": str(fault.retry_after)}
            else:  # the hour's limit, of which the oldest request is about to expire
                headers |= {"ratelimit-reset": str(math.ceil(self.cloud.clock.limits_now()) + 1)}
        else:
            error = ApiError(status, _ERROR_IDS.get(status, "server_error"), fault.message or "Server Error")
        return status, error.body(exchange.request_id), headers

    def _headers(self, exchange: Exchange, more: Mapping[str, str] | None = None) -> dict[str, str]:
        # Of the clock that `ratelimit-reset` is told by.
        headers = {
            "x-request-id": exchange.request_id,
            "date": formatdate(self.cloud.clock.limits_now(), usegmt=True),
        }
        if exchange.token in self._limits:
            headers |= self._limits[exchange.token].headers(self.cloud.clock.limits_now())
        return {**headers, **(more or {})}

    @staticmethod
    def _respond(status: int, body: Any, headers: Mapping[str, str]) -> web.Response:
        if status == 0:
            return web.Response(status=500)  # nobody is there to read it
        if body is None:
            return web.Response(status=status, headers=headers)
        if isinstance(body, str):
            return web.Response(status=status, text=body, content_type="text/html", headers=headers)
        return web.json_response(body, status=status, headers=headers)

    def _record(self, exchange: Exchange, status: int, body: Any, headers: Mapping[str, str], duration: float) -> None:
        if exchange.body is None and exchange.raw_body:
            try:
                exchange.body = json.loads(exchange.raw_body)
            except ValueError:
                exchange.body = exchange.raw_body.decode(errors="replace")
        self.log.append(
            {
                "time": iso(time.time()),
                "cloud_time": iso(self.cloud.clock.now()),
                "request_id": exchange.request_id,
                "method": exchange.method,
                "path": exchange.path,
                "query": exchange.query,
                "body": exchange.body,
                "status": status,
                "response": body,
                "retry_after": headers.get("retry-after"),
                "fault": exchange.fault.name() if exchange.fault else None,
                "warnings": exchange.warnings,
                "seconds": round(duration, 4),
            }
        )

    # -- administration: what localcloud's own command line asks for --

    def _administer(self, exchange: Exchange) -> Answer:
        if self._authenticate(exchange):
            raise forbidden()
        self._read_body(exchange)
        match exchange.method, exchange.path.removeprefix(ADMIN):
            case "GET", "status":
                return 200, self.status()
            case "GET", "notifications":
                return 200, {"notifications": self.cloud.state["notifications"]}
            case "POST", "reset":
                self.reset()
                return 204, None
            case "POST", "stop":
                self.remove_machines = True
                self.stopping.set()
                return 202, {}
            case "GET", "faults":
                return 200, {"faults": [fault.to_json() for fault in self.faults.orders]}
            case "POST", "faults":
                try:
                    fault = self.faults.add(**(exchange.body or {}))
                except (TypeError, ValueError) as error:
                    raise bad_request(str(error)) from None
                return 201, {"fault": fault.to_json()}
            case "DELETE", "faults":
                self.faults.clear()
                return 204, None
        raise not_found(f"localcloud has no {exchange.method} {exchange.path}")

    def reset(self) -> None:
        """Forget all resources, faults and requests."""
        self.faults.clear()
        self.log.clear()
        for token in self._limits:
            self._limits[token] = RateLimits()
        self.cloud.reset()

    def status(self) -> dict[str, Any]:
        """Droplets and clusters as a person asks for them, with what went wrong with their machines."""
        if self.cloud.settle():
            self.cloud.changed()
        state, failures = self.cloud.state, self.cloud.queues.failures
        return {
            "cloud_time": iso(self.cloud.clock.now()),
            "speed": self.cloud.clock.speed,
            "droplets": [
                {
                    "id": droplet["id"],
                    "name": droplet["name"],
                    "state": droplet["status"],
                    "public_ipv4": droplet["public_ip"],
                    "private_ipv4": droplet["private_ip"],
                    "size": droplet["size"],
                    "tags": droplet["tags"],
                    "error": failures.get(f"droplet:{droplet['id']}"),
                }
                for droplet in state["droplets"].values()
            ],
            "clusters": [
                {
                    "id": cluster["id"],
                    "name": cluster["name"],
                    "engine": cluster["engine"],
                    "version": cluster["version"],
                    "state": cluster["status"],
                    "host": cluster["host"],
                    "private_host": f"private-{cluster['host']}",
                    "public_ipv4": cluster["public_ip"],
                    "private_ipv4": cluster["private_ip"],
                    "error": failures.get(f"cluster:{cluster['id']}"),
                }
                for cluster in state["databases"].values()
            ],
            "load_balancers": [
                {
                    "id": balancer["id"],
                    "name": balancer["name"],
                    "state": balancer["status"],
                    "ip": load_balancers.address(balancer),
                    "droplet_ids": balanced_droplets(state, balancer),
                    "error": failures.get(f"load_balancer:{balancer['id']}"),
                }
                for balancer in state["load_balancers"].values()
            ],
            "checks": [
                {
                    "id": check["id"],
                    "name": check["name"],
                    "target": check["target"],
                    "regions": {region: seen["status"] for region, seen in check["states"].items()},
                }
                for check in state["uptime_checks"].values()
            ],
            "ringing": ringing(self.cloud),
            "reserved_ips": [
                {"ip": reserved["ip"], "droplet_id": reserved["droplet_id"]}
                for reserved in state["reserved_ips"].values()
            ],
            "volumes": [
                {
                    "id": volume["id"],
                    "name": volume["name"],
                    "size_gigabytes": volume["size_gigabytes"],
                    "droplet_id": volume["droplet_id"],
                    "device": None,  # a resource of the API only: no droplet sees a disk of it
                }
                for volume in state["volumes"].values()
            ],
            "errors": {queue: text for queue, text in failures.items() if queue.partition(":")[0] not in _SHOWN},
        }


_SHOWN = ("droplet", "cluster", "load_balancer")  # whose errors stand beside them
_ERROR_IDS = {
    400: "bad_request",
    401: "unauthorized",
    403: "forbidden",
    404: "not_found",
    409: "conflict",
    412: "precondition_failed",
    422: "unprocessable_entity",
    503: "service_unavailable",
}


def _refuse_constant(name: str) -> None:
    """NaN and Infinity, which Python takes for JSON."""
    raise ValueError(f"{name} is not JSON")


def _bearer(headers: Mapping[str, str]) -> str | None:
    kind, _, token = headers.get("Authorization", "").partition(" ")
    return token.strip() if kind.lower() == "bearer" and token.strip() else None


def _drop_connection(request: web.BaseRequest) -> None:
    """End the connection with a reset instead of an answer."""
    transport = request.transport
    if transport is None:
        return
    sock = transport.get_extra_info("socket")
    if sock is not None:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()
