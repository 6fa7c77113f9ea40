"""A login read by rules: truth tables of shapes and names, and laws that hold for any login."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rolebridge.core.errors import Invalid
from rolebridge.core.login import AssertedIdentity, LoginRefused, Protocol, Values
from rolebridge.core.login_claims import (
    MOST_GROUPS,
    StatedGroups,
    Stating,
    check_name,
    claimed_user,
    in_domains,
    same_name,
    stated_groups,
)
from rolebridge.core.login_rules import (
    TAKEN_OVER,
    Authority,
    GroupKey,
    GroupsClaim,
    GroupShape,
    LoginRules,
    attribute_path,
    check_domain,
    read_login_rules,
)

SHAPES = {
    "list": GroupsClaim("g"),
    "single": GroupsClaim("g", GroupShape.SINGLE),
    "delimited": GroupsClaim("g", GroupShape.DELIMITED, delimiter=","),
}
ACME = frozenset({"acme.example"})


def stated(claim: GroupsClaim, value: Values | None) -> tuple[str, ...] | str:
    """Return the groups, or what else came of it."""
    attributes = {} if value is None else {claim.name: value}
    try:
        found = stated_groups(claim, attributes)
    except LoginRefused as refused:
        return refused.code
    return found.groups if found.stating is Stating.STATED else found.stating.value


@pytest.mark.parametrize(
    ("shape", "value", "expected"),
    [
        ("list", None, "absent"),
        ("list", (), ()),
        ("list", ("x",), ("x",)),
        ("list", ("y", "x", "X"), ("x", "y")),
        ("list", "x", "login-groups-shape"),
        ("list", "x,y", "login-groups-shape"),
        ("list", "", "login-groups-shape"),
        ("list", ("x,y",), ("x,y",)),
        ("list", ("", " "), ()),
        ("single", None, "absent"),
        ("single", (), ()),
        ("single", "x", ("x",)),
        ("single", "x,y", ("x,y",)),
        ("single", ("x", "y"), ("x", "y")),
        ("single", "", ()),
        ("delimited", None, "absent"),
        ("delimited", (), ()),
        ("delimited", "", ()),
        ("delimited", "x", ("x",)),
        ("delimited", "x, y,,x", ("x", "y")),
        ("delimited", ("x,y",), ("x", "y")),
        ("delimited", ("x", "y"), "login-groups-shape"),
    ],
)
def test_groups_are_read_by_the_declared_shape(
    shape: str, value: Values | None, expected: tuple[str, ...] | str
) -> None:
    """What another shape would mean is never guessed; absent is not empty."""
    assert stated(SHAPES[shape], value) == expected


def test_without_a_groups_claim_nothing_is_stated() -> None:
    """Whatever the login holds."""
    assert stated_groups(None, {"groups": ("x",)}) == StatedGroups(Stating.ABSENT)


def test_names_fold_and_ids_do_not() -> None:
    """A group by name is one in any case; ids are opaque."""
    assert stated(GroupsClaim("g", key=GroupKey.ID), ("x", "X")) == ("X", "x")
    assert len(stated(GroupsClaim("g"), ("straße", "STRASSE"))) == 1


@pytest.mark.parametrize(
    ("sign", "expected"),
    [("src1", "overage"), (("src1",), "overage"), ("true", "overage"), ("false", ("x",)), ("", ("x",)), ((), ("x",))],
)
def test_a_sign_of_an_overage_outweighs_a_list(sign: Values, expected: tuple[str, ...] | str) -> None:
    """Which can only be a part; a sign that says no is none."""
    claim = GroupsClaim("g", overage=("more",))
    found = stated_groups(claim, {"g": ("x",), "more": sign})
    assert (found.groups if found.stating is Stating.STATED else found.stating.value) == expected


def test_bounds_refuse() -> None:
    """Too many groups, and names that are too long or cannot be shown."""
    many = tuple(str(number) for number in range(MOST_GROUPS + 1))
    assert stated(SHAPES["list"], many) == "login-groups-many"
    assert stated(SHAPES["list"], many[1:]) == tuple(sorted(many[1:]))
    assert stated(SHAPES["list"], ("x" * 401,)) == "login-groups-shape"
    assert stated(SHAPES["list"], ("a\x00b",)) == "login-groups-shape"
    assert stated(SHAPES["list"], ("\ud800",)) == "login-groups-shape"


GROUP_NAMES = st.lists(st.text("abAB, ß", min_size=0, max_size=4), max_size=8)


@given(GROUP_NAMES, st.randoms())
def test_order_and_repetition_never_matter(names: list[str], random: object) -> None:
    """The groups of a login are a set, in one order."""
    claim = SHAPES["list"]
    shuffled = names * 2
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    one, other = stated(claim, tuple(names)), stated(claim, tuple(shuffled))
    assert {name.casefold() for name in one} == {name.casefold() for name in other}
    assert len(one) == len({name.casefold() for name in one})


@given(GROUP_NAMES)
def test_stating_what_was_read_states_the_same(names: list[str]) -> None:
    """Reading is idempotent, and nothing blank is a group."""
    read = stated(SHAPES["list"], tuple(names))
    assert isinstance(read, tuple)
    assert stated(SHAPES["list"], read) == read
    assert all(name.strip() for name in read)


@given(st.lists(st.text("abc", min_size=1, max_size=3), max_size=6))
def test_delimited_and_list_mean_the_same_where_no_name_has_the_delimiter(names: list[str]) -> None:
    """Two providers that state the same groups in different shapes state the same groups."""
    assert stated(SHAPES["delimited"], ",".join(names)) == stated(SHAPES["list"], tuple(names))


@given(st.dictionaries(st.sampled_from(["g", "more", "other"]), st.one_of(st.text(max_size=5), st.tuples(st.text()))))
def test_any_claims_are_read_or_refused(attributes: dict[str, Values]) -> None:
    """Nothing else happens, whatever a provider sends."""
    for claim in SHAPES.values():
        found = stated(replace(claim, overage=("more",)), attributes.get("g"))
        assert not isinstance(found, str) or found.startswith("login-groups-") or found in {"absent", "overage"}
        with suppress(LoginRefused):
            read = stated_groups(replace(claim, overage=("more",)), attributes)
            assert read.groups == () or read.stating is Stating.STATED


# --- the person ------------------------------------------------------------------------------------------------


def identity(**attributes: Values) -> AssertedIdentity:
    return AssertedIdentity(Protocol.OIDC, "https://idp.example", "ana@acme.example", attributes)


@pytest.mark.parametrize(
    ("value", "code"),
    [
        (None, "login-user-name"),
        ("", "login-user-name"),
        ((), "login-user-name"),
        (("a", "b"), "login-user-name"),
        (" ana", "login-user-name"),
        ("a\nb", "login-user-name"),
        ("x" * 321, "login-user-name"),
        (("ana@acme.example",), "ana@acme.example"),
        ("ana@acme.example", "ana@acme.example"),
    ],
)
def test_a_user_name_is_one_text(value: Values | None, code: str) -> None:
    """Of several nobody knows which; blanks around it and what cannot be shown are somebody's trick."""
    claims = {} if value is None else {"upn": value}
    try:
        found = claimed_user(LoginRules(user_name="upn"), identity(**claims), ACME).user_name
    except LoginRefused as refused:
        found = refused.code
    assert found == code


@pytest.mark.parametrize(
    ("address", "inside"),
    [
        ("ana@acme.example", True),
        ("ana@ACME.Example", True),
        ("ana@sub.acme.example", False),
        ("ana@acme.example.evil", False),
        ("ana@evil@acme.example", False),
        ("@acme.example", False),
        ("acme.example", False),
        ("ana@acme.example.", False),
        ("ana@acme\u3002example", False),
        ("ana@\u212acme.example", False),
        ("ana@", False),
    ],
)
def test_domains_are_compared_whole_and_in_ascii(address: str, inside: bool) -> None:
    """One `@`, something before it, and the domain itself behind it."""
    assert in_domains(address, ACME) is inside
    if inside:
        check_name(LoginRules(), address, {}, ACME)
        return
    with pytest.raises(LoginRefused) as refused:
        check_name(LoginRules(), address, {}, ACME)
    assert refused.value.code == "login-domain"


@given(st.text(), st.text())
def test_same_names_are_the_same_user_names(one: str, other: str) -> None:
    """Whatever is the same here is one userName in the directory; the other way round it need not be."""
    if same_name(one, other):
        assert one.casefold() == other.casefold()
    assert same_name(one, one)
    assert same_name(one, other) == same_name(other, one)


@given(st.text(max_size=20))
def test_no_address_is_in_no_domain(address: str) -> None:
    """A connection that speaks for no domain speaks for nobody."""
    assert not in_domains(address, frozenset())


def test_attributes_are_taken_over_as_the_rules_say() -> None:
    """Where they have one text; e-mail addresses of declared domains alone, the first as the primary one."""
    rules = LoginRules(
        attributes=(
            ("displayName", "dn"),
            ("emails", "mail"),
            ("name.familyName", "sn"),
            (attribute_path("Department"), "dep"),
            ("title", "t"),
            ("locale", "missing"),
        )
    )
    claims: dict[str, Values] = {
        "dn": ("Ana",), "mail": ("a@evil.example", "a@acme.example", "b@acme.example"), "sn": "Ruiz", "dep": "R&D",
        "t": ("x", "y"),
    }  # fmt: skip
    found = claimed_user(rules, identity(**claims), ACME)
    assert found.attributes == {
        "displayName": "Ana",
        "emails": [{"value": "a@acme.example", "primary": True}, {"value": "b@acme.example"}],
        "name": {"familyName": "Ruiz"},
        "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User": {"department": "R&D"},
    }
    assert found.left_out == ("title: not one text",)
    unverified = claimed_user(rules, identity(**claims, email_verified="false"), ACME)
    assert "emails" not in unverified.attributes


# --- rules -----------------------------------------------------------------------------------------------------


@given(
    st.builds(
        LoginRules,
        user_name=st.sampled_from(["", "upn"]),
        attributes=st.lists(st.sampled_from(sorted(TAKEN_OVER)), unique=True).map(
            lambda paths: tuple(sorted((path, "c") for path in paths))
        ),
        groups=st.one_of(st.none(), st.sampled_from(list(SHAPES.values()))),
        authority=st.just(Authority.LOGIN),
        link=st.booleans(),
        create=st.booleans(),
        update=st.booleans(),
        plain_names=st.booleans(),
        membership_days=st.integers(1, 400),
    )
)
def test_rules_survive_their_document(rules: LoginRules) -> None:
    """What is kept is what was said."""
    assert read_login_rules(rules.document()) == rules


@pytest.mark.parametrize(
    ("document", "field"),
    [
        ({"create": 1}, "create"),
        ({"nonsense": True}, "nonsense"),
        ({"authority": "both"}, "authority"),
        ({"membership_days": 0}, "membership_days"),
        ({"membership_days": True}, "membership_days"),
        ({"membership_days": 30.0}, "membership_days"),
        ({"update": True}, "update"),
        ({"groups": "g"}, "groups"),
        ({"groups": {}}, "groups.name"),
        ({"groups": {"name": "g", "shape": "csv"}}, "groups.shape"),
        ({"groups": {"name": "g", "delimiter": ","}}, "groups.delimiter"),
        ({"groups": {"name": "g", "overage": "x"}}, "groups.overage"),
        ({"groups": {"name": "a\nb"}}, "groups.name"),
        ({"attributes": {"password": "p"}}, "attributes"),
        ({"attributes": {"title": ""}}, "attributes"),
        ({"attributes": {"title": "a", "TITLE": "b"}}, "attributes"),
        ({"attributes": ["title"]}, "attributes"),
        ({"user_name": None}, "user_name"),
    ],
)
def test_rules_that_cannot_be_are_refused(document: dict[str, object], field: str) -> None:
    """Each with the field that is wrong."""
    with pytest.raises(Invalid) as refused:
        read_login_rules(document)
    assert refused.value.field == field


@pytest.mark.parametrize(
    "text",
    ["", "localhost", "a..b", "-a.example", "acme.example.", "a b.example", "ä.example", "*.x.example", "x" * 254],
)
def test_what_is_no_domain_is_refused(text: str) -> None:
    """Names with a dot in them, in ASCII."""
    with pytest.raises(Invalid):
        check_domain(text)


def test_domains_are_kept_in_lower_case() -> None:
    """Internationalized ones in their ASCII form."""
    assert check_domain("XN--Bcher-KVA.Example") == "xn--bcher-kva.example"
