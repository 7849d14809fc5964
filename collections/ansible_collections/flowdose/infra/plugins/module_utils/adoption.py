# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An environment that was made by hand: which of what is there is which of what is declared.

Only what is certain, by its name or because somebody said so (`adopt`), becomes the environment's. Where names differ,
what is there is compared by what it is, and the likeliest is proposed; nobody's droplet is taken on a guess.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from .client import CloudError
from .resource import NONE, Facts, PlanEntry, Resource
from .resources.ssh_key import SshKey
from .stack import READERS, Stack, StackError

# What people call the parts of a shop.
ROLES = {
    "backend": {"backend", "api", "admin", "medusa", "server"},
    "storefront": {"storefront", "frontend", "front", "store", "shop", "web", "www", "next", "nextjs"},
    "postgres": {"postgres", "postgresql", "pg", "psql", "sql", "database", "db"},
    "valkey": {"valkey", "redis", "cache", "queue"},
    "worker": {"worker", "jobs"},
}
DECISIVE = ("region", "engine")  # where these differ it is not the same thing
TELLING = ("ip_range", "version", "size", "num_nodes", "image", "environment")  # each speaks for it
CERTAIN, LIKELY, AMBIGUOUS, FOREIGN, MISSING = "certain", "likely", "ambiguous", "another's", "none"


@dataclass
class Match:
    """What was found for one declared resource."""

    resource: Resource
    certainty: str
    how: str = ""
    found: list[Facts] = field(default_factory=list)

    @property
    def key(self) -> str:
        return f"{self.resource.kind}:{self.resource.name}"

    @property
    def ids(self) -> str:
        return ", ".join(str(facts["id"]) for facts in self.found)

    @property
    def names(self) -> str:
        return ", ".join(dict.fromkeys(str(called(facts)) for facts in self.found))


class Adoption(Stack):
    """Takes the place of `Stack` for `state: adopted`."""

    def __init__(self, cloud: Any, environment: str, data: dict[str, Any]) -> None:
        super().__init__(cloud, environment, {**data, "prune": False})
        self.matches: list[Match] = []

    def plan(self) -> list[PlanEntry]:
        """Match, and compare what was matched. Changes nothing."""
        self._look()
        self._check_adopted()
        declared = [resource for resource in self.resources if resource.state == "present"]
        self.matches = [self._match(resource) for resource in declared]
        self._guess([match for match in self.matches if match.certainty == MISSING])
        self._suppose()
        with ThreadPoolExecutor(max_workers=READERS) as pool:
            differences = list(pool.map(_difference, self.matches))
        self._find_unmanaged()
        self.resources = []
        for match in self.matches:
            resource = match.resource
            if match.certainty == CERTAIN and resource.taggable:
                (facts,) = match.found
                if not self._is_ours(facts) and _renamable(match):
                    resource.plan_adoption(facts)
                    self.resources.append(resource)
        self.remarks = [render_matches(self.matches), *_render_differences(self.matches, differences), *self._advice()]
        return self.entries

    def approve(self, check_mode: bool) -> None:
        """Refuse to choose between two."""
        failures: dict[str, CloudError] = {}
        for match in self.matches:
            if match.certainty == AMBIGUOUS:
                offered = "\n".join(f"- {facts['id']}: {describe(facts)}" for facts in match.found)
                choice = json.dumps({match.key: str(match.found[0]["id"])})
                failures[str(match.resource.place)] = CloudError(
                    f"{len(match.found)} resources may be {match.resource.title} ({match.how}):\n{offered}",
                    hint=f"Say which, such as -e '{{\"flowdose_adopt\": {choice}}}'; or rename or delete the other.",
                )
            elif match.certainty == FOREIGN:
                failures[str(match.resource.place)] = CloudError(
                    f"{match.resource.title} ({match.ids}) belongs to another environment: it has the tag {match.how}",
                    hint="Declare it under another name; or, if it is not that environment's, take that tag off it.",
                )
        if failures:
            raise StackError("It is not clear what is meant; nothing was changed.", failures)

    def apply(self, say: Callable[[str], None] = lambda line: None) -> None:
        """Tag what is certain; nothing else."""
        for resource in self.resources:
            resource.adopt()
            say(f"adopted: {resource.title} ({resource.existing['id']})")

    def results(self, check_mode: bool) -> dict[str, dict[str, Facts]]:
        """kind -> name -> certainty, how, and the ids and names of what was found."""
        found: dict[str, dict[str, Facts]] = {}
        for match in self.matches:
            found.setdefault(match.resource.kind, {})[match.resource.name] = {
                "certainty": match.certainty,
                "how": match.how,
                "found": [{"id": facts["id"], "name": called(facts)} for facts in match.found],
            }
        return found

    # -- matching

    def _match(self, resource: Resource) -> Match:
        candidates = self.cloud.all(type(resource), resource.scope)
        found = [facts for facts in candidates if resource.matches(facts)]
        if not found:
            return Match(resource, MISSING)
        how = "name"
        if any("called" in facts for facts in found):
            how = "as told"
        elif isinstance(resource, SshKey) and found[0]["name"] != resource.name:
            how = "fingerprint"
        if len(found) == 1 and self._tags_of_others(found[0]) and not self._is_ours(found[0]):
            return Match(resource, FOREIGN, ", ".join(self._tags_of_others(found[0])), found)
        return Match(resource, CERTAIN if len(found) == 1 else AMBIGUOUS, how, found)

    def _guess(self, matches: list[Match]) -> None:
        """Propose the likeliest for what has no match by name; the clearest cases first."""
        taken = {(match.resource.kind, facts["id"]) for match in self.matches for facts in match.found}
        left = [match for match in matches if match.resource.taggable or "name" in match.resource.updates]
        while left:
            scored = []
            for match in left:
                resource = match.resource
                offers = sorted(
                    (
                        (evidence(resource, facts), facts)
                        for facts in self.cloud.all(type(resource), resource.scope)
                        if (resource.kind, facts["id"]) not in taken and not self._tags_of_others(facts)
                    ),
                    key=lambda offer: -len(offer[0]),
                )
                offers = [offer for offer in offers if offer[0]]
                if offers:
                    scored.append((len(offers[0][0]), match, offers))
            if not scored:
                return
            best, match, offers = max(scored, key=lambda entry: entry[0])
            equal = [facts for reasons, facts in offers if len(reasons) == best]
            match.how = ", ".join(offers[0][0])
            match.found = equal
            match.certainty = LIKELY if len(equal) == 1 else AMBIGUOUS
            taken |= {(match.resource.kind, facts["id"]) for facts in equal}
            left.remove(match)

    def _suppose(self) -> None:
        """From here on take the likely ones for what is declared, so that differences are those of the whole."""
        for match in self.matches:
            if match.certainty == LIKELY:
                resource, (facts,) = match.resource, match.found
                self.cloud.adopted[resource.kind, str(facts["id"])] = resource.name
                known = self.cloud.as_declared(type(resource), self.cloud.all(type(resource), resource.scope))
                match.found = [other for other in known if other["id"] == facts["id"]]

    # -- for people

    def _advice(self) -> list[str]:
        lines = []
        likely = {
            match.key: str(match.found[0]["id"])
            for match in self.matches
            if match.certainty == LIKELY and _renamable(match)
        }
        if likely:
            lines += ["To say that the likely ones are right, put this into the environment's group_vars:"]
            lines += ["  flowdose_adopt:", *(f'    "{key}": "{id}"' for key, id in likely.items())]
        return lines


def evidence(resource: Resource, facts: Facts) -> list[str]:
    """What speaks for these being the same thing; nothing, when something speaks against it."""
    desired = resource.desired
    if any(key in desired and facts.get(key) not in (None, desired[key]) for key in DECISIVE):
        return []
    common = words(desired["name"]) & words(str(facts["name"]))
    tags = {tag.lower() for tag in desired.get("tags") or []} & {tag.lower() for tag in facts.get("tags") or []}
    reasons = [f"role {word}" for word in sorted(common)] + [f"tag {tag}" for tag in sorted(tags)]
    same = [f"same {key}" for key in TELLING if key in desired and resource.same(key, desired[key], facts.get(key))]
    if not reasons and not {"same ip_range", "same version"} & set(same):
        return []  # a size is everybody's
    return reasons + same


def words(name: str) -> set[str]:
    """What it is for, by the words of its name."""
    found = set(re.findall(r"[a-z]+", name.lower()))
    return {role for role, synonyms in ROLES.items() if synonyms & found}


def called(facts: Facts) -> str:
    return str(facts.get("called") or facts["name"])


def describe(facts: Facts) -> str:
    keys = ("region", "engine", "version", "size", "ip_range", "public_ipv4", "status", "tags")
    shown = [f"{key} {_brief(facts[key])}" for key in keys if facts.get(key)]
    return ", ".join([f"called {called(facts)}", *shown])


def _brief(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _renamable(match: Match) -> bool:
    """Whether a later run will know it by what is declared."""
    return called(match.found[0]) == match.resource.desired["name"] or "name" in match.resource.updates


def _naming(match: Match) -> str:
    """What has to happen to the name of what was found."""
    if match.certainty not in (CERTAIN, LIKELY) or called(match.found[0]) == match.resource.desired["name"]:
        return ""
    if "name" in match.resource.updates:
        return "will be renamed" if match.certainty == CERTAIN else "can be renamed"
    return f"cannot be renamed: put name: {called(match.found[0])} into the data"


def render_matches(matches: list[Match]) -> str:
    """The table: what is declared, what was found for it, and how sure that is."""
    rows = [("declared", "certainty", "found", "id")]
    rows += [(match.resource.title, match.certainty, match.names or "-", match.ids or "-") for match in matches]
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    found = ["Matches:", f"  {lines[0]}"]
    for match, line in zip(matches, lines[1:], strict=True):
        found.append(f"  {line}")
        if match.certainty != MISSING and (match.how, _naming(match)) != ("name", ""):
            found.append(f"      by {'; '.join(filter(None, (match.how, _naming(match))))}")
    return "\n".join(found)


def _difference(match: Match) -> PlanEntry | CloudError | None:
    """What a later run would do to what was found, apart from the tag; None: nothing."""
    if match.certainty not in (CERTAIN, LIKELY):
        return None
    try:
        entry = match.resource.plan()
    except CloudError as error:
        return error
    owned = {str(match.resource.cloud.tag)}
    entry.changes = [
        change
        for change in entry.changes
        if change.key != "tags" or {*change.before, *owned} != {*change.after, *owned}
    ]
    return entry if entry.changes else None


def _render_differences(matches: list[Match], differences: list[PlanEntry | CloudError | None]) -> list[str]:
    lines = []
    for match, difference in zip(matches, differences, strict=True):
        if isinstance(difference, CloudError):
            lines.append(f"  ! {match.resource.title}: " + str(difference).replace("\n", "\n    "))
        elif difference is not None:
            impact = f" [{difference.impact}]" if difference.impact != NONE else ""
            changes = ", ".join(f"{c.key}: {_show(c.before)} -> {_show(c.after)}" for c in difference.changes)
            lines.append(f"  ~ {match.resource.title}{impact}: {changes}")
    creations = [match.resource.title for match in matches if match.certainty == MISSING]
    if creations:
        lines.append(f"  + to be made: {', '.join(creations)}")
    likely = ", if the likely ones are right" if any(match.certainty == LIKELY for match in matches) else ""
    title = f"What a later run would change{likely}:" if lines else f"A later run would change nothing{likely}."
    return ["\n".join([title, *lines])]


def _show(value: Any) -> str:
    return json.dumps(value, default=str) if isinstance(value, list | dict) else str(value)
