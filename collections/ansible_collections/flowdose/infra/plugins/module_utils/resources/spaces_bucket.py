# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Buckets of Spaces, through S3's API."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, ClassVar

from ..client import CloudError
from ..resource import NONE, Change, Cloud, Facts, Resource

ALL_USERS = "http://acs.amazonaws.com/groups/global/AllUsers"
METHODS = ["GET", "HEAD", "PUT", "POST", "DELETE"]
CORS_OPTIONS: dict[str, Any] = {
    "allowed_origins": {"type": "list", "elements": "str", "required": True},
    "allowed_methods": {
        "type": "list",
        "elements": "str",
        "required": True,
        "choices": METHODS,
    },
    "allowed_headers": {"type": "list", "elements": "str", "default": []},
    "expose_headers": {"type": "list", "elements": "str", "default": []},
    "max_age": {"type": "int"},
}
CORS_NAMES = {
    "allowed_origins": "AllowedOrigins",
    "allowed_methods": "AllowedMethods",
    "allowed_headers": "AllowedHeaders",
    "expose_headers": "ExposeHeaders",
}
LIFECYCLE_OPTIONS: dict[str, Any] = {
    "prefix": {"type": "str", "default": ""},
    "expiration_days": {"type": "int"},
    "noncurrent_expiration_days": {"type": "int"},
    "abort_multipart_days": {"type": "int"},
    "enabled": {"type": "bool", "default": True},
}
# What a rule does -> where S3 keeps the number of days
LIFECYCLE_ACTIONS = {
    "expiration_days": ("Expiration", "Days"),
    "noncurrent_expiration_days": ("NoncurrentVersionExpiration", "NoncurrentDays"),
    "abort_multipart_days": ("AbortIncompleteMultipartUpload", "DaysAfterInitiation"),
}


class SpacesBucket(Resource):
    kind = "spaces_bucket"
    plural = "spaces_buckets"
    label = "bucket"
    options: ClassVar = {
        "name": {"type": "str", "required": True},
        "region": {"type": "str", "required": True},
        "acl": {"type": "str", "choices": ["private", "public-read"]},
        "policy": {"type": "json"},
        "cors": {"type": "list", "elements": "dict", "options": CORS_OPTIONS},
        "versioning": {"type": "bool"},
        "lifecycle": {"type": "list", "elements": "dict", "options": LIFECYCLE_OPTIONS},
    }
    updates: ClassVar = dict.fromkeys(("acl", "policy", "cors", "versioning", "lifecycle"), NONE)
    later = frozenset({"policy", "cors", "versioning", "lifecycle"})
    stateful = True
    findable = False  # needs the region and the Spaces key
    empty_first = False  # whether deleting it begins with deleting what is in it

    @classmethod
    def normalise(cls, desired: Facts) -> Facts:
        if not re.fullmatch(r"[a-z0-9][a-z0-9.\-]{1,61}[a-z0-9]", desired["name"]):
            raise CloudError("the name of a bucket has 3 to 63 lower-case letters, digits, hyphens and dots")
        if "policy" in desired:
            desired["policy"] = normalise_policy(desired["policy"])
        if "cors" in desired:
            desired["cors"] = normalise_cors(desired["cors"])
        if "lifecycle" in desired:
            check_lifecycle(desired["lifecycle"])
            desired["lifecycle"] = normalise_lifecycle(desired["lifecycle"])
        return desired

    @classmethod
    def flatten(cls, raw: dict[str, Any]) -> Facts:
        return {key: raw.get(key) for key in ("id", "name", "region", "endpoint", "url")}

    @property
    def scope(self) -> str | None:
        return str(self.desired["region"])

    @classmethod
    def fetch(cls, cloud: Cloud, scope: str | None) -> list[dict[str, Any]]:
        region = str(scope)
        endpoint = cloud.spaces.endpoint(region)
        buckets = cloud.spaces.call(f"list the buckets in {region}", region, "list_buckets")["Buckets"]
        return [_bucket(item["Name"], region, endpoint) for item in buckets]

    def read(self, facts: Facts) -> dict[str, Any] | None:
        found = self._call("look for", "head_bucket", absent=("404", "NoSuchBucket"))
        return None if found is None else dict(facts)

    def details(self, facts: Facts) -> Facts:
        found: Facts = {}
        if "acl" in self.desired:
            grants = self._call("read the ACL of", "get_bucket_acl")["Grants"]
            public = any(grant["Grantee"].get("URI") == ALL_USERS for grant in grants)
            found["acl"] = "public-read" if public else "private"
        if "policy" in self.desired:
            answer = self._call("read the policy of", "get_bucket_policy", absent=("NoSuchBucketPolicy",))
            found["policy"] = normalise_policy(answer["Policy"]) if answer else {}
        if "cors" in self.desired:
            answer = self._call("read the CORS rules of", "get_bucket_cors", absent=("NoSuchCORSConfiguration",))
            found["cors"] = normalise_cors([_from_s3(rule) for rule in answer["CORSRules"]]) if answer else []
        if "versioning" in self.desired:
            answer = self._call("read the versioning of", "get_bucket_versioning")
            found["versioning"] = answer.get("Status") == "Enabled"
        if "lifecycle" in self.desired:
            absent = ("NoSuchLifecycleConfiguration",)
            answer = self._call("read the lifecycle of", "get_bucket_lifecycle_configuration", absent=absent)
            rules = [_lifecycle_from_s3(rule) for rule in answer["Rules"]] if answer else []
            found["lifecycle"] = normalise_lifecycle(rules)
        return found

    def preflight(self, changes: dict[str, Change]) -> None:
        if self.current is None and not re.fullmatch(r"[a-z]{3}[0-9]", self.desired["region"]):
            raise CloudError(f"region {self.desired['region']} is not a region such as fra1")

    def create(self) -> dict[str, Any]:
        arguments: dict[str, Any] = {"ACL": self.desired["acl"]} if "acl" in self.desired else {}
        self._call("create", "create_bucket", absent=("BucketAlreadyOwnedByYou",), **arguments)
        return _bucket(self.name, self.desired["region"], self.cloud.spaces.endpoint(self.desired["region"]))

    def update(self, changes: dict[str, Change]) -> None:
        if "acl" in changes:
            self._call("set the ACL of", "put_bucket_acl", ACL=changes["acl"].after)
        if "policy" in changes:
            if changes["policy"].after:
                self._call("set the policy of", "put_bucket_policy", Policy=json.dumps(changes["policy"].after))
            else:
                self._call("remove the policy of", "delete_bucket_policy")
        if "cors" in changes:
            if changes["cors"].after:
                rules = {"CORSRules": [_to_s3(rule) for rule in changes["cors"].after]}
                self._call("set the CORS rules of", "put_bucket_cors", CORSConfiguration=rules)
            else:
                self._call("remove the CORS rules of", "delete_bucket_cors")
        if "versioning" in changes:
            status = {"Status": "Enabled" if changes["versioning"].after else "Suspended"}
            self._call("set the versioning of", "put_bucket_versioning", VersioningConfiguration=status)
        if "lifecycle" in changes:
            if changes["lifecycle"].after:
                rules = {"Rules": [_lifecycle_to_s3(*rule) for rule in enumerate(changes["lifecycle"].after, 1)]}
                self._call("set the lifecycle of", "put_bucket_lifecycle_configuration", LifecycleConfiguration=rules)
            else:
                self._call("remove the lifecycle of", "delete_bucket_lifecycle")

    def holds_objects(self) -> bool:
        """Whether there is an object in it, or a version of one."""
        return any(next(iter(self._versions()), ()))

    def empty(self) -> None:
        """Delete all objects with all their versions."""
        gone = 0
        for page in self._versions():
            if page:
                self.cloud.progress(self.title, f"being emptied, {gone} versions deleted", 0)
                answer = self._call("delete the objects of", "delete_objects", Delete={"Objects": page, "Quiet": True})
                for refused in (answer or {}).get("Errors") or []:
                    raise CloudError(
                        f"{refused.get('Key')}: {refused.get('Code')} {refused.get('Message') or ''}".strip(),
                        attempted=f"delete the objects of {self.title}",
                    )
                gone += len(page)

    def _versions(self) -> Iterator[list[dict[str, str]]]:
        """Pages of at most 1,000 versions and deletion marks, which is also what can be deleted at once."""
        place: dict[str, Any] = {}
        while True:
            page = self._call("list the objects of", "list_object_versions", **place)
            found = (page.get("Versions") or []) + (page.get("DeleteMarkers") or [])
            yield [{"Key": item["Key"], "VersionId": item["VersionId"]} for item in found]
            if not page.get("IsTruncated"):
                return
            place = {"KeyMarker": page["NextKeyMarker"]}
            if page.get("NextVersionIdMarker"):
                place["VersionIdMarker"] = page["NextVersionIdMarker"]

    def delete(self, facts: Facts) -> None:
        if self.empty_first:
            self.empty()
        try:
            self._call("delete", "delete_bucket", absent=("NoSuchBucket",))
        except CloudError as error:
            if error.id == "BucketNotEmpty":
                error.hint = "A bucket is deleted only when it is empty: delete its objects (and their versions) first."
            raise

    def _call(self, doing: str, operation: str, absent: tuple[str, ...] = (), **arguments: Any) -> Any:
        return self.cloud.spaces.call(
            f"{doing} {self.title}", self.desired["region"], operation, absent, Bucket=self.name, **arguments
        )


def _bucket(name: str, region: str, endpoint: str) -> dict[str, Any]:
    scheme, host = endpoint.split("://", 1)
    return {"id": name, "name": name, "region": region, "endpoint": endpoint, "url": f"{scheme}://{name}.{host}"}


def normalise_policy(policy: str | dict[str, Any]) -> dict[str, Any]:
    """As a dictionary in which what may be one or several is a sorted list; {} is no policy."""
    try:
        document = json.loads(policy) if isinstance(policy, str) else policy
    except ValueError as error:
        raise CloudError(f"the policy is not JSON: {error}") from None
    if not isinstance(document, dict):
        raise CloudError("the policy must be a mapping with Version and Statement")
    if not document:
        return {}
    statements = document.get("Statement") or []
    statements = [statements] if isinstance(statements, dict) else statements
    return {**document, "Statement": [_normalise_statement(statement) for statement in statements]}


def _normalise_statement(statement: dict[str, Any]) -> dict[str, Any]:
    found = dict(statement)
    for key in ("Action", "Resource"):
        if key in found:
            found[key] = sorted([found[key]] if isinstance(found[key], str) else found[key])
    if found.get("Principal") in ("*", {"AWS": ["*"]}):
        found["Principal"] = {"AWS": "*"}
    return found


def normalise_cors(rules: list[dict[str, Any]]) -> list[dict[str, Any]]:
    found = []
    for rule in rules:
        clean: dict[str, Any] = {key: sorted(rule.get(key) or []) for key in CORS_NAMES}
        clean["max_age"] = rule.get("max_age") or 0
        found.append(clean)
    return sorted(found, key=str)


def _from_s3(rule: dict[str, Any]) -> dict[str, Any]:
    return {**{ours: rule.get(theirs) for ours, theirs in CORS_NAMES.items()}, "max_age": rule.get("MaxAgeSeconds")}


def _to_s3(rule: dict[str, Any]) -> dict[str, Any]:
    found = {theirs: rule[ours] for ours, theirs in CORS_NAMES.items() if rule[ours]}
    return {**found, "MaxAgeSeconds": rule["max_age"]} if rule["max_age"] else found


def check_lifecycle(rules: list[dict[str, Any]]) -> None:
    for rule in rules:
        place = f"the lifecycle rule for prefix {rule['prefix']!r}"
        days = [rule[key] for key in LIFECYCLE_ACTIONS if rule.get(key) is not None]
        if not days:
            raise CloudError(f"{place} does nothing", hint=f"Give one of: {', '.join(LIFECYCLE_ACTIONS)}.")
        if min(days) < 1:
            raise CloudError(f"{place} counts days, at least 1")
    prefixes = [rule["prefix"] for rule in rules]
    if len(set(prefixes)) < len(prefixes):
        raise CloudError("lifecycle has two rules for one prefix", hint="One rule can do several things.")


def normalise_lifecycle(rules: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The order of rules, and how they are called, means nothing."""
    keys = ("prefix", *LIFECYCLE_ACTIONS, "enabled")
    return sorted(({key: rule.get(key) for key in keys} for rule in rules), key=str)


def _lifecycle_from_s3(rule: dict[str, Any]) -> dict[str, Any]:
    found = {ours: (rule.get(action) or {}).get(unit) for ours, (action, unit) in LIFECYCLE_ACTIONS.items()}
    # In a filter, or as older S3 had it.
    prefix = (rule.get("Filter") or {}).get("Prefix", rule.get("Prefix")) or ""
    return {"prefix": prefix, **found, "enabled": rule["Status"] == "Enabled"}


def _lifecycle_to_s3(number: int, rule: dict[str, Any]) -> dict[str, Any]:
    actions = {
        action: {unit: rule[ours]} for ours, (action, unit) in LIFECYCLE_ACTIONS.items() if rule[ours] is not None
    }
    status = "Enabled" if rule["enabled"] else "Disabled"
    return {"ID": f"rule-{number}", "Filter": {"Prefix": rule["prefix"]}, "Status": status, **actions}
