"""What an attack is, and the tools to make one."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any, Final

from lxml import etree
from tests.sso.saml import idp
from tests.sso.saml.idp import ACS, DS, SAML, SP_ENTITY, Login

from rolebridge.sso.saml.expectations import Expectations

ADMIN: Final = "admin@example.com"
Message = etree._Element | bytes | str


def expectations(**changed: Any) -> Expectations:
    """Return what the connection of the tests expects, changed."""
    usual = Expectations(
        sp_entity_id=SP_ENTITY,
        acs_url=ACS,
        idp_entity_id=idp.IDP_ENTITY,
        certificates=(idp.signer().certificate,),
        in_response_to=idp.REQUEST,
        decryption_keys=(idp.decryption_key(),),
    )
    return replace(usual, **changed)


@dataclass(frozen=True)
class Attack:
    """One attack. `make` returns the message, or what stands in the form if that is `raw`."""

    name: str
    code: str
    make: Callable[[], Message]
    expected: Callable[[], Expectations] = expectations
    raw: bool = False
    later: timedelta = field(default_factory=timedelta)

    def form(self) -> bytes:
        made = self.make()
        if self.raw:
            assert isinstance(made, bytes)
            return made
        return idp.encoded(made)


ATTACKS: Final[list[Attack]] = []


def attack(
    code: str, *, raw: bool = False, later: timedelta = timedelta(), **expected: Any
) -> Callable[[Callable[[], Message]], Callable[[], Message]]:
    """Put a function into the table, under its own name."""

    def put(make: Callable[[], Message]) -> Callable[[], Message]:
        ATTACKS.append(Attack(make.__name__, code, make, lambda: expectations(**expected), raw, later))
        return make

    return put


def says(
    code: str, name: str, *, sign_what: str = "both", expected: dict[str, Any] | None = None, **changed: Any
) -> None:
    """Put a rightly signed response into the table that says something wrong."""
    make = lambda: idp.signed(Login(**changed), sign_what)  # noqa: E731 - the table wants a function
    ATTACKS.append(Attack(name, code, make, lambda: expectations(**(expected or {}))))


def text(message: etree._Element) -> str:
    return etree.tostring(message).decode()


def signed(sign_what: str = "assertion", **changed: Any) -> etree._Element:
    return idp.signed(Login(**changed), sign_what)


def assertion_in(root: etree._Element) -> etree._Element:
    found = root.find(f"{{{SAML}}}Assertion")
    assert found is not None
    return found


def signature_in(element: etree._Element) -> etree._Element:
    found = element.find(f"{{{DS}}}Signature")
    assert found is not None
    return found


def part(root: etree._Element, path: str) -> etree._Element:
    """Return the one element at a path in the prefixes of `idp`."""
    (found,) = root.iterfind(path, idp.NAMESPACES)
    return found


def without_signature(element: etree._Element) -> etree._Element:
    copy = deepcopy(element)
    copy.remove(signature_in(copy))
    return copy


def evil(element: etree._Element, id_: str = "_evil") -> etree._Element:
    """Return a copy that says that the administrator has logged in, under another id."""
    copy = deepcopy(element)
    copy.set("ID", id_)
    for name in copy.iter(f"{{{SAML}}}NameID"):
        name.text = ADMIN
    if copy.tag == f"{{{idp.SAMLP}}}Response":
        for inner in copy.iter(f"{{{SAML}}}Assertion"):
            inner.set("ID", id_ + "-assertion")
    return copy


def wrapped(tag: str, *inside: etree._Element, space: str = DS) -> etree._Element:
    outer = etree.Element(f"{{{space}}}{tag}")
    outer.extend(inside)
    return outer
