# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The engine by itself, on a kind that has no API."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import pytest
from ansible_collections.flowdose.infra.plugins.module_utils.client import Client, CloudError
from ansible_collections.flowdose.infra.plugins.module_utils.resource import (
    POWER_OFF,
    RESTART,
    Change,
    Cloud,
    Facts,
    PlanEntry,
    Resource,
    suggest,
)


class Shelf:
    """What exists, and the time."""

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        self.things: list[dict[str, Any]] = []
        self.now = 0.0
        self.calls: list[str] = []
        self.progress: list[tuple[str, str, float]] = []

    def sleep(self, seconds: float) -> None:
        self.now += seconds

    def cloud(self, **options: Any) -> Cloud:
        def client() -> Client:
            raise AssertionError("nothing here needs the API")

        return Cloud(
            client,
            lambda: pytest.fail("nor Spaces"),
            sleep=self.sleep,
            monotonic=lambda: self.now,
            progress=lambda *event: self.progress.append(event),
            **options,
        )


SHELF = Shelf()


class Thing(Resource):
    kind = "thing"
    plural = "things"
    label = "thing"
    options: ClassVar = {
        "name": {"type": "str", "required": True},
        "colour": {"type": "str"},
        "weight": {"type": "int"},
        "place": {"type": "str"},
        "secret": {"type": "str", "no_log": True},
        "labels": {"type": "list", "elements": "str"},
    }
    updates: ClassVar = {"colour": RESTART, "weight": POWER_OFF, "labels": "none", "secret": "none"}
    immutable: ClassVar = {"place": "Carry it there yourself."}
    later = frozenset({"labels"})
    required_for_create = ("colour",)
    stateful = True

    @classmethod
    def flatten(cls, raw: dict[str, Any]) -> Facts:
        keys = ("id", "name", "colour", "weight", "place", "ready_at", "secret", "labels")
        return {key: raw.get(key) for key in keys}

    @classmethod
    def ready(cls, facts: Facts) -> bool:
        return bool((facts["ready_at"] or 0) <= SHELF.now)

    @classmethod
    def fetch(cls, cloud: Cloud, scope: str | None) -> list[dict[str, Any]]:
        SHELF.calls.append("fetch")
        return SHELF.things

    def read(self, facts: Facts) -> dict[str, Any] | None:
        return next((thing for thing in SHELF.things if thing["id"] == facts["id"]), None)

    def create(self) -> dict[str, Any]:
        SHELF.calls.append("create")
        thing = {**self.desired, "id": len(SHELF.things) + 1, "ready_at": SHELF.now + 30}
        thing.pop("labels", None)
        SHELF.things.append(thing)
        return dict(thing)

    def update(self, changes: dict[str, Change]) -> None:
        SHELF.calls.append("update")
        thing = self.read(self.existing)
        assert thing is not None
        thing.update({key: change.after for key, change in changes.items()})

    def delete(self, facts: Facts) -> None:
        SHELF.calls.append("delete")
        SHELF.things.remove(next(thing for thing in SHELF.things if thing["id"] == facts["id"]))


@pytest.fixture(autouse=True)
def shelf() -> Shelf:
    SHELF.clear()
    return SHELF


def planned(**params: Any) -> Thing:
    thing = Thing(SHELF.cloud(), params)
    thing.plan()
    return thing


def test_create_waits_and_then_sets_what_creating_does_not_take(shelf: Shelf) -> None:
    thing = planned(name="a", colour="red", labels=["x"])
    assert thing.entry.as_dict() == {
        "kind": "thing",
        "name": "a",
        "action": "create",
        "impact": "none",
        "changes": [
            {"key": "name", "before": None, "after": "a"},
            {"key": "colour", "before": None, "after": "red"},
            {"key": "labels", "before": None, "after": ["x"]},
        ],
        "why": "",
    }
    assert shelf.calls == ["fetch"]
    thing.apply()
    assert shelf.calls == ["fetch", "create", "update"]
    assert 30 <= shelf.now <= 33
    assert thing.result() == planned(name="a", colour="red", labels=["x"]).result()
    assert {state for title, state, elapsed in shelf.progress if title == "thing a"} >= {"creating", "waiting"}


def test_nothing_given_nothing_compared() -> None:
    planned(name="a", colour="red", weight=3).apply()
    assert planned(name="a").entry.action == "none"


def test_an_update_has_the_gravest_of_its_impacts(shelf: Shelf) -> None:
    planned(name="a", colour="red", weight=3).apply()
    thing = planned(name="a", colour="blue", weight=4)
    assert (thing.entry.action, thing.entry.impact) == ("update", "power-off")
    assert thing.entry.as_diff() == {
        "before_header": "thing a",
        "after_header": "thing a",
        "before": {"colour": "red", "weight": 3},
        "after": {"colour": "blue", "weight": 4},
    }
    thing.apply()
    assert planned(name="a", colour="blue", weight=4).entry.action == "none"


def test_check_mode_has_the_same_shape() -> None:
    fresh = planned(name="a", colour="red").result(check_mode=True)
    assert fresh is not None
    assert (fresh["id"], fresh["colour"]) == (None, "red")
    planned(name="a", colour="red").apply()
    changed = planned(name="a", colour="blue").result(check_mode=True)
    assert changed is not None
    assert (changed["id"], changed["colour"]) == (1, "blue")
    assert fresh.keys() == changed.keys()


def test_secrets_are_not_shown() -> None:
    thing = planned(name="a", colour="red", secret="x1y2")
    assert "x1y2" not in str(thing.entry.as_dict()) + str(thing.entry.as_diff())
    thing.apply()
    changed = planned(name="a", secret="z3").entry
    assert changed.action == "update"
    assert "x1y2" not in str(changed)
    assert "z3" not in str(changed)


def test_what_cannot_be_changed(shelf: Shelf) -> None:
    planned(name="a", colour="red", place="here").apply()
    with pytest.raises(CloudError) as caught:
        planned(name="a", place="there")
    assert str(caught.value) == (
        "Could not have thing a as declared: place is here, not there, and cannot be changed\nCarry it there yourself."
    )
    assert shelf.calls[-1] == "fetch"


def test_missing_values_are_named_when_it_must_be_created() -> None:
    with pytest.raises(CloudError, match="colour must be given, because it does not exist yet"):
        planned(name="a")


def test_two_matches_are_never_guessed_between(shelf: Shelf) -> None:
    shelf.things = [{"id": 17, "name": "a"}, {"id": 18, "name": "a"}]
    with pytest.raises(CloudError, match=r"2 resources that match thing a: 17 and 18"):
        planned(name="a")


def test_absent(shelf: Shelf) -> None:
    planned(name="a", colour="red").apply()
    thing = planned(name="a", state="absent", protected=False)
    assert (thing.entry.action, thing.entry.impact) == ("delete", "irreversible")
    thing.apply()
    assert shelf.things == []
    assert thing.result() is None
    assert planned(name="a", state="absent", protected=False).entry.action == "none"


@pytest.mark.parametrize("protected", [{}, {"protected": True}, {"protected": None}])
def test_what_holds_data_is_protected_before_anything_is_asked(shelf: Shelf, protected: dict[str, Any]) -> None:
    with pytest.raises(CloudError, match=r"thing a holds data and is protected.*\n.*`protected: false`"):
        Thing(shelf.cloud(), {"name": "a", "state": "absent", **protected})
    assert shelf.calls == []


def test_one_that_is_being_made_is_waited_for_and_changed_only_then(shelf: Shelf) -> None:
    shelf.things = [{"id": 1, "name": "a", "colour": "red", "ready_at": 100.0}]
    planned(name="a", colour="blue").apply()
    assert 100 <= shelf.now <= 110
    assert shelf.things[0]["colour"] == "blue"


def test_one_that_is_another_when_it_is_ready_is_changed_too(shelf: Shelf) -> None:
    shelf.things = [{"id": 1, "name": "a", "colour": "red", "ready_at": 100.0}]
    thing = planned(name="a", colour="red")
    assert not thing.entry.changed
    shelf.things[0]["colour"] = "green"
    thing.apply()
    assert shelf.things[0]["colour"] == "red"
    assert thing.entry.as_dict()["changes"] == [{"key": "colour", "before": "green", "after": "red"}]
    assert (thing.entry.action, thing.entry.impact) == ("update", RESTART)


def test_waiting_ends(shelf: Shelf) -> None:
    shelf.things = [{"id": 1, "name": "a", "colour": "red", "ready_at": 1e9}]
    thing = Thing(shelf.cloud(timeout=60), {"name": "a"})
    thing.plan()
    with pytest.raises(CloudError, match=r"(?s)wait for thing a: it is still waiting after 6\d s.*Run again"):
        thing.apply()


class TestWait:
    def wait(self, look: Callable[[], Any], **options: Any) -> Any:
        return SHELF.cloud().wait("thing", look, bool, str, **options)

    def test_an_outage_need_not_end_it(self) -> None:
        def look() -> bool:
            if 20 < SHELF.now < 100:
                raise CloudError("bad gateway", status=502)
            return SHELF.now > 150

        assert self.wait(look)

    def test_a_long_outage_does(self) -> None:
        def look() -> bool:
            if SHELF.now > 20:
                raise CloudError("bad gateway", status=502)
            return False

        with pytest.raises(CloudError, match="bad gateway"):
            self.wait(look)
        assert 120 < SHELF.now < 160

    def test_what_is_found_ends_it_at_once(self) -> None:
        def failed(seen: Any) -> bool:
            raise CloudError("the action ended with status errored")

        with pytest.raises(CloudError, match="errored"):
            SHELF.cloud().wait("thing", lambda: 1, failed, str)
        assert SHELF.now == 0

    def test_a_token_that_is_not_valid_any_more_does_at_once(self) -> None:
        def look() -> bool:
            raise CloudError("unauthorized", status=401)

        with pytest.raises(CloudError, match="unauthorized"):
            self.wait(look)
        assert SHELF.now == 0


class TestSettle:
    """A POST must have its effect once."""

    def settle(self, answers: list[Any], found: list[Any]) -> Any:
        def take(queue: list[Any], name: str) -> Any:
            SHELF.calls.append(name)
            answer = queue.pop(0)
            if isinstance(answer, Exception):
                raise answer
            return answer

        return SHELF.cloud().settle(lambda: take(answers, "send"), lambda: take(found, "look"))

    ambiguous = CloudError("gateway timeout", status=504, ambiguous=True)
    duplicate = CloudError("name is taken", status=422)
    outage = CloudError("bad gateway", status=502)

    def test_a_clear_answer(self) -> None:
        assert self.settle(["made"], []) == "made"

    def test_a_clear_refusal(self) -> None:
        with pytest.raises(CloudError, match="colour is unknown"):
            self.settle([CloudError("colour is unknown", status=422)], [])

    def test_a_duplicate_that_the_lists_did_not_show(self) -> None:
        """Of a run that was killed a moment ago."""
        assert self.settle([self.duplicate], [None, "found"]) == "found"

    def test_a_duplicate_of_somebody_else(self) -> None:
        with pytest.raises(CloudError, match="name is taken"):
            self.settle([self.duplicate], [None] * 4)
        assert SHELF.now < 10, "no reason to wait long"

    def test_an_outage_while_looking(self) -> None:
        assert self.settle([self.ambiguous], [self.outage, self.outage, "found"]) == "found"

    def test_not_having_seen_is_no_reason_to_send_again(self) -> None:
        with pytest.raises(CloudError, match="bad gateway"):
            self.settle([self.ambiguous], [None, None, *[self.outage] * 4])
        assert SHELF.calls.count("send") == 1

    def test_it_had_its_effect(self) -> None:
        assert self.settle([self.ambiguous], ["found"]) == "found"
        assert SHELF.calls == ["send", "look"]

    def test_it_had_its_effect_late(self) -> None:
        assert self.settle([self.ambiguous], [None, None, "found"]) == "found"
        assert SHELF.calls == ["send", "look", "look", "look"]

    def test_it_had_no_effect(self) -> None:
        assert self.settle([self.ambiguous, "made"], [None] * 6) == "made"
        assert SHELF.calls == ["send", *["look"] * 6, "send"]
        assert SHELF.now >= 30

    def test_the_second_is_refused_as_a_duplicate(self) -> None:
        assert self.settle([self.ambiguous, self.duplicate], [None] * 6 + ["found"]) == "found"

    def test_it_gives_up(self) -> None:
        with pytest.raises(CloudError, match="gateway timeout"):
            self.settle([self.ambiguous] * 3, [None] * 18)
        assert SHELF.calls.count("send") == 3


class TestLag:
    """What was just made or changed need not be seen everywhere at once."""

    def test_an_update_is_there_when_it_can_be_read_back(self, shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
        planned(name="a", colour="red").apply()
        before, start, read = dict(shelf.things[0]), shelf.now, Thing.read
        thing = planned(name="a", colour="blue")

        def late(thing: Thing, facts: Facts) -> dict[str, Any] | None:
            return before if shelf.now < start + 20 else read(thing, facts)

        monkeypatch.setattr(Thing, "read", late)
        monkeypatch.setattr(Thing, "update", lambda thing, changes: shelf.things[0].update(colour="blue"))
        thing.apply()
        assert thing.existing["colour"] == "blue"
        assert 20 <= shelf.now - start < 30

    def test_an_update_that_never_comes_is_said(self, shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
        planned(name="a", colour="red").apply()
        monkeypatch.setattr(Thing, "update", lambda self, changes: None)
        with pytest.raises(CloudError, match=r"thing a as declared: colour is still red, not blue, 120 s after"):
            planned(name="a", colour="blue").apply()

    def test_nor_does_a_secret_that_never_comes_show(self, monkeypatch: pytest.MonkeyPatch) -> None:
        planned(name="a", colour="red", secret="x1y2").apply()
        monkeypatch.setattr(Thing, "update", lambda self, changes: None)
        with pytest.raises(CloudError, match=r"secret is still VALUE_HIDDEN") as caught:
            planned(name="a", secret="z3z4").apply()
        assert "x1y2" not in str(caught.value)
        assert "z3z4" not in str(caught.value)

    def test_an_update_whose_second_sending_is_refused(self, shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
        planned(name="a", colour="red", weight=1).apply()
        update = Thing.update

        def refused(thing: Thing, changes: dict[str, Change]) -> None:
            first = dict(list(changes.items())[:1])
            update(thing, first)
            if first != changes:
                raise CloudError("it is being painted", status=422, repeated=True)

        monkeypatch.setattr(Thing, "update", refused)
        planned(name="a", colour="blue", weight=2).apply()
        assert (shelf.things[0]["colour"], shelf.things[0]["weight"]) == ("blue", 2)

    def test_an_update_that_is_refused(self, shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
        planned(name="a", colour="red").apply()

        def refused(thing: Thing, changes: dict[str, Change]) -> None:
            shelf.calls.append("update")
            raise CloudError("no such colour", status=422)

        monkeypatch.setattr(Thing, "update", refused)
        with pytest.raises(CloudError, match="no such colour"):
            planned(name="a", colour="blue").apply()
        assert shelf.calls.count("update") == 1

    def test_what_was_just_made_is_not_found(self, shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
        update, refusals = Thing.update, [CloudError("not found", status=404)] * 3

        def late(thing: Thing, changes: dict[str, Change]) -> None:
            if refusals:
                raise refusals.pop()
            update(thing, changes)

        monkeypatch.setattr(Thing, "update", late)
        planned(name="a", colour="red", labels=["x"]).apply()
        assert shelf.things[0]["labels"] == ["x"]

    def test_what_was_there_before_is_not_found(self, monkeypatch: pytest.MonkeyPatch) -> None:
        planned(name="a", colour="red").apply()

        def gone(thing: Thing, changes: dict[str, Change]) -> None:
            raise CloudError("not found", status=404)

        monkeypatch.setattr(Thing, "update", gone)
        with pytest.raises(CloudError, match="not found"):
            planned(name="a", colour="blue").apply()

    def test_what_vanishes_is_not_waited_for_to_the_end(self, shelf: Shelf) -> None:
        shelf.things = [{"id": 7, "name": "a", "colour": "red", "ready_at": 1e9}]
        thing = planned(name="a")
        shelf.things = []
        with pytest.raises(CloudError, match=r"it was there \(id 7\) and cannot be seen any more"):
            thing.apply()
        assert 300 <= shelf.now < 320


def test_one_that_came_to_be_after_all_is_said(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    create = Thing.create

    def slow(thing: Thing) -> dict[str, Any]:
        if not shelf.calls.count("create"):
            shelf.calls.append("create")
            raise CloudError("gateway timeout", status=504, ambiguous=True)
        made = create(thing)
        shelf.things.append({**made, "id": 99})  # the first request's, in the end
        return made

    monkeypatch.setattr(Thing, "create", slow)
    with pytest.raises(CloudError, match="2 resources that match thing a: 1 and 99"):
        planned(name="a", colour="red").apply()


def test_one_that_another_run_made_meanwhile_is_made_as_declared(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    thing = planned(name="a", colour="red", weight=3)
    shelf.things = [{"id": 1, "name": "a", "colour": "blue", "weight": 3}]

    def refused(thing: Thing) -> dict[str, Any]:
        raise CloudError("the name is taken", status=422)

    monkeypatch.setattr(Thing, "create", refused)
    thing.apply()
    assert shelf.things == [{"id": 1, "name": "a", "colour": "red", "weight": 3}]


def test_what_is_remembered_does_not_disturb_those_who_look(shelf: Shelf) -> None:
    """Threads go through the lists while others add to them."""
    cloud = shelf.cloud()
    shelf.things = [{"id": number, "name": str(number)} for number in range(3)]
    seen = cloud.all(Thing)
    cloud.remember(Thing, None, {"id": 0, "name": "0"})
    assert [thing["name"] for thing in seen] == ["0", "1", "2"]
    assert [thing["name"] for thing in cloud.all(Thing)] == ["1", "2", "0"]


def test_an_interrupted_run_does_nothing_more(shelf: Shelf) -> None:
    cloud = shelf.cloud()
    thing = Thing(cloud, {"name": "a", "colour": "red"})
    thing.plan()
    cloud.close()
    with pytest.raises(CloudError, match="interrupted"):
        thing.apply()
    assert shelf.now < 2


def test_lists_are_asked_for_once(shelf: Shelf) -> None:
    cloud = shelf.cloud()
    for name in ("a", "b", "c"):
        Thing(cloud, {"name": name, "colour": "red"}).plan()
    assert shelf.calls == ["fetch"]


def test_the_diff_of_a_deletion_has_nothing_after() -> None:
    entry = PlanEntry("thing", "a", "delete", changes=[Change("state", "present", "absent")])
    assert (entry.as_diff()["before"], entry.as_diff()["after"]) == ({"state": "present"}, {})


@pytest.mark.parametrize(
    ("wanted", "offered", "said"),
    [
        ("fra2", ["fra1", "ams3"], "Did you mean fra1?"),
        ("x", ["fra1", "ams3"], "There are: ams3, fra1."),
        ("x", [], "There is none yet."),
    ],
)
def test_suggestions(wanted: str, offered: list[str], said: str) -> None:
    assert suggest(wanted, offered) == said
