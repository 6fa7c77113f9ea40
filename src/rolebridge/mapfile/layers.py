"""One document laid over another: how an organization's catalogue says only what differs from one of the package."""

from __future__ import annotations

from dataclasses import replace

from rolebridge.mapfile.yamlsource import Items, Node, Scalar, Table


def laid_over(below: Node, above: Node) -> Node:
    """Return `above` laid over `below`.

    Mappings are merged key by key, and a key without a value takes what it names away. Lists whose entries all have an
    `id` are merged entry by entry. Anything else in `above` takes the place of what was there. Places stay those of the
    file that said it.
    """
    if isinstance(below, Table) and isinstance(above, Table):
        entries = dict(below.entries)
        for key, entry in above.entries.items():
            if isinstance(entry.value, Scalar) and entry.value.is_empty:
                entries.pop(key, None)
            elif key in entries:
                entries[key] = replace(entry, value=laid_over(entries[key].value, entry.value))
            else:
                entries[key] = entry
        return replace(above, entries=entries, flow=False)
    if isinstance(below, Items) and isinstance(above, Items):
        known, said = _by_id(below), _by_id(above)
        if known is not None and said is not None:
            merged = {id_: laid_over(known[id_], node) if id_ in known else node for id_, node in said.items()}
            return replace(above, items=tuple((known | merged).values()))
    return above


def _by_id(node: Items) -> dict[str, Node] | None:
    """Return the entries of a list by their ids, None when one has none."""
    found: dict[str, Node] = {}
    for item in node.items:
        entry = item.entries.get("id") if isinstance(item, Table) else None
        if entry is None or not isinstance(entry.value, Scalar):
            return None
        found[entry.value.text] = item
    return found
