"""Reading filters and PATCH paths: what is accepted, what is refused and where, and the way back to text."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scim2_models.exceptions import InvalidFilterException
from scim2_models.path import expressions as oracle
from scim2_models.path.grammar import _build_filter as oracle_parse

from rolebridge.core.filters import (
    MAX_COMPARISONS,
    MAX_DEPTH,
    MAX_LENGTH,
    And,
    AttrPath,
    Compare,
    Filter,
    FilteredPath,
    FilterSyntaxError,
    Not,
    Operand,
    OperandKind,
    Operator,
    Or,
    Path,
    Present,
    Scalar,
    SchemaPath,
    ValuePath,
    parse_filter,
    parse_path,
    to_text,
)

ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"


def operand(value: Scalar) -> Operand:
    kinds = {str: OperandKind.STRING, bool: OperandKind.BOOLEAN, type(None): OperandKind.NULL}
    return Operand(kinds.get(type(value), OperandKind.NUMBER), value)


def compare(name: str, op: str, value: Scalar) -> Compare:
    schema, _, tail = name.rpartition(":")
    attribute, _, sub = tail.partition(".")
    return Compare(AttrPath(schema or None, attribute, sub or None), Operator(op), operand(value))


A, B, C = (compare(name, "eq", name) for name in "abc")

# --- what is accepted ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "tree"),
    [
        ('userName eq "ana"', compare("userName", "eq", "ana")),
        ('userName EQ "ana"', compare("userName", "eq", "ana")),
        ('  userName\teq\r\n"ana" ', compare("userName", "eq", "ana")),
        ("title pr", Present(AttrPath(None, "title"))),
        ("title PR", Present(AttrPath(None, "title"))),
        ('name.familyName co "O\'Malley"', compare("name.familyName", "co", "O'Malley")),
        ('members.$ref ew "/1"', compare("members.$ref", "ew", "/1")),
        ('x-y_z1 ne "v"', compare("x-y_z1", "ne", "v")),
        ('eq eq "eq"', compare("eq", "eq", "eq")),
        ("active eq true", compare("active", "eq", True)),
        ("active ne false", compare("active", "ne", False)),
        ("title eq null", compare("title", "eq", None)),
        ("age gt 18", compare("age", "gt", 18)),
        ("age ge -1", compare("age", "ge", -1)),
        ("age lt 1.5e3", compare("age", "lt", 1500.0)),
        ("age le 9223372036854775807", compare("age", "le", 2**63 - 1)),
        (r'a eq "\"\\\/\b\f\n\r\t\u00e9\ud83d\ude00"', compare("a", "eq", '"\\/\b\f\n\r\té😀')),
        ('a eq ""', compare("a", "eq", "")),
        ('a eq "(b or [c])"', compare("a", "eq", "(b or [c])")),
        (f'{ENTERPRISE}:department eq "x"', compare(f"{ENTERPRISE}:department", "eq", "x")),
        (f'{ENTERPRISE}:manager.value eq "x"', compare(f"{ENTERPRISE}:manager.value", "eq", "x")),
        ('URN:acme:2.0:a.b eq "x"', compare("URN:acme:2.0:a.b", "eq", "x")),
        (
            'emails[type eq "work" and value co "@x"]',
            ValuePath(AttrPath(None, "emails"), And((compare("type", "eq", "work"), compare("value", "co", "@x")))),
        ),
        (
            'emails[type eq "work"].value eq "x"',
            Compare(
                FilteredPath(AttrPath(None, "emails"), compare("type", "eq", "work"), "value"),
                Operator.EQ,
                operand("x"),
            ),
        ),
        (
            'emails[type eq "work"].value pr',
            Present(FilteredPath(AttrPath(None, "emails"), compare("type", "eq", "work"), "value")),
        ),
        (
            f'{ENTERPRISE}:manager[value eq "1"]',
            ValuePath(AttrPath(ENTERPRISE, "manager"), compare("value", "eq", "1")),
        ),
    ],
)
def test_a_comparison_reads_as_its_tree(text: str, tree: Filter) -> None:
    """Every form of RFC 7644 §3.4.2.2, and the one that Entra adds, reads as the tree it means."""
    assert parse_filter(text) == tree


@pytest.mark.parametrize(
    ("text", "tree"),
    [
        ('a eq "a" or b eq "b" and c eq "c"', Or((A, And((B, C))))),
        ('a eq "a" and b eq "b" or c eq "c"', Or((And((A, B)), C))),
        ('a eq "a" and b eq "b" and c eq "c"', And((A, B, C))),
        ('a eq "a" OR b eq "b" Or c eq "c"', Or((A, B, C))),
        ('(a eq "a" or b eq "b") and c eq "c"', And((Or((A, B)), C))),
        ('not (a eq "a") and b eq "b"', And((Not(A), B))),
        ('not(a eq "a" and b eq "b")', Not(And((A, B)))),
        ('NOT (not (a eq "a"))', Not(Not(A))),
        ('((a eq "a"))', A),
        ('(a eq "a" and b eq "b") and c eq "c"', And((And((A, B)), C))),
        ('a eq "a" and(b eq "b")', And((A, B))),
    ],
)
def test_not_binds_tighter_than_and_and_and_tighter_than_or(text: str, tree: Filter) -> None:
    """Precedence is `not`, `and`, `or`; parentheses that group are kept, others leave no trace."""
    assert parse_filter(text) == tree


def test_true_and_one_are_different_filters() -> None:
    """`x eq true` is not `x eq 1`, though Python finds the values equal."""
    assert parse_filter("x eq true") != parse_filter("x eq 1")


def test_every_node_knows_its_place() -> None:
    """Offsets and lengths give back the very text of paths, operators and values."""
    text = 'not ( emails[type eq "work"].value  co "@x" ) or title pr'
    tree = parse_filter(text)
    assert isinstance(tree, Or)
    negation, present = tree.terms
    assert isinstance(negation, Not)
    node = negation.term
    assert isinstance(node, Compare)
    assert isinstance(node.path, FilteredPath)
    assert isinstance(node.path.filter, Compare)
    assert isinstance(present, Present)

    def cut(at: AttrPath | FilteredPath | Operand) -> str:
        return text[at.offset : at.offset + at.length]

    assert cut(node.path) == 'emails[type eq "work"].value'
    assert cut(node.path.path) == "emails"
    assert isinstance(node.path.filter.path, AttrPath)
    assert cut(node.path.filter.path) == "type"
    assert text[node.op_offset : node.op_offset + 2] == "co"
    assert cut(node.operand) == '"@x"'
    assert cut(present.path) == "title"


@pytest.mark.parametrize("word", ["jyoung", "a@b.example", "0a21f0f2-11", "True", "007", "O'Neil"])
def test_an_unquoted_value_is_a_tolerance(word: str) -> None:
    """`externalId eq jyoung` reads only where that is allowed, and remembers that it was bare."""
    text = f"externalId eq {word} and title pr"
    with pytest.raises(FilterSyntaxError, match="is not a value"):
        parse_filter(text)
    tree = parse_filter(text, unquoted_values=True)
    assert isinstance(tree, And)
    node = tree.terms[0]
    assert node == compare("externalId", "eq", word)
    assert isinstance(node, Compare)
    assert node.operand.bare == word


def test_a_bare_number_keeps_its_text_where_values_may_be_unquoted() -> None:
    """`externalId eq 701984` may be a number or a string without quotes: the text decides with the type."""
    tree = parse_filter("externalId eq 701984", unquoted_values=True)
    assert isinstance(tree, Compare)
    assert (tree.operand.value, tree.operand.bare) == (701984, "701984")
    strict = parse_filter("externalId eq 701984")
    assert isinstance(strict, Compare)
    assert strict.operand.bare is None


def test_a_keyword_is_never_an_unquoted_value() -> None:
    """`externalId eq and title pr` misses a value, it does not look for "and"."""
    with pytest.raises(FilterSyntaxError, match="`eq` needs a value, found `and`"):
        parse_filter("externalId eq and title pr", unquoted_values=True)


# --- what is refused -----------------------------------------------------------------------------------------

OPERATORS = "one of eq ne co sw ew gt ge lt le pr"
STRAIGHT = 'strings stand in straight double quotes: "…"'

REFUSED: list[tuple[str, str, int, int, str | None]] = [
    # text, message, offset, length, help
    ("", "the filter is empty", 0, 0, None),
    (" \t ", "the filter is empty", 0, 3, None),
    ("userName", "expected an operator, found the end of the filter", 8, 0, OPERATORS),
    ("userName eq", "`eq` needs a value, found the end of the filter", 11, 0, None),
    ('userName eqq "x"', "unknown operator `eqq`", 9, 3, "did you mean `eq`?"),
    ('userName == "x"', "unknown operator `==`", 9, 2, "did you mean `eq`?"),
    ('userName contains "x"', "unknown operator `contains`", 9, 8, "did you mean `co`?"),
    ('userName zzz "x"', "unknown operator `zzz`", 9, 3, OPERATORS),
    ('userName "x"', "expected an operator, found a string", 9, 1, OPERATORS),
    ("userName and title pr", "expected an operator, found `and`", 9, 3, OPERATORS),
    (
        'userName="x"',
        "`userName=` is not an attribute name",
        0,
        9,
        "operators are words between spaces: `eq`",
    ),
    ("a<>1", "`a<>1` is not an attribute name", 0, 4, "operators are words between spaces: `ne`"),
    ("userName eq ana", "`ana` is not a value", 12, 3, "put it in double quotes"),
    ("userName eq 'ana'", "`'ana'` is not a value", 12, 5, STRAIGHT),
    ("userName eq “ana”", "`“ana”` is not a value", 12, 5, STRAIGHT),
    ("active eq True", "`True` is not a value", 10, 4, "write `true`"),
    ("age eq 01", "`01` is not a value", 7, 2, "put it in double quotes"),
    ("age eq 1.", "`1.` is not a value", 7, 2, "put it in double quotes"),
    ("age eq 1e999", "the number `1e999` is out of range", 7, 5, None),
    ("age eq 9223372036854775808", "the number `9223372036854775808` is out of range", 7, 19, None),
    ("age eq " + "9" * 5000, f"the number `{'9' * 59}…` is out of range", 7, 5000, None),
    ('userName eq "x', "the string is never closed", 12, 2, 'add `"`'),
    (r'userName eq "\x"', r"`\x` is not an escape of JSON", 13, 2, r"write a backslash as `\\`"),
    (r'userName eq "\u12g4"', r"`\u` is not an escape of JSON", 13, 2, r"write a backslash as `\\`"),
    ('a eq "x\ny"', "the string holds the control character U+000A", 7, 1, "escape it as JSON does"),
    (r'a eq "\ud800"', "the string holds U+D800, which is half of a character", 5, 8, None),
    (r'a eq "\udc00\ud800"', "the string holds U+DC00, which is half of a character", 5, 14, None),
    ('a eq "\ud800"', "the filter holds U+D800, which is half of a character", 6, 1, None),
    (r'a eq "x\u0000"', "the string holds the NUL character", 5, 9, None),
    ('a\xa0eq "x"', "U+00A0 is not a space that a filter may hold", 1, 1, "replace it by a plain space"),
    ('(a eq "x"', "`(` is never closed", 0, 1, "add `)`"),
    ('emails[type eq "x"', "`[` is never closed", 6, 1, "add `]`"),
    ('a eq "x")', "`)` closes nothing that is open here", 8, 1, None),
    ('(a eq "x"]', "`]` closes nothing that is open here", 9, 1, None),
    ("()", "expected a comparison, found `)`", 1, 1, None),
    ('a eq "x" b eq "y"', "expected `and` or `or`, found `b`", 9, 1, None),
    ('a eq "x" adn b pr', "expected `and` or `or`, found `adn`", 9, 3, "did you mean `and`?"),
    ('a eq "x" "y"', "expected `and` or `or`, found a string", 9, 1, None),
    ('a eq "x" and', "expected a comparison, found the end of the filter", 12, 0, None),
    ('a eq "x" and or b pr', "expected a comparison, found `or`", 13, 2, None),
    ('"a" eq "x"', "expected a comparison, found a string", 0, 1, None),
    ("not a pr", "`not` needs parentheses", 0, 3, "write `not (…)`"),
    ("not", "`not` needs parentheses", 0, 3, "write `not (…)`"),
    ("1a pr", "`1a` is not an attribute name", 0, 2, None),
    ("näme pr", "`näme` is not an attribute name", 0, 4, None),
    ("a. pr", "`a.` is not an attribute name", 0, 2, None),
    ("a\u202eb pr", r"`a\u202eb` is not an attribute name", 0, 3, None),
    ("name.family.x pr", "`name.family.x` goes deeper than a sub-attribute", 0, 13, None),
    ("foo:bar pr", "`foo` is not a schema URN", 0, 7, None),
    ("urn:acme:2.0 pr", "`2.0` is not an attribute name", 0, 12, None),
    ("urn:acme: pr", "`urn:acme:` is not an attribute name", 0, 9, None),
    ("emails[]", "expected a comparison, found `]`", 7, 1, None),
    ("a[b[c pr]]", "a `[` filter cannot stand inside another one", 3, 1, None),
    ("a.b[c pr]", "a `[` filter cannot follow the sub-attribute `b`", 3, 1, "put it after `a`"),
    ("a[b pr].c.d pr", "`.c.d` does not name a sub-attribute", 7, 4, None),
    ("a[b pr].c", "expected an operator, found the end of the filter", 9, 0, OPERATORS),
    (
        'a[b pr] eq "x"',
        "a `[` filter stands alone, `eq` cannot follow it",
        8,
        2,
        "name a sub-attribute to compare: `a[…].value`",
    ),
]


@pytest.mark.parametrize(("text", "message", "offset", "length", "help"), REFUSED)
def test_a_refusal_says_what_is_wrong_and_underlines_it(
    text: str, message: str, offset: int, length: int, help: str | None
) -> None:
    """Each kind of mistake has its own message, its exact place and, where there is one, the way out."""
    with pytest.raises(FilterSyntaxError) as caught:
        parse_filter(text)
    error = caught.value
    assert (error.message, error.offset, error.length, error.help) == (message, offset, length, help)
    assert str(error) == message


@pytest.mark.parametrize("opening", ["(", "not (", "a["])
def test_ten_thousand_open_brackets_are_refused_early(opening: str) -> None:
    """Nesting is refused at the first bracket too many; nothing recurses as deep as the text."""
    with pytest.raises(FilterSyntaxError) as caught:
        parse_filter(opening * 10_000)
    assert caught.value.offset <= MAX_LENGTH
    text = opening * (MAX_LENGTH // len(opening))
    with pytest.raises(FilterSyntaxError) as caught:
        parse_filter(text)
    if opening == "a[":
        assert caught.value.message == "a `[` filter cannot stand inside another one"
    else:
        assert caught.value.message == f"the filter is nested more than {MAX_DEPTH} levels deep"
        assert caught.value.offset == len(opening) * (MAX_DEPTH + 1) - 1


def test_the_deepest_nesting_allowed_is_read() -> None:
    """`MAX_DEPTH` levels are read, and brackets count as a level."""
    assert parse_filter("(" * MAX_DEPTH + "a pr" + ")" * MAX_DEPTH) == Present(AttrPath(None, "a"))
    with pytest.raises(FilterSyntaxError, match="nested more than"):
        parse_filter("(" * MAX_DEPTH + "a[b pr]" + ")" * MAX_DEPTH)


def test_a_megabyte_is_refused_by_its_length() -> None:
    """A text over the limit is refused before it is read."""
    with pytest.raises(FilterSyntaxError) as caught:
        parse_filter('a eq "' + "x" * 1_000_000 + '"')
    assert caught.value.message == f"the filter has 1000007 characters, the limit is {MAX_LENGTH}"
    assert (caught.value.offset, caught.value.length) == (MAX_LENGTH, 1_000_007 - MAX_LENGTH)
    longest = 'a eq "' + "x" * (MAX_LENGTH - 7) + '"'
    assert parse_filter(longest) == compare("a", "eq", "x" * (MAX_LENGTH - 7))


def test_too_many_comparisons_are_refused() -> None:
    """A chain longer than databases can take is refused at the first comparison too many."""
    assert isinstance(parse_filter(" or ".join(["a pr"] * MAX_COMPARISONS)), Or)
    with pytest.raises(FilterSyntaxError) as caught:
        parse_filter(" or ".join(["a pr"] * (MAX_COMPARISONS + 1)))
    assert caught.value.message == f"the filter has more than {MAX_COMPARISONS} comparisons"
    assert caught.value.offset == MAX_COMPARISONS * len("a pr or ")


# --- paths ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("active", AttrPath(None, "active")),
        ("name.givenName", AttrPath(None, "name", "givenName")),
        (f"{ENTERPRISE}:department", AttrPath(ENTERPRISE, "department")),
        (f"{ENTERPRISE}:manager.value", AttrPath(ENTERPRISE, "manager", "value")),
        (ENTERPRISE, AttrPath(ENTERPRISE.removesuffix(":User"), "User")),
        ("urn:acme:hr:2.0", SchemaPath("urn:acme:hr:2.0")),
        ("http://schemas.example/2006/ADSCIM/2.0/Group", SchemaPath("http://schemas.example/2006/ADSCIM/2.0/Group")),
        ('members[value eq "1"]', FilteredPath(AttrPath(None, "members"), compare("value", "eq", "1"))),
        (
            'addresses[type eq "work"].streetAddress',
            FilteredPath(AttrPath(None, "addresses"), compare("type", "eq", "work"), "streetAddress"),
        ),
        (
            'emails[type eq "work" or not (primary eq true)].value',
            FilteredPath(
                AttrPath(None, "emails"),
                Or((compare("type", "eq", "work"), Not(compare("primary", "eq", True)))),
                "value",
            ),
        ),
    ],
)  # fmt: skip
def test_a_patch_path_reads_as_what_it_names(text: str, path: AttrPath | FilteredPath | SchemaPath) -> None:
    """Every form of RFC 7644 §3.5.2 reads, covers the whole text, and renders back to it."""
    read = parse_path(text)
    assert read == path
    assert (read.offset, read.length) == (0, len(text))
    assert to_text(read) == text


@pytest.mark.parametrize(
    ("text", "message", "offset", "length"),
    [
        ("", "the path is empty", 0, 0),
        ("name.a.b", "`name.a.b` goes deeper than a sub-attribute", 0, 8),
        ("emails[", "expected a comparison, found the end of the path", 7, 0),
        ('emails[type eq "work"', "`[` is never closed", 6, 1),
        ('emails[type eq "work"].', "`.` does not name a sub-attribute", 22, 1),
        ('emails[type eq "work"] x', "expected the end of the path, found `x`", 23, 1),
        ('emails.type eq "work"', "a path holds a comparison only in brackets", 12, 2),
        ("title pr", "a path holds a comparison only in brackets", 6, 2),
        ("[a pr]", "expected an attribute, found `[`", 0, 1),
        ("emails[0]", "`0` is not an attribute name", 7, 1),
        ("$.emails", "`$.emails` is not an attribute name", 0, 8),
        ("not", "expected an attribute, found `not`", 0, 3),
    ],
)
def test_a_bad_path_is_refused_at_its_place(text: str, message: str, offset: int, length: int) -> None:
    """A path is refused with messages that speak of a path."""
    with pytest.raises(FilterSyntaxError) as caught:
        parse_path(text)
    assert (caught.value.message, caught.value.offset, caught.value.length) == (message, offset, length)


# --- laws ----------------------------------------------------------------------------------------------------

names = st.from_regex(r"\$?[A-Za-z][A-Za-z0-9_-]{0,5}", fullmatch=True).filter(
    lambda name: name.lower() not in {"and", "or", "not"}
)
schemas = st.none() | st.sampled_from([ENTERPRISE, "urn:acme:hr:2.0", "urn:a:b"])
attr_paths = st.builds(AttrPath, schemas, names, st.none() | names)
texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12)
numbers = st.integers(-(2**63) + 1, 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False)
operands = st.one_of(texts, numbers, st.booleans(), st.none()).map(operand)
operators = st.sampled_from(Operator)


def combined(leaves: st.SearchStrategy[Filter]) -> st.SearchStrategy[Filter]:
    def extend(inner: st.SearchStrategy[Filter]) -> st.SearchStrategy[Filter]:
        several = st.lists(inner, min_size=2, max_size=4).map(tuple)
        return st.builds(And, several) | st.builds(Or, several) | st.builds(Not, inner)

    return st.recursive(leaves, extend, max_leaves=8)


flat = combined(st.builds(Compare, attr_paths, operators, operands) | st.builds(Present, attr_paths))
holders = st.builds(AttrPath, schemas, names)
filtered_paths = st.builds(FilteredPath, holders, flat, names)
filters = combined(
    flat
    | st.builds(ValuePath, holders, flat)
    | st.builds(Compare, filtered_paths, operators, operands)
    | st.builds(Present, filtered_paths)
)


@given(filters)
def test_text_and_tree_are_two_forms_of_one_thing(tree: Filter) -> None:
    """What `to_text` writes, `parse_filter` reads back as the same tree."""
    text = to_text(tree)
    assert text.isprintable()
    read = parse_filter(text)
    assert read == tree
    assert to_text(read) == text


@given(st.builds(FilteredPath, holders, flat, st.none() | names) | attr_paths)
def test_text_and_path_are_two_forms_of_one_thing(path: FilteredPath | AttrPath) -> None:
    """What `to_text` writes, `parse_path` reads back as the same path."""
    assert parse_path(to_text(path)) == path


WORDS = [
    "userName", "emails", "name.familyName", ENTERPRISE + ":department", "eq", "NE", "pr", "and", "or", "not", "(", ")",
    "[", "]", ".value", '"x"', "true", "null", "5", "-1.5", '"', "x", "[type", 'eq "work"]', "title pr", 'a eq "b"',
]  # fmt: skip
soups = st.lists(st.sampled_from(WORDS), max_size=10).map(" ".join)


def refusal(parse: Callable[..., Filter | Path], text: str, unquoted: bool) -> FilterSyntaxError | None:
    try:
        parse(text, unquoted_values=unquoted)
    except FilterSyntaxError as error:
        return error
    return None


@given(st.text(max_size=40) | soups, st.booleans())
def test_any_text_is_read_or_refused_with_a_place_inside_it(text: str, unquoted: bool) -> None:
    """No text makes the parser fail in any other way, and every refusal is one line with a place."""
    for parse in (parse_filter, parse_path):
        if error := refusal(parse, text, unquoted):
            assert 0 <= error.offset <= error.offset + error.length <= len(text)
            assert error.message.isprintable()
            assert error.help is None or error.help.isprintable()


# --- against the parser of scim2-models ----------------------------------------------------------------------


def from_oracle(node: oracle.FilterNode) -> Filter:
    """Return a tree of scim2-models as ours, in which nested `and` and `or` are flat."""
    match node:
        case oracle.LogicalExpr(op, terms):
            return joined(And if op is oracle.LogicalOperator.and_ else Or, map(from_oracle, terms))
        case oracle.Not(inner):
            return Not(from_oracle(inner))
        case oracle.Comparison(path, op, value):
            return Compare(AttrPath(path.uri, path.attr, path.sub_attr), Operator(op.value), operand(value))
        case oracle.Present(path):
            return Present(AttrPath(path.uri, path.attr, path.sub_attr))
        case oracle.ValuePath(path, inner):
            return ValuePath(AttrPath(path.uri, path.attr), from_oracle(inner))
        case _:
            raise AssertionError(node)


def joined(kind: type[And[Filter] | Or[Filter]], terms: Iterable[Filter]) -> Filter:
    flat: list[Filter] = []
    for term in terms:
        flat.extend(term.terms if isinstance(term, kind) else [term])
    return kind(tuple(flat))


def as_oracle_reads(node: Filter) -> Filter:
    """Return our tree with nested `and` and `or` flat and compared value filters correlated."""
    match node:
        case And(terms):
            return joined(And, [as_oracle_reads(term) for term in terms])
        case Or(terms):
            return joined(Or, [as_oracle_reads(term) for term in terms])
        case Not(term):
            return Not(as_oracle_reads(term))
        case ValuePath(path, inner):
            return ValuePath(path, as_oracle_reads(inner))
        case Compare(FilteredPath(path, inner, sub)) | Present(FilteredPath(path, inner, sub)):
            assert sub is not None
            test = dataclasses.replace(node, path=AttrPath(None, sub))
            return ValuePath(path, joined(And, [as_oracle_reads(inner), test]))
        case _:
            return node


def parsed_by_oracle(text: str) -> Filter | None:
    try:
        return from_oracle(oracle_parse(text))
    except InvalidFilterException:
        return None


@given(filters)
def test_trees_agree_with_scim2_models(tree: Filter) -> None:
    """A standard filter means to us what it means to scim2-models."""
    theirs = parsed_by_oracle(to_text(tree))
    assert theirs is not None
    assert theirs == as_oracle_reads(tree)


@given(soups)
def test_acceptance_agrees_with_scim2_models(text: str) -> None:
    """Both accept the same texts, save that we keep `and` and `or` from being attributes."""
    theirs = parsed_by_oracle(text)
    try:
        ours: Filter | None = as_oracle_reads(parse_filter(text))
    except FilterSyntaxError as error:
        if error.message in {"expected a comparison, found `and`", "expected a comparison, found `or`"}:
            return
        ours = None
    assert ours == theirs
