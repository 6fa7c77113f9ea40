"""The delegation rules of a catalogue: who may give which role to whom, checked against its slots and tables."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

from rolebridge.core.catalogue import Slot
from rolebridge.core.delegation import Act, Delegation
from rolebridge.mapfile import reading
from rolebridge.mapfile.matrices import read_holders, read_slot_roles
from rolebridge.mapfile.optional import OptionalReader
from rolebridge.mapfile.reading import Sink, shorten
from rolebridge.mapfile.yamlsource import Node, Table

_RULE = (
    "id", "by", "permission", "may", "slots", "roles", "except_roles", "only_holders", "except_holders", "phases",
    "unknown", "note",
)  # fmt: skip


class DelegationReader(OptionalReader):
    """Reads `delegation`; `slots` and `permissions` are the catalogue's."""

    def __init__(self, slots: Mapping[str, Slot], permissions: Collection[str], sink: Sink) -> None:
        super().__init__(sink)
        self._slots = slots
        self._permissions = permissions

    def delegations(self, node: Node | None) -> Iterator[Delegation]:
        """Yield the rules of `delegation`."""
        seen: set[str] = set()
        for item in reading.read_items(node, "`delegation`", self._sink) or () if node is not None else ():
            table = reading.read_table(item, "a delegation", self._sink)
            rule = self._rule(table) if table is not None else None
            if rule is not None and table is not None and rule.id in seen:
                self._sink.add("duplicate-id", table, f"there is a delegation `{rule.id}` already")
            elif rule is not None:
                seen.add(rule.id)
                yield rule

    def _rule(self, table: Table) -> Delegation | None:
        fields = reading.read_fields(table, "a delegation", _RULE, self._sink, required=("id", "may", "slots"))
        if ("by" in fields) == ("permission" in fields):
            help_ = "write `by: {slot: [roles]}`, or `permission:` of a table"
            self._sink.add("missing-key", table, "a delegation says who in one way", help_=help_)
        id_ = self._id(fields.get("id"), "a delegation's id")
        slots = self._slots_of(fields.get("slots"))
        roles = sorted({role for slot in slots for role in self._slots[slot].roles})
        unknown = self._flag(fields.get("unknown"), "`unknown`")
        note = self._text(fields.get("note"), "`note`")
        if id_ is None:
            return None
        return Delegation(
            id_,
            frozenset(self._acts(fields.get("may"))),
            slots,
            tuple(read_holders(fields["by"], "`by`", self._slots, self._sink)) if "by" in fields else (),
            self._permission(fields.get("permission")),
            self._roles(fields.get("roles"), "`roles`", roles),
            self._roles(fields.get("except_roles"), "`except_roles`", roles),
            self._holders(fields.get("only_holders"), "`only_holders`"),
            self._holders(fields.get("except_holders"), "`except_holders`"),
            frozenset(text.text for text in self._texts(fields.get("phases"), "`phases`")),
            unknown,
            note or "",
        )

    def _acts(self, node: Node | None) -> Iterator[Act]:
        for text in self._texts(node, "`may`"):
            act = reading.read_choice(text, "`may`", [act.value for act in Act], self._sink)
            if act is not None:
                yield Act(act)

    def _slots_of(self, node: Node | None) -> frozenset[str]:
        texts = self._texts(node, "`slots`")
        for text in texts:
            if text.text not in self._slots:
                detail = f"there is no slot `{shorten(text.text)}`"
                self._sink.add("unknown-slot", text, detail, known=self._slots)
        return frozenset(text.text for text in texts if text.text in self._slots)

    def _roles(self, node: Node | None, what: str, known: Collection[str]) -> frozenset[str]:
        texts = self._texts(node, what)
        for text in texts:
            if text.text not in known:
                detail = f"none of the slots has a role `{shorten(text.text)}`"
                self._sink.add("unknown-role", text, detail, known=known)
        return frozenset(text.text for text in texts if text.text in known)

    def _holders(self, node: Node | None, what: str) -> Mapping[str, frozenset[str]]:
        if node is None:
            return {}
        return {slot.id: roles for slot, roles in read_slot_roles(node, what, self._slots, self._sink)}

    def _permission(self, node: Node | None) -> str:
        text = reading.read_text(node, "`permission`", self._sink) if node is not None else None
        if text is None:
            return ""
        if text.text not in self._permissions:
            detail = f"no table has a permission `{shorten(text.text)}`"
            self._sink.add("unknown-permission", text, detail, known=self._permissions)
            return ""
        return text.text
