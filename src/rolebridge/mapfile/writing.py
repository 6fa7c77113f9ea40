"""A suggestion → the text of a mapping file, for somebody to read, correct and keep."""

from __future__ import annotations

import re
from collections.abc import Iterator

from rolebridge.core.catalogue import Catalogue, Merge, Slot
from rolebridge.core.suggestions import Suggestion

_PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9 _.-]{0,98}[A-Za-z0-9]")
# Words that an editor's YAML takes for something else than text.
_WORDS = frozenset({"true", "false", "yes", "no", "on", "off", "null", "none"})
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


def mapping_text(catalogue: Catalogue, workspace: str, connections: tuple[str, ...], found: Suggestion) -> str:
    """Return a mapping file that says what a suggestion says, and lists in comments what it leaves out."""
    return "\n".join(_lines(catalogue, workspace, connections, found)) + "\n"


def _lines(catalogue: Catalogue, workspace: str, connections: tuple[str, ...], found: Suggestion) -> Iterator[str]:
    yield "# A start, made from the names of the groups in the directory. Read every rule before you apply it:"
    yield "# `rolebridge check`, `rolebridge plan`, and cases beside it (`rolebridge test`) say what it does."
    yield f"workspace: {quoted(workspace)}"
    yield f"platform: {catalogue.id}"
    if connections:
        yield f"connections: [{', '.join(map(quoted, connections))}]"
    if found.projects:
        yield ""
        yield "projects:"
        yield from (f"  {project}:" for project in found.projects)
    yield from _conflicts(catalogue, found)
    yield ""
    yield "rules:" if found.named or found.conventions else "rules: []"
    yield from _named(found)
    yield from _conventions(found)
    yield from _guard()
    if found.unmapped:
        yield ""
        yield "# No convention covers these groups; they give nothing until a rule names them:"
        yield from (f"#   {_CONTROL.sub('?', name)}" for name in found.unmapped)


def _conflicts(catalogue: Catalogue, found: Suggestion) -> Iterator[str]:
    """Yield an order for slots that several rules may fill and that the platform does not rank."""
    roles: dict[str, set[str]] = {}
    for one in found.named:
        roles.setdefault(one.slot, set()).add(one.role)
    for convention in found.conventions:
        roles.setdefault(convention.slot, set()).update(convention.words.values())
    unranked = [
        (slot, _ordered(slot, roles[slot.id]))
        for slot in catalogue.slots.values()
        if slot.merge is Merge.ERROR and len(roles.get(slot.id, ())) > 1
    ]
    if unranked:
        yield ""
        yield "# Somebody may be in several of these groups: which role wins, the highest first."
        yield "conflicts:"
        yield from (f"  {slot.id}: [{', '.join(order)}]" for slot, order in unranked)


def _ordered(slot: Slot, roles: set[str]) -> list[str]:
    return [role for role in slot.roles if role in roles]


def _named(found: Suggestion) -> Iterator[str]:
    together: dict[tuple[str, str], list[str]] = {}
    for one in found.named:
        together.setdefault((one.slot, one.role), []).append(one.group)
    for (slot, role), groups in together.items():
        yield f"  - id: {slot.replace('_', '-')}-{role.replace('_', '-')}"
        yield f"    groups: [{', '.join(map(quoted, groups))}]"
        yield f"    grant: {{{slot}: {role}}}"


def _conventions(found: Suggestion) -> Iterator[str]:
    for number, one in enumerate(found.conventions, 1):
        many = f"-{number}" if len(found.conventions) > 1 else ""
        values = ", ".join(f"{quoted(word)}: {role}" for word, role in sorted(one.words.items()))
        yield f"  - id: teams{many}"
        yield f"    groups: {{match: {quoted(one.pattern, always=True)}}}"
        yield f"    values: {{team: {{{values}}}}}"
        yield '    projects: "{project}"'
        yield f'    grant: {{{one.slot}: "{{team}}"}}'


def _guard() -> Iterator[str]:
    yield ""
    yield "guard:"
    yield "  hold_revocations: {over: 25%, and_at_least: 10}"


def quoted(text: str, *, always: bool = False) -> str:
    """Return a text as a YAML scalar that reads back as it is, in flow style too."""
    if not always and _PLAIN.fullmatch(text) and text.lower() not in _WORDS:
        return text
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + _CONTROL.sub(lambda found: f"\\u{ord(found[0]):04x}", escaped) + '"'
