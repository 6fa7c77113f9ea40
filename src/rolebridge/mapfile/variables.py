"""`vars.yaml`: what differs between environments, put into mapping files before they are read.

`$(name)` in a text is the variable's text; a value that is nothing but `$(name)` is the variable's value, whatever it
is. Only values are looked through, never keys, and after the YAML was read: no variable can change a file's shape.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from rolebridge.mapfile import reading
from rolebridge.mapfile.reading import Sink, shorten
from rolebridge.mapfile.yamlsource import Entry, Items, Node, Scalar, Table

_USE = re.compile(r"\$\(([A-Za-z0-9._-]{1,100})\)")
MAX_EXPANDED = 1 << 20
"""How many characters the variables may add to one file: a list of a thousand groups used in every rule fits."""


@dataclass(slots=True)
class Variables:
    """The variables of a set of files; `used` are the names that any file used."""

    values: Mapping[str, Entry] = field(default_factory=dict)
    used: set[str] = field(default_factory=set)


def read_variables(root: Node, sink: Sink) -> Variables:
    """Return what a document says: one mapping `vars`, each a text, a list or a mapping."""
    table = reading.read_table(root, "a file of variables", sink)
    fields = reading.read_fields(table, "a file of variables", ("vars",), sink, required=("vars",)) if table else {}
    found: dict[str, Entry] = {}
    for entry in reading.read_entries(fields["vars"], "`vars`", sink) if "vars" in fields else ():
        name = reading.read_id(entry.key, "a variable's name", sink)
        if name is not None and _mentions(entry.value):
            sink.add("unknown-variable", entry.value, f"`{name}` is made of variables, and those do not nest")
        elif name is not None:
            found[name] = entry
    return Variables(found)


def _mentions(node: Node) -> bool:
    match node:
        case Scalar(text=text):
            return _USE.search(text) is not None
        case Items(items=items):
            return any(map(_mentions, items))
        case Table(entries=entries):
            return any(_mentions(entry.value) for entry in entries.values())
        case _:
            return False


class Substitution:
    """Puts variables into the values of one file."""

    def __init__(self, variables: Variables, sink: Sink) -> None:
        self._variables = variables
        self._sink = sink
        self._added = 0

    def of(self, node: Node) -> Node:
        """Return the node with every variable in it replaced; an unknown one is recorded and left as it is."""
        match node:
            case Scalar():
                return self._scalar(node)
            case Items(items=items):
                return replace(node, items=tuple(map(self.of, items)))
            case Table(entries=entries):
                done = {key: replace(one, value=self.of(one.value)) for key, one in entries.items()}
                return replace(node, entries=done)
            case _:
                return node

    def _scalar(self, node: Scalar) -> Node:
        whole = _USE.fullmatch(node.text)
        if whole is not None:
            value = self._value(whole[1], node)
            return value if value is not None else node
        text = _USE.sub(lambda use: self._text(use, node), node.text)
        # The source no longer shows the text, so a problem in it is blamed on the whole of it.
        return node if text == node.text else replace(node, text=text, raw="", style='"')

    def _text(self, use: re.Match[str], node: Scalar) -> str:
        value = self._value(use[1], node)
        if value is None:
            return use[0]
        if not isinstance(value, Scalar):
            detail = f"`{use[1]}` is no text ({value.place}), so it must stand alone"
            self._sink.add("wrong-type", node, detail)
            return use[0]
        return value.text

    def _value(self, name: str, node: Scalar) -> Node | None:
        entry = self._variables.values.get(name)
        if entry is None:
            detail = f"no variable is called `{shorten(name)}`"
            self._sink.add("unknown-variable", node, detail, known=self._variables.values)
            return None
        self._variables.used.add(name)
        self._added += _size(entry.value)
        if self._added > MAX_EXPANDED:
            self._sink.add("file-too-large", node, f"variables add more than {MAX_EXPANDED:,} characters to the file")
            return None
        return entry.value


def _size(node: Node) -> int:
    match node:
        case Scalar(text=text):
            return len(text) + 1
        case Items(items=items):
            return sum(map(_size, items))
        case Table(entries=entries):
            return sum(len(key) + _size(entry.value) for key, entry in entries.items())
        case _:
            return 1
