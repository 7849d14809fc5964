# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The watch: once a minute of cloud time it looks at the targets of the uptime checks and measures the machines.

What it finds goes to `api.uptime.observe` and `api.monitoring.observe`, which decide what rings; what they queue for
Slack is posted here. It looks out from this host, whose resolver knows the cloud's zones, and trusts the cloud's
authority beside the public ones, as a check from the internet does with a public certificate.
"""

from __future__ import annotations

import asyncio
import datetime
import logging
import os
import secrets
import socket
import ssl
import struct
import time
from typing import Any
from urllib.parse import urlsplit

import aiohttp

from localcloud.api import monitoring, uptime
from localcloud.api.uptime import Sight
from localcloud.cloud import Cloud
from localcloud.machines import MachineError

logger = logging.getLogger(__name__)

INTERVAL = 60.0  # seconds of cloud time
SHORTEST_INTERVAL = 2.0  # real seconds, however fast the cloud is
TIMEOUT = 10.0  # real seconds that a target has to answer
ATTEMPTS = 3  # to reach Slack, one in each round
_DAY = 86400
_ECHO_REQUEST, _ECHO_REPLY = 8, 0  # types of ICMP


class Watch:
    """Belongs to the server's event loop."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud
        self._tls = ssl.create_default_context()
        self._tls.load_verify_locations(cadata=cloud.authority.certificate_pem)
        self._delivering = asyncio.Lock()

    async def run(self) -> None:
        """Go round until cancelled."""
        while True:
            await asyncio.sleep(max(SHORTEST_INTERVAL, self._cloud.clock.real_seconds(INTERVAL)))
            try:
                await self.go_round()
            except Exception:  # a defect in one round must show, and not end the watch
                logger.exception("the watch failed")

    async def go_round(self) -> None:
        checks = [check for check in self._cloud.state["uptime_checks"].values() if check["enabled"]]
        seen, measured = await asyncio.gather(
            asyncio.gather(*(self._look(check) for check in checks)), asyncio.to_thread(self._measure)
        )
        for check, sight in zip(checks, seen, strict=True):
            # every region of the world is on this host
            uptime.observe(self._cloud, check["id"], dict.fromkeys(check["regions"], sight))
        monitoring.observe(self._cloud, measured)
        if checks or self._cloud.state["alert_policies"]:
            self._cloud.changed()
        await self.deliver()

    def _measure(self) -> dict[str, dict[str, float]]:
        machines = self._cloud.machines
        if machines is None or not self._cloud.state["alert_policies"]:
            return {}
        try:
            return machines.measure()
        except MachineError as error:
            logger.error("machines could not be measured: %s", error)
            return {}

    # -- looking at a target --

    async def _look(self, check: dict[str, Any]) -> Sight:
        started = time.monotonic()
        try:
            async with asyncio.timeout(TIMEOUT):
                if check["type"] == "ping":
                    await asyncio.to_thread(_ping, check["target"])
                else:
                    await self._get(check["target"])
                latency = 1000 * (time.monotonic() - started)
                return Sight(True, latency, await self._certificate_days(check))
        except TimeoutError:
            return Sight(False, reason=f"no answer within {TIMEOUT:.0f} s")
        except (aiohttp.ClientError, OSError, ValueError) as error:
            return Sight(False, reason=str(error) or type(error).__name__)

    async def _get(self, url: str) -> None:
        """Anything but an error of client or server is an answer, where redirects lead to too."""
        async with self._session() as session, session.get(url, max_redirects=5) as response:
            if response.status >= 400:
                raise ValueError(f"it answers {response.status}")

    async def _certificate_days(self, check: dict[str, Any]) -> float | None:
        """Days until the certificate expires; asked for only when an alert wants to know."""
        wanted = any(alert["type"] == "ssl_expiry" for alert in check["alerts"].values())
        if not wanted or check["type"] != "https":  # which it may have been when the alert was made
            return None
        address = urlsplit(check["target"])
        _, writer = await asyncio.open_connection(
            address.hostname, address.port or 443, ssl=self._tls, server_hostname=address.hostname
        )
        try:
            until = writer.get_extra_info("peercert")["notAfter"]
        finally:
            writer.close()
        return (ssl.cert_time_to_seconds(until) - datetime.datetime.now(datetime.UTC).timestamp()) / _DAY

    def _session(self) -> aiohttp.ClientSession:
        connector = aiohttp.TCPConnector(ssl=self._tls, force_close=True)
        return aiohttp.ClientSession(connector=connector, headers={"User-Agent": "localcloud uptime"})

    # -- telling --

    async def deliver(self) -> None:
        """Post what is queued for Slack; what cannot be posted is tried again in the next rounds."""
        async with self._delivering:  # one at a time: nothing is posted twice
            queued = [note for note in self._cloud.state["notifications"] if note["delivery"] == "queued"]
            if not queued:
                return
            async with self._session() as session:
                for note in queued:
                    await self._post(session, note)
            self._cloud.changed()

    @staticmethod
    async def _post(session: aiohttp.ClientSession, note: dict[str, Any]) -> None:
        body = {
            "channel": note["to"],
            "username": "DigitalOcean",
            "text": note["subject"],
            "attachments": [{"color": "danger" if note["outcome"] == "triggered" else "good", "text": note["text"]}],
        }
        note["attempts"] = note.get("attempts", 0) + 1
        try:
            posting = session.post(note["url"], json=body, allow_redirects=False)
            async with asyncio.timeout(TIMEOUT), posting as response:
                if response.status >= 300:
                    raise ValueError(f"it answers {response.status}")
        except (aiohttp.ClientError, OSError, ValueError, TimeoutError) as error:
            # some errors tell the URL, which is a secret
            reason = str(error).replace(note["url"], "its URL") or type(error).__name__
            note["delivery"] = "queued" if note["attempts"] < ATTEMPTS else f"failed: {reason}"
        else:
            note["delivery"] = "delivered"


def _ping(host: str) -> None:
    """One ICMP echo; raises OSError or TimeoutError when no answer comes."""
    payload = secrets.token_bytes(16)
    header = struct.pack("!BBHHH", _ECHO_REQUEST, 0, 0, secrets.randbits(16), 1)
    words = struct.unpack(f"!{len(header + payload) // 2}H", header + payload)
    total = sum(words) % 0xFFFF  # folding the carries of a sum of 16-bit words is taking it modulo 2**16 - 1
    packet = header[:2] + struct.pack("!H", 0xFFFF - total) + header[4:] + payload
    # the unprivileged kind works where the kernel lets the group (net.ipv4.ping_group_range), the other one for root
    kind = socket.SOCK_RAW if os.geteuid() == 0 else socket.SOCK_DGRAM
    with socket.socket(socket.AF_INET, kind, socket.IPPROTO_ICMP) as sock:
        sock.connect((socket.gethostbyname(host), 0))
        sock.send(packet)
        deadline = time.monotonic() + TIMEOUT
        while (left := deadline - time.monotonic()) > 0:
            sock.settimeout(left)
            answer = sock.recv(1024)
            if kind == socket.SOCK_RAW:
                answer = answer[(answer[0] & 15) * 4 :]  # behind the IP header
            if answer[0] == _ECHO_REPLY and answer[8:] == payload:
                return
    raise TimeoutError
