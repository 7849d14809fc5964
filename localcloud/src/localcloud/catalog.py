# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is on offer: regions, droplet sizes, images, database engines and their sizes."""

from __future__ import annotations

import re
from functools import cache
from typing import Any, NamedTuple

# -- regions ---------------------------------------------------------------------------------------------------------

REGION_NAMES = {
    "nyc1": "New York 1",
    "nyc2": "New York 2",
    "nyc3": "New York 3",
    "ams3": "Amsterdam 3",
    "sfo1": "San Francisco 1",
    "sfo2": "San Francisco 2",
    "sfo3": "San Francisco 3",
    "sgp1": "Singapore 1",
    "lon1": "London 1",
    "fra1": "Frankfurt 1",
    "tor1": "Toronto 1",
    "blr1": "Bangalore 1",
    "syd1": "Sydney 1",
    "atl1": "Atlanta 1",
}
CLOSED_REGIONS = {"sfo1"}  # listed, but nothing new can be created there
OPEN_REGIONS = tuple(slug for slug in REGION_NAMES if slug not in CLOSED_REGIONS)
REGION_FEATURES = ["backups", "ipv6", "metadata", "install_agent", "storage", "image_transfer"]
DATABASE_REGIONS = (
    "ams3",
    "blr1",
    "fra1",
    "lon1",
    "nyc1",
    "nyc2",
    "nyc3",
    "sfo2",
    "sfo3",
    "sgp1",
    "syd1",
    "tor1",
    "atl1",
)

# -- droplet sizes ---------------------------------------------------------------------------------------------------


class Size(NamedTuple):
    """Memory in MiB, disk in GiB, price in US dollars a month, transfer in TB a month."""

    slug: str
    description: str
    memory: int
    vcpus: int
    disk: int
    price: float
    transfer: float
    regions: tuple[str, ...] = OPEN_REGIONS


_NOT_EVERYWHERE = tuple(slug for slug in OPEN_REGIONS if slug not in {"nyc2", "sfo2", "atl1"})

SIZES = {
    size.slug: size
    for size in (
        Size("s-1vcpu-512mb-10gb", "Basic", 512, 1, 10, 4.0, 0.5, ("ams3", "fra1", "nyc1", "sfo3", "sgp1", "syd1")),
        Size("s-1vcpu-1gb", "Basic", 1024, 1, 25, 6.0, 1.0),
        Size("s-1vcpu-1gb-amd", "Basic AMD", 1024, 1, 25, 7.0, 1.0),
        Size("s-1vcpu-1gb-intel", "Basic Intel", 1024, 1, 25, 7.0, 1.0),
        Size("s-1vcpu-2gb", "Basic", 2048, 1, 50, 12.0, 2.0),
        Size("s-1vcpu-2gb-amd", "Basic AMD", 2048, 1, 50, 14.0, 2.0),
        Size("s-1vcpu-2gb-intel", "Basic Intel", 2048, 1, 50, 14.0, 2.0),
        Size("s-2vcpu-2gb", "Basic", 2048, 2, 60, 18.0, 3.0),
        Size("s-2vcpu-2gb-amd", "Basic AMD", 2048, 2, 60, 21.0, 3.0),
        Size("s-2vcpu-2gb-intel", "Basic Intel", 2048, 2, 60, 21.0, 3.0),
        Size("s-2vcpu-4gb", "Basic", 4096, 2, 80, 24.0, 4.0),
        Size("s-2vcpu-4gb-amd", "Basic AMD", 4096, 2, 80, 28.0, 4.0),
        Size("s-2vcpu-4gb-intel", "Basic Intel", 4096, 2, 80, 28.0, 4.0),
        Size("c-2", "CPU-Optimized", 4096, 2, 25, 42.0, 4.0, _NOT_EVERYWHERE),
        Size("s-4vcpu-8gb", "Basic", 8192, 4, 160, 48.0, 5.0),
        Size("s-4vcpu-8gb-amd", "Basic AMD", 8192, 4, 160, 56.0, 5.0),
        Size("s-4vcpu-8gb-intel", "Basic Intel", 8192, 4, 160, 56.0, 5.0),
        Size("g-2vcpu-8gb", "General Purpose", 8192, 2, 25, 63.0, 4.0, _NOT_EVERYWHERE),
        Size("c-4", "CPU-Optimized", 8192, 4, 50, 84.0, 5.0, _NOT_EVERYWHERE),
        Size("m-2vcpu-16gb", "Memory-Optimized", 16384, 2, 50, 84.0, 4.0, _NOT_EVERYWHERE),
        Size("s-8vcpu-16gb", "Basic", 16384, 8, 320, 96.0, 6.0),
        Size("s-8vcpu-16gb-amd", "Basic AMD", 16384, 8, 320, 112.0, 6.0),
        Size("s-8vcpu-16gb-intel", "Basic Intel", 16384, 8, 320, 112.0, 6.0),
        Size("g-4vcpu-16gb", "General Purpose", 16384, 4, 50, 126.0, 5.0, _NOT_EVERYWHERE),
        Size("c-8", "CPU-Optimized", 16384, 8, 100, 168.0, 6.0, _NOT_EVERYWHERE),
        Size("m-4vcpu-32gb", "Memory-Optimized", 32768, 4, 100, 168.0, 6.0, _NOT_EVERYWHERE),
        Size("g-8vcpu-32gb", "General Purpose", 32768, 8, 100, 252.0, 6.0, _NOT_EVERYWHERE),
    )
}


@cache  # what is rendered is shared: pages of droplets are full of it
def render_size(size: Size) -> dict[str, Any]:
    return {
        "slug": size.slug,
        "memory": size.memory,
        "vcpus": size.vcpus,
        "disk": size.disk,
        "transfer": size.transfer,
        "price_monthly": size.price,
        "price_hourly": round(size.price / 672, 5),  # billed for at most 672 hours a month
        "regions": sorted(size.regions),
        "available": True,
        "description": size.description,
        "disk_info": [{"type": "local", "size": {"amount": size.disk, "unit": "gib"}}],
    }


@cache
def render_region(slug: str) -> dict[str, Any]:
    is_open = slug in OPEN_REGIONS
    return {
        "slug": slug,
        "name": REGION_NAMES[slug],
        "features": REGION_FEATURES,
        "available": is_open,
        "sizes": [size.slug for size in SIZES.values() if slug in size.regions] if is_open else [],
    }


# -- images ----------------------------------------------------------------------------------------------------------


class Image(NamedTuple):
    id: int
    slug: str
    distribution: str
    name: str
    created_at: str
    size_gigabytes: float


IMAGES = {
    image.slug: image
    for image in (
        Image(195932981, "debian-13-x64", "Debian", "13 x64", "2025-08-25T15:01:12Z", 0.72),
        Image(189562104, "debian-12-x64", "Debian", "12 x64", "2025-06-10T14:11:48Z", 0.68),
        Image(195932877, "ubuntu-24-04-x64", "Ubuntu", "24.04 (LTS) x64", "2025-08-20T15:10:31Z", 1.08),
        Image(189562047, "ubuntu-22-04-x64", "Ubuntu", "22.04 (LTS) x64", "2025-06-10T14:09:02Z", 1.03),
        Image(194100752, "fedora-42-x64", "Fedora", "42 x64", "2025-07-30T16:40:20Z", 0.81),
    )
}
BOOTABLE_IMAGE = "debian-13-x64"  # the only one that there is a machine image for
MIN_DISK = 7  # GiB


def find_image(id_or_slug: int | str) -> Image | None:
    """Look an image up by its slug or its id, which may come as a string."""
    if isinstance(id_or_slug, str) and id_or_slug in IMAGES:
        return IMAGES[id_or_slug]
    return next((image for image in IMAGES.values() if str(image.id) == str(id_or_slug)), None)


@cache
def render_image(image: Image) -> dict[str, Any]:
    return {
        "id": image.id,
        "name": image.name,
        "distribution": image.distribution,
        "slug": image.slug,
        "public": True,
        "regions": sorted(OPEN_REGIONS),
        "created_at": image.created_at,
        "min_disk_size": MIN_DISK,
        "type": "base",
        "size_gigabytes": image.size_gigabytes,
        "description": f"{image.distribution} {image.name}",
        "tags": [],
        "status": "available",
        "error_message": "",
    }


# -- databases -------------------------------------------------------------------------------------------------------


class EngineVersion(NamedTuple):
    """`end_of_availability`: no new cluster from then on; None when not announced."""

    version: str
    semantic_version: str
    end_of_availability: str | None = None
    end_of_life: str | None = None


class Engine(NamedTuple):
    slug: str
    default_version: str
    versions: tuple[EngineVersion, ...]
    sizes: dict[int, tuple[str, ...]]  # number of nodes -> sizes
    port: int
    admin_user: str
    run_version: str  # the one that there is a machine image for

    def version(self, number: str) -> EngineVersion | None:
        return next((version for version in self.versions if version.version == number), None)


_BASIC = ("db-s-1vcpu-2gb", "db-s-2vcpu-4gb", "db-s-4vcpu-8gb", "db-s-6vcpu-16gb")
_PG = (
    *_BASIC,
    *("db-amd-1vcpu-2gb", "db-amd-2vcpu-4gb", "db-amd-2vcpu-8gb", "db-amd-4vcpu-8gb", "db-amd-4vcpu-16gb"),
    *("db-intel-1vcpu-2gb", "db-intel-2vcpu-4gb", "db-intel-2vcpu-8gb", "db-intel-4vcpu-8gb", "db-intel-4vcpu-16gb"),
    *("gd-2vcpu-8gb", "gd-4vcpu-16gb", "gd-8vcpu-32gb", "so1_5-2vcpu-16gb", "so1_5-4vcpu-32gb"),
)
_VALKEY = (*_BASIC, "db-s-8vcpu-32gb", "m-2vcpu-16gb", "m-4vcpu-32gb", "m-8vcpu-64gb")

ENGINES = {
    "pg": Engine(
        slug="pg",
        default_version="17",
        versions=(
            EngineVersion("13", "13.22", "2025-05-13T00:00:00Z", "2025-11-13T00:00:00Z"),
            EngineVersion("14", "14.19", "2026-05-12T00:00:00Z", "2026-11-12T00:00:00Z"),
            EngineVersion("15", "15.14", "2027-05-12T00:00:00Z", "2027-11-11T00:00:00Z"),
            EngineVersion("16", "16.10", "2028-05-09T00:00:00Z", "2028-11-09T00:00:00Z"),
            EngineVersion("17", "17.6", "2029-05-08T00:00:00Z", "2029-11-08T00:00:00Z"),
        ),
        sizes={
            1: ("db-s-1vcpu-1gb", "db-amd-1vcpu-1gb", "db-intel-1vcpu-1gb", *_PG),
            2: _PG,
            3: _PG,
        },
        port=25060,
        admin_user="doadmin",
        run_version="15",
    ),
    "valkey": Engine(
        slug="valkey",
        default_version="8",
        versions=(EngineVersion("8", "8.1.1"),),
        sizes={1: ("db-s-1vcpu-1gb", *_VALKEY), 2: _VALKEY, 3: _VALKEY},
        port=25061,
        admin_user="default",
        run_version="8",
    ),
}
# Known to the real API, but no engine of ours.
OTHER_ENGINES = {"mysql", "mongodb", "kafka", "opensearch", "advanced_pg", "advanced_mysql"}


def database_memory(size: str) -> int:
    """MiB of memory of a database size, which its slug tells in GiB."""
    match = re.search(r"-(\d+)gb", size)
    if match is None:
        raise ValueError(f"database size {size} tells no memory")
    return int(match[1]) * 1024


def database_storage(size: str) -> int:
    """MiB of disk that comes with a PostgreSQL size."""
    gib = {1: 10, 2: 30, 4: 60, 8: 140, 16: 280}
    memory = database_memory(size) // 1024
    return gib.get(memory, memory * 18) * 1024
