"""The departures from RFC 7643 and RFC 7644 that a profile may forgive, each with a name and one meaning.

A tolerance is used where the request is read, is counted there, and is refused there when the profile lacks it. What
the RFCs leave open (names in any case, `null` for unassigned, removing what is absent) is not a tolerance.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    # Commands that only list profiles do not pay for scim2-models, which the errors import.
    from rolebridge.scim.errors import Refusal
    from rolebridge.scim.schemas import SchemaSet


class Tolerance(StrEnum):
    """A departure from the RFCs by the name that profiles, logs and refusals use."""

    # values, in any body
    STRING_BOOLEAN = "string-boolean"
    SCALAR_AS_STRING = "scalar-as-string"
    EMPTY_STRING_CLEARS = "empty-string-clears"
    SINGLE_FOR_LIST = "single-for-list"
    LIST_FOR_SINGLE = "list-for-single"
    BARE_VALUE = "bare-value"
    JSON_IN_STRING = "json-in-string"
    DISPLAY_NAME_FOR_DISPLAY = "display-name-for-display"
    SEVERAL_PRIMARIES = "several-primaries"
    # names, in any body
    TOP_LEVEL_EXTENSION = "top-level-extension"
    UNKNOWN_ATTRIBUTE = "unknown-attribute"
    SCHEMAS_INCOMPLETE = "schemas-incomplete"
    SCHEMAS_UNKNOWN = "schemas-unknown"
    # PATCH
    CAPITAL_OP = "capital-op"
    PATH_KEYS = "path-keys"
    FILTER_KEYS = "filter-keys"
    CREATE_ABSENT = "create-absent"
    REMOVE_WITH_VALUE = "remove-with-value"
    ADD_NULL = "add-null"
    READ_ONLY_ECHOED = "read-only-echoed"
    # filters and queries
    UNQUOTED_VALUE = "unquoted-value"
    FILTER_IN_ATTRIBUTES = "filter-in-attributes"
    BOTH_PROJECTIONS = "both-projections"
    # HTTP
    ENDPOINT_CASE = "endpoint-case"

    @property
    def meaning(self) -> str:
        """Return one line: what a client sends, and what is made of it."""
        return _MEANINGS[self]


_MEANINGS: Final[Mapping[Tolerance, str]] = MappingProxyType(
    {
        Tolerance.STRING_BOOLEAN: 'a boolean as a string, `"True"`, in a value or a filter, is the boolean',
        Tolerance.SCALAR_AS_STRING: "a number or a boolean for a string attribute is its JSON text",
        Tolerance.EMPTY_STRING_CLEARS: "the empty string leaves an attribute unassigned, as `null` does",
        Tolerance.SINGLE_FOR_LIST: "one value where a list belongs is a list of one",
        Tolerance.LIST_FOR_SINGLE: "a list of at most one value where one value belongs is that value",
        Tolerance.BARE_VALUE: 'a plain string for a complex value (`"manager": "id"`) is its `value`',
        Tolerance.JSON_IN_STRING: "JSON text as the value of a role or entitlement is the object it describes",
        Tolerance.DISPLAY_NAME_FOR_DISPLAY: "`displayName` inside a value that has a `display` means that",
        Tolerance.SEVERAL_PRIMARIES: "of several values marked primary, the first one is",
        Tolerance.TOP_LEVEL_EXTENSION: "an attribute of an extension without its URN is found in the extension",
        Tolerance.UNKNOWN_ATTRIBUTE: "an attribute that no schema has is ignored",
        Tolerance.SCHEMAS_INCOMPLETE: "`schemas` may be missing or lack a schema whose attributes are there",
        Tolerance.SCHEMAS_UNKNOWN: "a URN in `schemas` that names no schema here (mistyped, SCIM 1, ADSCIM) is ignored",
        Tolerance.CAPITAL_OP: "`Add`, `Replace` and `Remove` are the operations in lower case",
        Tolerance.PATH_KEYS: "a key of an operation without path may be a path: `name.givenName`",
        Tolerance.FILTER_KEYS: 'a key of an operation without path may hold a filter: `emails[type eq "work"].value`',
        Tolerance.CREATE_ABSENT: "a value filter that matches nothing makes the value that it describes",
        Tolerance.REMOVE_WITH_VALUE: "a remove with a value removes the listed values only",
        Tolerance.ADD_NULL: "an add of `null` clears a single attribute and adds nothing to a list",
        Tolerance.READ_ONLY_ECHOED: "a read-only attribute among the keys of an operation without path is ignored",
        Tolerance.UNQUOTED_VALUE: "a string in a filter may lack its quotes: `externalId eq jyoung`",
        Tolerance.FILTER_IN_ATTRIBUTES: "a filter inside `attributes` or `excludedAttributes` is passed over",
        Tolerance.BOTH_PROJECTIONS: "of `attributes` and `excludedAttributes` in one request, the former counts",
        Tolerance.ENDPOINT_CASE: "an endpoint in another case, `/users`, is that endpoint",
    }
)


class Reading:
    """The reading of one request: the schemas of its organization, and what its profile forgives.

    `used` is what had to be forgiven so far; `specified` are the attributes that are only answered on request and that
    the request itself holds, as (URN, name): who sends one has asked for it (RFC 7643 §7 `returned`).
    """

    __slots__ = ("profile", "schemas", "specified", "tolerances", "used")

    def __init__(self, profile: str, tolerances: frozenset[Tolerance], schemas: SchemaSet | None = None) -> None:
        """Read by `schemas`, or by those that every organization has."""
        if schemas is None:
            from rolebridge.scim.schemas import standard  # noqa: PLC0415 - see above

            schemas = standard()
        self.profile = profile
        self.tolerances = tolerances
        self.schemas = schemas
        self.used: set[Tolerance] = set()
        self.specified: set[tuple[str, str]] = set()

    def forgive(self, tolerance: Tolerance, refusal: Refusal, detail: str) -> None:
        """Note the use of a tolerance; raise `refusal` with `detail` where the profile does not have it."""
        if tolerance not in self.tolerances:
            raise refusal(f"{detail} (profile `{self.profile}` does not forgive `{tolerance}`)")
        self.used.add(tolerance)
