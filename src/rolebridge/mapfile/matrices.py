"""The permission matrices of a catalogue: settings, columns, rows and cells, read and checked against its slots."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from rolebridge.core.catalogue import Slot
from rolebridge.core.permissions import Cell, CellValue, Column, Matrix, Permission, Setting
from rolebridge.mapfile import reading
from rolebridge.mapfile.optional import OptionalReader
from rolebridge.mapfile.reading import Sink, shorten
from rolebridge.mapfile.yamlsource import Entry, Items, Node, Scalar, Table

_MATRIX = ("id", "name", "columns", "rows", "decides_first")
_VALUES = [value.value for value in CellValue]


class MatrixReader(OptionalReader):
    """Reads `permissions`; `slots` and `settings` are the catalogue's."""

    def __init__(self, slots: Mapping[str, Slot], settings: Mapping[str, Setting], sink: Sink) -> None:
        super().__init__(sink)
        self._slots = slots
        self._settings = settings

    def matrices(self, node: Node | None) -> Iterator[Matrix]:
        """Yield the matrices of `permissions`."""
        seen: set[str] = set()
        for item in reading.read_items(node, "`permissions`", self._sink) or () if node is not None else ():
            table = reading.read_table(item, "a matrix", self._sink)
            matrix = self._matrix(table) if table is not None else None
            if matrix is not None and table is not None and matrix.id in seen:
                self._sink.add("duplicate-id", table, f"there is a matrix `{matrix.id}` already")
            elif matrix is not None:
                seen.add(matrix.id)
                yield matrix

    def _matrix(self, table: Table) -> Matrix | None:
        required = ("id", "name", "columns", "rows")
        fields = reading.read_fields(table, "a matrix", _MATRIX, self._sink, required=required)
        id_ = self._id(fields.get("id"), "a matrix's id")
        name = self._text(fields.get("name"), "`name`")
        columns = tuple(self._columns(fields["columns"])) if "columns" in fields else ()
        rows = dict(self._rows(fields["rows"], columns)) if "rows" in fields else {}
        first = self._flag(fields.get("decides_first"), "`decides_first`")
        return Matrix(id_, name, columns, rows, first) if id_ is not None and name is not None else None

    # --- columns -------------------------------------------------------------------------------------------------

    def _columns(self, node: Node) -> Iterator[Column]:
        for entry in reading.read_entries(node, "`columns`", self._sink):
            id_ = reading.read_id(entry.key, "a column's id", self._sink)
            table = reading.read_table(entry.value, f"column `{shorten(entry.key.text)}`", self._sink)
            if id_ is None or table is None:
                continue
            fields = reading.read_fields(table, "a column", ("name", "holds"), self._sink, required=("name", "holds"))
            name = self._text(fields.get("name"), "`name`")
            holds = (
                tuple(read_holders(fields["holds"], "`holds`", self._slots, self._sink)) if "holds" in fields else ()
            )
            if name is not None and holds:
                yield Column(id_, name, holds)

    # --- rows ----------------------------------------------------------------------------------------------------

    def _rows(self, node: Node, columns: tuple[Column, ...]) -> Iterator[tuple[str, Permission]]:
        known = [column.id for column in columns]
        for entry in reading.read_entries(node, "`rows`", self._sink):
            id_ = reading.read_id(entry.key, "a permission's id", self._sink)
            row = self._row(id_ or "", entry, known)
            if id_ is not None and row is not None:
                yield id_, row

    def _row(self, id_: str, entry: Entry, columns: list[str]) -> Permission | None:
        what = f"permission `{shorten(entry.key.text)}`"
        table = reading.read_table(entry.value, what, self._sink)
        if table is None:
            return None
        keys = ("name", "section", "note", "cells")
        fields = reading.read_fields(table, what, keys, self._sink, required=("name", "cells"))
        name, section, note = (self._text(fields.get(key), f"`{key}`") for key in ("name", "section", "note"))
        cells = dict(self.cells(fields["cells"], columns)) if "cells" in fields else {}
        return Permission(id_, name or id_, section or "", cells, note or "")

    def cells(self, node: Node, columns: list[str]) -> Iterator[tuple[str, Cell]]:
        """Yield (column, cell) of a mapping of cells; one text stands for all columns."""
        if isinstance(node, Scalar):
            cell = self._cell(node)
            yield from ((column, cell) for column in columns if cell is not None)
            return
        for entry in reading.read_entries(node, "`cells`", self._sink):
            if entry.key.text not in columns:
                detail = f"there is no column `{shorten(entry.key.text)}`"
                self._sink.add("unknown-key", entry.key, detail, known=columns)
                continue
            cell = self._cell(entry.value)
            if cell is not None:
                yield entry.key.text, cell

    def _cell(self, node: Node) -> Cell | None:
        """Read `allow`, `{partial: read only}` or `{conditional: plugins_allowed, note: CRUD}`."""
        if not isinstance(node, Table):
            value = reading.read_choice(node, "a cell", _VALUES, self._sink)
            if value == CellValue.CONDITIONAL:
                help_ = "name a setting: `{conditional: plugins_allowed}`"
                self._sink.add("missing-key", node, "a conditional cell hangs on a setting", help_=help_)
                return None
            return Cell(CellValue(value)) if value is not None else None
        fields = reading.read_fields(node, "a cell", (*_VALUES, "note"), self._sink)
        values = [key for key in fields if key != "note"]
        if len(values) != 1:
            if fields:
                self._sink.add("missing-key", node, "a cell has one value", help_="write `{partial: read only}`")
            return None
        text = reading.read_text(fields[values[0]], f"`{values[0]}`", self._sink)
        note = self._text(fields.get("note"), "`note`") or ""
        if text is None:
            return None
        if values[0] != CellValue.CONDITIONAL:
            return Cell(CellValue(values[0]), text.text)
        if text.text not in self._settings:
            detail = f"there is no setting `{shorten(text.text)}`"
            self._sink.add("unknown-key", text, detail, known=self._settings)
            return None
        return Cell(CellValue.CONDITIONAL, note, text.text)


def read_holders(
    node: Node, what: str, slots: Mapping[str, Slot], sink: Sink
) -> Iterator[Mapping[str, frozenset[str]]]:
    """Yield the ways of being meant: slot → roles, all slots of one way at once; in a list, one way is enough."""
    for item in node.items if isinstance(node, Items) else (node,):
        wanted = {slot.id: roles for slot, roles in read_slot_roles(item, what, slots, sink) if roles}
        if wanted:
            yield wanted


def read_slot_roles(
    node: Node, what: str, slots: Mapping[str, Slot], sink: Sink
) -> Iterator[tuple[Slot, frozenset[str]]]:
    """Yield the entries of a mapping slot → roles."""
    for entry in reading.read_entries(node, what, sink):
        slot = slots.get(entry.key.text)
        if slot is None:
            sink.add("unknown-slot", entry.key, f"there is no slot `{shorten(entry.key.text)}`", known=slots)
            continue
        texts = reading.read_texts(entry.value, f"`{slot.id}`", sink)
        for text in texts:
            if text.text not in slot.roles:
                detail = f"`{slot.id}` has no role `{shorten(text.text)}`"
                sink.add("unknown-role", text, detail, known=slot.roles)
        yield slot, frozenset(text.text for text in texts if text.text in slot.roles)
