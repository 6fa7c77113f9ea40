"""Filters against resources: what holds, why it does not, and two independent evaluators that must agree."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scim2_models import EnterpriseUser, ScimFilter, User
from scim2_models import Schema as OracleSchema

from rolebridge.core.filters import (
    And,
    Attribute,
    AttributeTable,
    AttributeType,
    AttrPath,
    Compare,
    Filter,
    FilteredPath,
    FilterError,
    Not,
    Operand,
    OperandKind,
    Operator,
    Or,
    Present,
    Scalar,
    ValuePath,
    by_name,
    check,
    check_path,
    compile_filter,
    matches,
    parse_filter,
    parse_path,
    to_text,
    values_at,
    why_false,
)
from rolebridge.core.filters import Selection as ResolvedSelection

ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"


def attributes_of(schema: OracleSchema) -> Mapping[str, Attribute]:
    """Return a schema of scim2-models as the values our table is made of."""

    def convert(attribute: Any) -> Attribute:
        return Attribute(
            attribute.name,
            AttributeType(attribute.type.value),
            bool(attribute.multi_valued),
            bool(attribute.case_exact),
            by_name(convert(sub) for sub in attribute.sub_attributes or ()),
        )

    return by_name(convert(attribute) for attribute in schema.attributes or ())


T = AttributeType
COMMON = [
    Attribute("schemas", T.REFERENCE, multi_valued=True, case_exact=True),
    Attribute("id", case_exact=True),
    Attribute("externalId", case_exact=True),
    Attribute("loginCount", T.INTEGER),
    Attribute("meta", T.COMPLEX, sub=by_name([Attribute("created", T.DATE_TIME)])),
]
TABLE = AttributeTable(
    "urn:ietf:params:scim:schemas:core:2.0:User",
    {**attributes_of(User.to_schema()), **by_name(COMMON)},
    {ENTERPRISE: attributes_of(EnterpriseUser.to_schema())},
)

ANA: dict[str, Any] = {
    "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User", ENTERPRISE],
    "id": "2819C223",
    "userName": "Ana.Ruiz",
    "userType": "Employee",
    "title": "",
    "active": True,
    "loginCount": 7,
    "name": {"familyName": "Ruiz"},
    "emails": [
        {"value": "ana@acme.example", "type": "work", "primary": True},
        {"value": "ana@home.example", "type": "home"},
    ],
    "phoneNumbers": [],
    "roles": [{}],
    "groups": [{"value": "g1", "display": "Reviewers"}, {"value": "g2", "display": "Trainees"}],
    "meta": {"created": "2026-11-20T09:14:00+01:00", "version": 'W/"a"'},
    ENTERPRISE: {"department": "Vision", "manager": {"value": "m1"}},
}


def holds(text: str, resource: Mapping[str, Any] = ANA) -> bool:
    return matches(check(parse_filter(text), TABLE), resource)


# --- truth ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        # text, folded unless caseExact
        ('userName eq "ANA.RUIZ"', True),
        ('id eq "2819c223"', False),
        ('id eq "2819C223"', True),
        ('userName co ".R"', True),
        ('userName sw "ana"', True),
        ('userName sw "ruiz"', False),
        ('userName ew "RUIZ"', True),
        ('userName gt "ana"', True),
        ('userName ge "ANA.RUIZ"', True),
        ('userName lt "ana.ruiz"', False),
        ('userName le "ana.ruiz"', True),
        ('userName co ""', True),
        # other types
        ("active eq true", True),
        ("active eq false", False),
        ("active ne false", True),
        ("loginCount eq 7", True),
        ("loginCount gt 6", True),
        ("loginCount lt 7", False),
        ("loginCount le 7.0", True),
        ('meta.created eq "2026-11-20T08:14:00Z"', True),
        ('meta.created gt "2026-11-20"', True),
        ('meta.created lt "2026-11-20T08:14:00Z"', False),
        # extensions, with and without their URN, and an implied value
        ('department eq "vision"', True),
        (f'{ENTERPRISE}:department eq "vision"', True),
        ('manager eq "m1"', True),
        ('manager.value eq "m1"', True),
        ('manager ne "m1"', False),
        # several values: any of them
        ('emails.type eq "home"', True),
        ('emails co "acme"', True),
        ('emails.value ew "nowhere"', False),
        ('groups eq "g2"', True),
        ('groups.display eq "trainees"', True),
        ('emails.type eq "home" and emails.value co "acme"', True),
        (f'schemas eq "{ENTERPRISE}"', True),
        ('schemas co "hr"', False),
        # `ne`: none of them
        ('groups.display ne "Trainees"', False),
        ('groups.display ne "Leads"', True),
        # one element satisfies all of it
        ('emails[type eq "home" and value co "acme"]', False),
        ('emails[type eq "work" and value co "acme"]', True),
        ('emails[not (type eq "work")]', True),
        ("emails[primary eq true]", True),
        ('emails[type eq "home" and primary eq true]', False),
        ('emails[type eq "home" and primary ne true]', True),
        ("emails[display eq null]", True),
        (f'schemas[value eq "{ENTERPRISE}"]', True),
        ('manager[value eq "m1"]', True),
        ('emails[type eq "work"].value eq "ANA@acme.example"', True),
        ('emails[type eq "home"].value eq "ana@acme.example"', False),
        ('emails[type eq "home"].value ne "ana@acme.example"', True),
        ('emails[type eq "other"].value ne "x"', True),
        ('emails[type eq "work"].value pr', True),
        ('emails[type eq "work"].display pr', False),
        ('emails[type eq "work"].display eq null', True),
        # absence
        ('nickName eq "x"', False),
        ('nickName ne "x"', True),
        ('not (nickName eq "x")', True),
        ('nickName co ""', False),
        ('nickName gt "a"', False),
        ('not (nickName gt "a")', True),
        ("nickName eq null", True),
        ("userName eq null", False),
        ("userName ne null", True),
        ('photos.type ne "x"', True),
        ('photos[type ne "x"]', False),
        ('name.givenName ne "x"', True),
        ("emails.primary eq false", False),
        # presence
        ("userName pr", True),
        ("active pr", True),
        ("nickName pr", False),
        ("title pr", False),
        ("title eq null", True),
        ('title eq ""', True),
        ("phoneNumbers pr", False),
        ("roles pr", False),
        ("name pr", True),
        ("name.givenName pr", False),
        ("emails pr", True),
        ("emails.primary pr", True),
        ("emails.display pr", False),
        ("department pr", True),
        ("manager pr", True),
        ("manager.displayName pr", False),
        # logic
        ('userType eq "Employee" or nickName eq "y"', True),
        ('userType eq "x" or title pr or active eq true', True),
        ('userType eq "Employee" and active eq false', False),
        ('userType eq "x" and active eq true or userName pr', True),
        ('userType eq "x" and (active eq true or userName pr)', False),
        ('not (userType eq "Employee" and active eq true)', False),
    ],
)
def test_the_truth_table(text: str, expected: bool) -> None:
    """Each operator, type, absence, presence and correlation has its stated truth on Ana."""
    assert holds(text) is expected


def test_the_condition_of_a_mapping_file_holds_for_a_contractor_without_department() -> None:
    """An absent attribute makes `not (x eq …)` true, so the contractor with no department is in."""
    text = 'userType eq "Contractor" and not (department eq "Finance" or groups.display eq "Trainees")'
    contractor = {"userType": "contractor"}
    assert holds(text, contractor)
    assert holds(text, contractor | {"groups": [{"display": "Leads"}]})
    assert not holds(text, contractor | {"groups": [{"display": "Leads"}, {"display": "trainees"}]})
    assert not holds(text, contractor | {ENTERPRISE: {"department": "FINANCE"}})
    assert not holds(text, {"userType": "Employee"})


@pytest.mark.parametrize(
    ("text", "resource"),
    [
        ('userName eq "5"', {"userName": 5}),
        ("active eq true", {"active": "true"}),
        ("active eq true", {"active": 1}),
        ("loginCount eq 1", {"loginCount": True}),
        ("loginCount eq 1", {"loginCount": "1"}),
        ('meta.created gt "2000-01-01"', {"meta": {"created": "yesterday"}}),
        ('meta.created gt "2000-01-01"', {"meta": "2026-01-01"}),
        ('name.familyName eq "x"', {"name": ["x"]}),
        ('emails.value eq "x"', {"emails": ["x", None, 5]}),
        ('emails[value eq "x"]', {"emails": ["x"]}),
        ('department eq "x"', {ENTERPRISE: "x"}),
        ('userName eq "x"', {"username": "x"}),
    ],
)
def test_a_value_of_another_type_equals_nothing(text: str, resource: dict[str, Any]) -> None:
    """Data that is not canonical never matches and never fails; its `not` holds."""
    assert not holds(text, resource)
    assert holds(f"not ({text})", resource)


def test_a_lone_value_counts_as_a_list_of_one() -> None:
    """A multi-valued attribute that holds an object or string instead of a list has that one value."""
    assert holds('emails.value eq "x" and emails[value eq "x"]', {"emails": {"value": "x"}})
    assert holds('schemas eq "urn:x"', {"schemas": "urn:x"})
    table = AttributeTable("urn:a:A", {}, {"urn:b:B": by_name([Attribute("tags", multi_valued=True)])})
    tagged = compile_filter(check(parse_filter('tags eq "x"'), table))
    assert tagged({"urn:b:B": {"tags": ["y", None, "X"]}})
    assert not tagged({"urn:b:B": "x"})


def test_a_resource_may_be_any_mapping() -> None:
    """Read-only mappings are resources too, at every level."""
    view = MappingProxyType({"name": MappingProxyType({"familyName": "Ruiz"})})
    assert holds('name.familyName eq "ruiz" and name pr', view)


def test_a_selection_finds_the_elements_a_patch_changes() -> None:
    """The filter of a PATCH path compiles to a function of one element."""
    target = check_path(parse_path('emails[type eq "work"].value'), TABLE)
    assert isinstance(target, ResolvedSelection)
    selects = compile_filter(target.filter)
    assert [selects(element) for element in ANA["emails"]] == [True, False]


def test_values_at_reads_along_a_path() -> None:
    """The values of a path come in order, without absent and null ones."""

    def values(text: str, resource: Any = ANA) -> list[Any]:
        path = parse_path(text)
        assert isinstance(path, AttrPath)
        return values_at(TABLE.resolve(path), resource)

    assert values("emails.type") == ["work", "home"]
    assert values("emails.primary") == [True]
    assert values("department") == ["Vision"]
    assert values("nickName") == []
    assert values("emails.value", {"emails": [{"value": None}, {"value": "x"}, "y"]}) == ["x"]


# --- why not -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('userType eq "Contractor"', 'userType is "Employee"'),
        ('userType ne "Employee"', 'userType is "Employee"'),
        ('not (userType sw "E")', 'userType is "Employee"'),
        ("active eq false", "active is true"),
        ("loginCount gt 9", "loginCount is 7"),
        ('meta.created gt "2027-01-01"', 'meta.created is "2026-11-20T09:14:00+01:00"'),
        ('nickName eq "x"', "nickName is absent"),
        ("nickName pr", "nickName is absent"),
        ("userName eq null", "userName is present"),
        ('department eq "Finance"', 'department is "Vision"'),
        (f'{ENTERPRISE}:department eq "Finance"', 'department is "Vision"'),
        ('manager eq "m2"', 'manager is "m1"'),
        ('groups.display eq "Leads"', 'groups.display does not contain "Leads"'),
        ('groups.display ne "trainees"', 'groups.display contains "trainees"'),
        ('groups eq "g9"', 'groups does not contain "g9"'),
        ('groups.display co "Lead"', 'no value of groups.display contains "Lead"'),
        ('not (groups.display sw "Rev")', 'a value of groups.display begins with "Rev"'),
        ('emails.value ew ".org"', 'no value of emails.value ends with ".org"'),
        ('emails.value gt "z"', 'no value of emails.value is above "z"'),
        ('photos.value eq "x"', "photos.value is absent"),
        ('photos[type eq "x"]', "photos is absent"),
        ('emails[type eq "other"]', 'emails has no value with type eq "other"'),
        (
            'emails[type eq "work"].value eq "x"',
            'emails has no value with type eq "work" and value eq "x"',
        ),
        ('not (emails[type eq "work"])', 'emails has a value with type eq "work"'),
        # the first false term of `and` decides; a false `or` needs all of its terms
        ('userName pr and userType eq "X" and nickName pr', 'userType is "Employee"'),
        ('userType eq "X" or nickName pr', 'userType is "Employee" and nickName is absent'),
        ('userType eq "X" or userType eq "Y"', 'userType is "Employee"'),
        ('not (nickName pr or userType eq "Employee")', 'userType is "Employee"'),
        (
            'not (active eq true and userType eq "Employee")',
            'active is true and userType is "Employee"',
        ),
        (
            "nickName pr or title pr or locale pr or timezone pr or profileUrl pr",
            "nickName is absent and title is absent and locale is absent and 2 more",
        ),
        (
            'userType eq "Employee" and not (department eq "Finance" or groups.display eq "Trainees")',
            'groups.display contains "Trainees"',
        ),
    ],
)
def test_a_false_filter_says_which_fact_decides(text: str, reason: str) -> None:
    """The reason is a fact about the resource, in words that follow `condition false: `."""
    assert why_false(check(parse_filter(text), TABLE), ANA) == reason


def test_a_true_filter_has_no_reason() -> None:
    """There is nothing to explain when the filter holds."""
    assert why_false(check(parse_filter("userName pr"), TABLE), ANA) is None


def test_a_reason_is_one_bounded_line() -> None:
    """Long values are cut and what does not print is escaped."""
    text = 'nickName eq "x"'
    reason = why_false(check(parse_filter(text), TABLE), {"nickName": "a\u2028\u202e" + "b" * 500})
    assert reason is not None
    assert reason.startswith(r'nickName is "a\u2028\u202eb')
    assert reason.endswith("b…")
    assert len(reason) == len("nickName is ") + 80


# --- a naive evaluator ---------------------------------------------------------------------------------------
#
# It reads the tree as written, knows attributes by name, and computes `ne` and null without rewriting anything.

ORDER = {
    Operator.GT: lambda a, b: a > b,
    Operator.GE: lambda a, b: a >= b,
    Operator.LT: lambda a, b: a < b,
    Operator.LE: lambda a, b: a <= b,
}


def naive(node: Filter, subject: Any, inside: Attribute | None = None) -> bool:
    match node:
        case And(terms):
            return all(naive(term, subject, inside) for term in terms)
        case Or(terms):
            return any(naive(term, subject, inside) for term in terms)
        case Not(term):
            return not naive(term, subject, inside)
        case ValuePath(path, inner):
            holder, values = naive_values(path, subject, None)
            return any(naive(inner, value, holder) for value in values)
        case Present(FilteredPath(path, inner, sub)) | Compare(FilteredPath(path, inner, sub)):
            holder, elements = naive_values(path, subject, None)
            chosen = [element for element in elements if naive(inner, element, holder)]
            target = holder.sub[str(sub).lower()]
            values = [element.get(target.name) for element in chosen]
            return naive_leaf(node, target, [value for value in values if value is not None])
        case Present(path) | Compare(path):
            target, values = naive_values(path, subject, inside)
            return naive_leaf(node, target, values)


def naive_values(path: AttrPath | FilteredPath, subject: Any, inside: Attribute | None) -> tuple[Attribute, list[Any]]:
    assert isinstance(path, AttrPath)
    known = inside.sub if inside is not None else TABLE.extensions[ENTERPRISE] if path.schema else TABLE.attributes
    attribute = known[path.name.lower()]
    names = (ENTERPRISE,) if path.schema else ()
    found = [subject]
    target = attribute
    for name in (*names, attribute.name):
        found = [item.get(name) for item in found if item is not None]
    if path.sub:
        target = attribute.sub[path.sub.lower()]
        found = [
            item.get(target.name) for value in found for item in (value if isinstance(value, list) else [value]) if item
        ]  # fmt: skip
    flat = [item for value in found for item in (value if isinstance(value, list) else [value])]
    return target, [value for value in flat if value is not None]


def naive_leaf(node: Present | Compare, target: Attribute, values: list[Any]) -> bool:
    if isinstance(node, Present):
        return any(value not in ("", {}) for value in values)
    if node.operand.kind is OperandKind.NULL:
        return any(value not in ("", {}) for value in values) is (node.op is Operator.NE)
    if node.op is Operator.NE:
        return not any(naive_equal(value, node.operand.value, target) for value in values)
    return any(naive_test(node.op, value, node.operand.value, target) for value in values)


def naive_key(value: Any, target: Attribute) -> Any:
    if target.type is AttributeType.DATE_TIME:
        instant = datetime.fromisoformat(value)
        return instant if instant.tzinfo else instant.replace(tzinfo=UTC)
    return value.casefold() if isinstance(value, str) and not target.case_exact else value


def naive_equal(value: Any, wanted: Any, target: Attribute) -> bool:
    return bool(naive_key(value, target) == naive_key(wanted, target))


def naive_test(op: Operator, value: Any, wanted: Any, target: Attribute) -> bool:
    left, right = naive_key(value, target), naive_key(wanted, target)
    match op:
        case Operator.EQ:
            return bool(left == right)
        case Operator.CO:
            return right in left
        case Operator.SW:
            return bool(left[: len(right)] == right)
        case Operator.EW:
            return not right or bool(left[-len(right) :] == right)
        case _:
            return bool(ORDER[op](left, right))


# --- strategies ----------------------------------------------------------------------------------------------

words = st.sampled_from(["a", "A", "b", "ab", "Ba", "abc", "z"])
folding = st.sampled_from(["ß", "SS", "\u017f", "İ", "é", ""])
stamps = st.sampled_from(
    ["2026-01-01T00:00:00Z", "2026-01-01T01:00:00+01:00", "2026-06-01T00:00:00.5Z", "2027-01-01T00:00:00-05:00"]
)  # fmt: skip
counts = st.integers(-2, 2)

VALUES: dict[str, st.SearchStrategy[Any]] = {
    "userName": words, "id": words, "userType": words, "active": st.booleans(), "loginCount": counts,
    "name.familyName": words, "meta.created": stamps, "roles.value": words, "roles.type": words,
    "roles.primary": st.booleans(), f"{ENTERPRISE}:department": words, f"{ENTERPRISE}:manager.value": words,
}  # fmt: skip
INNER: dict[str, st.SearchStrategy[Any]] = {"value": words, "type": words, "primary": st.booleans()}
EQUALITY = [Operator.EQ, Operator.NE]
SUBSTRING = [Operator.CO, Operator.SW, Operator.EW]


def some(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({}, optional=fields)


def resources(text: st.SearchStrategy[str]) -> st.SearchStrategy[dict[str, Any]]:
    role = some(value=text, type=text, primary=st.booleans())
    enterprise = some(department=text, manager=some(value=text))
    return st.fixed_dictionaries(
        {"userName": text},
        optional={
            "id": text, "userType": text, "active": st.booleans(), "loginCount": counts,
            "name": some(familyName=text), "meta": some(created=stamps), "roles": st.lists(role, max_size=3),
            ENTERPRISE: enterprise,
        },
    )  # fmt: skip


def operand(value: Scalar) -> Operand:
    kinds = {str: OperandKind.STRING, bool: OperandKind.BOOLEAN, type(None): OperandKind.NULL}
    return Operand(kinds.get(type(value), OperandKind.NUMBER), value)


def attr_path(text: str) -> AttrPath:
    path = parse_path(text)
    assert isinstance(path, AttrPath)
    return path


@st.composite
def comparisons(
    draw: st.DrawFn, values: dict[str, st.SearchStrategy[Any]], text: st.SearchStrategy[str], null: bool
) -> Compare:
    name = draw(st.sampled_from(sorted(values)))
    strategy = text if values[name] is words else values[name]
    if null and draw(st.integers(0, 9)) == 0:
        return Compare(attr_path(name), draw(st.sampled_from(EQUALITY)), operand(None))
    value = draw(strategy)
    if isinstance(value, bool):
        allowed = EQUALITY
    elif strategy is text:
        allowed = list(Operator)
    else:
        allowed = [op for op in Operator if op not in SUBSTRING]
    return Compare(attr_path(name), draw(st.sampled_from(allowed)), operand(value))


def combined(leaves: st.SearchStrategy[Filter], max_leaves: int) -> st.SearchStrategy[Filter]:
    def extend(inner: st.SearchStrategy[Filter]) -> st.SearchStrategy[Filter]:
        several = st.lists(inner, min_size=2, max_size=3).map(tuple)
        return st.builds(And, several) | st.builds(Or, several) | st.builds(Not, inner)

    return st.recursive(leaves, extend, max_leaves=max_leaves)


def filters(text: st.SearchStrategy[str], *, null: bool, correlated: bool) -> st.SearchStrategy[Filter]:
    roles = st.just(AttrPath(None, "roles"))
    inner = combined(
        comparisons(INNER, text, null) | st.builds(Present, st.sampled_from(sorted(INNER)).map(attr_path)), 4
    )
    leaves: st.SearchStrategy[Filter] = comparisons(VALUES, text, null)
    leaves |= st.builds(Present, st.sampled_from([*sorted(VALUES), "roles", "name"]).map(attr_path))
    leaves |= st.builds(ValuePath, roles, inner)
    if correlated:
        filtered = st.builds(FilteredPath, roles, inner, st.just("value"))
        leaves |= st.builds(Compare, filtered, st.sampled_from(Operator), text.map(operand))
        leaves |= st.builds(Present, filtered)
    return combined(leaves, 6)


texts = words | folding


@given(filters(texts, null=True, correlated=True), resources(texts))
def test_compiled_filters_agree_with_a_naive_reading(tree: Filter, resource: dict[str, Any]) -> None:
    """The closures compute what a literal reading of the rules computes on the tree as written."""
    node = check(tree, TABLE)
    expected = naive(tree, resource)
    assert compile_filter(node)(resource) is expected
    assert (why_false(node, resource) is None) is expected


@given(filters(texts, null=True, correlated=True), resources(texts))
def test_not_turns_every_filter_around(tree: Filter, resource: dict[str, Any]) -> None:
    """Logic has two values: `not (f)` holds exactly where `f` does not, and one of the two has a reason."""
    plain, negated = check(tree, TABLE), check(Not(tree), TABLE)
    assert matches(plain, resource) is not matches(negated, resource)
    reason = why_false(plain, resource) or why_false(negated, resource)
    assert reason is not None
    assert reason.isprintable()


def canonical(resource: dict[str, Any]) -> User[EnterpriseUser]:
    return User[EnterpriseUser].model_validate(resource)


@given(
    filters(words, null=False, correlated=False),
    resources(words).map(lambda resource: {key: value for key, value in resource.items() if key != "loginCount"}),
)  # fmt: skip
def test_standard_filters_agree_with_scim2_models(tree: Filter, resource: dict[str, Any]) -> None:
    """On standard filters over schema attributes we match what scim2-models matches."""
    text = to_text(tree)
    if "loginCount" in text:
        return
    assert holds(text, resource) is ScimFilter[User[EnterpriseUser]](text).match(canonical(resource))


TOKENS = [
    "userName", "active", "emails", "nope", "name", "meta.created", "schemas", ENTERPRISE + ":department", ENTERPRISE,
    "department", "eq", "ne", "gt", "co", "pr", "and", "or", "not", "(", ")", "[", "]", ".value", '"x"', "true",
    "null", "5", "1e9", '"2026-01-01"', "x", "value", "type",
]  # fmt: skip


@given(st.lists(st.sampled_from(TOKENS), max_size=8).map(" ".join), st.booleans())
def test_any_text_is_evaluated_or_refused_as_a_filter_error(text: str, tolerant: bool) -> None:
    """From text to truth nothing but the filter's own errors can come out, with a place inside the text."""
    try:
        node = check(parse_filter(text, unquoted_values=tolerant), TABLE, boolean_strings=tolerant)
    except FilterError as error:
        place = (error.offset, error.offset + error.length)
    else:
        place = (0, 0)
        assert matches(node, ANA) is (why_false(node, ANA) is None)
    assert 0 <= place[0] <= place[1] <= len(text)
