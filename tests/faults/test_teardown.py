# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Taking an environment of every kind of resource down, and being interrupted at each call of that."""

from __future__ import annotations

import re
from collections import Counter
from typing import Any

import pytest
from ansible_collections.flowdose.infra.plugins.module_utils.client import CloudError
from ansible_collections.flowdose.infra.plugins.module_utils.teardown import Teardown
from faults import environment
from faults.account import ATTEMPTS, FAULTS, Account, Call, Killed

OBJECTS = [("picture.jpg", "1"), ("picture.jpg", "2"), ("price.pdf", "1")]
UNPROTECTED = [
    "database_cluster:postgres",
    "database_cluster:valkey",
    "volume:pictures",
    "spaces_bucket:faults-bucket",
    "spaces_bucket:faults-uploads",
]


class Estate:
    """An account with that environment in it, and with something of somebody else's."""

    def __init__(self, account: Account) -> None:
        self.account = account
        self.objects: dict[str, list[tuple[str, str]]] = {}
        self._answer = account.s3._answer
        account.s3._answer = self._with_objects  # type: ignore[method-assign]

    def make(self) -> None:
        account = self.account
        account.reset()
        client = account.stack().cloud.client
        # The first network of a region cannot be deleted.
        client.call("make", "vpcs.create", body={"name": "theirs", "region": "fra1", "ip_range": "10.99.0.0/20"})
        account.run()
        droplet = {"name": "theirs", "region": "fra1", "size": "s-1vcpu-1gb", "image": "debian-13-x64"}
        client.call("make", "droplets.create", body={**droplet, "tags": ["flowdose-theirs", "faults-backend"]})
        record = {"type": "A", "name": "theirs", "data": "203.0.113.1"}
        client.call("make", "domains.create_record", "faults.test", body=record)
        account.server.clock.advance(60)
        self.objects = {"faults-bucket": list(OBJECTS)}

    def take_down(self, **options: Any) -> Teardown:
        stack = self.account.stack()
        options = {"confirm": environment.NAME, "unprotected": UNPROTECTED, "empty_buckets": True, **options}
        made = Teardown(stack.cloud, environment.NAME, {**stack.data, **options})
        made.check()
        made.plan()
        made.approve(check_mode=False)
        made.apply()
        return made

    def calls(self) -> list[Call]:
        """Those that taking it down makes each time: how often it has to ask again depends on the threads."""
        made = self._made() & self._made() & self._made()
        return [Call(request, nth + 1) for request in sorted(made) for nth in range(made[request])]

    def _made(self) -> Counter[str]:
        self.make()
        before = Counter(self.account.asked())
        self.take_down()
        return Counter(self.account.asked()) - before

    def _with_objects(self, method: str, bucket: str, setting: str, headers: dict[str, Any], body: bytes) -> Any:
        objects = self.objects.setdefault(bucket, [])
        if setting == "versions":
            listed = "".join(f"<Version><Key>{k}</Key><VersionId>{v}</VersionId></Version>" for k, v in objects)
            return 200, f"<ListVersionsResult><IsTruncated>false</IsTruncated>{listed}</ListVersionsResult>".encode()
        if setting == "delete":
            for key, version in re.findall(r"<Key>(.*?)</Key><VersionId>(.*?)</VersionId>", body.decode()):
                if (key, version) in objects:
                    objects.remove((key, version))
            return 200, b"<DeleteResult/>"
        if method == "DELETE" and not setting and objects:
            return 409, b"<Error><Code>BucketNotEmpty</Code></Error>"
        return self._answer(method, bucket, setting, headers, body)


@pytest.fixture
def estate(account: Account, monkeypatch: pytest.MonkeyPatch) -> Estate:
    monkeypatch.setattr(account.s3, "_answer", account.s3._answer)  # undone at the end
    return Estate(account)


@pytest.fixture
def left(estate: Estate) -> dict[str, list[str]]:
    """What there is after it was taken down on a good day."""
    estate.make()
    estate.take_down()
    return estate.account.world()


def test_what_is_left(estate: Estate) -> None:
    """Nothing of it but what others need."""
    estate.make()
    made = estate.take_down()
    world = estate.account.world()
    assert {section: items for section, items in world.items() if items} == {
        "ssh_keys": ["key"],
        "tags": ["faults-backend", "faults-spare", "faults-storefront", "flowdose-theirs"],
        "projects": ["first-project Update your project information under Settings"],
        "project_resources": ["do:domain:faults.test", "do:droplet:*", "do:space:faults-bucket"],
        "vpcs": ["theirs"],
        "droplets": ["theirs 2 features 3 backup_policy 2 tags 0 authorized_keys"],
        "domains": ["faults.test 6 records"],  # SOA, NS, theirs, and the one that the certificate brought
        "spaces_keys": ["localcloud 1 grants"],
    }
    assert {entry.name: entry.why for entry in made.entries if entry.action == "keep"} == {
        "key": "shared",
        "faults-spare": "shared",
        "faults.test": "shared",
        "faults.test A": "not declared",
    }
    again = estate.take_down()
    assert {entry.action for entry in again.entries} == {"keep"}


def recovers(estate: Estate, left: dict[str, list[str]], call: Call, name: str) -> None:
    for _attempt in range(ATTEMPTS):
        estate.make()
        with estate.account.fault(call, FAULTS[name]):
            try:
                estate.take_down()
            except (CloudError, Killed):
                assert name != "500-effect", f"{call}: deleting again is no harm"
        struck = estate.account.struck
        estate.take_down()
        assert estate.account.world() == left, f"after {name} at {call}"
        assert {entry.action for entry in estate.take_down().entries} == {"keep"}
        if struck:
            return
    pytest.fail(f"nothing made {call}")


@pytest.mark.parametrize(
    ("request_", "fault"),
    [
        ("DELETE /v2/droplets/*", "killed-after"),
        ("DELETE /v2/domains/*/records/*", "killed-after"),
        ("DELETE /v2/projects/*", "killed-before"),
        ("POST /v2/reserved_ips/*/actions", "killed-after"),
        ("DELETE /v2/reserved_ips/*", "killed-before"),
        ("POST S3/bucket?delete", "outage"),
        ("DELETE /v2/volumes/*", "500-effect"),
        ("DELETE /v2/tags/flowdose-faults", "killed-before"),
    ],
)
def test_a_sample(estate: Estate, left: dict[str, list[str]], request_: str, fault: str) -> None:
    recovers(estate, left, Call(request_, 1), fault)


@pytest.mark.faults
@pytest.mark.parametrize("fault", ["killed-after", "500-effect", "outage"])
def test_interrupted_at_each_call(estate: Estate, left: dict[str, list[str]], fault: str) -> None:
    writes = [call for call in estate.calls() if not call.request.startswith(("GET", "HEAD"))]
    assert len(writes) > 20
    for call in writes:
        recovers(estate, left, call, fault)


def test_a_bucket_that_is_not_empty(estate: Estate) -> None:
    estate.make()
    before = estate.account.world()
    with pytest.raises(CloudError) as caught:
        estate.take_down(empty_buckets=False)
    message = str(caught.value)
    assert "spaces_buckets[0] (faults-bucket): it holds objects" in message
    assert "faults-uploads" not in message
    assert "-e flowdose_destroy_bucket_contents=true" in message
    with pytest.raises(CloudError, match=r"spaces_buckets\[0\] \(faults-bucket\): it holds objects, and is protected"):
        estate.take_down(unprotected=[], empty_buckets=False)
    assert estate.account.world() == before
    assert estate.objects["faults-bucket"] == OBJECTS
