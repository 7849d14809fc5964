# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The account and the files that the examples in the modules' documentation take as given."""

from __future__ import annotations

import datetime
import subprocess
from pathlib import Path
from typing import Any

from ansible_collections.flowdose.infra.plugins.module_utils.client import Client
from ansible_collections.flowdose.infra.plugins.module_utils.resource import Cloud
from ansible_collections.flowdose.infra.plugins.module_utils.stack import KINDS, validated
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from localcloud.alerting import ACCOUNT_EMAIL
from localcloud.testing import RunningCloud

_DROPLET = {"region": "fra1", "size": "s-2vcpu-4gb", "image": "debian-13-x64", "vpc": "flowdose-staging"}

# Name here -> kind, and how it is declared. In the order in which they are made.
WORLD: dict[str, tuple[str, dict[str, Any]]] = {
    "tag": ("tag", {"name": "backend"}),
    "ssh_key": ("ssh_key", {"name": "flowdose-staging", "public_key": "made by `files`"}),
    "vpc": ("vpc", {"name": "flowdose-staging", "region": "fra1", "ip_range": "10.20.0.0/20"}),
    "droplet": ("droplet", {"name": "backend-staging", "tags": ["flowdose-staging", "backend"], **_DROPLET}),
    "second droplet": ("droplet", {"name": "backend-staging-2", **_DROPLET}),
    "volume": (
        "volume",
        {"name": "uploads-staging", "region": "fra1", "size_gigabytes": 20, "tags": ["flowdose-staging"]},
    ),
    "reserved_ip": ("reserved_ip", {"droplet": "backend-staging"}),
    "firewall": (
        "firewall",
        {"name": "backend-staging", "inbound_rules": [{"ports": "22", "addresses": ["10.0.0.0/8"]}]},
    ),
    "database_cluster": (
        "database_cluster",
        {
            **{"name": "postgres-staging", "engine": "pg", "version": "15", "size": "db-s-1vcpu-2gb", "region": "fra1"},
            "databases": ["flowdose_staging"],
        },
    ),
    "spaces_key": (
        "spaces_key",
        {"name": "shop-staging", "grants": [{"permission": "fullaccess"}], "secret_file": "in the folder"},
    ),
    "domain": ("domain", {"name": "example.com"}),
    "domain_record": (
        "domain_record",
        {"domain": "example.com", "type": "A", "name": "api-staging", "data": "203.0.113.7"},
    ),
    "certificate": ("certificate", {"name": "shop-staging", "dns_names": ["staging.example.com"]}),
    "load_balancer": (
        "load_balancer",
        {
            **{"name": "storefront-staging", "region": "fra1", "vpc": "flowdose-staging", "tag": "backend"},
            "forwarding_rules": [
                {"entry_protocol": "http", "entry_port": 80, "target_protocol": "http", "target_port": 8000}
            ],
        },
    ),
    "alert_policy": (
        "alert_policy",
        {
            **{"name": "backend-staging CPU", "type": "v1/insights/droplet/cpu", "value": 85, "window": "10m"},
            **{"tags": ["backend"], "alerts": {"email": [ACCOUNT_EMAIL]}},
        },
    ),
    "uptime_check": (
        "uptime_check",
        {"name": "shop-staging", "type": "https", "target": "https://staging.example.com/", "regions": ["eu_west"]},
    ),
}

# Module -> what its examples refer to, and so must be there before. Those of an info module find what they look for.
NEEDS: dict[str, list[str]] = {
    "alert_policy": ["tag"],
    "alert_policy_info": ["tag", "alert_policy"],
    "certificate": ["domain"],
    "certificate_info": ["domain", "certificate"],
    "connection_pool": ["database_cluster"],
    "database": ["database_cluster"],
    "database_cluster": ["vpc", "tag"],
    "database_cluster_info": ["database_cluster"],
    "database_user": ["database_cluster"],
    "domain_info": ["domain"],
    "domain_record": ["vpc", "droplet", "domain"],
    "domain_record_info": ["domain", "domain_record"],
    "droplet": ["ssh_key", "vpc"],
    "droplet_info": ["vpc", "droplet"],
    "firewall_info": ["firewall"],
    "load_balancer": ["tag", "vpc", "domain", "certificate"],
    "load_balancer_info": ["tag", "vpc", "load_balancer"],
    "project": ["vpc", "droplet", "database_cluster"],
    "reserved_ip": ["vpc", "droplet", "second droplet"],
    "reserved_ip_info": ["vpc", "droplet", "reserved_ip"],
    "spaces_key_info": ["spaces_key"],
    "ssh_key_info": ["ssh_key"],
    "tag_info": ["tag"],
    "uptime_check_info": ["uptime_check"],
    "volume": ["vpc", "droplet"],
    "volume_info": ["volume"],
    "vpc_info": ["vpc"],
}


def make(server: RunningCloud, names: list[str], folder: Path) -> None:
    """Have these there, by the collection's own engine, without waiting in real time. `folder` is that of `files`."""
    clock = {"sleep": server.clock.advance, "monotonic": server.clock.now}
    client = Client(server.token, api_url=server.endpoint, ca_file=str(server.ca_file), **clock)  # type: ignore[arg-type]

    def no_spaces() -> Any:
        raise AssertionError("there is no Spaces endpoint without machines")

    cloud = Cloud(lambda: client, no_spaces, **clock)  # type: ignore[arg-type]
    kinds = {kind.kind: kind for kind in KINDS}
    for name in sorted(names, key=list(WORLD).index):
        kind, params = WORLD[name]
        if kind == "ssh_key":
            params = params | {"public_key": (folder / ".flowdose/staging/id_ed25519.pub").read_text()}
        if kind == "spaces_key":
            params = params | {"secret_file": str(folder / "spaces_key.json")}
        resource = kinds[kind](cloud, validated(kinds[kind], params))
        resource.plan()
        resource.apply()


def files(folder: Path) -> None:
    """The files that the examples read, where they look for them: beside the playbook."""
    for environment in ("staging", "development"):
        key = folder / ".flowdose" / environment / "id_ed25519"
        key.parent.mkdir(parents=True)
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
    certificate_files(folder)
    for application in ("backend", "apps/storefront"):
        path = folder / "shop" / application
        path.mkdir(parents=True)
        (path / "package.json").write_text('{"name": "shop", "version": "1.0.0"}')
        (path / "package-lock.json").write_text('{"name": "shop", "version": "1.0.0", "lockfileVersion": 3}')
    git = ["git", "-C", str(folder / "shop"), "-c", "user.name=a", "-c", "user.email=a@example.com"]
    for command in (["init", "-q", "-b", "main"], ["add", "."], ["commit", "-q", "-m", "first"], ["tag", "v1.2.0"]):
        subprocess.run([*git, *command], check=True)


def certificate_files(folder: Path) -> None:
    """A certificate for staging.example.com: shop.key (0600), shop.pem, and chain.pem."""
    private = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "staging.example.com")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(private.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now)
        .not_valid_after(now + datetime.timedelta(days=3650))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("staging.example.com")]), critical=False)
        .sign(private, hashes.SHA256())
        .public_bytes(serialization.Encoding.PEM)
    )
    pem = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (folder / "shop.key").touch(mode=0o600)
    (folder / "shop.key").write_bytes(private.private_bytes(*pem))
    (folder / "shop.pem").write_bytes(certificate)
    (folder / "chain.pem").write_bytes(certificate)
