# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A server that answers as a shop does: Medusa's API, its admin and a storefront on one TLS port of this machine."""

from __future__ import annotations

import datetime
import ipaddress
import json
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

KEY, EMAIL, PASSWORD = "pk_right", "admin@example.com", "p@ss$word"

Reply = tuple[int, dict[str, str], bytes]


def html(text: str) -> Reply:
    return 200, {"Content-Type": "text/html; charset=utf-8"}, text.encode()


def data(status: int, content: object) -> Reply:
    return status, {"Content-Type": "application/json"}, json.dumps(content).encode()


@dataclass
class FakeShop:
    """`replies` stand in the place of the right answers, by "METHOD /path"; `users` and `keys` can be changed."""

    url: str = ""
    ca_file: str = ""
    replies: dict[str, Reply] = field(default_factory=dict)
    users: dict[str, str] = field(default_factory=lambda: {EMAIL: PASSWORD})
    keys: list[dict[str, Any]] = field(default_factory=list)
    cors: set[str] = field(default_factory=set)

    def answer(self, method: str, path: str, headers: Any, body: Any) -> Reply:
        route = f"{method} {path.partition('?')[0]}"
        if route in self.replies:
            return self.replies[route]
        if method == "OPTIONS":
            origin = headers.get("Origin")
            return 204, {"Access-Control-Allow-Origin": origin} if origin in self.cors else {}, b""
        if path.startswith("/store/"):
            if not headers.get("x-publishable-api-key"):
                return data(400, {"type": "not_allowed", "message": "Publishable API key required"})
            if headers["x-publishable-api-key"] != KEY:
                return data(400, {"message": "A valid publishable key is required"})
        token_ok = headers.get("Authorization") == "Bearer jwt"
        if route.startswith("GET /admin/") and not token_ok and "connect.sid=1" not in (headers.get("Cookie") or ""):
            return data(401, {"message": "Unauthorized"})
        match route:
            case "GET /health":
                return 200, {}, b"OK"
            case "GET /store/regions":
                return data(200, {"regions": [{"id": "reg_1", "name": "Europe", "currency_code": "eur"}]})
            case "GET /store/products":
                variant = {"calculated_price": {"calculated_amount": 25}}
                product = {"title": "Pump", "thumbnail": f"{self.url}/static/pump.png", "variants": [variant]}
                return data(200, {"products": [product]})
            case "GET /static/pump.png":
                return 200, {"Content-Type": "image/png"}, b"PNG"
            case "GET /app":
                return html('<html><script type="module" src="/app/assets/index.js"></script></html>')
            case "GET /":
                if "cart=1" not in (headers.get("Cookie") or ""):  # as storefronts in the field do
                    return 307, {"Location": "/", "Set-Cookie": "cart=1; Path=/"}, b""
                return html('<html><script src="/_next/static/a.js?dpl=1&amp;x=2" async></script></html>')
            case "GET /app/assets/index.js" | "GET /_next/static/a.js":
                return 200, {"Content-Type": "application/javascript"}, b"1"
            case "POST /auth/user/emailpass":
                if self.users.get(body["email"]) == body["password"]:
                    return data(200, {"token": "jwt"})
                return data(401, {"message": "Invalid email or password"})
            case "POST /fake/users":  # as if Medusa's own program had done it
                self.users[body["email"]] = body["password"]
                return data(200, {})
            case "POST /auth/session" if token_ok:
                status, sent, text = data(200, {"user": {}})
                return status, sent | {"Set-Cookie": "connect.sid=1; Path=/; HttpOnly; Secure; SameSite=Lax"}, text
            case "DELETE /auth/session":
                return data(200, {"success": True})
            case "GET /admin/users/me":
                return data(200, {"user": {"email": EMAIL}})
            case "GET /admin/api-keys":
                offset = int(path.partition("offset=")[2])
                return data(200, {"api_keys": self.keys[offset : offset + 2], "count": len(self.keys)})
        return data(404, {"message": f"no {route}"})


@contextmanager
def running_shop(folder: Path, days: int = 30, tls: bool = True) -> Iterator[FakeShop]:
    """A shop whose certificate is valid for `days` more days; its CA is written to `folder`."""
    shop = FakeShop()

    class Handler(BaseHTTPRequestHandler):
        def handle_one(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            body = json.loads(self.rfile.read(length)) if length else None
            status, headers, text = shop.answer(self.command, self.path, self.headers, body)
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        do_GET = do_POST = do_DELETE = do_OPTIONS = handle_one

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    shop.ca_file, chain = _certificates(folder, days)
    if tls:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(chain)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    shop.url = f"{'https' if tls else 'http'}://127.0.0.1:{server.server_port}"
    shop.cors = {shop.url}
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield shop
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _certificates(folder: Path, days: int) -> tuple[str, str]:
    """Write a CA and a certificate of 127.0.0.1 with its key; their paths."""
    now = datetime.datetime.now(datetime.UTC)
    ca_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    ca_name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "fake shop CA")])
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "fake shop")])

    def builder(subject: x509.Name, public_key: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(ca_name)
            .public_key(public_key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=1))
            .not_valid_after(now + datetime.timedelta(days=days, minutes=5))
        )

    ca = builder(ca_name, ca_key.public_key()).add_extension(x509.BasicConstraints(True, None), True)
    leaf = builder(name, key.public_key()).add_extension(
        x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False
    )
    pem = serialization.Encoding.PEM
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    ca_file, chain = folder / "ca.pem", folder / "chain.pem"
    ca_file.write_bytes(ca.sign(ca_key, hashes.SHA256()).public_bytes(pem))
    chain.write_bytes(private + leaf.sign(ca_key, hashes.SHA256()).public_bytes(pem))
    return str(ca_file), str(chain)
