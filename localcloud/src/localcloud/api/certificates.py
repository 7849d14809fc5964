# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""TLS certificates of load balancers: brought along, or from Let's Encrypt, whose part the cloud's authority plays."""

from __future__ import annotations

import datetime
import re
import uuid
from typing import Any

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization

from localcloud.api.domains import zone_of
from localcloud.api.load_balancers import certificate_ids
from localcloud.clock import iso
from localcloud.cloud import Cloud, transition
from localcloud.errors import forbidden, not_found, unprocessable
from localcloud.routing import Answer, Call, route

VALIDITY = datetime.timedelta(days=90)
RENEWED_AFTER = datetime.timedelta(days=60)
RENEWAL_PAUSE = datetime.timedelta(days=1)  # before one that failed is tried again
_DNS_NAME = re.compile(r"(\*\.)?([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z0-9-]*[a-z0-9]")
_HIDDEN = ("chain", "private_key")
_BODY = {
    "name": str,
    "type": str,
    "dns_names": [str],
    "private_key": str,
    "leaf_certificate": str,
    "certificate_chain": str,
}


def queue(certificate_id: str) -> str:
    """No machine makes certificates: the queue only ever holds a failure that was ordered."""
    return f"certificate:{certificate_id}"


def _certificate(call: Call) -> dict[str, Any]:
    certificate: dict[str, Any] | None = call.cloud.state["certificates"].get(call.params["certificate"])
    if certificate is None:
        raise not_found()
    return certificate


def _render(certificate: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in certificate.items() if key not in _HIDDEN}


def _facts(leaf: x509.Certificate) -> dict[str, Any]:
    try:
        names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        dns_names = names.get_values_for_type(x509.DNSName)
    except x509.ExtensionNotFound:
        dns_names = []
    return {
        "dns_names": dns_names,
        "not_after": iso(leaf.not_valid_after_utc.timestamp()),
        "sha1_fingerprint": leaf.fingerprint(hashes.SHA1()).hex(),  # noqa: S303 (what the API shows)
    }


# -- certificates that are brought along -----------------------------------------------------------------------------


def _checked_upload(cloud: Cloud, body: dict[str, Any]) -> dict[str, Any]:
    leaf, *more = _parse(body["leaf_certificate"], "leaf_certificate")
    if more:
        raise unprocessable("leaf_certificate must hold one certificate: the others belong into certificate_chain")
    chain = _parse(body["certificate_chain"], "certificate_chain") if body.get("certificate_chain", "").strip() else []
    try:
        key = serialization.load_pem_private_key(body["private_key"].encode(), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):  # no PEM, another kind of it, or encrypted
        raise unprocessable("private_key is not a private key in PEM form without a passphrase") from None
    der = serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    if key.public_key().public_bytes(*der) != leaf.public_key().public_bytes(*der):
        raise unprocessable("private_key does not belong to leaf_certificate")
    if leaf.not_valid_after_utc.timestamp() <= cloud.now():
        raise unprocessable("leaf_certificate has expired")
    issued = leaf
    for issuer in chain:
        try:
            issued.verify_directly_issued_by(issuer)
        except (ValueError, TypeError, InvalidSignature):
            raise unprocessable("certificate_chain does not certify leaf_certificate") from None
        issued = issuer
    pem = serialization.Encoding.PEM
    return {
        **_facts(leaf),
        "chain": "".join(certificate.public_bytes(pem).decode() for certificate in (leaf, *chain)),
        "private_key": body["private_key"],
    }


def _parse(pem: str, key: str) -> list[x509.Certificate]:
    try:
        return x509.load_pem_x509_certificates(pem.encode())
    except ValueError:
        raise unprocessable(f"{key} is not a certificate in PEM form") from None


# -- certificates from Let's Encrypt ---------------------------------------------------------------------------------


def _checked_names(cloud: Cloud, names: list[str]) -> list[str]:
    if not names:
        raise unprocessable("dns_names must have at least one name")
    for name in names:
        if not _DNS_NAME.fullmatch(name) or len(name) > 253:
            raise unprocessable(f"'{name}' is not a valid domain name")
    if any(zone_of(cloud, name) is None for name in names):
        raise unprocessable("one or more of the domains are not managed by DigitalOcean")
    return list(dict.fromkeys(names))


def _issue(cloud: Cloud, names: list[str]) -> dict[str, Any]:
    start = datetime.datetime.fromtimestamp(cloud.now(), datetime.UTC)
    chain, private_key = cloud.authority.issue(names, start=start, validity=VALIDITY)
    facts = _facts(x509.load_pem_x509_certificate(chain.encode()))
    return {**facts, "chain": chain, "private_key": private_key}


@transition
def certificate_validated(cloud: Cloud, certificate_id: str) -> None:
    certificate = cloud.state["certificates"].get(certificate_id)
    if certificate is None:
        return
    managed = all(zone_of(cloud, name) for name in certificate["dns_names"])
    certificate["state"] = "verified" if managed and queue(certificate_id) not in cloud.queues.failures else "error"
    if certificate["state"] == "verified":
        cloud.later(RENEWED_AFTER.total_seconds(), certificate_renewed, certificate_id)


@transition
def certificate_renewed(cloud: Cloud, certificate_id: str) -> None:
    """A renewed certificate has the name of the old one and another id, which load balancers learn by themselves."""
    certificates = cloud.state["certificates"]
    old = certificates.get(certificate_id)
    if old is None:
        return
    if not all(zone_of(cloud, name) for name in old["dns_names"]):
        cloud.later(RENEWAL_PAUSE.total_seconds(), certificate_renewed, certificate_id)
        return
    new = {**old, "id": str(uuid.uuid4()), "created_at": cloud.timestamp(), **_issue(cloud, old["dns_names"])}
    del certificates[certificate_id]
    certificates[new["id"]] = new
    for balancer in cloud.state["load_balancers"].values():
        for rule in balancer["forwarding_rules"]:
            if rule["certificate_id"] == certificate_id:
                rule["certificate_id"] = new["id"]
    cloud.later(RENEWED_AFTER.total_seconds(), certificate_renewed, new["id"])


# -- create, list, get, delete ---------------------------------------------------------------------------------------


@route("GET", "/v2/certificates")
def list_certificates(call: Call) -> Answer:
    found = list(call.cloud.state["certificates"].values())
    if call.query.get("name"):
        found = [certificate for certificate in found if certificate["name"] == call.query["name"]]
    return call.page("certificates", found, _render)


@route("POST", "/v2/certificates", body=_BODY)
def create_certificate(call: Call) -> Answer:
    call.require("name")
    cloud, body = call.cloud, call.body
    kind = body.get("type", "custom")
    if len(body["name"]) > 255:
        raise unprocessable("name must not be longer than 255 characters")
    if any(certificate["name"] == body["name"] for certificate in cloud.state["certificates"].values()):
        raise unprocessable("name is not unique")
    match kind:
        case "custom":
            call.require("private_key", "leaf_certificate")
            made = {"state": "verified", **_checked_upload(cloud, body)}
        case "lets_encrypt":
            made = {"state": "pending", **_issue(cloud, _checked_names(cloud, body.get("dns_names", [])))}
        case _:
            raise unprocessable("type must be custom or lets_encrypt")
    certificate = {
        "id": str(uuid.uuid4()),
        "name": body["name"],
        "type": kind,
        "created_at": cloud.timestamp(),
        **made,
    }
    cloud.state["certificates"][certificate["id"]] = certificate
    if kind == "lets_encrypt":
        cloud.later(cloud.config.latencies.certificate, certificate_validated, certificate["id"])
    return 201, {"certificate": _render(certificate)}


@route("GET", "/v2/certificates/{certificate}")
def get_certificate(call: Call) -> Answer:
    return 200, {"certificate": _render(_certificate(call))}


@route("DELETE", "/v2/certificates/{certificate}")
def delete_certificate(call: Call) -> Answer:
    certificate = _certificate(call)
    if certificate["id"] in _in_use(call.cloud):
        raise forbidden("Make sure the certificate is not in use before deleting it")
    del call.cloud.state["certificates"][certificate["id"]]
    return 204, None


def _in_use(cloud: Cloud) -> set[str]:
    """A deleted load balancer holds its certificates for a moment longer."""
    used = {id for balancer in cloud.state["load_balancers"].values() for id in certificate_ids(balancer)}
    return used.union(*(leaver.get("certificates", []) for leaver in cloud.state["vpc_leavers"].values()))
