# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Buckets, against an S3 that answers as Ceph RGW does. The end-to-end tests use a real one."""

from __future__ import annotations

import base64
import hashlib
import json
from typing import Any

import pytest
from ansible_collections.flowdose.infra.plugins.module_utils.client import CloudError
from ansible_collections.flowdose.infra.plugins.module_utils.resource import Cloud
from ansible_collections.flowdose.infra.plugins.module_utils.resources.spaces_bucket import (
    SpacesBucket,
    normalise_cors,
    normalise_policy,
)
from ansible_collections.flowdose.infra.plugins.module_utils.spaces import Spaces
from ansible_collections.flowdose.infra.plugins.module_utils.stack import validated

BUCKET = {"name": "test-bucket", "region": "fra1"}
POLICY = {
    "Version": "2012-10-17",
    "Statement": [
        {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": ["arn:aws:s3:::test-bucket/*"]}
    ],
}
CORS = {"allowed_origins": ["https://b.test", "https://a.test"], "allowed_methods": ["PUT", "GET"], "max_age": 60}
RULE = {"prefix": "tmp/", "expiration_days": 7, "abort_multipart_days": 3}
WRONG_RULES: list[dict[str, Any]] = [
    {"lifecycle": [{"prefix": "tmp/"}]},
    {"lifecycle": [{"expiration_days": 0}]},
    {"lifecycle": [RULE, {**RULE}]},
]


class S3:
    """The calls of boto3's client that are used, on a dictionary."""

    def __init__(self) -> None:
        self.buckets: dict[str, dict[str, Any]] = {}
        self.taken = {"taken"}
        self.written: list[str] = []

    def __getattr__(self, operation: str) -> Any:
        def call(**arguments: Any) -> dict[str, Any]:
            if not operation.startswith(("get_", "head_", "list_")):
                self.written.append(operation)
            return getattr(self, f"_{operation}")(**arguments) or {}

        if operation.startswith("_"):
            raise AttributeError(operation)
        return call

    def _bucket(self, name: str) -> dict[str, Any]:
        if name not in self.buckets:
            raise refused("NoSuchBucket", 404)
        return self.buckets[name]

    def _list_object_versions(self, Bucket: str, KeyMarker: str = "", VersionIdMarker: str = "") -> dict[str, Any]:
        """Pages of two, which may end between the versions of one object."""
        found = sorted(self._bucket(Bucket).get("objects", []))
        page = [item for item in found if item > (KeyMarker, VersionIdMarker)][:2]
        entries = [{"Key": key, "VersionId": version} for key, version in page]
        answer: dict[str, Any] = {
            "Versions": [entry for entry in entries if not entry["VersionId"].startswith("mark")],
            "DeleteMarkers": [entry for entry in entries if entry["VersionId"].startswith("mark")],
            "IsTruncated": bool(page) and page[-1] != found[-1],
        }
        if answer["IsTruncated"]:
            answer["NextKeyMarker"], answer["NextVersionIdMarker"] = page[-1]
        return answer

    def _delete_objects(self, Bucket: str, Delete: dict[str, Any]) -> dict[str, Any]:
        objects = self._bucket(Bucket)["objects"]
        errors = []
        for item in Delete["Objects"]:
            if item["Key"] == "locked":
                errors.append({"Key": "locked", "Code": "AccessDenied", "Message": "Access Denied"})
            else:
                objects.remove((item["Key"], item["VersionId"]))
        return {"Errors": errors} if errors else {}

    def _list_buckets(self) -> dict[str, Any]:
        return {"Buckets": [{"Name": name} for name in self.buckets]}

    def _head_bucket(self, Bucket: str) -> None:
        if Bucket not in self.buckets:
            raise refused("404", 404)

    def _create_bucket(self, Bucket: str, ACL: str = "private") -> None:
        if Bucket in self.taken:
            raise refused("BucketAlreadyExists", 409)
        self.buckets[Bucket] = {"acl": ACL}

    def _delete_bucket(self, Bucket: str) -> None:
        if self._bucket(Bucket).get("objects"):
            raise refused("BucketNotEmpty", 409)
        del self.buckets[Bucket]

    def _get_bucket_acl(self, Bucket: str) -> dict[str, Any]:
        grants = [{"Grantee": {"ID": "owner", "Type": "CanonicalUser"}, "Permission": "FULL_CONTROL"}]
        if self._bucket(Bucket)["acl"] == "public-read":
            everybody = {"Type": "Group", "URI": "http://acs.amazonaws.com/groups/global/AllUsers"}
            grants.append({"Grantee": everybody, "Permission": "READ"})
        return {"Grants": grants}

    def _put_bucket_acl(self, Bucket: str, ACL: str) -> None:
        self._bucket(Bucket)["acl"] = ACL

    def _get_bucket_policy(self, Bucket: str) -> dict[str, Any]:
        if "policy" not in self._bucket(Bucket):
            raise refused("NoSuchBucketPolicy", 404)
        return {"Policy": self.buckets[Bucket]["policy"]}

    def _put_bucket_policy(self, Bucket: str, Policy: str) -> None:
        self._bucket(Bucket)["policy"] = Policy

    def _delete_bucket_policy(self, Bucket: str) -> None:
        del self._bucket(Bucket)["policy"]

    def _get_bucket_cors(self, Bucket: str) -> dict[str, Any]:
        if "cors" not in self._bucket(Bucket):
            raise refused("NoSuchCORSConfiguration", 404)
        rules = [{**rule, "AllowedMethods": rule["AllowedMethods"][::-1]} for rule in self.buckets[Bucket]["cors"]]
        return {"CORSRules": rules}

    def _put_bucket_cors(self, Bucket: str, CORSConfiguration: dict[str, Any]) -> None:
        self._bucket(Bucket)["cors"] = CORSConfiguration["CORSRules"]

    def _delete_bucket_cors(self, Bucket: str) -> None:
        del self._bucket(Bucket)["cors"]

    def _get_bucket_versioning(self, Bucket: str) -> dict[str, Any]:
        status = self._bucket(Bucket).get("versioning")
        return {"Status": status} if status else {}

    def _put_bucket_versioning(self, Bucket: str, VersioningConfiguration: dict[str, str]) -> None:
        self._bucket(Bucket)["versioning"] = VersioningConfiguration["Status"]

    def _get_bucket_lifecycle_configuration(self, Bucket: str) -> dict[str, Any]:
        if "lifecycle" not in self._bucket(Bucket):
            raise refused("NoSuchLifecycleConfiguration", 404)
        return {"Rules": self.buckets[Bucket]["lifecycle"][::-1]}

    def _put_bucket_lifecycle_configuration(self, Bucket: str, LifecycleConfiguration: dict[str, Any]) -> None:
        self._bucket(Bucket)["lifecycle"] = LifecycleConfiguration["Rules"]

    def _delete_bucket_lifecycle(self, Bucket: str) -> None:
        del self._bucket(Bucket)["lifecycle"]


def refused(code: str, status: int) -> Exception:
    from botocore.exceptions import ClientError

    metadata = {"HTTPStatusCode": status, "RequestId": "tx0001"}
    return ClientError({"Error": {"Code": code, "Message": code}, "ResponseMetadata": metadata}, "S3")  # type: ignore


@pytest.fixture
def s3() -> S3:
    return S3()


@pytest.fixture
def declare(s3: S3) -> Any:
    """A bucket as declared, planned by a run of its own."""

    def make(**params: Any) -> SpacesBucket:
        spaces = Spaces("https://fra1.example.test", "key", "secret", None)
        spaces._clients["fra1"] = s3
        cloud = Cloud(lambda: pytest.fail("no API token is needed"), lambda: spaces)
        bucket = SpacesBucket(cloud, validated(SpacesBucket, {**BUCKET, **params}))
        bucket.plan()
        return bucket

    return make


@pytest.mark.parametrize(
    ("first", "change"),
    [
        ({}, {}),
        ({"acl": "private"}, {"acl": "public-read"}),
        ({"policy": POLICY}, {"policy": {}}),
        ({"policy": json.dumps(POLICY)}, {"policy": {"Version": "2012-10-17", "Statement": []}}),
        ({"cors": [CORS]}, {"cors": [CORS | {"max_age": 90}]}),
        ({"cors": [CORS]}, {"cors": []}),
        ({"versioning": True}, {"versioning": False}),
        ({"lifecycle": [RULE]}, {"lifecycle": [RULE | {"expiration_days": 8}]}),
        ({"lifecycle": [RULE]}, {"lifecycle": [{"noncurrent_expiration_days": 30}, RULE | {"enabled": False}]}),
        ({"lifecycle": [RULE]}, {"lifecycle": []}),
    ],
)
def test_life(declare: Any, s3: S3, first: dict[str, Any], change: dict[str, Any]) -> None:
    created = declare(**first)
    assert created.entry.action == "create"
    assert s3.written == []
    created.apply()
    assert declare(**first).entry.action == "none"
    assert created.result() == declare(**first).result(), "one shape, created or found"
    if change:
        changed = declare(**first | change)
        assert [entry.key for entry in changed.entry.changes] == list(change)
        changed.apply()
        assert declare(**first | change).entry.action == "none"
    gone = declare(state="absent", protected=False)
    assert gone.entry.action == "delete"
    gone.apply()
    assert declare(state="absent", protected=False).entry.action == "none"


def test_what_is_not_declared_is_left_alone(declare: Any) -> None:
    declare(acl="public-read", policy=POLICY, cors=[CORS], versioning=True).apply()
    assert declare().entry.action == "none"


def test_a_bucket_that_holds_something_is_not_deleted(declare: Any, s3: S3) -> None:
    declare().apply()
    s3.buckets["test-bucket"]["objects"] = ["picture.jpg"]
    with pytest.raises(CloudError, match=r"(?s)HTTP 409 BucketNotEmpty.*tx0001.*only when it is empty"):
        declare(state="absent", protected=False).apply()


OBJECTS = [("a", "1"), ("a", "2"), ("a", "mark-3"), ("b", "1"), ("c", "null")]


def test_emptying_takes_every_version(declare: Any, s3: S3) -> None:
    declare().apply()
    assert not declare().holds_objects()
    s3.buckets["test-bucket"]["objects"] = list(OBJECTS)
    gone = declare(state="absent", protected=False)
    assert gone.holds_objects()
    gone.empty_first = True
    gone.apply()
    assert s3.buckets == {}


def test_an_object_that_cannot_be_deleted(declare: Any, s3: S3) -> None:
    declare().apply()
    s3.buckets["test-bucket"]["objects"] = [*OBJECTS, ("locked", "1")]
    with pytest.raises(CloudError, match=r"Could not delete the objects of bucket test-bucket: locked: AccessDenied"):
        declare().empty()
    assert s3.buckets["test-bucket"]["objects"] == [("locked", "1")]


def test_deleting_objects_carries_the_digest_that_every_s3_knows() -> None:
    sent: list[Any] = []

    def answer(request: Any, **kwargs: Any) -> Any:
        from botocore.awsrequest import AWSResponse

        sent.append(request)
        response = AWSResponse(request.url, 200, {"Content-Type": "application/xml"}, None)
        response._content = b"<DeleteResult/>"
        return response

    spaces = Spaces("https://fra1.example.test", "key", "secret", None)
    spaces.connect("fra1").meta.events.register("before-send.s3.DeleteObjects", answer)
    spaces.call("empty", "fra1", "delete_objects", Bucket="test-bucket", Delete={"Objects": [{"Key": "a"}]})
    (request,) = sent
    digest = base64.b64encode(hashlib.md5(request.body, usedforsecurity=False).digest())
    assert request.headers["Content-MD5"] == digest


def test_somebody_else_has_that_name(declare: Any) -> None:
    with pytest.raises(CloudError, match=r"(?s)BucketAlreadyExists.*Choose another"):
        declare(name="taken").apply()


def test_addresses(declare: Any) -> None:
    facts = declare().result() or declare().flatten({})
    assert facts["name"] is None
    declare().apply()
    assert declare().result() == {
        "id": "test-bucket",
        "name": "test-bucket",
        "region": "fra1",
        "endpoint": "https://fra1.example.test",
        "url": "https://test-bucket.fra1.example.test",
    }


@pytest.mark.parametrize(
    "change", [{"name": "Ab"}, {"name": "a_b"}, {"region": "somewhere"}, {"policy": "{"}, *WRONG_RULES]
)
def test_wrong_data(declare: Any, s3: S3, change: dict[str, str]) -> None:
    with pytest.raises(CloudError):
        declare(**change)
    assert s3.written == []


@pytest.mark.parametrize("keys", [(None, "secret"), ("key", None), ("", "")])
def test_no_key(keys: tuple[str | None, str | None]) -> None:
    with pytest.raises(CloudError, match=r"(?s)No Spaces key was given.*SPACES_ACCESS_KEY_ID"):
        Spaces(None, *keys, None)


def test_the_endpoint_of_a_region() -> None:
    assert Spaces(None, "key", "secret", None).endpoint("fra1") == "https://fra1.digitaloceanspaces.com"


def test_an_endpoint_that_does_not_answer() -> None:
    spaces = Spaces("https://127.0.0.1:9", "key", "secret-of-mine", None)
    with pytest.raises(CloudError) as caught:
        spaces.call("list the buckets", "fra1", "list_buckets")
    assert "Could not list the buckets" in str(caught.value)
    assert "https://127.0.0.1:9" in str(caught.value)
    assert "secret-of-mine" not in str(caught.value)


def test_policies_that_mean_the_same() -> None:
    spelt = {
        "Version": "2012-10-17",
        "Statement": {
            "Effect": "Allow",
            "Principal": {"AWS": ["*"]},
            "Action": ["s3:GetObject"],
            "Resource": "arn:aws:s3:::test-bucket/*",
        },
    }
    assert normalise_policy(spelt) == normalise_policy(json.dumps(POLICY))


def test_the_order_of_cors_rules_does_not_matter() -> None:
    other = {"allowed_origins": ["*"], "allowed_methods": ["GET"]}
    assert normalise_cors([CORS, other]) == normalise_cors([other, CORS])
