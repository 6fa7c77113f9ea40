"""Schema extensions that an organization defines (RFC 7643 §3.3, §7): read from JSON, checked completely.

A schema is a value: read once when it is registered, afterwards taken from its canonical `text()`, which is also what
`/Schemas` answers. What the characteristics of an attribute mean here:

- `required` holds when the extension is there at all, or always when the extension itself is required. A PATCH may not
  take away what is required; where it was missing already, as before the schema was there, nothing is refused.
- `readOnly` values are nobody's to set. `immutable` ones are set once. `writeOnly` and never returned ones are accepted
  and, like a password, not kept.
- `canonicalValues` are announced and not enforced (RFC 7643 §7 leaves that open).
- `uniqueness` beyond `none` is refused: only userName, externalId and a group's displayName are kept unique.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from rolebridge.core.attributes import Attribute, AttributeTable, AttributeType, by_name
from rolebridge.core.diagnostics import did_you_mean
from rolebridge.core.errors import RolebridgeError
from rolebridge.core.filter_tree import shown
from rolebridge.core.schemas import CORE_GROUP, CORE_USER, ENTERPRISE_USER, GROUP_TABLE, USER_TABLE

MAX_FILE: Final = 256 * 1024
"""Bytes of a schema file."""
MAX_ATTRIBUTES: Final = 200
"""Attributes of one schema, and sub-attributes of one attribute."""
MAX_SCHEMAS: Final = 50
"""Schemas of one organization."""

_MAX_WORDS: Final = 2_000
_MAX_NAME: Final = 100
_MAX_URN: Final = 200
_SCHEMA: Final = "urn:ietf:params:scim:schemas:core:2.0:Schema"
# RFC 8141, as far as a path of RFC 7644 can hold it.
_URN: Final = re.compile(r"urn:[A-Za-z0-9][A-Za-z0-9-]{1,31}:[A-Za-z0-9._~:/@!$&*+,;=-]+")
_NAME: Final = re.compile(r"\$?[A-Za-z][A-Za-z0-9_$-]*")
_IETF: Final = "urn:ietf:params:scim:"
_IETF_EXTENSION: Final = "urn:ietf:params:scim:schemas:extension:"
# What no attribute can be called: the common attributes, and the words of filters.
_RESERVED: Final = frozenset({"schemas", "id", "externalid", "meta", "and", "or", "not", "true", "false", "null"})


class Resource(StrEnum):
    """Which type of resource a schema extends."""

    USER = "User"
    GROUP = "Group"


class Mutability(StrEnum):
    """Who sets an attribute, and when (RFC 7643 §7)."""

    READ_ONLY = "readOnly"
    READ_WRITE = "readWrite"
    IMMUTABLE = "immutable"
    WRITE_ONLY = "writeOnly"


class Returned(StrEnum):
    """When an answer holds an attribute (RFC 7643 §7)."""

    ALWAYS = "always"
    NEVER = "never"
    DEFAULT = "default"
    REQUEST = "request"


@dataclass(frozen=True, slots=True)
class ExtensionAttribute:
    """An attribute or sub-attribute, with the characteristics of RFC 7643 §7."""

    name: str
    type: AttributeType
    multi_valued: bool
    description: str
    required: bool
    case_exact: bool
    mutability: Mutability
    returned: Returned
    canonical_values: tuple[str, ...] = ()
    reference_types: tuple[str, ...] = ()
    sub: tuple[ExtensionAttribute, ...] = ()

    @property
    def kept(self) -> bool:
        """Return whether values are stored: not those that are never returned."""
        return self.returned is not Returned.NEVER

    def document(self) -> dict[str, Any]:
        """Return the attribute as `/Schemas` describes it."""
        described: dict[str, Any] = {
            "name": self.name,
            "type": str(self.type),
            "multiValued": self.multi_valued,
            "description": self.description,
            "required": self.required,
            "caseExact": self.case_exact,
            "mutability": str(self.mutability),
            "returned": str(self.returned),
            "uniqueness": "none",
        }
        if self.canonical_values:
            described["canonicalValues"] = list(self.canonical_values)
        if self.reference_types:
            described["referenceTypes"] = list(self.reference_types)
        if self.sub:
            described["subAttributes"] = [attribute.document() for attribute in self.sub]
        return described


@dataclass(frozen=True, slots=True)
class ExtensionSchema:
    """A schema extension; `required` says that every resource of the type must have it (RFC 7643 §6)."""

    urn: str
    name: str
    description: str
    extends: Resource
    required: bool
    attributes: tuple[ExtensionAttribute, ...]

    @property
    def key(self) -> str:
        """Return the URN as URNs of schemas compare: without case."""
        return self.urn.lower()

    def document(self) -> dict[str, Any]:
        """Return the schema resource (RFC 7643 §7), without `meta`."""
        return {
            "schemas": [_SCHEMA],
            "id": self.urn,
            "name": self.name,
            "description": self.description,
            "attributes": [attribute.document() for attribute in self.attributes],
        }

    def text(self) -> str:
        """Return the schema resource as JSON text, which `read_extension` reads again."""
        return json.dumps(self.document(), ensure_ascii=False, separators=(",", ":"))


@dataclass(frozen=True, slots=True)
class SchemaProblem:
    """What is wrong with one part of a schema file: `where` is `id`, `attributes[2].type` or "" for all of it."""

    where: str
    detail: str

    def __str__(self) -> str:
        """Return both in one line."""
        return f"{self.where}: {self.detail}" if self.where else self.detail


class SchemaRefused(RolebridgeError):
    """That a schema cannot be registered; `problems` are all there are."""

    def __init__(self, problems: Iterable[SchemaProblem]) -> None:
        self.problems = tuple(problems)
        count = len(self.problems)
        super().__init__(f"the schema has {count} problem{'s' if count != 1 else ''}; nothing was changed")


# --- tables --------------------------------------------------------------------------------------------------


def user_table(schemas: Iterable[ExtensionSchema]) -> AttributeTable:
    """Return the attributes of a user that filters and conditions may ask for, these schemas' among them."""
    return _extended(USER_TABLE, [schema for schema in schemas if schema.extends is Resource.USER])


def group_table(schemas: Iterable[ExtensionSchema]) -> AttributeTable:
    """Return the attributes of a group that filters may ask for, these schemas' among them."""
    return _extended(GROUP_TABLE, [schema for schema in schemas if schema.extends is Resource.GROUP])


def _extended(table: AttributeTable, schemas: list[ExtensionSchema]) -> AttributeTable:
    if not schemas:
        return table
    added = {schema.urn: by_name(_attribute(one) for one in schema.attributes if one.kept) for schema in schemas}
    return AttributeTable(table.schema, table.attributes, {**table.extensions, **added})


def _attribute(described: ExtensionAttribute) -> Attribute:
    exact = described.case_exact or described.type in (AttributeType.REFERENCE, AttributeType.BINARY)
    subs = by_name(_attribute(sub) for sub in described.sub if sub.kept)
    return Attribute(described.name, described.type, described.multi_valued, exact, subs)


# --- growing -------------------------------------------------------------------------------------------------


def misgrown(old: ExtensionSchema, new: ExtensionSchema) -> tuple[SchemaProblem, ...]:
    """Return why `new` cannot take the place of `old` while values are kept: it may add, and change no meaning."""
    problems = []
    if old.extends is not new.extends:
        problems.append(SchemaProblem("", f"the schema extends {old.extends}, not {new.extends}"))
    return (*problems, *_misgrown(old.attributes, new.attributes, ""))


def _misgrown(
    old: Iterable[ExtensionAttribute], new: Iterable[ExtensionAttribute], holder: str
) -> tuple[SchemaProblem, ...]:
    problems: list[SchemaProblem] = []
    before = {attribute.name.lower(): attribute for attribute in old}
    after = {attribute.name.lower(): attribute for attribute in new}
    for key, was in before.items():
        where = f"{holder}{was.name}"
        now = after.get(key)
        if now is None:
            problems.append(SchemaProblem(where, "is missing, and there may be values of it"))
            continue
        changed = [what for what in _MEANING if getattr(was, what) != getattr(now, what)]
        problems += (SchemaProblem(where, f"changes its {_MEANING[what]}") for what in changed)
        problems += _misgrown(was.sub, now.sub, f"{where}.")
    return tuple(problems)


# What decides the meaning of a kept value, and how JSON calls it.
_MEANING: Final = {
    "name": "name",
    "type": "type",
    "multi_valued": "multiValued",
    "case_exact": "caseExact",
    "kept": "returned",
}


# --- reading -------------------------------------------------------------------------------------------------


def read_extension(
    text: str, extends: Resource, *, required: bool = False, registered: Iterable[ExtensionSchema] = ()
) -> ExtensionSchema:
    """Read a schema resource. Raises `SchemaRefused` with everything that is wrong with it.

    `registered` are the organization's other schemas, with which its URN must not clash.
    """
    reader = _Reader()
    schema = reader.schema(text, extends, required)
    if schema is not None:
        reader.check_clash(schema, registered)
    if schema is None or reader.problems:
        raise SchemaRefused(reader.problems)
    return schema


class _Repeated(ValueError):
    """That a JSON object has a key twice."""


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise _Repeated(f"the key {shown(twice)} stands twice in one object")
    return found


_SCHEMA_KEYS: Final = frozenset({"schemas", "id", "name", "description", "attributes", "meta"})
_ATTRIBUTE_KEYS: Final = frozenset(
    {
        "name", "type", "multiValued", "description", "required", "caseExact", "mutability", "returned", "uniqueness",
        "canonicalValues", "referenceTypes", "subAttributes",
    }
)  # fmt: skip


class _Reader:
    """One reading, which goes on after a problem."""

    def __init__(self) -> None:
        self.problems: list[SchemaProblem] = []

    def refuse(self, where: str, detail: str) -> None:
        self.problems.append(SchemaProblem(where, detail))

    # the whole

    def schema(self, text: str, extends: Resource, required: bool) -> ExtensionSchema | None:
        document = self.document(text)
        if document is None:
            return None
        self.check_keys("", document, _SCHEMA_KEYS)
        if document.get("schemas", [_SCHEMA]) != [_SCHEMA]:
            self.refuse("schemas", f'is not ["{_SCHEMA}"]')
        urn = self.urn(document.get("id"))
        name = self.words("name", document.get("name"), _MAX_NAME) or urn.rpartition(":")[2]
        description = self.words("description", document.get("description"), _MAX_WORDS)
        attributes = self.attributes("attributes", document.get("attributes"), None)
        if extends is Resource.USER:
            self.check_enterprise(attributes)
        return ExtensionSchema(urn, name, description, extends, required, attributes)

    def document(self, text: str) -> dict[str, Any] | None:
        if len(text.encode("utf-8", "surrogatepass")) > MAX_FILE:
            self.refuse("", f"the file has more than {MAX_FILE} bytes")
            return None
        try:
            read = json.loads(text, object_pairs_hook=_object)
        except (ValueError, RecursionError) as error:
            detail = "it is nested too deeply" if isinstance(error, RecursionError) else str(error)
            self.refuse("", f"the file is not JSON: {detail}")
            return None
        if not isinstance(read, dict):
            self.refuse("", "the file holds no JSON object")
            return None
        return read

    def check_keys(self, where: str, given: Mapping[str, Any], known: frozenset[str]) -> None:
        for key in given.keys() - known:
            hint = did_you_mean(key, known)
            self.refuse(where, f"there is no {shown(key)} in a schema{f'; {hint}' if hint else ''}")

    def urn(self, given: Any) -> str:
        if not isinstance(given, str) or not _URN.fullmatch(given) or len(given) > _MAX_URN:
            word = shown(given) if isinstance(given, str) else "it"
            self.refuse("id", f"{word} is no URN like `{_IETF_EXTENSION}acme:2.0:User` of at most {_MAX_URN} letters")
            return ""
        lower = given.lower()
        if lower in (CORE_USER.lower(), CORE_GROUP.lower(), ENTERPRISE_USER.lower()):
            self.refuse("id", f"{shown(given)} is a schema that every organization has")
        elif lower.startswith(_IETF) and not lower.startswith(_IETF_EXTENSION):
            self.refuse("id", f"{shown(given)} is reserved; extensions begin with `{_IETF_EXTENSION}`")
        return given

    def check_clash(self, schema: ExtensionSchema, registered: Iterable[ExtensionSchema]) -> None:
        """Refuse a URN that spells an attribute of another schema, or has one that spells another's URN."""
        known = {other.key: other.urn for other in registered}
        known |= {urn.lower(): urn for urn in (CORE_USER, CORE_GROUP, ENTERPRISE_USER)}
        for key, urn in known.items():
            if schema.key == key and urn not in (CORE_USER, CORE_GROUP, ENTERPRISE_USER):
                self.refuse("id", f"`{urn}` is registered already")
            elif schema.key.startswith(f"{key}:") or key.startswith(f"{schema.key}:"):
                self.refuse("id", f"`{schema.urn}` and `{urn}`: one begins with the other, so paths would be ambiguous")

    def check_enterprise(self, attributes: Iterable[ExtensionAttribute]) -> None:
        taken = USER_TABLE.extensions[ENTERPRISE_USER]
        for attribute in attributes:
            if attribute.name.lower() in taken:
                detail = "is an attribute of the enterprise extension; who leaves the URN out could mean either"
                self.refuse("attributes", f"`{attribute.name}` {detail}")

    # attributes

    def attributes(self, where: str, given: Any, holder: str | None) -> tuple[ExtensionAttribute, ...]:
        if not isinstance(given, list) or not given:
            self.refuse(where, "is not a list of at least one attribute")
            return ()
        if len(given) > MAX_ATTRIBUTES:
            self.refuse(where, f"has {len(given)} attributes, the limit is {MAX_ATTRIBUTES}")
            return ()
        found: dict[str, ExtensionAttribute] = {}
        for place, item in enumerate(given):
            attribute = self.attribute(f"{where}[{place}]", item, holder)
            if attribute is None:
                continue
            if found.setdefault(attribute.name.lower(), attribute) is not attribute:
                self.refuse(f"{where}[{place}].name", f"`{attribute.name}` is there twice")
        return tuple(found.values())

    def attribute(self, where: str, given: Any, holder: str | None) -> ExtensionAttribute | None:
        if not isinstance(given, dict):
            self.refuse(where, "is no JSON object")
            return None
        self.check_keys(where, given, _ATTRIBUTE_KEYS)
        name = self.name(f"{where}.name", given.get("name"))
        mutability = Mutability(self.word(where, given, "mutability", Mutability, Mutability.READ_WRITE))
        usual = Returned.NEVER if mutability is Mutability.WRITE_ONLY else Returned.DEFAULT
        uniqueness = self.word(where, given, "uniqueness", ("none", "server", "global"), "none")
        if uniqueness != "none":
            kept = "only userName, externalId and a group's displayName are kept unique"
            self.refuse(f"{where}.uniqueness", f"`{uniqueness}` is not offered: {kept}; write `none`")
        type_ = AttributeType(self.word(where, given, "type", AttributeType, AttributeType.STRING))
        attribute = ExtensionAttribute(
            name=name,
            type=type_,
            multi_valued=self.flag(where, given, "multiValued"),
            description=self.words(f"{where}.description", given.get("description"), _MAX_WORDS),
            required=self.flag(where, given, "required"),
            case_exact=self.flag(where, given, "caseExact"),
            mutability=mutability,
            returned=Returned(self.word(where, given, "returned", Returned, usual)),
            canonical_values=self.listed(f"{where}.canonicalValues", given.get("canonicalValues")),
            reference_types=self.listed(f"{where}.referenceTypes", given.get("referenceTypes")),
            sub=self.subs(where, given, type_, holder, name),
        )
        self.check_sense(where, attribute, holder)
        return attribute if name else None

    def subs(
        self, where: str, given: Mapping[str, Any], type_: AttributeType, holder: str | None, name: str
    ) -> tuple[ExtensionAttribute, ...]:
        there = given.get("subAttributes") not in (None, [])
        if holder is not None and (there or type_ is AttributeType.COMPLEX):
            self.refuse(where, f"is inside `{holder}`: a sub-attribute has none of its own (RFC 7643 §2.3.8)")
            return ()
        if type_ is AttributeType.COMPLEX:
            return self.attributes(f"{where}.subAttributes", given.get("subAttributes"), name)
        if there:
            self.refuse(f"{where}.subAttributes", f"are there, but the type is {type_}, not complex")
        return ()

    def check_sense(self, where: str, attribute: ExtensionAttribute, holder: str | None) -> None:
        """Refuse characteristics that contradict each other, or that nothing here could keep."""
        if attribute.mutability is Mutability.WRITE_ONLY and attribute.returned is not Returned.NEVER:
            self.refuse(f"{where}.returned", "what is writeOnly is never returned (RFC 7643 §7)")
        if attribute.required and attribute.mutability is Mutability.READ_ONLY:
            self.refuse(f"{where}.required", "nobody could set it: the attribute is readOnly")
        if not attribute.kept and attribute.required:
            self.refuse(f"{where}.required", "what is never returned is not kept, so it cannot be required")
        if not attribute.kept and attribute.mutability is Mutability.IMMUTABLE:
            self.refuse(f"{where}.mutability", "what is never returned is not kept, so it cannot be immutable")
        if holder is None:
            return
        if attribute.mutability is Mutability.IMMUTABLE:
            self.refuse(f"{where}.mutability", f"a sub-attribute is not immutable by itself; say it of `{holder}`")
        if attribute.returned in (Returned.ALWAYS, Returned.REQUEST):
            self.refuse(f"{where}.returned", f"`{attribute.returned}` is not offered for a sub-attribute")

    # parts

    def name(self, where: str, given: Any) -> str:
        if not isinstance(given, str) or not _NAME.fullmatch(given) or len(given) > _MAX_NAME:
            word = shown(given) if isinstance(given, str) else "it"
            self.refuse(where, f"{word} is no name: a letter, then letters, digits, `-` and `_` (RFC 7643 §2.1)")
            return ""
        if given.lower() in _RESERVED:
            self.refuse(where, f"`{given}` is a reserved name")
            return ""
        return given

    def word(self, where: str, given: Mapping[str, Any], key: str, known: Iterable[str], usual: str) -> str:
        value = given.get(key, usual)
        words = [str(word) for word in known]
        if value in words:
            return str(value)
        hint = did_you_mean(value, words) if isinstance(value, str) else None
        said = shown(value) if isinstance(value, str) else "it"
        self.refuse(f"{where}.{key}", f"{said} is none of {', '.join(words)}{f'; {hint}' if hint else ''}")
        return usual

    def flag(self, where: str, given: Mapping[str, Any], key: str) -> bool:
        value = given.get(key, False)
        if not isinstance(value, bool):
            self.refuse(f"{where}.{key}", "is neither true nor false")
        return value is True

    def words(self, where: str, given: Any, most: int) -> str:
        if given is None:
            return ""
        if not isinstance(given, str) or not _storable(given) or len(given) > most:
            self.refuse(where, f"is no text of at most {most} characters")
            return ""
        return given

    def listed(self, where: str, given: Any) -> tuple[str, ...]:
        if given is None:
            return ()
        words = given if isinstance(given, list) else [None]
        fine = all(isinstance(word, str) and 0 < len(word) <= _MAX_URN and _storable(word) for word in words)
        if not fine or len(words) > MAX_ATTRIBUTES:
            self.refuse(where, f"is no list of at most {MAX_ATTRIBUTES} texts of at most {_MAX_URN} characters")
            return ()
        return tuple(words)


def _storable(text: str) -> bool:
    """Return whether every database can hold the text: no NUL, no half character."""
    return "\0" not in text and not re.search("[\ud800-\udfff]", text)
