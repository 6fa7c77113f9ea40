"""Filters and paths against a table: names found in any spelling, values typed, misfits refused at their place."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from rolebridge.core.filters import (
    AmbiguousAttribute,
    And,
    Attribute,
    AttributeRef,
    AttributeTable,
    AttributeType,
    AttrPath,
    Comparison,
    Element,
    FilterError,
    InvalidComparison,
    Not,
    Operator,
    Or,
    Presence,
    ResolvedFilter,
    ResolvedPath,
    Selection,
    Tolerance,
    UnknownAttribute,
    WholeSchema,
    by_name,
    check,
    check_path,
    parse_datetime,
    parse_filter,
    parse_path,
    problems,
    referenced_attributes,
    tolerances,
)

CORE = "urn:ietf:params:scim:schemas:core:2.0:User"
ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
HR = "urn:acme:params:scim:schemas:extension:hr:2.0:User"

T = AttributeType
VALUE = Attribute("value")
PLURAL = by_name([VALUE, Attribute("type"), Attribute("display"), Attribute("primary", T.BOOLEAN)])
TABLE = AttributeTable(
    CORE,
    by_name(
        [
            Attribute("id", case_exact=True),
            Attribute("schemas", T.REFERENCE, multi_valued=True, case_exact=True),
            Attribute("userName"),
            Attribute("title"),
            Attribute("active", T.BOOLEAN),
            Attribute("age", T.INTEGER),
            Attribute("score", T.DECIMAL),
            Attribute("photo", T.BINARY),
            Attribute(
                "name", T.COMPLEX, sub=by_name([Attribute("familyName"), Attribute("givenName")])
            ),
            Attribute("meta", T.COMPLEX, sub=by_name([Attribute("created", T.DATE_TIME)])),
            Attribute("emails", T.COMPLEX, multi_valued=True, sub=PLURAL),
            Attribute("groups", T.COMPLEX, multi_valued=True, sub=PLURAL),
            Attribute("opaque", T.COMPLEX),
        ]
    ),
    {
        ENTERPRISE: by_name(
            [
                Attribute("department"),
                Attribute("costCenter"),
                Attribute("manager", T.COMPLEX, sub=by_name([VALUE, Attribute("displayName")])),
            ]
        ),
        HR: by_name([Attribute("costCenter"), Attribute("contractEnd", T.DATE_TIME), Attribute("title")]),
    },
)  # fmt: skip


def checked(text: str, *, unquoted: bool = False, boolean_strings: bool = False) -> ResolvedFilter:
    return check(parse_filter(text, unquoted_values=unquoted), TABLE, boolean_strings=boolean_strings)


def resolved(text: str, *, compared: bool = False) -> ResolvedPath:
    path = parse_path(text)
    assert isinstance(path, AttrPath)
    return TABLE.resolve(path, compared=compared)


def refused(text: str) -> FilterError:
    with pytest.raises(FilterError) as caught:
        checked(text)
    return caught.value


# --- names ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "keys"),
    [
        ("USERNAME", ("userName",)),
        ("name.FAMILYNAME", ("name", "familyName")),
        (f"{CORE.upper()}:userName", ("userName",)),
        (f"{ENTERPRISE.lower()}:Department", (ENTERPRISE, "department")),
        ("department", (ENTERPRISE, "department")),
        ("manager.displayname", (ENTERPRISE, "manager", "displayName")),
        ("contractEnd", (HR, "contractEnd")),
        (f"{HR}:costCenter", (HR, "costCenter")),
        ("title", ("title",)),
        (f"{HR}:title", (HR, "title")),
        ("schemas.value", ("schemas",)),
    ],
)
def test_a_path_finds_its_attribute_in_any_spelling(text: str, keys: tuple[str, ...]) -> None:
    """Names and URNs ignore case; a bare name is the core one, else that of the only extension that has it."""
    assert resolved(text).keys == keys


@pytest.mark.parametrize(
    ("text", "keys", "implied"),
    [
        ("emails", ("emails", "value"), True),
        ("manager", (ENTERPRISE, "manager", "value"), True),
        ("emails.value", ("emails", "value"), False),
        ("schemas", ("schemas",), False),
        ("name", ("name",), False),
    ],
)
def test_comparing_a_complex_attribute_means_its_value(text: str, keys: tuple[str, ...], implied: bool) -> None:
    """`members eq "…"` and `manager eq "…"` compare `.value`; elsewhere the path stays as written."""
    path = resolved(text, compared=True)
    assert (path.keys, path.implied_value) == (keys, implied)
    assert resolved("emails").keys == ("emails",)


@pytest.mark.parametrize(
    ("text", "message", "underlined", "help"),
    [
        ('usrName eq "x"', "unknown attribute `usrName`", "usrName", "did you mean `userName` or `name`?"),
        ("departmnt pr", "unknown attribute `departmnt`", "departmnt", "did you mean `department`?"),
        ("qqqq pr", "unknown attribute `qqqq`", "qqqq", None),
        (f"{'q' * 300} pr", f"unknown attribute `{'q' * 59}…`", "q" * 300, None),
        (
            "name.familynam pr",
            "`name` has no sub-attribute `familynam`",
            "name.familynam",
            "did you mean `familyName`?",
        ),
        (
            "userName.value pr",
            "`userName` is not complex, it has no `value`",
            "userName.value",
            None,
        ),
        ("schemas.type pr", "`schemas` is not complex, it has no `type`", "schemas.type", None),
        (
            "urn:acme:params:scim:schemas:extension:hr:2.0:Usr:title pr",
            "unknown schema `urn:acme:params:scim:schemas:extension:hr:2.0:Usr`",
            "urn:acme:params:scim:schemas:extension:hr:2.0:Usr:title",
            f"did you mean `{HR}`?",
        ),
        (
            f"{HR}:contractEnds pr",
            f"the schema `{HR}` has no attribute `contractEnds`",
            f"{HR}:contractEnds",
            "did you mean `contractEnd`?",
        ),
        (f"{HR} pr", f"`{HR}` is a schema, not an attribute of one", HR, None),
        (
            'emails[typ eq "x"]',
            "`emails` has no sub-attribute `typ`",
            "typ",
            "did you mean `type`?",
        ),
        ("emails[type.x pr]", "`type` has no sub-attributes", "type.x", None),
        (
            f"emails[{CORE}:type pr]",
            "a schema cannot stand before a sub-attribute of `emails`",
            f"{CORE}:type",
            "write `type`",
        ),
        (
            "emails[type pr].valeu pr",
            "`emails` has no sub-attribute `valeu`",
            "valeu",
            "did you mean `value`?",
        ),
    ],
)
def test_an_unknown_name_is_refused_with_a_suggestion(
    text: str, message: str, underlined: str, help: str | None
) -> None:
    """A name nobody has is refused at its place, with the nearest known name if there is one."""
    error = refused(text)
    assert isinstance(error, UnknownAttribute)
    assert error.message == message
    assert text[error.offset : error.offset + error.length] == underlined
    if help is None or "hr:2.0" not in help:
        assert error.help == help
    else:
        assert error.help is not None
        assert error.help.startswith("did you mean")
        assert HR in error.help


def test_a_name_of_several_extensions_is_ambiguous() -> None:
    """`costCenter` in two extensions needs its URN, and the refusal spells the choices."""
    error = refused('title pr and costcenter eq "x"')
    assert isinstance(error, AmbiguousAttribute)
    assert error.message == "`costcenter` is an attribute of 2 schemas"
    assert (error.offset, error.length) == (13, 10)
    assert error.help == f"write `{ENTERPRISE}:costCenter` or `{HR}:costCenter`"


def test_a_table_refuses_duplicates() -> None:
    """Two attributes or schemas that differ only in case are a mistake of the table's author."""
    with pytest.raises(ValueError, match="`TITLE` is listed twice"):
        by_name([Attribute("title"), Attribute("TITLE")])
    with pytest.raises(ValueError, match="have the same URN"):
        AttributeTable(CORE, {}, {CORE.upper(): {}})


# --- values --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "value", "written"),
    [
        ('userName eq "AnA"', "ana", "AnA"),
        ('id eq "AnA"', "AnA", "AnA"),
        ('userName gt "Straße"', "strasse", "Straße"),
        ("active eq true", True, True),
        ("age ge 18", 18, 18),
        ("age ge 18.0", 18, 18.0),
        ("score lt 1.5", 1.5, 1.5),
        ('photo eq "AbC="', "AbC=", "AbC="),
        (
            'meta.created gt "2026-12-01T01:00:00+01:00"',
            datetime(2026, 12, 1, tzinfo=UTC),
            "2026-12-01T01:00:00+01:00",
        ),
    ],
)
def test_a_value_takes_the_type_of_its_attribute(text: str, value: object, written: object) -> None:
    """Text folds unless it compares exactly, dateTimes become instants; what was written is kept beside it."""
    node = checked(text)
    assert isinstance(node, Comparison)
    assert (node.value, node.written) == (value, written)
    assert type(node.value) is type(value)


@pytest.mark.parametrize(
    ("text", "message", "underlined", "help"),
    [
        ("active gt true", "`gt` cannot compare `active`, which is of type boolean", "gt", None),
        ('active co "x"', "`co` cannot compare `active`, which is of type boolean", "co", None),
        ('photo ge "AA=="', "`ge` cannot compare `photo`, which is of type binary", "ge", None),
        ('photo sw "AA"', "`sw` cannot compare `photo`, which is of type binary", "sw", None),
        ('age sw "1"', "`sw` cannot compare `age`, which is of type integer", "sw", None),
        (
            'meta.created co "2026"',
            "`co` cannot compare `meta.created`, which is of type dateTime",
            "co",
            None,
        ),
        ("title gt null", "`gt` cannot compare with null", "gt", None),
        (
            'active eq "x"',
            '`"x"` does not compare with `active`, which is of type boolean',
            '"x"',
            "write `true` or `false`",
        ),
        (
            'active eq "true"',
            '`"true"` does not compare with `active`, which is of type boolean',
            '"true"',
            "write `true` or `false`",
        ),
        (
            "active eq 1",
            "`1` does not compare with `active`, which is of type boolean",
            "1",
            "write `true` or `false`",
        ),
        (
            "userName eq 5",
            "`5` does not compare with `userName`, which is of type string",
            "5",
            'write a string: "…"',
        ),
        (
            "userName eq true",
            "`true` does not compare with `userName`, which is of type string",
            "true",
            'write a string: "…"',
        ),
        (
            "age eq true",
            "`true` does not compare with `age`, which is of type integer",
            "true",
            "write a whole number",
        ),
        (
            "age eq 1.5",
            "`1.5` does not compare with `age`, which is of type integer",
            "1.5",
            "write a whole number",
        ),
        (
            "age eq 1e300",
            "`1e+300` does not compare with `age`, which is of type integer",
            "1e300",
            "write a whole number",
        ),
        (
            'score eq "1"',
            '`"1"` does not compare with `score`, which is of type decimal',
            '"1"',
            "write a number",
        ),
        (
            'contractEnd lt "31.12.2026"',
            '`"31.12.2026"` does not compare with `contractEnd`, which is of type dateTime',
            '"31.12.2026"',
            'write it like "2026-12-01T00:00:00Z"',
        ),
        (
            'name eq "x"',
            "`name` is complex, only its sub-attributes compare",
            "name",
            "compare `name.familyName` or `name.givenName`",
        ),
        ('opaque eq "x"', "`opaque` is complex, only its sub-attributes compare", "opaque", None),
        (
            'userName[value eq "x"]',
            "`userName` holds one simple value, there is nothing to select with `[…]`",
            "userName",
            None,
        ),
        (
            'emails[primary eq "x"]',
            '`"x"` does not compare with `primary`, which is of type boolean',
            '"x"',
            "write `true` or `false`",
        ),
    ],
)
def test_a_misfit_of_types_is_refused_at_its_place(text: str, message: str, underlined: str, help: str | None) -> None:
    """An operator or value that the attribute's type does not have is refused, never evaluated to nothing."""
    text = f"title pr or {text}"
    error = refused(text)
    assert isinstance(error, InvalidComparison)
    assert (error.message, error.help) == (message, help)
    assert text[error.offset : error.offset + error.length] == underlined
    assert error.offset > 9


def test_all_problems_of_a_filter_are_found_at_once() -> None:
    """`problems` goes on after the first one, also inside brackets, and says nothing twice."""
    text = 'nope pr and (active gt true or not (age eq "x")) or emails[typ eq "x" and prim pr].value eq 1 or title pr'
    found = [(error.offset, error.message) for error in problems(parse_filter(text), TABLE)]
    assert found == [
        (text.index("nope"), "unknown attribute `nope`"),
        (text.index("gt"), "`gt` cannot compare `active`, which is of type boolean"),
        (text.index('"x"'), '`"x"` does not compare with `age`, which is of type integer'),
        (text.index("typ "), "`emails` has no sub-attribute `typ`"),
        (text.index("prim "), "`emails` has no sub-attribute `prim`"),
        (text.index("1 or"), "`1` does not compare with `value`, which is of type string"),
    ]
    unknown = 'mails[type eq "x" and value eq "y"]'
    assert [error.message for error in problems(parse_filter(unknown), TABLE)] == ["unknown attribute `mails`"]
    assert problems(parse_filter("title pr"), TABLE) == []


# --- the shapes that are left ----------------------------------------------------------------------------------


def comparison(path: str, op: Operator, value: str) -> Comparison:
    return Comparison(resolved(path), op, value, value)


def within(name: str) -> ResolvedPath:
    return ResolvedPath(None, PLURAL[name], None, (name,))


WORK = Comparison(within("type"), Operator.EQ, "work", "work")


def test_ne_and_null_become_not_and_presence() -> None:
    """`ne` is `not eq`, `eq null` is `not pr`: evaluation and SQL know neither `ne` nor null."""
    assert checked('title ne "x"') == Not(comparison("title", Operator.EQ, "x"))
    assert checked("title eq null") == Not(Presence(resolved("title")))
    assert checked("title ne null") == Presence(resolved("title"))
    assert checked("emails eq null") == Not(Presence(resolved("emails")))


def test_a_compared_value_filter_speaks_of_one_element() -> None:
    """`emails[type eq "work"].value eq "x"` is one element with both, and `ne` denies that there is one."""
    x = Comparison(within("value"), Operator.EQ, "x", "x")
    element = Element(resolved("emails"), And((WORK, x)), "")
    assert checked('emails[type eq "work" and value eq "x"]') == element
    assert checked('emails[type eq "work"].value eq "x"') == element
    assert checked('emails[type eq "work"].value ne "x"') == Not(element)
    present = Element(resolved("emails"), And((WORK, Presence(within("value")))), "")
    assert checked('emails[type eq "work"].value pr') == present
    assert checked('emails[type eq "work"].value eq null') == Not(present)
    assert checked('emails[type eq "work"].value ne null') == present
    either = checked('emails[type eq "work" or value eq "y"].value sw "x"')
    assert isinstance(either, Element)
    assert isinstance(either.filter, And)
    assert isinstance(either.filter.terms[0], Or)
    assert either.text == '(type eq "work" or value eq "y") and value sw "x"'


def test_the_elements_of_a_simple_attribute_are_called_value() -> None:
    """`schemas[value eq "urn"]` compares the strings themselves."""
    node = checked('schemas[value eq "urn:a"]')
    assert isinstance(node, Element)
    assert isinstance(node.filter, Comparison)
    assert node.filter.path.keys == ()
    assert referenced_attributes(node) == {AttributeRef(None, "schemas", None)}


def test_referenced_attributes_name_everything_that_decides() -> None:
    """Lower-cased names with their extension, sub-attributes inside brackets included."""
    node = checked(
        'emails[value eq "x"] and not (Department eq "y" or groups.Display eq "z")'
        ' or manager eq "1" or emails[type pr].display pr or name pr'
    )
    enterprise = ENTERPRISE.lower()
    assert referenced_attributes(node) == {
        AttributeRef(None, "emails", "value"),
        AttributeRef(None, "emails", "type"),
        AttributeRef(None, "emails", "display"),
        AttributeRef(None, "groups", "display"),
        AttributeRef(None, "name", None),
        AttributeRef(enterprise, "department", None),
        AttributeRef(enterprise, "manager", "value"),
    }


def test_resolved_filters_can_be_keys() -> None:
    """Equal filters hash alike, whatever their spelling and places."""
    a, b = checked('USERNAME eq "ANA"'), checked('  userName  eq "ana"')
    assert a == b
    assert len({a, b}) == 1


# --- tolerances ------------------------------------------------------------------------------------------------


def test_a_boolean_as_a_string_is_a_tolerance() -> None:
    """`primary eq "True"`, which Entra sends, is accepted where that is allowed, and counted."""
    node = checked('emails[primary eq "True"].value eq "x" or active ne "false"', boolean_strings=True)
    assert tolerances(node) == (Tolerance.BOOLEAN_STRING, Tolerance.BOOLEAN_STRING)
    assert node == checked('emails[primary eq true].value eq "x" or active ne false')
    with pytest.raises(InvalidComparison):
        checked('active eq "yes"', boolean_strings=True)


@pytest.mark.parametrize(
    ("text", "quoted"),
    [
        ("userName eq jyoung", 'userName eq "jyoung"'),
        ("userName eq 701984", 'userName eq "701984"'),
        ("userName eq true", 'userName eq "true"'),
        ("active eq True", "active eq true"),
        ("meta.created gt 2026-12-01", 'meta.created gt "2026-12-01"'),
    ],
)
def test_an_unquoted_value_is_read_by_the_type_of_its_attribute(text: str, quoted: str) -> None:
    """A bare word is what the attribute would have it be, and counted once."""
    node = checked(text, unquoted=True)
    assert node == checked(quoted)
    assert tolerances(node) == (Tolerance.UNQUOTED_VALUE,)


def test_a_standard_value_is_no_tolerance() -> None:
    """Allowing tolerances counts nothing when a filter needs none."""
    text = 'active eq true and age eq 5 and userName eq "x" and title eq null'
    assert tolerances(checked(text, unquoted=True, boolean_strings=True)) == ()


def test_an_unquoted_word_still_has_to_fit() -> None:
    """`age eq old` is refused even where values may be unquoted."""
    with pytest.raises(InvalidComparison, match="`old` does not compare with `age`"):
        checked("age eq old", unquoted=True)


# --- paths of PATCH ----------------------------------------------------------------------------------------------


def test_a_path_names_a_schema_an_attribute_or_elements() -> None:
    """A bare schema URN, an attribute without an implied `.value`, and a selection come out as such."""
    assert check_path(parse_path(ENTERPRISE.upper()), TABLE) == WholeSchema(ENTERPRISE)
    assert check_path(parse_path("emails"), TABLE) == resolved("emails")
    assert check_path(parse_path(f"{ENTERPRISE}:manager"), TABLE) == resolved("manager")
    assert check_path(parse_path('emails[type eq "Work"]'), TABLE) == Selection(resolved("emails"), WORK, None)
    selection = check_path(parse_path('EMAILS[primary eq "True"].Value'), TABLE, boolean_strings=True)
    assert isinstance(selection, Selection)
    assert selection.sub == VALUE
    assert tolerances(selection.filter) == (Tolerance.BOOLEAN_STRING,)


def test_a_schema_whose_urn_ends_in_a_version_is_found() -> None:
    """`urn:acme:hr:2.0` cannot be an attribute and `urn:acme:hr:v1.x` could: the table knows both."""
    table = AttributeTable(CORE, {}, {"urn:acme:hr:2.0": {}, "urn:acme:hr:v1.x": {}})
    assert check_path(parse_path("urn:ACME:hr:2.0"), table) == WholeSchema("urn:acme:hr:2.0")
    assert check_path(parse_path("urn:acme:hr:v1.x"), table) == WholeSchema("urn:acme:hr:v1.x")
    with pytest.raises(UnknownAttribute, match=r"unknown schema `urn:acme:hr:3\.0`") as caught:
        check_path(parse_path("urn:acme:hr:3.0"), table)
    assert caught.value.help == "did you mean `urn:acme:hr:2.0` or `urn:acme:hr:v1.x`?"


@pytest.mark.parametrize(
    ("text", "message", "offset"),
    [
        ("emailz", "unknown attribute `emailz`", 0),
        ("emails[typ pr]", "`emails` has no sub-attribute `typ`", 7),
        ("emails[type pr].valu", "`emails` has no sub-attribute `valu`", 16),
        ("userName[value pr]", "`userName` holds one simple value, there is nothing to select with `[…]`", 0),
    ],
)  # fmt: skip
def test_a_path_that_names_nothing_is_refused_at_its_place(text: str, message: str, offset: int) -> None:
    """A PATCH path is checked like a filter, its brackets included."""
    with pytest.raises(FilterError) as caught:
        check_path(parse_path(text), TABLE)
    assert (caught.value.message, caught.value.offset) == (message, offset)


# --- dateTime ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("2026-12-01T10:00:00Z", datetime(2026, 12, 1, 10, tzinfo=UTC)),
        ("2026-12-01t10:00:00z", datetime(2026, 12, 1, 10, tzinfo=UTC)),
        ("2026-12-01T10:00:00.1234567Z", datetime(2026, 12, 1, 10, 0, 0, 123456, tzinfo=UTC)),
        ("2026-12-01T10:00+02:00", datetime(2026, 12, 1, 8, tzinfo=UTC)),
        ("2026-12-01T10:00:00", datetime(2026, 12, 1, 10, tzinfo=UTC)),
        ("2026-12-01", datetime(2026, 12, 1, tzinfo=UTC)),
        ("2026-02-31", None),
        ("2026-12-01T24:00:00Z", None),
        ("0001-01-01T00:00:00+14:00", None),
        ("20261201", None),
        ("2026-W01-1", None),
        (" 2026-12-01", None),
        ("٢٠٢٦-12-01", None),
        ("", None),
    ],
)
def test_a_datetime_is_an_instant_or_nothing(text: str, instant: datetime | None) -> None:
    """The xsd forms and a date alone are read in UTC; other ISO 8601 forms and impossible days are not."""
    assert parse_datetime(text) == instant
