"""The attributes of RFC 7643's User, Enterprise User and Group as tables for filters, paths and conditions.

Types and sub-attributes are those of RFC 7643 §8.7.1, with the addresses' `primary` and the members' `display` that
§2.4 and every identity provider use. References, ids and binary values compare exactly (§2.3.6, §2.3.7), everything
else without regard to case. `password` is left out on purpose: it is never stored, so nothing can be asked of it.
"""

from __future__ import annotations

from typing import Final

from rolebridge.core.attributes import Attribute, AttributeTable, AttributeType, by_name

CORE_USER: Final = "urn:ietf:params:scim:schemas:core:2.0:User"
ENTERPRISE_USER: Final = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
CORE_GROUP: Final = "urn:ietf:params:scim:schemas:core:2.0:Group"


def _text(name: str, *, multi_valued: bool = False) -> Attribute:
    return Attribute(name, multi_valued=multi_valued)


def _exact(name: str) -> Attribute:
    return Attribute(name, case_exact=True)


def _reference(name: str, *, multi_valued: bool = False) -> Attribute:
    return Attribute(name, AttributeType.REFERENCE, multi_valued, case_exact=True)


def _complex(name: str, *subs: Attribute) -> Attribute:
    return Attribute(name, AttributeType.COMPLEX, sub=by_name(subs))


def _values(name: str, *subs: Attribute) -> Attribute:
    """Return a multi-valued complex attribute."""
    return Attribute(name, AttributeType.COMPLEX, multi_valued=True, sub=by_name(subs))


def _typed(name: str, value: Attribute) -> Attribute:
    """Return a multi-valued attribute with the default sub-attributes of RFC 7643 §2.4."""
    return _values(name, value, _text("display"), _text("type"), Attribute("primary", AttributeType.BOOLEAN))


_COMMON: Final = (
    _reference("schemas", multi_valued=True),
    _exact("id"),
    _exact("externalId"),
    _complex(
        "meta",
        _exact("resourceType"),
        Attribute("created", AttributeType.DATE_TIME),
        Attribute("lastModified", AttributeType.DATE_TIME),
        _reference("location"),
        _exact("version"),
    ),
)

_USER: Final = (
    _text("userName"),
    _complex(
        "name",
        _text("formatted"),
        _text("familyName"),
        _text("givenName"),
        _text("middleName"),
        _text("honorificPrefix"),
        _text("honorificSuffix"),
    ),
    _text("displayName"),
    _text("nickName"),
    _reference("profileUrl"),
    _text("title"),
    _text("userType"),
    _text("preferredLanguage"),
    _text("locale"),
    _text("timezone"),
    Attribute("active", AttributeType.BOOLEAN),
    _typed("emails", _text("value")),
    _typed("phoneNumbers", _text("value")),
    _typed("ims", _text("value")),
    _typed("photos", _reference("value")),
    _values(
        "addresses",
        _text("formatted"),
        _text("streetAddress"),
        _text("locality"),
        _text("region"),
        _text("postalCode"),
        _text("country"),
        _text("type"),
        Attribute("primary", AttributeType.BOOLEAN),
    ),
    _values("groups", _exact("value"), _reference("$ref"), _text("display"), _text("type")),
    _typed("entitlements", _text("value")),
    _typed("roles", _text("value")),
    _typed("x509Certificates", Attribute("value", AttributeType.BINARY, case_exact=True)),
)

_ENTERPRISE: Final = (
    _text("employeeNumber"),
    _text("costCenter"),
    _text("organization"),
    _text("division"),
    _text("department"),
    _complex("manager", _exact("value"), _reference("$ref"), _text("displayName")),
)

_GROUP: Final = (
    _text("displayName"),
    _values("members", _exact("value"), _reference("$ref"), _text("type"), _text("display")),
)

USER_TABLE: Final = AttributeTable(CORE_USER, by_name((*_COMMON, *_USER)), {ENTERPRISE_USER: by_name(_ENTERPRISE)})
"""The attributes of a user: RFC 7643 §4.1 and its enterprise extension, §4.3."""

GROUP_TABLE: Final = AttributeTable(CORE_GROUP, by_name((*_COMMON, *_GROUP)))
"""The attributes of a group: RFC 7643 §4.2."""
