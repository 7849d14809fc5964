# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What resources cost a month, in US dollars, as far as the API says it; the rest is unknown, not guessed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from .catalog import Size
from .client import CloudError
from .resource import Cloud, Facts

CURRENCY = "USD"

# Not billed, at any number and size. What is neither here nor priced by the API is unknown: database clusters (their
# options have no prices), buckets (one subscription for the account), load balancers, volumes, reserved IPs, checks.
FREE = frozenset(
    {
        *("ssh_key", "tag", "vpc", "firewall", "domain", "domain_record", "certificate", "project"),
        *("spaces_key", "alert_policy"),
        *("database", "database_user", "connection_pool"),  # part of their cluster
    }
)


@dataclass(frozen=True)
class Cost:
    """`known` dollars a month, and what else is billed at a price that the API does not tell."""

    known: float = 0.0
    unknown: tuple[str, ...] = ()

    def __add__(self, other: Cost) -> Cost:
        return Cost(self.known + other.known, self.unknown + other.unknown)

    def __str__(self) -> str:
        if not self.unknown:
            return f"{self.known:.2f}"
        return f"{self.known:.2f} + ?" if self.known else "unknown"

    def as_dict(self) -> dict[str, Any]:
        return {"known": round(self.known, 2), "unknown": list(self.unknown)}


def read_prices(cloud: Cloud) -> dict[str, float]:
    """Size of a droplet -> dollars a month; empty when the token may not read the sizes."""
    try:
        sizes = Size.observe_all(cloud)
    except CloudError as error:
        if error.status != 403:
            raise
        return {}
    return {size["slug"]: float(size["price_monthly"]) for size in sizes if size["price_monthly"] is not None}


def monthly(kind: str, name: str, facts: Facts, prices: dict[str, float]) -> Cost:
    """Of one resource that is as `facts` say."""
    title = f"{kind.replace('_', ' ')} {name}"
    if kind in FREE:
        return Cost()
    if kind != "droplet":
        return Cost(unknown=(title,))
    price = prices.get(facts.get("size") or "")
    cost = Cost(unknown=(title,)) if price is None else Cost(price)
    return cost + Cost(unknown=(f"backups of {title}",)) if facts.get("backups") else cost


def total(costs: Iterable[Cost]) -> Cost:
    return sum(costs, Cost())
