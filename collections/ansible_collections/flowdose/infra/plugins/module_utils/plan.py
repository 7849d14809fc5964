# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The plan as something to read, to keep and to approve: rows with reasons and costs, a hash, text, Markdown, JSON.

Made of what `Stack.plan` found; asks nobody and, apart from `save`, writes nothing. Never holds a secret.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import textwrap
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from .applied import CONFIGURATION, UNKNOWN, Applied
from .client import CloudError
from .costs import CURRENCY, Cost, monthly, total
from .drawing import svg
from .files import write_file
from .resource import HIDDEN, IRREVERSIBLE, NONE, POWER_OFF, Facts, PlanEntry, Resource, show, without_secrets
from .topology import Topology, mermaid, printable

VERSION = 1  # of plan.json
SIGNS = {"create": "+", "update": "~", "delete": "-", "unmanaged": "?", "keep": "="}
IMPACTS = {POWER_OFF: "power-off, ~2 min"}
NARROWEST, WIDEST = 100, 160  # columns
LONGEST_WHY = 30  # letters in the table
# Not worth a word where something is created: JSON has all.
SELF_EVIDENT = frozenset(
    {
        *("name", "description", "public_key", "exclusive", "powered", "domain"),
        *("vpc", "ssh_keys", "tags", "resources", "leaf_certificate", "certificate_chain"),
    }
)


@dataclass(frozen=True)
class Row:
    """One resource of the plan."""

    kind: str
    name: str
    action: str  # create, update, delete, none, unmanaged, keep
    why: str
    impact: str
    changes: list[dict[str, Any]]  # key, before, after, why
    before: Cost | None  # None: it is not there
    after: Cost | None
    desired: Facts  # as declared and completed while planning
    observed: Facts | None  # what of it can be declared, and its id

    @property
    def noun(self) -> str:
        return self.kind.replace("_", " ")

    @property
    def title(self) -> str:
        return printable(f"{self.noun} {self.name}")

    @property
    def facts(self) -> Facts:
        """As it will be; as it is, where it goes."""
        return {**(self.observed or {}), **self.desired}

    @property
    def changed_keys(self) -> list[str]:
        return sorted(change["key"] for change in self.changes)

    def state(self) -> dict[str, Any]:
        """What the hash is made of."""
        return {
            "kind": self.kind,
            "name": self.name,
            "action": self.action,
            "changes": self.changed_keys,
            "desired": self.desired,
            "observed": self.observed,
        }

    def as_dict(self) -> dict[str, Any]:
        costs = {"before": self.before and self.before.as_dict(), "after": self.after and self.after.as_dict()}
        return {
            **self.state(),
            "changes": self.changes,
            "why": self.why,
            "impact": self.impact,
            "monthly_cost": costs,
        }


@dataclass(frozen=True)
class Plan:
    environment: str
    mode: dict[str, Any]  # what else decides on what is done: state, prune, unprotected
    rows: list[Row]

    @classmethod
    def of(
        cls,
        environment: str,
        mode: dict[str, Any],
        resources: Iterable[Resource],
        others: Iterable[PlanEntry],
        applied: Applied,
        prices: dict[str, float],
    ) -> Plan:
        """`resources` have been planned; `others` are entries without one: what is there and not declared."""
        # Of what shall not be there, and is not, there is nothing to say.
        planned = [r for r in resources if r.state == "present" or r.entry.action != "none"]
        rows = [_row(resource, applied, prices) for resource in planned]
        for entry in others:
            rows.append(
                Row(entry.kind, entry.name, entry.action, entry.why or "not declared", NONE, [], None, None, {}, None)
            )
        return cls(environment, mode, rows)

    @property
    def hash(self) -> str:
        """Over what is declared and what is there: the same for everybody who looks at the same."""
        state = {
            "environment": self.environment,
            "mode": self.mode,
            "resources": [row.state() for row in self.rows],
        }
        text = json.dumps(_canonical(state), sort_keys=True, default=str)
        return hashlib.sha256(text.encode()).hexdigest()[:32]

    @property
    def changing(self) -> list[Row]:
        return [row for row in self.rows if row.action != "none"]

    @property
    def summary(self) -> str:
        count = Counter(row.action for row in self.rows)
        words = {"create": "to create", "update": "to update", "delete": "to delete", "none": "unchanged"}
        words |= {"unmanaged": "unmanaged"} | ({"keep": "kept"} if count["keep"] else {})
        return ", ".join(f"{count[action]} {word}" for action, word in words.items())

    @property
    def costs(self) -> tuple[Cost, Cost]:
        """Of all resources together, a month: now, and after it."""
        return total(row.before or Cost() for row in self.rows), total(row.after or Cost() for row in self.rows)

    @property
    def costs_text(self) -> str:
        before, after = self.costs
        said = f"Monthly cost of all of it in {CURRENCY}: {before} before, {after} after."
        unknown = list(dict.fromkeys([*before.unknown, *after.unknown]))
        return said + (f" Without a price in the API: {', '.join(unknown)}." if unknown else "")

    def as_dict(self) -> dict[str, Any]:
        before, after = self.costs
        count = Counter(row.action for row in self.rows)
        return {
            "version": VERSION,
            "environment": self.environment,
            "hash": self.hash,
            "mode": self.mode,
            "summary": {action: count[action] for action in (*SIGNS, "none")},
            "currency": CURRENCY,
            "monthly_cost": {"before": before.as_dict(), "after": after.as_dict()},
            "resources": [row.as_dict() for row in self.rows],
        }

    def as_json(self) -> str:
        return json.dumps(self.as_dict(), indent=2, default=str) + "\n"

    def as_text(self, columns: int) -> str:
        """A table for a terminal of that many columns."""
        width = min(max(columns, NARROWEST), WIDEST)
        lines = [f"Plan for {self.environment}: {self.summary}"]
        if self.changing:
            lines += _table(self.changing, width)
        lines += textwrap.wrap(self.costs_text, width, break_on_hyphens=False)
        return "\n".join([*lines, f"Hash of this plan: {self.hash}"])

    def as_markdown(self) -> str:
        """For a comment on a pull request."""
        lines = [f"### Plan for {_cell(self.environment)}: {self.summary}", ""]
        if self.changing:
            lines += ["| | resource | why | impact | before | after |", "|---|---|---|---|--:|--:|"]
            for row in self.changing:
                details = "".join(f"<br>{_cell(detail)}" for detail in _details(row))
                what = f"{row.noun} **{_cell(printable(row.name))}**{details}"
                money = f"{_money(row.before)} | {_money(row.after)}"
                lines.append(f"| {row.action} | {what} | {_cell(row.why)} | {_impact(row)} | {money} |")
            before, after = self.costs
            lines += [f"| | **all of it, {CURRENCY} a month** | | | **{before}** | **{after}** |", ""]
        lines += [_cell(self.costs_text), "", f"Hash of this plan: `{self.hash}`", ""]
        return "\n".join([*lines, "```mermaid", self.as_mermaid() + "```", ""])

    def as_mermaid(self) -> str:
        return mermaid(self.environment, Topology(self.rows))

    def as_svg(self) -> str:
        return svg(self.environment, f"{self.summary}; {CURRENCY} {self.costs[1]} a month", Topology(self.rows))

    def save(self, folder: str) -> None:
        """Write plan.json, plan.md, topology.mmd and topology.svg."""
        write_file(os.path.join(folder, "plan.json"), self.as_json())
        write_file(os.path.join(folder, "plan.md"), self.as_markdown())
        write_file(os.path.join(folder, "topology.mmd"), self.as_mermaid())
        write_file(os.path.join(folder, "topology.svg"), self.as_svg())

    def require(self, hash: str, folder: str | None, columns: int) -> None:
        """Refuse when this is not the plan with that hash, saying what is different now."""
        if hash == self.hash:
            return
        approved = _load(folder, hash)
        if approved is None:
            difference = f"The plan is now:\n{self.as_text(columns)}"
        else:
            difference = "Since then:\n" + "\n".join(f"- {line}" for line in _differences(approved, self.as_dict()))
        raise CloudError(
            f"the plan is not the one that was approved ({hash}), its hash is {self.hash}; nothing was changed. "
            f"{difference}",
            hint="Look at the new plan; if it is right, give its hash in flowdose_expect_plan (option expect_plan).",
        )


def _row(resource: Resource, applied: Applied, prices: dict[str, float]) -> Row:
    entry = resource.entry
    # Where a file lies is this controller's affair.
    paths = {key for key, option in resource.options.items() if option.get("type") == "path"}
    comparable = resource.updates.keys() | resource.immutable.keys() | set(resource.identity) | {"id"}
    observed = None
    if resource.current is not None:
        shown = without_secrets(resource.options, resource.current)
        observed = {key: value for key, value in shown.items() if key in comparable - paths}
    changes = [dataclasses.asdict(change) for change in entry.changes]
    why = ""
    if entry.action == "create":
        why = applied.why_missing(resource)
    elif entry.action == "update":
        for change in changes:
            # Of secrets nothing is remembered: where only those differ, nobody can tell.
            shown_alike = change["before"] == change["after"]
            change["why"] = UNKNOWN if shown_alike else applied.why(resource, change["key"])
        why = ", ".join(sorted({change["why"] for change in changes}))
    elif entry.action == "delete":
        why = CONFIGURATION
    entry.why = entry.why or why
    now = None if resource.current is None else monthly(resource.kind, resource.name, resource.current, prices)
    after = None
    if entry.action == "create" or (now and entry.action != "delete"):
        after = monthly(resource.kind, resource.name, {**(resource.current or {}), **resource.desired}, prices)
    return Row(
        resource.kind,
        resource.name,
        entry.action,
        entry.why,
        entry.impact,
        changes,
        now,
        after,
        {key: value for key, value in without_secrets(resource.options, resource.desired).items() if key not in paths},
        observed,
    )


def _canonical(value: Any) -> Any:
    """Without the order of lists, which the API does not keep."""
    if isinstance(value, dict):
        return {str(key): _canonical(item) for key, item in value.items()}
    if isinstance(value, list):
        return sorted(map(_canonical, value), key=lambda item: json.dumps(item, sort_keys=True, default=str))
    return value


# -- text


def _table(rows: list[Row], width: int) -> list[str]:
    head = ("", "why", "impact", "before", "after")
    cells = [
        (
            f"{SIGNS[row.action]} {row.action} {row.title}",
            textwrap.shorten(row.why, LONGEST_WHY, placeholder="..."),
            _impact(row),
            _money(row.before),
            _money(row.after),
        )
        for row in rows
    ]
    widths = [max(len(line[column]) for line in (head, *cells)) for column in range(5)]
    widths[0] = min(widths[0], width - sum(widths[1:]) - 2 * 4)
    lines = _line(head, widths)
    for row, line in zip(rows, cells, strict=True):
        lines += _line(line, widths)
        for detail in _details(row):
            lines += textwrap.wrap(
                detail, width, initial_indent=" " * 4, subsequent_indent=" " * 6, break_on_hyphens=False
            )
    return lines


def _line(cells: tuple[str, ...], widths: list[int]) -> list[str]:
    """The first cell is wrapped when it is too long; the last two are numbers."""
    first = textwrap.wrap(cells[0], widths[0], subsequent_indent="    ", break_on_hyphens=False) or [""]
    texts = [first[0].ljust(widths[0]), *(cells[n].ljust(widths[n]) for n in (1, 2))]
    return ["  ".join([*texts, *(cells[n].rjust(widths[n]) for n in (3, 4))]).rstrip(), *first[1:]]


def _details(row: Row) -> list[str]:
    if row.action == "create":
        values = [
            _setting(change["key"], change["after"])
            for change in row.changes
            if change["key"] not in SELF_EVIDENT and change["after"] not in (None, "", [], {}, False)
        ]
        return [", ".join(values)] if values else []
    if row.action == "update":
        mixed = len({change["why"] for change in row.changes}) > 1
        return [f"{_difference(change)}{' (' + change['why'] + ')' if mixed else ''}" for change in row.changes]
    if row.action == "delete" and row.impact == IRREVERSIBLE:
        return ["there is no way back: what it holds, or is, is lost"]
    if row.action == "unmanaged":
        return ["tagged as of this environment, but not declared: left alone"]
    return []


def _setting(key: str, value: Any) -> str:
    if value is True:
        return key
    if isinstance(value, list) and any(isinstance(item, dict) for item in value):
        noun = key.replace("_", " ")
        return f"{len(value)} {noun if len(value) > 1 else noun.removesuffix('s')}"
    return f"{key}={_brief(value)}"


def _difference(change: dict[str, Any]) -> str:
    key, before, after = change["key"], change["before"], change["after"]
    if before == after:
        return f"{key}: a secret in it differs"
    if isinstance(before, list) and isinstance(after, list):
        parts = [f"+ {_brief(item)}" for item in after if item not in before]
        parts += [f"- {_brief(item)}" for item in before if item not in after]
        return f"{key}: {', '.join(parts)}"
    return f"{key}: {_brief(before)} -> {_brief(after)}"


def _brief(value: Any) -> str:
    if value == HIDDEN:
        return HIDDEN
    if isinstance(value, list):
        value = ",".join(map(_brief, value))
    elif isinstance(value, dict):
        value = " ".join(f"{key}={_brief(item)}" for key, item in value.items() if item not in (None, "", [], {}))
    text = printable(show(value))
    return text if len(text) <= 80 else f"{text[:77]}..."


def _impact(row: Row) -> str:
    return IMPACTS.get(row.impact, row.impact) if row.action in ("create", "update", "delete") else "left alone"


def _money(cost: Cost | None) -> str:
    return "-" if cost is None else str(cost)


def _cell(text: str) -> str:
    """Literal in a table of Markdown."""
    for character in "\\`*_{}[]<>#|~":
        text = text.replace(character, f"\\{character}")
    return text


# -- the plan that was approved


def _load(folder: str | None, hash: str) -> dict[str, Any] | None:
    if folder is None:
        return None
    try:
        with open(os.path.join(folder, "plan.json"), encoding="utf-8") as file:
            plan: dict[str, Any] = json.load(file)
    except (OSError, ValueError):
        return None
    return plan if plan.get("version") == VERSION and plan.get("hash") == hash else None


def _differences(approved: dict[str, Any], now: dict[str, Any]) -> list[str]:
    """What is declared otherwise, and what is there otherwise, as lines for people."""
    lines = [
        f"{key} is {show(now[key])}, was {show(approved[key])}"
        for key in ("environment", "mode")
        if now[key] != approved[key]
    ]
    old, new = ({(row["kind"], row["name"]): row for row in plan["resources"]} for plan in (approved, now))
    for identity in dict.fromkeys([*old, *new]):
        title = f"{identity[0].replace('_', ' ')} {identity[1]}"
        before, after = old.get(identity), new.get(identity)
        if after is None:
            lines.append(f"{title} is no longer part of the plan")
        elif before is None:
            lines.append(f"{title} is new in the plan ({after['action']})")
        else:
            lines += [f"{title}: {text}" for text in _moved(before, after)]
    return lines


def _moved(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    found = []
    if before["observed"] is None and after["observed"] is not None:
        found.append("exists by now")
    elif before["observed"] is not None and after["observed"] is None:
        found.append("does not exist any more")
    else:
        found += _changed_values("is", before["observed"] or {}, after["observed"] or {})
    found += _changed_values("is declared as", before["desired"], after["desired"])
    if before["action"] != after["action"]:
        found.append(f"action is {after['action']}, was {before['action']}")
    keys = [sorted(change["key"] for change in row["changes"]) for row in (before, after)]
    if not found and keys[0] != keys[1]:  # a secret, whose values are in neither
        found.append(f"differs in {', '.join(keys[1]) or 'nothing'}, differed in {', '.join(keys[0]) or 'nothing'}")
    return found


def _changed_values(verb: str, before: Facts, after: Facts) -> list[str]:
    return [
        f"{key} {verb} {_brief(after.get(key))}, was {_brief(before.get(key))}"
        for key in dict.fromkeys([*before, *after])
        if _canonical(before.get(key)) != _canonical(after.get(key))
    ]
