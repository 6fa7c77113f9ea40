"""Columns: a SCIM path as the head of a table, what a cell below it assigns, and a resource as cells again.

`userName`, `name.givenName`, `emails[work]` (the `value` of the element with that type), `emails[work].primary`,
`urn:…:User:department`. A list or object that these cannot say stands in a cell of its own as JSON. A cell that a
spreadsheet would take for a formula begins with an apostrophe, which is taken away again when it is read.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from rolebridge.core.errors import Invalid
from rolebridge.core.filters import AttributeType
from rolebridge.scim.bodies import parse_body
from rolebridge.scim.errors import ScimError, invalid_value
from rolebridge.scim.schemas import Attribute, ResourceSchema

_HEAD: Final = re.compile(r"(?P<path>[^\[\]]+?)(?:\[(?P<type>[^\[\]]*)\])?(?:\.(?P<sub>[A-Za-z$][A-Za-z0-9_$-]*))?")
_TYPE: Final = re.compile(r"[A-Za-z0-9_-]{1,40}")
_FORMULA: Final = frozenset("=+-@\t\r")
_INTEGER: Final = re.compile(r"-?[0-9]{1,18}")
_DECIMAL: Final = re.compile(r"-?[0-9]{1,18}(?:\.[0-9]{1,18})?(?:[eE][+-]?[0-9]{1,3})?")
_BOOLEANS: Final = {"true": True, "false": False}


# --- cells ---------------------------------------------------------------------------------------------------


def guarded(text: str) -> str:
    """Return a cell's text so that no spreadsheet takes it for a formula."""
    apostrophe = text[:1] == "'" and (text[1:2] in _FORMULA or text[1:2] == "'")
    return f"'{text}" if text[:1] in _FORMULA or (apostrophe and len(text) > 1) else text


def unguarded(text: str) -> str:
    """Return what `guarded` was given."""
    return text[1:] if text[:1] == "'" and len(text) > 1 and (text[1] in _FORMULA or text[1] == "'") else text


def listed(texts: Iterable[str], delimiter: str) -> str:
    """Return several values as one cell: joined, or as JSON where that could be read otherwise."""
    held = list(texts)
    odd = any(delimiter in text or text != text.strip() or not text for text in held)
    return json.dumps(held, ensure_ascii=False) if odd or (held and held[0].startswith("[")) else delimiter.join(held)


def unlisted(cell: str, delimiter: str) -> tuple[str, ...]:
    """Return the values of a cell. Raises `ScimError`."""
    if cell.startswith("["):
        held = _json(cell)
        if not isinstance(held, list) or not all(isinstance(text, str) for text in held):
            raise invalid_value("a cell that begins with `[` is not a JSON list of strings")
        return tuple(text for text in held if text)
    return tuple(text.strip() for text in cell.split(delimiter) if text.strip())


def _json(cell: str) -> Any:
    try:
        return parse_body(cell)
    except ScimError as error:
        raise invalid_value(str(error).replace("the body", "a cell that begins like JSON", 1)) from error


# --- heads ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Column:
    """What the cells of a column are assigned to; `urn` is the extension, `type` selects an element of a list."""

    head: str
    urn: str | None
    attribute: Attribute
    type: str | None
    sub: Attribute | None

    @property
    def key(self) -> tuple[str | None, str, str | None, str]:
        """Return what two columns of one table must not share."""
        return self.urn, self.attribute.name, self.type, self.sub.name if self.sub else ""

    def assign(self, resource: dict[str, Any], cell: str, delimiter: str) -> None:
        """Put a cell that is not empty into a resource. Raises `ScimError`."""
        holder = resource if self.urn is None else resource.setdefault(self.urn, {})
        name = self.attribute.name
        if self.attribute.multi_valued:
            self._assign_element(holder.setdefault(name, []), cell, delimiter)
        elif self.sub is not None:
            holder.setdefault(name, {})[self.sub.name] = _typed(self.sub, cell)
        elif self.attribute.type is AttributeType.COMPLEX:
            holder[name] = _json(cell) if cell.startswith("{") else {"value": cell}
        else:
            holder[name] = _typed(self.attribute, cell)

    def _assign_element(self, elements: list[Any], cell: str, delimiter: str) -> None:
        attribute = self.attribute
        if self.type is None:
            if cell.startswith("["):
                held = _json(cell)
                elements.extend(held if isinstance(held, list) else [held])
                return
            simple = attribute.type is not AttributeType.COMPLEX
            texts = unlisted(cell, delimiter)
            elements.extend(_typed(attribute, text) if simple else {"value": text} for text in texts)
            return
        sub = self.sub or attribute.sub["value"]
        element = next((one for one in elements if isinstance(one, dict) and one.get("type") == self.type), None)
        if element is None:
            element = {}
            elements.append(element)
        element[sub.name] = _typed(sub, cell)
        element["type"] = self.type


def read_head(head: str, schema: ResourceSchema) -> Column:
    """Return the column that a head names. Raises Invalid."""
    found = _HEAD.fullmatch(head.strip())
    if found is None:
        raise Invalid(f"`{head[:100]}` is no column such as `name.givenName` or `emails[work]`", "header")
    urn, attribute = _attribute(found["path"], schema)
    sub = None
    if found["sub"] is not None:
        sub = attribute.sub.get(found["sub"]) or attribute.sub.get(found["sub"].lower())
        if sub is None:
            raise Invalid(f"column `{head[:100]}`: `{attribute.label}` has no `{found['sub']}`", "header")
    column = Column(head.strip(), urn, attribute, found["type"], sub)
    if column.type is not None and not (attribute.multi_valued and "type" in attribute.sub):
        raise Invalid(f"column `{head[:100]}`: `{attribute.label}` has no values of several types", "header")
    if column.type is not None and sub is None and "value" not in attribute.sub:
        raise Invalid(f"column `{head[:100]}`: say which part, such as `{attribute.name}[work].formatted`", "header")
    if column.type is None and sub is not None and attribute.multi_valued:
        raise Invalid(f"column `{head[:100]}`: say which one, such as `{attribute.name}[work].{sub.name}`", "header")
    return column


def _attribute(path: str, schema: ResourceSchema) -> tuple[str | None, Attribute]:
    lower = path.lower()
    for key, extension in schema.extensions.items():
        if lower.startswith(f"{key}:"):
            attribute = extension.attributes.get(lower[len(key) + 1 :])
            if attribute is not None:
                return extension.urn, attribute
    name = lower.removeprefix(f"{schema.urn.lower()}:")
    if (core := schema.attributes.get(name)) is not None:
        return None, core
    if (holder := schema.extended.get(name)) is not None:
        return holder.urn, holder.attributes[name]
    raise Invalid(f"column `{path[:100]}`: no schema of a {schema.name} has that attribute", "header")


def _typed(attribute: Attribute, cell: str) -> Any:
    """Return a cell as JSON has it; what is none of the attribute's type stays text, and is refused as such."""
    if attribute.type is AttributeType.BOOLEAN:
        return _BOOLEANS.get(cell.strip().lower(), cell)
    if attribute.type is AttributeType.INTEGER and _INTEGER.fullmatch(cell):
        return int(cell)
    if attribute.type is AttributeType.DECIMAL and _DECIMAL.fullmatch(cell):
        return int(cell) if _INTEGER.fullmatch(cell) else float(cell)
    return cell


# --- resources as cells --------------------------------------------------------------------------------------


def cells_of(resource: Mapping[str, Any], delimiter: str) -> dict[str, str]:
    """Return a canonical resource as cells: head → text. `schemas` and `members` are left out."""
    cells: dict[str, str] = {}
    for name, value in resource.items():
        if name in {"schemas", "members"}:
            continue
        if name.startswith("urn:") and isinstance(value, dict):
            for inner, held in value.items():
                cells.update(_cells(f"{name}:{inner}", held, delimiter))
        else:
            cells.update(_cells(name, value, delimiter))
    return cells


def _cells(head: str, value: Any, delimiter: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, dict):
        if all(not isinstance(part, dict | list) for part in value.values()):
            yield from ((f"{head}.{name}", _text(part)) for name, part in value.items())
        else:
            yield head, json.dumps(value, ensure_ascii=False)
    elif not isinstance(value, list):
        yield head, _text(value)
    elif _has_types(value):
        for element in value:
            of = f"{head}[{element['type']}]"
            parts = ((name, part) for name, part in element.items() if name != "type")
            yield from ((of if name == "value" else f"{of}.{name}", _text(part)) for name, part in parts)
    elif value and all(isinstance(item, str) for item in value):
        yield head, listed(value, delimiter)
    else:
        yield head, json.dumps(value, ensure_ascii=False)


def _has_types(elements: list[Any]) -> bool:
    """Return whether a list can be told in columns by the types of its elements."""
    seen = set()
    for element in elements:
        if not isinstance(element, dict) or len(element) < 2:
            return False
        type_ = element.get("type")
        if not isinstance(type_, str) or not _TYPE.fullmatch(type_) or type_ in seen:
            return False
        if any(isinstance(part, dict | list) for part in element.values()):
            return False
        seen.add(type_)
    return bool(seen)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)
