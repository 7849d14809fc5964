# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a rollback goes back to."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.flowdose.infra.plugins.module_utils.history import NoWayBack, rollback_targets

# commit, what was built of it, configuration
OLD, NEW, NEWER = "aaa-111-x", "bbb-222-x", "bbb-222-y"


def host(app: str, *, current: str = NEW, previous: str = OLD, at: str = "10:00", **changes: Any) -> dict[str, Any]:
    last = {"release": previous, "replaced_by": current, "replaced_at": at, "run": at}
    history = {"app": app, "releases": manifests(NEWER, NEW, OLD), "current": current, "last": last, "taken_back": {}}
    return {**history, **changes}


def manifests(*releases: str) -> list[dict[str, Any]]:
    return [{"id": release} for release in releases]


def test_both_go_back_when_the_last_run_switched_both() -> None:
    assert rollback_targets([host("backend"), host("storefront")]) == {"backend": OLD, "storefront": OLD}


def test_only_what_the_last_run_switched_goes_back() -> None:
    assert rollback_targets([host("backend", at="09:00"), host("storefront")]) == {"storefront": OLD}


def test_runs_without_a_name_are_told_apart_by_their_time() -> None:
    histories = [host("backend", at="09:00"), host("storefront")]
    for history in histories:
        history["last"]["run"] = ""
    assert rollback_targets(histories) == {"storefront": OLD}


def test_by_name_every_application_that_has_it() -> None:
    histories = [host("backend"), host("storefront", releases=manifests(NEW))]
    assert rollback_targets(histories, "aaa") == {"backend": OLD}
    assert rollback_targets([host("backend"), host("storefront")], "aaa") == {"backend": OLD, "storefront": OLD}


def test_by_name_the_newest_that_fits_and_not_what_serves() -> None:
    assert rollback_targets([host("backend", current=OLD)], "bbb") == {"backend": NEWER}
    assert rollback_targets([host("backend", current=NEWER)], NEW) == {"backend": NEW}
    with pytest.raises(NoWayBack, match="bbb is what serves already"):
        rollback_targets([host("backend")], "bbb")


def test_a_release_must_be_on_every_host() -> None:
    histories = [host("backend"), host("backend", releases=manifests(NEW))]
    with pytest.raises(NoWayBack, match="is not kept any more"):
        rollback_targets(histories)
    with pytest.raises(NoWayBack, match="no complete release begins with aaa"):
        rollback_targets(histories, "aaa")


@pytest.mark.parametrize(
    ("histories", "reason"),
    [
        ([host("backend", last={})], "no release has taken the place of another"),
        ([host("backend", previous="")], "what serves is the first release"),
        ([host("backend", releases=manifests(NEW))], "is not kept any more"),
        ([host("backend", taken_back={"aaa-111": {}})], "served before, aaa-111-x, was taken back itself"),
        ([host("backend"), host("backend", current=OLD)], "do not serve the same release"),
        ([host("backend", last={**host("backend")["last"], "replaced_by": "ccc"})], "serves another release than"),
    ],
)
def test_no_way_back(histories: list[dict[str, Any]], reason: str) -> None:
    with pytest.raises(NoWayBack, match=reason):
        rollback_targets(histories)


def test_the_first_release_of_one_does_not_keep_the_other_from_going_back() -> None:
    assert rollback_targets([host("backend", previous=""), host("storefront")]) == {"storefront": OLD}


def test_what_can_be_chosen_is_told() -> None:
    with pytest.raises(NoWayBack, match=r"backend: bbb-222-y, aaa-111-x; storefront: none\. Choose with -e release=ID"):
        rollback_targets([host("backend"), host("storefront", releases=manifests(NEW))], "zzz")
