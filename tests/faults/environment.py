# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A small environment with every kind of resource in it, and with everything that takes calls of its own."""

from __future__ import annotations

from typing import Any

NAME = "faults"
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGfQ2Cz1Hf1mZpZ1m8q0b8m9w5u8WmYkq5Qh1f5m3e5L"
PLACE = {"region": "fra1", "vpc": "net"}
DROPLET = {**PLACE, "size": "s-2vcpu-4gb", "image": "debian-13-x64", "ssh_keys": ["key"]}
DATABASE = {**PLACE, "size": "db-s-1vcpu-1gb", "trusted_sources": [{"type": "tag", "value": "faults-backend"}]}
POLICY = {
    "Version": "2012-10-17",
    "Statement": [
        {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": ["arn:aws:s3:::faults-bucket/*"]}
    ],
}

ENVIRONMENT: dict[str, list[dict[str, Any]]] = {
    "tags": [{"name": "faults-spare"}],
    "ssh_keys": [{"name": "key", "public_key": KEY}],
    "vpcs": [{"name": "net", "region": "fra1", "ip_range": "10.20.0.0/20", "description": "for tests"}],
    "droplets": [
        {"name": "backend", **DROPLET, "tags": ["faults-backend"]},
        {"name": "storefront", **DROPLET, "tags": ["faults-storefront"]},
    ],
    "volumes": [{"name": "pictures", "region": "fra1", "size_gigabytes": 10, "droplet": "storefront"}],
    "reserved_ips": [{"droplet": "backend"}],
    "firewalls": [
        {
            "name": "web",
            "tags": ["faults-storefront"],
            "inbound_rules": [{"ports": "443", "addresses": ["0.0.0.0/0"]}, {"ports": "9000", "droplets": ["backend"]}],
        },
    ],
    "database_clusters": [
        {"name": "postgres", "engine": "pg", "version": "15", **DATABASE, "databases": ["shop"], "users": ["medusa"]},
        {"name": "valkey", "engine": "valkey", **DATABASE, "eviction_policy": "noeviction"},
    ],
    "databases": [{"cluster": "postgres", "name": "reports"}],
    "database_users": [{"cluster": "postgres", "name": "reader"}],
    "connection_pools": [
        {"cluster": "postgres", "name": "pool", "mode": "transaction", "size": 5, "db": "reports", "user": "reader"}
    ],
    "spaces_buckets": [
        {
            "name": "faults-bucket",
            "region": "fra1",
            "acl": "private",
            "policy": POLICY,
            "cors": [{"allowed_origins": ["https://faults.test"], "allowed_methods": ["GET"]}],
            "versioning": True,
        },
        {"name": "faults-uploads", "region": "fra1"},
    ],
    "spaces_keys": [{"name": "uploads", "grants": [{"bucket": "faults-uploads", "permission": "readwrite"}]}],
    "domains": [{"name": "faults.test"}],
    "domain_records": [
        {"domain": "faults.test", "type": "A", "name": "api", "droplet": "backend"},
        {"domain": "faults.test", "type": "MX", "name": "@", "data": "mail.example.com", "priority": 10},
    ],
    "certificates": [{"name": "web", "type": "lets_encrypt", "dns_names": ["faults.test"]}],
    "load_balancers": [
        {
            "name": "front",
            **PLACE,
            "tag": "faults-storefront",
            "forwarding_rules": [
                {
                    "entry_protocol": "https",
                    "entry_port": 443,
                    "target_protocol": "http",
                    "target_port": 8000,
                    "certificate": "web",
                }
            ],
        }
    ],
    "alert_policies": [
        {
            "name": "busy",
            "type": "v1/insights/droplet/cpu",
            "compare": "GreaterThan",
            "value": 90,
            "window": "10m",
            "entities": ["backend"],
            "alerts": {"email": ["ops@localcloud.test"]},
        }
    ],
    "uptime_checks": [
        {
            "name": "front",
            "type": "https",
            "target": "https://faults.test",
            "regions": ["eu_west"],
            "alerts": [
                {"name": "down", "type": "down", "period": "2m", "notifications": {"email": ["ops@localcloud.test"]}}
            ],
        }
    ],
    "projects": [
        {
            "name": "shop",
            "purpose": "Web Application",
            "environment": "Development",
            "resources": ["droplet:backend", "database_cluster:postgres", "spaces_bucket:faults-bucket"],
        }
    ],
}
