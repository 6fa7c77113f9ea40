"""An explanation as a graph: from person through groups and rules to roles, what lost dashed; Mermaid or DOT.

Names come from identity providers: in both languages they are texts in quotes, with everything escaped that either
could take for its own.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from rolebridge.bridge.titles import person_name, role_title
from rolebridge.core.assignment import Assignment, EffectiveRole, Source

if TYPE_CHECKING:
    from rolebridge.bridge.explaining import Explained

_PLAIN: Final = re.compile(r"[^A-Za-z0-9 _.,:/@-]")
_SHAPES: Final = {"person": "box", "group": "folder", "rule": "note", "role": "ellipse", "other": "box"}
_CONTROL: Final = re.compile("[\x00-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Edge:
    """A step from one node to the next; dashed where it leads to what does not count."""

    start: str
    end: str
    label: str = ""
    dashed: bool = False


@dataclass(slots=True)
class Graph:
    """Nodes by their keys, each with its kind and label, and the edges between them."""

    nodes: dict[tuple[str, str], tuple[str, str]] = field(default_factory=dict)
    edges: dict[Edge, None] = field(default_factory=dict)

    def node(self, kind: str, key: str, label: str) -> str:
        """Return the name of a node, made when it is met first."""
        name, _ = self.nodes.setdefault((kind, key), (f"n{len(self.nodes)}", label))
        return name

    def chain(self, names: Sequence[str], label: str = "", *, dashed: bool = False) -> None:
        """Lead through nodes, one after the other; the label stands on the last step."""
        for at, (start, end) in enumerate(pairwise(names)):
            last = at == len(names) - 2
            self.edges[Edge(start, end, label if last else "", dashed and last)] = None


def graph_of(found: Iterable[Explained]) -> Graph:
    """Return the graph of explanations of one person."""
    graph = Graph()
    for explained in found:
        who = graph.node("person", explained.explanation.user.id, person_name(explained.explanation.user))
        for role in (*explained.explanation.roles, *explained.explanation.from_above):
            _add_role(graph, explained, who, role)
        for lost in explained.explanation.lost:
            claim = lost.assignment
            end = graph.node("role", _key(explained, claim.slot, claim.project, claim.role), _label(explained, claim))
            detail = f"{lost.reason}{': ' * bool(lost.detail)}{lost.detail}"
            graph.chain([*_way(graph, explained, who, claim), end], detail, dashed=True)
    return graph


def _add_role(graph: Graph, explained: Explained, who: str, role: EffectiveRole) -> None:
    end = graph.node("role", _key(explained, role.slot, role.project, role.role), _label(explained, role))
    lock = f"lock: {role.lock.kind}" if role.lock else ""
    for winner in role.winners:
        graph.chain([*_way(graph, explained, who, winner), end], lock)


def _way(graph: Graph, explained: Explained, who: str, claim: Assignment) -> list[str]:
    names = [who]
    if claim.membership:
        groups = (*claim.membership.via, claim.membership.group)
        names += [graph.node("group", group.id, f"{group.display} ({group.connection})") for group in groups]
    if claim.rule:
        key = f"{explained.explanation.workspace} {claim.rule}"
        return [*names, graph.node("rule", key, f"rule {claim.rule} {claim.place}")]
    if claim.manual:
        label = f"by hand: {claim.manual.by}, {claim.manual.at:%Y-%m-%d}"
        return [*names, graph.node("other", claim.manual.id, label)]
    words = {Source.DEFAULT: "the mapping's default", Source.OUTSIDE: "held on the platform"}
    label = words.get(claim.source, str(claim.source))
    return [*names, graph.node("other", f"{explained.explanation.workspace} {label}", label)]


def _key(explained: Explained, slot: str, project: str | None, role: str) -> str:
    return f"{explained.explanation.workspace}\n{slot}\n{project or ''}\n{role}"


def _label(explained: Explained, one: EffectiveRole | Assignment) -> str:
    name = role_title(explained.program.catalogue, one.slot, one.role)
    return f"{name} in {one.project or explained.explanation.workspace}"


# --- languages -------------------------------------------------------------------------------------------------


def mermaid(graph: Graph) -> str:
    """Return the graph as Mermaid reads it, in a Markdown file or on its own."""
    lines = ["flowchart LR"]
    for (kind, _), (name, label) in graph.nodes.items():
        left, right = ("([", "])") if kind == "role" else ("[", "]")
        lines.append(f'  {name}{left}"{_entities(label)}"{right}')
    for edge in graph.edges:
        arrow = "-.->" if edge.dashed else "-->"
        label = f'|"{_entities(edge.label)}"|' if edge.label else ""
        lines.append(f"  {edge.start} {arrow}{label} {edge.end}")
    return "\n".join(lines)


def dot(graph: Graph) -> str:
    """Return the graph as Graphviz reads it."""
    lines = ["digraph explanation {", "  rankdir=LR;"]
    for (kind, _), (name, label) in graph.nodes.items():
        lines.append(f"  {name} [shape={_SHAPES[kind]}, label={_quoted(label)}];")
    for edge in graph.edges:
        style = ", style=dashed" if edge.dashed else ""
        lines.append(f"  {edge.start} -> {edge.end} [label={_quoted(edge.label)}{style}];")
    return "\n".join([*lines, "}"])


LANGUAGES: Final[Mapping[str, Callable[[Graph], str]]] = MappingProxyType({"mermaid": mermaid, "dot": dot})
"""What writes a graph, by the language's name."""


def _entities(text: str) -> str:
    """Return text in which everything but the plainest characters is an entity code of Mermaid's."""
    return _PLAIN.sub(lambda found: f"#{ord(found[0])};", _one_line(text))


def _quoted(text: str) -> str:
    escaped = _one_line(text).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _one_line(text: str) -> str:
    return _CONTROL.sub(" ", " ".join(text.split()))
