"""The order of what is found, as SQL (RFC 7644 §3.4.2.3).

A resource is placed by one key: the value of an attribute, of several values the primary one, else the first. Text is
placed by its first `LONGEST_KEY` characters, without case unless the attribute has it. Who has no key comes last,
first in descending order; whom the key does not tell apart comes in the order of creation, in both directions.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import ColumnElement, Float, Integer, Table, Text, case, func, literal_column

from rolebridge.core.attributes import AttributeType, ResolvedPath
from rolebridge.core.errors import Invalid
from rolebridge.store.documents import LONGEST_KEY
from rolebridge.store.places import Place
from rolebridge.store.rows import Row
from rolebridge.store.tables.directory import users

_COLUMNS: Final = {
    ("id",): "id",
    ("meta", "location"): "id",
    ("externalId",): "external_key",
    ("displayName",): "display_key",
    ("meta", "created"): "created",
    ("meta", "lastModified"): "last_modified",
}


@dataclass(frozen=True, slots=True)
class Order:
    """An order by the attribute that a path leads to, as `AttributeTable.resolve(..., compared=True)` finds it."""

    path: ResolvedPath
    descending: bool = False


class Unsortable(Invalid):
    """That resources cannot be sorted by an attribute."""

    def __init__(self, path: ResolvedPath) -> None:
        super().__init__(f"nothing can be sorted by `{path.label}`", "sortBy")


def check_order(order: Order) -> None:
    """Raise `Unsortable` for an attribute that has no order: a complex one, or one that is kept as memberships."""
    path = order.path
    if path.target.type is AttributeType.COMPLEX or (path.schema is None and path.keys[0] in ("groups", "members")):
        raise Unsortable(path)


def key_of(row: Row, table: Table, order: Order) -> ColumnElement[Any]:
    """Return the key of a row, NULL where it has none; its type is text, or a number."""
    path = order.path
    column = "user_key" if table is users and path.keys == ("userName",) else _COLUMNS.get(path.keys)
    if column is not None:
        return table.c[column]
    levels = path.levels
    first_list = next((place for place, (_, many) in enumerate(levels) if many), None)
    if first_list is None:
        return _key_at(row.place(path.keys), path)
    keys, rest = path.keys[: first_list + 1], path.keys[first_list + 1 :]
    exact = path.target.case_exact or path.target.type is AttributeType.BINARY
    found, element, place = row.chosen(keys, exact=exact)
    key = _key_at(element.place(rest), path)
    primary = element.place(("primary",)).truth() if "primary" in path.attribute.sub else literal_column("NULL")
    marked = case((primary.is_(literal_column("TRUE")), literal_column("0")), else_=literal_column("1"))
    return found.with_only_columns(key).order_by(marked, place).limit(literal_column("1")).scalar_subquery()


def _key_at(place: Place, path: ResolvedPath) -> ColumnElement[Any]:
    match path.target.type:
        case AttributeType.BOOLEAN:
            truth = place.truth()
            no, yes = literal_column("0", Integer()), literal_column("1", Integer())
            return case((truth.is_(literal_column("TRUE")), yes), (truth.is_(literal_column("FALSE")), no))
        case AttributeType.INTEGER | AttributeType.DECIMAL:
            return place.number(fractional=True)
        case AttributeType.DATE_TIME:
            return func.rolebridge_instant(place.text(exact=True), type_=Text())
        case type_:
            text = place.text(exact=path.target.case_exact or type_ is AttributeType.BINARY)
            return func.substr(text, literal_column("1"), literal_column(str(LONGEST_KEY)), type_=Text())


def key_type(order: Order) -> Any:
    """Return the type of an order's keys in a statement."""
    numbers = (AttributeType.BOOLEAN, AttributeType.INTEGER, AttributeType.DECIMAL)
    return Float(53) if order.path.target.type in numbers else Text()
