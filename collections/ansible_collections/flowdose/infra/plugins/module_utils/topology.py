# Copyright: (c) 2026, the flowdose.infra developers
# GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The environment as nodes, frames around them and edges; and as Mermaid. `drawing.py` makes SVG of it.

As a visitor's request goes: names in the zones, load balancers and reserved addresses, droplets behind their firewall
in their VPC, databases and volumes; and Spaces. Colours say what the plan does to each.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Protocol

SIGNS = {"create": "+", "update": "~", "delete": "-", "unmanaged": "?"}
ENGINES = {"pg": "PostgreSQL", "valkey": "Valkey"}
COLOURS = ("create", "update", "delete", "unmanaged", "none")
PICTURED = ("domain_record", "load_balancer", "reserved_ip", "droplet", "volume", "database_cluster", "spaces_bucket")


Box = tuple[float, float, float, float]  # x, y, width, height, where it is drawn


class Pictured(Protocol):
    """What a row of the plan gives to the picture."""

    @property
    def kind(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def action(self) -> str: ...
    @property
    def noun(self) -> str: ...
    @property
    def facts(self) -> dict[str, Any]: ...
    @property
    def changed_keys(self) -> list[str]: ...


@dataclass
class Node:
    id: str
    title: str
    lines: list[str]
    action: str
    box: Box = (0, 0, 0, 0)

    @property
    def sign(self) -> str:
        return SIGNS.get(self.action, "")


@dataclass
class Frame:
    """What surrounds nodes: a zone, a VPC, a firewall, a region's Spaces."""

    id: str
    title: str
    action: str
    line: str = ""
    nodes: list[Node] = field(default_factory=list)
    frames: list[Frame] = field(default_factory=list)
    behind: list[Node] = field(default_factory=list)  # what the nodes in it use
    box: Box = (0, 0, 0, 0)

    @property
    def sign(self) -> str:
        return SIGNS.get(self.action, "")

    def all_nodes(self) -> Iterator[Node]:
        for frame in self.frames:
            yield from frame.all_nodes()
        yield from self.nodes
        yield from self.behind


class Topology:
    """Nodes by where they stand, and the edges between them, as (id, id)."""

    def __init__(self, rows: Iterable[Pictured]) -> None:
        self._by_kind: dict[str, dict[str, Pictured]] = {}
        strays = []  # of which no more is known than the name
        for row in rows:
            if row.facts:
                self._by_kind.setdefault(row.kind, {})[row.name] = row
            else:
                strays.append(row)
        self._numbers: dict[tuple[str, str], str] = {}
        self.edges: list[tuple[str, str]] = []
        self.zones = self._zones()
        self.entries = [self._node(row) for kind in ("load_balancer", "reserved_ip") for row in self._all(kind)]
        self.networks = self._networks()
        self.spaces = self._spaces()
        others = [row for kind in self._by_kind if kind not in PICTURED for row in self._rest(kind)]
        self.others = [self._node(row) for row in (*others, *strays)]
        self._connect()
        self._untangle()

    @property
    def starts(self) -> list[str]:
        """Where a visitor comes in: by a name, else by an address."""
        zones, entries = [zone.id for zone in self.zones], [node.id for node in self.entries]
        return zones or entries or [frame.id for frame in self.networks]

    @property
    def frames(self) -> list[Frame]:
        return [*self.zones, *self.networks, *self.spaces]

    @property
    def nodes(self) -> list[Node]:
        return [*(node for frame in self.frames for node in frame.all_nodes()), *self.entries, *self.others]

    def _all(self, kind: str) -> list[Pictured]:
        return list(self._by_kind.get(kind, {}).values())

    def _rest(self, kind: str) -> list[Pictured]:
        """What is neither a node nor a frame."""
        framed = {"domain": [zone.id for zone in self.zones], "vpc": [frame.id for frame in self.networks]}
        framed["firewall"] = [inner.id for frame in self.networks for inner in frame.frames]
        return [row for row in self._all(kind) if self._id(kind, row.name) not in framed.get(kind, [])]

    def _id(self, kind: str, name: str) -> str:
        return self._numbers.setdefault((kind, name), f"n{len(self._numbers)}")

    def _node(self, row: Pictured) -> Node:
        title = row.name
        if row.kind == "domain_record":
            title = str(row.facts["domain" if row.facts.get("name") == "@" else "name"])
        lines = [printable(line) for line in (*_lines(row), _changes(row))]
        return Node(self._id(row.kind, row.name), printable(title), lines, row.action)

    def _zones(self) -> list[Frame]:
        found: dict[str, Frame] = {}
        for row in self._all("domain_record"):
            zone = str(row.facts.get("domain", ""))
            domain = self._by_kind.get("domain", {}).get(zone)
            frame = found.setdefault(
                zone, Frame(self._id("domain", zone), f"DNS {zone}", domain.action if domain else "none")
            )
            frame.nodes.append(self._node(row))
        return list(found.values())

    def _networks(self) -> list[Frame]:
        found: dict[str | None, Frame] = {}
        for kind in ("droplet", "database_cluster", "volume"):
            for row in self._all(kind):
                name = self._vpc_of(row)
                vpc = self._by_kind.get("vpc", {}).get(name or "")
                frame = found.get(name)
                if frame is None:
                    title = f"VPC {name}" if name else "default network of the region"
                    frame = found[name] = Frame(self._id("vpc", name or ""), title, vpc.action if vpc else "none")
                    frame.line = str(vpc.facts.get("ip_range") or "") if vpc else ""
                if kind != "droplet":
                    frame.behind.append(self._node(row))
                    continue
                firewall = self._firewall_of(row)
                if firewall is None:
                    frame.nodes.append(self._node(row))
                    continue
                id = self._id("firewall", firewall.name)
                inner = next((inner for inner in frame.frames if inner.id == id), None)
                if inner is None:
                    line = _changes(firewall) or _open_ports(firewall)
                    inner = Frame(id, f"firewall {firewall.name}", firewall.action, line)
                    frame.frames.append(inner)
                inner.nodes.append(self._node(row))
        return list(found.values())

    def _vpc_of(self, row: Pictured) -> str | None:
        """A volume is where its droplet is."""
        if row.kind == "volume":
            row = self._by_kind.get("droplet", {}).get(row.facts.get("droplet") or "", row)
        name = row.facts.get("vpc")
        return str(name) if name else None

    def _firewall_of(self, droplet: Pictured) -> Pictured | None:
        tags = set(droplet.facts.get("tags") or [])
        for firewall in self._all("firewall"):
            facts = firewall.facts
            if tags & set(facts.get("tags") or []) or droplet.name in (facts.get("droplets") or []):
                return firewall
        return None

    def _spaces(self) -> list[Frame]:
        found: dict[str, Frame] = {}
        for row in self._all("spaces_bucket"):
            region = str(row.facts.get("region", ""))
            frame = found.setdefault(region, Frame(f"spaces_{region}", f"Spaces {region}", "none"))
            frame.nodes.append(self._node(row))
        return list(found.values())

    def _connect(self) -> None:
        droplets = self._all("droplet")
        for row in self._all("domain_record"):
            for kind in ("droplet", "load_balancer", "reserved_ip"):
                self._edge(row, kind, row.facts.get(kind))
        for row in self._all("load_balancer"):
            for droplet in droplets:
                tags = droplet.facts.get("tags") or []
                if droplet.name in (row.facts.get("droplets") or []) or row.facts.get("tag") in tags:
                    self._edge(row, "droplet", droplet.name)
        for row in self._all("reserved_ip"):
            self._edge(row, "droplet", row.facts.get("droplet"))
        for row in self._all("database_cluster"):
            for source in row.facts.get("trusted_sources") or []:
                for droplet in droplets:
                    tags = droplet.facts.get("tags") or []
                    named = source["type"] == "droplet" and source["value"] == droplet.name
                    if named or (source["type"] == "tag" and source["value"] in tags):
                        self._edge(droplet, "database_cluster", row.name)
        for row in self._all("volume"):
            for droplet in droplets:
                if droplet.name == row.facts.get("droplet"):
                    self._edge(droplet, "volume", row.name)

    def _untangle(self) -> None:
        """Names, and addresses, in the order of what they lead to, so that few edges cross."""
        nodes = [node.id for frame in self.networks for node in frame.all_nodes()]
        places: dict[str, tuple[int, int]] = {id: (number, 0) for number, id in enumerate(nodes)}
        last = (len(nodes), 0)

        def target(node: Node) -> tuple[int, int]:
            return min((places[end] for start, end in self.edges if start == node.id and end in places), default=last)

        self.entries.sort(key=target)
        places |= {node.id: (target(node)[0], number) for number, node in enumerate(self.entries, 1)}
        for zone in self.zones:
            zone.nodes.sort(key=target)

    def _edge(self, row: Pictured, kind: str, name: Any) -> None:
        edge = (self._id(row.kind, row.name), self._id(kind, str(name)))
        if name in self._by_kind.get(kind, {}) and edge not in self.edges:
            self.edges.append(edge)


def printable(text: str) -> str:
    """Without what would break a line, or steer a terminal: names come from whoever made the resource."""
    return "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text)


def _lines(row: Pictured) -> list[str]:
    """What is worth knowing about it beside its name."""
    facts = row.facts
    if row.kind == "droplet":
        return [" · ".join(str(facts[key]) for key in ("size", "region") if facts.get(key)) or row.noun]
    if row.kind == "database_cluster":
        engine = f"{ENGINES.get(facts.get('engine', ''), facts.get('engine', ''))} {facts.get('version') or ''}".strip()
        nodes = facts.get("num_nodes") or 1
        return [engine, str(facts.get("size", "")) + (f" · {nodes} nodes" if nodes > 1 else "")]
    if row.kind == "domain_record":
        leads = facts.keys() & {"droplet", "load_balancer", "reserved_ip"}
        data = "" if leads else str(facts.get("data") or "")
        parts = [str(facts.get("type")), data, f"{facts['ttl']} s" if facts.get("ttl") else ""]
        return [" · ".join(part for part in parts if part)]
    if row.kind == "spaces_bucket":
        return [
            " · ".join([str(facts.get("acl") or "private"), *(["versions kept"] if facts.get("versioning") else [])])
        ]
    if row.kind == "load_balancer":
        rules = facts.get("forwarding_rules") or []
        return ["load balancer", ", ".join(f"{r.get('entry_protocol')} {r.get('entry_port')}" for r in rules)]
    if row.kind == "volume":
        return [f"volume · {facts.get('size_gigabytes')} GiB"]
    return [row.noun]


def _changes(row: Pictured) -> str:
    return f"changes: {', '.join(row.changed_keys)}" if row.action == "update" else ""


def _open_ports(firewall: Pictured) -> str:
    """Such as: in: tcp 22, 80, 443"""
    ports: dict[str, set[str]] = {}
    for rule in firewall.facts.get("inbound_rules") or []:
        ports.setdefault(rule["protocol"], set()).add("" if rule["protocol"] == "icmp" else rule["ports"])
    parts = [f"{protocol} {', '.join(sorted(found, key=_port))}".strip() for protocol, found in ports.items()]
    return f"in: {', '.join(parts) or 'nothing'}"


def _port(ports: str) -> int:
    first = ports.partition("-")[0]
    return int(first) if first.isdigit() else 0


# -- Mermaid

MERMAID_CLASSES = """\
  classDef create fill:#dcfce7,stroke:#15803d,color:#052e16
  classDef update fill:#fef3c7,stroke:#b45309,color:#451a03
  classDef delete fill:#fee2e2,stroke:#b91c1c,color:#450a0a
  classDef unmanaged fill:#f1f5f9,stroke:#64748b,color:#0f172a,stroke-dasharray:4
  classDef none fill:#f8fafc,stroke:#64748b,color:#0f172a
"""


def mermaid(environment: str, topology: Topology) -> str:
    """A flow chart. Signs and colours say what the plan does."""
    lines = ["---", f"title: {_plain(environment)}", "---", "flowchart LR", '  internet(("Internet"))']
    for frame in topology.zones:
        lines += _mermaid_frame(frame, "  ")
    lines += [f"  {_mermaid_node(node)}" for node in topology.entries]
    for frame in [*topology.networks, *topology.spaces]:
        lines += _mermaid_frame(frame, "  ")
    if topology.others:
        lines += _mermaid_frame(Frame("others", "also part of it", "none", nodes=topology.others), "  ")
    lines += [f"  internet --> {start}" for start in topology.starts]
    lines += [f"  {start} --> {end}" for start, end in topology.edges]
    for action in COLOURS:
        ids = [node.id for node in topology.nodes if colour(node.action) == action]
        if ids:
            lines.append(f"  class {','.join(ids)} {action}")
    return "\n".join(lines) + "\n" + MERMAID_CLASSES


def _mermaid_frame(frame: Frame, indent: str) -> list[str]:
    # Without its second line: Mermaid lets a title that is wider than the frame stick out of it.
    title = f"{frame.sign} {frame.title}".strip()
    lines = [f'{indent}subgraph {frame.id}["{_plain(title)}"]']
    for inner in frame.frames:
        lines += _mermaid_frame(inner, indent + "  ")
    lines += [f"{indent}  {_mermaid_node(node)}" for node in (*frame.nodes, *frame.behind)]
    return [*lines, f"{indent}end"]


def _mermaid_node(node: Node) -> str:
    text = "<br>".join(_plain(line) for line in (f"{node.sign} {node.title}".strip(), *node.lines) if line)
    return f'{node.id}["{text}"]'


def _plain(text: str) -> str:
    """Literal in a quoted text of Mermaid, which reads #NUMBER; as a character."""
    return "".join(f"#{ord(character)};" if character in '"#&<>;`[]{}|\\' else character for character in text)


def colour(action: str) -> str:
    return action if action in COLOURS else "none"
