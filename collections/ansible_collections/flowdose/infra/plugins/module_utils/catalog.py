# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What DigitalOcean offers: regions, sizes, images, database layouts. Asked before something is created."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar

from .client import CloudError
from .resource import Cloud, Facts, suggest


class Offer(ABC):
    """Something to choose from, known by its slug."""

    plural: ClassVar[str]
    operation: ClassVar[str]

    @classmethod
    def fetch(cls, cloud: Cloud) -> list[dict[str, Any]]:
        """All of them as the API's objects, asked for once."""
        return cloud.once(
            cls.plural, lambda: cloud.client.list_all(f"list the {cls.plural}", cls.operation, cls.plural)
        )

    @classmethod
    @abstractmethod
    def flatten(cls, raw: dict[str, Any]) -> Facts:
        """The API's object as facts."""

    @classmethod
    def observe_all(cls, cloud: Cloud, scope: str | None = None) -> list[Facts]:
        return [cls.flatten(raw) for raw in cls.fetch(cloud)]


class Region(Offer):
    plural = "regions"
    operation = "regions.list"

    @classmethod
    def flatten(cls, raw: dict[str, Any]) -> Facts:
        keys = ("slug", "name", "available", "features", "sizes")
        return {key: raw.get(key) for key in keys}


class Size(Offer):
    plural = "sizes"
    operation = "sizes.list"

    @classmethod
    def flatten(cls, raw: dict[str, Any]) -> Facts:
        keys = (
            *("slug", "description", "available", "memory", "vcpus", "disk", "transfer"),
            *("price_monthly", "price_hourly", "regions"),
        )
        return {key: raw.get(key) for key in keys}


class Image(Offer):
    plural = "images"
    operation = "images.list"

    @classmethod
    def flatten(cls, raw: dict[str, Any]) -> Facts:
        keys = (
            *("id", "slug", "name", "distribution", "type", "public", "status", "regions"),
            *("min_disk_size", "size_gigabytes", "created_at"),
        )
        return {**{key: raw.get(key) for key in keys}, "tags": sorted(raw.get("tags") or [])}


def check_region(cloud: Cloud, region: str) -> None:
    offered = [item["slug"] for item in Region.fetch(cloud) if item.get("available", True)]
    if region not in offered:
        raise CloudError(f"region {region} does not exist or takes no new resources", hint=suggest(region, offered))


def check_size(cloud: Cloud, size: str, region: str | None) -> None:
    by_slug = {item["slug"]: item for item in Size.fetch(cloud) if item.get("available", True)}
    if size not in by_slug:
        raise CloudError(f"size {size} does not exist", hint=suggest(size, by_slug))
    if region and region not in by_slug[size]["regions"]:
        here = [slug for slug, item in by_slug.items() if region in item["regions"]]
        raise CloudError(f"size {size} is not available in region {region}", hint=suggest(size, here))


def check_image(cloud: Cloud, image: str, region: str | None) -> None:
    """`image` is a slug, or the id of an image of one's own in digits."""
    found = cloud.once(
        ("image", image), lambda: cloud.client.find(f"look up the image {image}", "images.get", _image_id(image))
    )
    if found is None:
        images = cloud.once(
            "distributions",
            lambda: cloud.client.list_all("list the images", "images.list", "images", type="distribution"),
        )
        raise CloudError(
            f"image {image} does not exist", hint=suggest(image, [item["slug"] for item in images if item.get("slug")])
        )
    if region and region not in found["image"].get("regions", [region]):
        raise CloudError(f"image {image} is not available in region {region}")


def check_database(cloud: Cloud, engine: str, version: str | None, size: str, region: str, num_nodes: int) -> None:
    options: dict[str, Any] = cloud.once(
        "database options",
        lambda: cloud.client.call("list the database options", "databases.list_options")["options"],
    )
    offer = options.get(engine)
    if not offer:
        raise CloudError(f"there is no database engine {engine}", hint=suggest(engine, options))
    if version is not None and version not in offer["versions"]:
        raise CloudError(
            f"{engine} is not offered in version {version}", hint=f"There are: {', '.join(offer['versions'])}."
        )
    if region not in offer["regions"]:
        raise CloudError(f"{engine} is not offered in region {region}", hint=suggest(region, offer["regions"]))
    layouts = {layout["num_nodes"]: layout["sizes"] for layout in offer["layouts"]}
    if num_nodes not in layouts:
        raise CloudError(
            f"{engine} is not offered with {num_nodes} nodes",
            hint=f"There are: {', '.join(map(str, sorted(layouts)))}.",
        )
    if size not in layouts[num_nodes]:
        raise CloudError(
            f"size {size} does not exist for {engine} with num_nodes {num_nodes}",
            hint=suggest(size, layouts[num_nodes]),
        )


def _image_id(image: str) -> str | int:
    return int(image) if image.isdigit() else image
