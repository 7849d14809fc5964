# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What holds for every call: tokens, limits, pages, bodies."""

from __future__ import annotations

import pytest
from localcloud.testing import RunningCloud, running_cloud
from plain_api import PUBLIC_KEY, Api


def test_wrong_or_missing_token(cloud: RunningCloud) -> None:
    stranger = Api(cloud, "dop_v1_wrong")
    response = stranger.send("GET", "/v2/account")
    assert response.status_code == 401
    assert response.json() == {"id": "unauthorized", "message": "Unable to authenticate you"}
    del stranger.session.headers["Authorization"]
    assert stranger.send("GET", "/v2/droplets").status_code == 401


def test_read_only_token_reads_and_does_not_write(api: Api, read_only: Api) -> None:
    api.cluster()
    assert read_only("GET", "/v2/account")["account"]["status"] == "active"
    read_only.refused("POST", "/v2/tags", {"name": "a"}, status=403)
    assert api("GET", "/v2/tags")["tags"] == []


def test_read_only_token_sees_no_password(api: Api, read_only: Api) -> None:
    cluster = api.cluster()
    password = cluster["connection"]["password"]
    assert password.startswith("AVNS_")
    assert password in cluster["private_connection"]["uri"]
    for path in ("/v2/databases", f"/v2/databases/{cluster['id']}", f"/v2/databases/{cluster['id']}/users"):
        text = read_only.send("GET", path).text
        assert "doadmin" in text
        assert password not in text


def test_headers_of_every_answer(api: Api) -> None:
    for path in ("/v2/account", "/v2/droplets/1"):
        headers = api.send("GET", path).headers
        assert headers["ratelimit-limit"] == "5000"
        assert headers["x-request-id"]
        assert "retry-after" not in headers
    assert headers["ratelimit-remaining"] == "4998"


def test_burst_limit(api: Api, cloud: RunningCloud) -> None:
    for _ in range(250):
        assert api.send("GET", "/v2/account").status_code == 200
    refused = api.send("GET", "/v2/account")
    assert refused.status_code == 429
    assert refused.json() == {"id": "too_many_requests", "message": "API Rate limit exceeded."}
    assert refused.headers["retry-after"] == "60"
    assert refused.headers["ratelimit-remaining"] == "0"
    cloud.clock.advance(60)
    assert api.send("GET", "/v2/account").status_code == 200


def test_hourly_limit_slides_and_names_no_wait(api: Api, cloud: RunningCloud) -> None:
    for _ in range(20):
        for _ in range(250):
            api.send("GET", "/v2/account")
        cloud.clock.advance(60)
    refused = api.send("GET", "/v2/account")
    assert refused.status_code == 429
    assert "retry-after" not in refused.headers
    assert refused.headers["ratelimit-remaining"] == "0"
    cloud.clock.advance(3600 - 20 * 60)  # the first 250 are an hour old, the others are not
    assert api.send("GET", "/v2/account").headers["ratelimit-remaining"] == "249"


def test_key_list_has_a_limit_of_its_own(api: Api) -> None:
    for _ in range(10):
        api("GET", "/v2/account/keys")
    assert api.send("GET", "/v2/account/keys").headers["retry-after"] == "60"
    api("GET", "/v2/account")
    api("POST", "/v2/account/keys", {"name": "k", "public_key": PUBLIC_KEY}, status=201)


def test_pages(api: Api, cloud: RunningCloud) -> None:
    for number in range(45):
        api("POST", "/v2/tags", {"name": f"t{number}"}, status=201)
    first = api("GET", "/v2/tags")
    assert [tag["name"] for tag in first["tags"]] == [f"t{number}" for number in range(20)]
    assert first["meta"] == {"total": 45}
    assert first["links"]["pages"] == {
        "next": f"{cloud.endpoint}/v2/tags?page=2",
        "last": f"{cloud.endpoint}/v2/tags?page=3",
    }
    last = api("GET", "/v2/tags?per_page=20&page=3")
    assert len(last["tags"]) == 5
    assert last["links"]["pages"] == {
        "first": f"{cloud.endpoint}/v2/tags?per_page=20&page=1",
        "prev": f"{cloud.endpoint}/v2/tags?per_page=20&page=2",
    }
    assert api("GET", "/v2/tags?per_page=200")["links"] == {}
    assert api("GET", "/v2/tags?page=9")["tags"] == []


@pytest.mark.parametrize("query", ["per_page=201", "per_page=0", "page=0", "page=x", "page=\u00b2"])
def test_page_out_of_bounds(api: Api, query: str) -> None:
    api.refused("GET", f"/v2/tags?{query}", status=400)


def test_links_follow_the_host_header(api: Api) -> None:
    for number in range(21):
        api("POST", "/v2/tags", {"name": f"t{number}"}, status=201)
    answer = api.send("GET", "/v2/tags", headers={"Host": "api.localcloud.test:9"}).json()
    assert answer["links"]["pages"]["next"].startswith("https://api.localcloud.test:9/v2/tags?")


def test_unknown_keys_are_ignored_and_noted(api: Api, cloud: RunningCloud) -> None:
    api("POST", "/v2/tags", {"name": "a", "colour": "red"}, status=201)
    assert cloud.requests[-1]["warnings"] == ["unknown key colour ignored"]
    rules = [{"protocol": "tcp", "ports": "22", "sources": {"addresses": ["0.0.0.0/0"], "adresses": []}}]
    api("POST", "/v2/firewalls", {"name": "fw", "inbound_rules": rules}, status=202)
    assert cloud.requests[-1]["warnings"] == ["unknown key inbound_rules[0].sources.adresses ignored"]


def test_wrong_types_and_broken_json(api: Api) -> None:
    assert "size must be string" in api.refused("POST", "/v2/droplets", {"name": "a", "size": 7}, status=422)
    assert "tags must be an array" in api.refused("POST", "/v2/droplets", {"tags": "a"}, status=422)
    assert "monitoring must be boolean" in api.refused("POST", "/v2/droplets", {"monitoring": 1}, status=422)
    for data in ("{", '{"value": NaN}'):
        assert api.send("POST", "/v2/vpcs", data=data).status_code == 400


def test_unknown_path_is_noted(api: Api, cloud: RunningCloud) -> None:
    api.refused("GET", "/v2/floating_ips", status=404)
    assert cloud.requests[-1]["warnings"] == ["localcloud has no GET /v2/floating_ips"]


def test_request_log(api: Api, cloud: RunningCloud) -> None:
    api("POST", "/v2/tags", {"name": "a"}, status=201)
    entry = cloud.requests[-1]
    assert (entry["method"], entry["path"], entry["status"]) == ("POST", "/v2/tags", 201)
    assert entry["body"] == {"name": "a"}
    assert entry["response"]["tag"]["name"] == "a"
    assert cloud.token not in str(entry)


def test_administration_wants_the_full_token(cloud: RunningCloud, read_only: Api) -> None:
    assert Api(cloud, "wrong").send("POST", "/_localcloud/reset").status_code == 401
    assert read_only.send("POST", "/_localcloud/reset").status_code == 403


def test_reset_forgets_all_but_ids(api: Api, cloud: RunningCloud) -> None:
    droplet = api.droplet()
    cloud.reset()
    assert cloud.requests == []
    assert api("GET", "/v2/droplets")["droplets"] == []
    assert [project["is_default"] for project in api("GET", "/v2/projects")["projects"]] == [True]
    assert api.droplet()["id"] > droplet["id"]


def test_each_request_may_let_time_pass() -> None:
    with running_cloud(auto_advance=5) as cloud:
        api = Api(cloud)
        droplet = api.droplet(ready=False)
        path = f"/v2/droplets/{droplet['id']}"
        assert [api("GET", path)["droplet"]["status"] for _ in range(8)] == ["new"] * 7 + ["active"]
