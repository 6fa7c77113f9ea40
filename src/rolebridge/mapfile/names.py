"""Slots and roles that a mapping file names: found in the catalogue, or refused with the reason."""

from __future__ import annotations

from collections.abc import Iterator

from rolebridge.core.catalogue import Assignable, Catalogue, Role, Slot
from rolebridge.mapfile import reading
from rolebridge.mapfile.reading import Sink, shorten
from rolebridge.mapfile.yamlsource import Items, Node, Scalar, Table

_WHY_NOT = {
    Assignable.NO: "the platform lets nobody assign it",
    Assignable.TRANSFER: "its holder hands it over on the platform",
    Assignable.SUPPORT_TICKET: "the platform's support assigns it, on a support ticket",
    Assignable.ACCOUNT_CREATION: "the platform gives it when the account is created",
    Assignable.PROVIDER: "the external labeling service assigns it to its own people",
}


class Names:
    """Looks names up in one workspace's catalogue, custom roles included."""

    def __init__(self, catalogue: Catalogue, sink: Sink) -> None:
        self.catalogue = catalogue
        self._sink = sink

    def slot(self, key: Scalar) -> Slot | None:
        """Return the slot that `key` names."""
        slot = self.catalogue.slots.get(key.text)
        if slot is None:
            detail = f"{self.catalogue.name} has no slot `{shorten(key.text)}`"
            self._sink.add("unknown-slot", key, detail, known=self.catalogue.slots)
        return slot

    def slots(self, node: Node, what: str) -> Iterator[tuple[Slot, Node]]:
        """Yield the slots that the keys of a mapping name, with the values."""
        if self._names_no_slot(node, what):
            return
        for entry in reading.read_entries(node, what, self._sink):
            slot = self.slot(entry.key)
            if slot is not None:
                yield slot, entry.value

    def _names_no_slot(self, node: Node, what: str) -> bool:
        """Record that a role, or a slot, stands where slot and role belong: `grant: admin`."""
        first = node.items[0] if isinstance(node, Items) and node.items else node
        if not isinstance(first, Scalar) or first.is_empty:
            return False
        slots = self.catalogue.slots
        slot = next((one.id for one in slots.values() if one.named(first.text)), None)
        written = f"{slot}: {first.text}" if slot else f"{first.text}: all" if first.text in slots else ""
        help_ = f"write `{{{shorten(written or f'{next(iter(slots))}: …')}}}`"
        self._sink.add("wrong-type", node, f"{what} names a slot and its value", help_=help_)
        return True

    def role(self, slot: Slot, text: Scalar) -> Role | None:
        """Return the role of `slot` that `text` names, by id or alias, whether it can be assigned or not."""
        role = slot.named(text.text)
        if role is None and text.text in self.catalogue.member_states:
            detail = (
                f"`{text.text}` is a state of a member, not a role: {shorten(self.catalogue.member_states[text.text])}"
            )
            help_ = "grant nothing: who is to lose everything is denied, or deactivated in the identity provider"
            self._sink.add("unknown-role", text, detail, help_=help_)
        elif role is None:
            elsewhere = [other.id for other in self.catalogue.slots.values() if other.named(text.text)]
            detail = f"`{slot.id}` has no role `{shorten(text.text)}`"
            if elsewhere:
                detail += f", `{elsewhere[0]}` has one"
            self._sink.add("unknown-role", text, detail, known=slot.roles)
        return role

    def assignable(self, slot: Slot, text: Scalar) -> Role | None:
        """Return the role of `slot` that `text` names, if a rule may give it."""
        role = self.role(slot, text)
        if role is None or (role.assignable is Assignable.YES and role.id != slot.neutral):
            return role
        if role.id == slot.neutral:
            detail, help_ = (
                f"`{role.id}` means that `{slot.id}` is empty",
                "leave the slot out: who gets nothing else has it",
            )
        else:
            detail = f"`{role.id}` cannot be assigned: {_WHY_NOT[role.assignable]}"
            help_ = f"name its holders instead: `outside: {{{slot.id}: {{{role.id}: [user name]}}}}`"
        self._sink.add("role-not-assignable", text, detail, help_=help_)
        return None

    def role_texts(self, slot: Slot, node: Node) -> list[Scalar]:
        """Return the texts that name roles of `slot`: one, or a list where the slot holds many."""
        if isinstance(node, Items) and not slot.holds_many:
            self._sink.add("role-needs-list", node, f"`{slot.id}` holds one role, not a list of roles")
            return []
        return reading.read_texts(node, f"`{slot.id}`", self._sink)

    def roles_by_slot(self, node: Node, what: str) -> Iterator[tuple[Slot, Scalar, Node]]:
        """Yield (slot, role's text, value) of a mapping slot → role → value, as under `outside` and `keep`."""
        for slot, value in self.slots(node, what):
            table = reading.read_table(value, f"`{slot.id}`", self._sink)
            if isinstance(table, Table):
                for entry in table.entries.values():
                    yield slot, entry.key, entry.value
