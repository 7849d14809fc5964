# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""TLS certificates of load balancers: issued by Let's Encrypt, or brought along."""

from __future__ import annotations

import hashlib
import re
import ssl
from typing import Any, ClassVar

from ..client import CloudError
from ..resource import Change, Cloud, Facts, Resource
from .domain import Domain

REPLACE = (
    "A certificate is not changed, because load balancers hold it by its id. Declare the new one under another name, "
    "name that one in their forwarding_rules, and the old one with state: absent: it goes when they have let go of it."
)
CUSTOM, LETS_ENCRYPT = "custom", "lets_encrypt"
FINGERPRINT = "SHA-1 {}"  # how a certificate is shown; the API knows it by nothing else


class Certificate(Resource):
    kind = "certificate"
    plural = "certificates"
    label = "certificate"
    options: ClassVar = {
        "name": {"type": "str", "required": True},
        "type": {"type": "str", "choices": [CUSTOM, LETS_ENCRYPT]},
        "dns_names": {"type": "list", "elements": "str"},
        "private_key": {"type": "str", "no_log": True},
        "leaf_certificate": {"type": "str"},
        "certificate_chain": {"type": "str"},
    }
    # The private key and the chain cannot be read back; they change with the certificate itself.
    immutable: ClassVar = {"type": REPLACE, "dns_names": REPLACE, "leaf_certificate": REPLACE}
    references: ClassVar = {"dns_names": Domain}

    def __init__(self, cloud: Cloud, params: dict[str, Any], place: str | None = None) -> None:
        super().__init__(cloud, params, place)
        self._pem = {key: params[key] for key in ("leaf_certificate", "certificate_chain") if params.get(key)}

    @classmethod
    def normalise(cls, desired: Facts) -> Facts:
        own = [key for key in ("private_key", "leaf_certificate", "certificate_chain") if key in desired]
        if own or "dns_names" in desired:
            desired.setdefault("type", CUSTOM if own else LETS_ENCRYPT)
        if desired.get("type") == LETS_ENCRYPT and own:
            raise CloudError(f"{', '.join(own)}: not with type {LETS_ENCRYPT}, which takes dns_names")
        if desired.get("type") == CUSTOM and "dns_names" in desired:
            raise CloudError(f"dns_names: not with type {CUSTOM}; they stand in the certificate")
        if "dns_names" in desired:
            desired["dns_names"] = sorted({name.lower().rstrip(".") for name in desired["dns_names"]})
            if not desired["dns_names"]:
                raise CloudError("dns_names is empty")
            for name in desired["dns_names"]:
                if not re.fullmatch(r"(\*\.)?([a-z0-9]([a-z0-9\-]{0,61}[a-z0-9])?\.)+[a-z0-9\-]{2,63}", name):
                    raise CloudError(f"{name!r} in dns_names is not a host name")
        if "private_key" in desired and "PRIVATE KEY-----" not in desired["private_key"]:
            raise CloudError("private_key is not a private key in PEM form")
        if "certificate_chain" in desired:
            fingerprint("certificate_chain", desired["certificate_chain"])
        if "leaf_certificate" in desired:
            sha1 = fingerprint("leaf_certificate", desired["leaf_certificate"])
            desired["leaf_certificate"] = FINGERPRINT.format(sha1)
        return desired

    @classmethod
    def flatten(cls, raw: dict[str, Any]) -> Facts:
        return {
            **{key: raw.get(key) for key in ("id", "name", "type", "not_after", "sha1_fingerprint")},
            "status": raw.get("state"),
            "dns_names": sorted(raw.get("dns_names") or []),
        }

    @classmethod
    def ready(cls, facts: Facts) -> bool:
        return bool(facts["status"] == "verified")

    @classmethod
    def broken(cls, facts: Facts) -> tuple[str, str] | None:
        if facts["status"] != "error":
            return None
        return (
            f"it could not be issued for {', '.join(facts['dns_names'])}",
            "Let's Encrypt must be able to see the zone: are DigitalOcean's name servers set at the registrar, and do "
            "the zone's CAA records allow letsencrypt.org? Delete it (state: absent), then run again.",
        )

    def dependencies(self) -> list[tuple[type[Resource], str]]:
        """The declared zones of its names: a certificate is issued after its zone is there."""
        zones = {name for kind, name in self.cloud.declared if kind == Domain.kind}
        return [(Domain, zone) for zone in sorted(zones) if any(self._in_zone(n, zone) for n in self._names())]

    def details(self, facts: Facts) -> Facts:
        if "leaf_certificate" not in self.desired:
            return {}
        return {"leaf_certificate": FINGERPRINT.format((facts["sha1_fingerprint"] or "unknown").lower())}

    @classmethod
    def fetch(cls, cloud: Cloud, scope: str | None) -> list[dict[str, Any]]:
        return cloud.client.list_all("list the certificates", "certificates.list", "certificates")

    def read(self, facts: Facts) -> dict[str, Any] | None:
        # By name: what Let's Encrypt issues gets another id whenever it is renewed.
        attempted = f"read {self.title}"
        found = self.client.list_all(attempted, "certificates.list", "certificates", name=self.name)
        return next((raw for raw in found if raw["name"] == self.name), None)

    def preflight(self, changes: dict[str, Change]) -> None:
        if self.state == "absent":
            return
        if "type" not in self.desired:
            raise CloudError(
                "it does not exist yet: give dns_names for a certificate of Let's Encrypt, or private_key and "
                "leaf_certificate for one of your own"
            )
        needed = ("private_key", "leaf_certificate") if self.desired["type"] == CUSTOM else ("dns_names",)
        missing = [key for key in needed if key not in self.desired]
        if missing:
            raise CloudError(f"{', '.join(missing)} must be given, because it does not exist yet")
        zones = {facts["name"] for facts in self.cloud.all(Domain)} if self._names() else set()
        zones |= {name for _kind, name in self.dependencies()}
        for name in self._names():
            if not any(self._in_zone(name, zone) for zone in zones):
                raise CloudError(
                    f"{name} is in no zone of this account",
                    hint="Let's Encrypt certificates are for names whose zone is kept at DigitalOcean (domains).",
                )

    def create(self) -> dict[str, Any]:
        keys = ("name", "type", "dns_names", "private_key")
        body = {**{key: self.desired[key] for key in keys if key in self.desired}, **self._pem}
        return self.client.call(f"create {self.title}", "certificates.create", body=body)["certificate"]

    def delete(self, facts: Facts) -> None:
        try:
            self.client.call(f"delete {self.title}", "certificates.delete", facts["id"])
        except CloudError as error:
            if self.in_use(error):
                error.hint = "A load balancer still has it: take it out of its forwarding_rules first."
            raise

    def in_use(self, error: CloudError) -> bool:
        # Also what a token without the scope is answered.
        return error.status == 403 and "in use" in error.message

    def _names(self) -> list[str]:
        return list(self.desired.get("dns_names", []))

    @staticmethod
    def _in_zone(name: str, zone: str) -> bool:
        return name == zone or name.endswith(f".{zone}")


def fingerprint(key: str, pem: str) -> str:
    """SHA-1 of the first certificate in hex digits: what the API knows a certificate by."""
    found = re.search(r"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", pem, re.DOTALL)
    try:
        if found is None:
            raise ValueError
        der = ssl.PEM_cert_to_DER_cert(found[0])
    except ValueError:
        raise CloudError(f"{key} is not a certificate in PEM form (-----BEGIN CERTIFICATE-----)") from None
    return hashlib.sha1(der, usedforsecurity=False).hexdigest()
