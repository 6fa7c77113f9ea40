"""Filters and orders in SQL against the language itself: whatever is asked of whatever is stored, both agree."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.store.worlds import BASE, NOW, World, group_draft, new_id, user_draft

from rolebridge.core.attributes import Attribute, AttributeTable, AttributeType, by_name
from rolebridge.core.errors import TooLong
from rolebridge.core.filters import (
    MAX_COMPARISONS,
    MAX_DEPTH,
    AttrPath,
    check,
    compile_filter,
    parse_datetime,
    parse_filter,
    parse_path,
    values_at,
)
from rolebridge.core.schemas import ENTERPRISE_USER, GROUP_TABLE, USER_TABLE
from rolebridge.store import anchors
from rolebridge.store.documents import LONGEST_KEY, PREFIX, exact_key, exact_stamp, folded, folded_key
from rolebridge.store.engine import Store
from rolebridge.store.filters import narrow
from rolebridge.store.orders import Order, Unsortable
from rolebridge.store.records import GroupAnswer, Page, Position, UserAnswer
from rolebridge.store.unit import Unit

# Text whose case is not what it seems, text that means something to SQL and JSON, and the edges of keys.
NASTY = [
    "a", "A", "ab", "Ba", "ß", "SS", "ss", "ẞ", "İ", "i̇", "I", "\u0131", "ﬁ", "FI", "Σ", "ς", "\u03c3", "Οδός",
    "ΟΔΌΣ", "ǅ", "\u017f",
    "%", "_", "\\", "'", '"', "a%b", "{}", "[1]", "$.a", "null", "true", "0", "a\tb", "a\x1f", "a\x1f\x1f", "é",
    "e\u0301",
    "\u2028", "\ud7ff", "\ue000", "\U0010ffff", "😀", "x" * (PREFIX - 1), "X" * PREFIX, "x" * LONGEST_KEY,
    "X" * (LONGEST_KEY + 9) + "ς",
]  # fmt: skip
STAMPS = [
    "2026-11-30T09:00:00.123Z", "2026-11-30T10:00:00.123+01:00", "2026-11-30T09:00:00.1234", "2026-11-30", "2026-12-01",
    "0001-01-01T00:00:00+00:01", "9999-12-31T23:59:59.999999999999Z", "9999-12-31t23:59:59-23:59",
    "2026-02-28T24:00:00Z", "2026-02-30", "2026-11-30T09:00", "2026-11-30T09:00:00.123456789z",
    "2026-01-01T00:00:00+23:59",
    "2026-01-01T00:00:00+05:75", "2026-01-01T00:00:00-23:60", "2026-01-01T00:00:60Z", "0000-01-01",
]  # fmt: skip
HR = "urn:acme:hr:2.0:User"
TABLE = AttributeTable(
    USER_TABLE.schema,
    USER_TABLE.attributes,
    {
        **USER_TABLE.extensions,
        HR: by_name(
            [
                Attribute("level", AttributeType.INTEGER),
                Attribute("hours", AttributeType.DECIMAL),
                Attribute("hired", AttributeType.DATE_TIME),
                Attribute("tags", multi_valued=True),
                Attribute("code", case_exact=True),
                Attribute("flags", AttributeType.BOOLEAN, multi_valued=True),
                Attribute(
                    "stays",
                    AttributeType.COMPLEX,
                    multi_valued=True,
                    sub=by_name([Attribute("since", AttributeType.DATE_TIME), Attribute("place", case_exact=True)]),
                ),
            ]
        ),
    },
)

texts = st.sampled_from(NASTY)
stamps = st.sampled_from(STAMPS)
numbers = st.sampled_from([-1, 0, 1, 2, 7, 2**53 + 1, 2**63 - 1, 0.5, 1.0, 7.25, 1e300])


def some(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({}, optional=fields)


def several(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[list[dict[str, Any]]]:
    return st.lists(some(**fields), min_size=1, max_size=3)


typed = {"value": texts, "type": texts, "display": texts, "primary": st.booleans()}
attributes = st.fixed_dictionaries(
    {},
    optional={
        "displayName": texts, "title": texts, "profileUrl": texts,
        "name": some(familyName=texts, givenName=texts),
        "emails": several(**typed), "roles": several(**typed), "photos": several(**typed),
        "x509Certificates": several(value=st.sampled_from(["QUJD", "qujd", ""])),
        ENTERPRISE_USER: some(department=texts, employeeNumber=texts, manager=some(value=texts, displayName=texts)),
        HR: some(
            level=numbers, hours=numbers, hired=stamps, tags=st.lists(texts, min_size=1, max_size=3), code=texts,
            flags=st.lists(st.booleans(), min_size=1, max_size=2), stays=several(since=stamps, place=texts),
        ),
    },
)  # fmt: skip


# --- filters


TEXT_OPERATORS = ["eq", "ne", "co", "sw", "ew", "gt", "ge", "lt", "le"]
ORDERED = ["eq", "ne", "gt", "ge", "lt", "le"]


def comparison(path: str, attribute: Attribute) -> st.SearchStrategy[str]:
    """Return comparisons that fit the type of an attribute."""
    match attribute.type:
        case AttributeType.COMPLEX:
            return st.just(f"{path} pr")
        case AttributeType.BOOLEAN:
            operators, values = ["eq", "ne"], st.sampled_from(["true", "false", "null"])
        case AttributeType.INTEGER:
            operators, values = ORDERED, numbers.filter(lambda n: abs(n) < 2**63 and n == int(n)).map(json.dumps)
        case AttributeType.DECIMAL:
            operators, values = ORDERED, numbers.map(json.dumps)
        case AttributeType.DATE_TIME:
            operators, values = ORDERED, stamps.filter(lambda text: parse_datetime(text) is not None).map(json.dumps)
        case AttributeType.BINARY:
            operators, values = ["eq", "ne"], st.sampled_from(['"QUJD"', '"x"'])
        case _:
            operators, values = TEXT_OPERATORS, texts.map(json.dumps)
    compared = st.builds("{} {} {}".format, st.just(path), st.sampled_from(operators), values)
    return st.one_of(compared, compared, compared, st.sampled_from([f"{path} pr", f"{path} eq null"]))


def leaves(path: str, attribute: Attribute) -> list[st.SearchStrategy[str]]:
    """Return comparisons of an attribute, of its sub-attributes, and of its elements."""
    found = [comparison(path, attribute)]
    inner = [comparison(sub.name, sub) for sub in attribute.sub.values() if sub.type is not AttributeType.COMPLEX]
    found += [comparison(f"{path}.{sub.name}", sub) for sub in attribute.sub.values()]
    if not inner and attribute.multi_valued:
        inner = [comparison("value", attribute)]
    if inner:
        found.append(st.builds(f"{path}[{{}}]".format, nested(st.one_of(inner))))
    return found


def nested(terms: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """Return terms alone, joined and negated."""
    return st.recursive(
        terms,
        lambda inner: st.one_of(
            st.builds("({}) and ({})".format, inner, inner),
            st.builds("({}) or ({})".format, inner, inner),
            st.builds("not ({})".format, inner),
        ),
        max_leaves=4,
    )


def filters_on(table: AttributeTable) -> st.SearchStrategy[str]:
    found = [leaf for attribute in table.attributes.values() for leaf in leaves(attribute.name, attribute)]
    for urn, held in table.extensions.items():
        found += [leaf for attribute in held.values() for leaf in leaves(f"{urn}:{attribute.name}", attribute)]
    return nested(st.one_of(found))


def find(world: World, table: AttributeTable, text: str | None, **how: Any) -> Page[Any]:
    wanted = None if text is None else check(parse_filter(text), table)
    asked = {"offset": 0, "limit": 1_000, "prefix": BASE, **how}
    with world.store.read() as unit:
        directory = unit.directory(world.organization)
        question: Callable[..., Page[Any]] = directory.find_groups if table is GROUP_TABLE else directory.find_users
        return question(world.okta, wanted, **asked)


def resource_of(answer: UserAnswer | GroupAnswer) -> dict[str, Any]:
    """Return a resource as a client reads it."""
    resource: dict[str, Any] = json.loads(answer.body)
    group = isinstance(answer, GroupAnswer)
    held = ",".join(answer.members or ()) if isinstance(answer, GroupAnswer) else answer.groups
    resource["members" if group else "groups"] = json.loads(f"[{held}]")
    resource["meta"]["location"] = f"{BASE}/{'Groups' if group else 'Users'}/{answer.id}"
    return resource


class Crowd:
    """Resources in a store, and the same as values."""

    def __init__(self, world: World, table: AttributeTable) -> None:
        self.world, self.table = world, table
        self.resources = [resource_of(answer) for answer in find(world, table, None).answers]

    def check(self, text: str) -> None:
        holds = compile_filter(check(parse_filter(text), self.table))
        expected = [resource["id"] for resource in self.resources if holds(resource)]
        page = find(self.world, self.table, text)
        assert [answer.id for answer in page.answers] == expected, text
        assert page.total == len(expected)
        assert find(self.world, self.table, text, limit=0).total == len(expected)


@pytest.fixture(scope="module")
def world(store: Store) -> World:
    """People and groups with every text in every place, some of another connection."""
    made = World(store).begin()

    def draw(number: int, salt: int) -> str:
        return NASTY[(number * 7 + salt * 11) % len(NASTY)]

    def work(unit: Unit) -> None:
        directory = unit.directory(made.organization)
        ids = []
        for number in range(len(NASTY) * 2):
            text, other, third = draw(number, 0), draw(number, 1), draw(number, 2)
            more: dict[str, Any] = {
                "displayName": other, "title": text, "name": {"familyName": third},
                "emails": [
                    {"value": text, "type": other, "primary": False}, {"value": third, "type": text, "primary": True},
                ],
                "roles": [{"value": other}], "photos": [{"value": text, "type": other}], "profileUrl": third,
                ENTERPRISE_USER: {"department": third, "employeeNumber": text, "manager": {"value": other}},
                HR: {
                    "hired": STAMPS[number % len(STAMPS)], "level": number % 5, "hours": number / 4,
                    "tags": [text, third],
                    "code": other, "flags": [number % 2 == 0], "stays": [{"since": STAMPS[-(number % len(STAMPS))]}],
                },
            }  # fmt: skip
            kept = {name: value for place, (name, value) in enumerate(more.items()) if (number + place) % 4}
            draft = user_draft(
                f"{text}{number}", f"{other}{number}" if number % 3 else None, active=number % 2 == 0, more=kept
            )
            created = NOW + timedelta(milliseconds=number // 2)
            ids.append(directory.insert_user(made.okta, draft, new_id(), created).id)
        assert ids

    store.transact(work)
    with store.read() as unit:
        ids = [user.id for user in unit.directory(made.organization).all_core_users()]
    groups = []
    for number, text in enumerate(NASTY):
        draft = group_draft(f"{text}{number}", text if number % 2 else None)
        groups.append(made.add_group(draft, ids[number % 9 : 40 : number + 1]).id)

    def nest(unit: Unit) -> None:
        directory = unit.directory(made.organization)
        for parent, children in ((0, [20, 21]), (20, [30]), (30, [44]), (5, [44, 6])):
            directory.add_children(groups[parent], [groups[child] for child in children], NOW)

    store.transact(nest)
    made.add_user("elsewhere", made.entra)
    return made


@pytest.fixture(scope="module")
def people(world: World) -> Crowd:
    return Crowd(world, TABLE)


@pytest.fixture(scope="module")
def teams(world: World) -> Crowd:
    return Crowd(world, GROUP_TABLE)


@given(text=filters_on(TABLE))
@settings(suppress_health_check=[HealthCheck.too_slow])
def test_users_are_those_for_whom_the_filter_holds(people: Crowd, text: str) -> None:
    """Whatever the filter, the database finds the users for which evaluating it on each of them says yes."""
    people.check(text)


@given(text=filters_on(GROUP_TABLE))
@settings(suppress_health_check=[HealthCheck.too_slow])
def test_groups_are_those_for_which_the_filter_holds(teams: Crowd, text: str) -> None:
    """The same for groups, members included."""
    teams.check(text)


@pytest.mark.parametrize("operator", TEXT_OPERATORS)
@pytest.mark.parametrize("path", ["userName", "title", "emails", "externalId"])
def test_every_text_compares_as_in_the_language(people: Crowd, path: str, operator: str) -> None:
    """Case, code points, wildcards, quotes and long texts: each against each."""
    for text in NASTY:
        people.check(f"{path} {operator} {json.dumps(text)}")
        people.check(f"not ({path} {operator} {json.dumps(text)}) and userName pr")


@pytest.mark.parametrize("operator", ORDERED)
@pytest.mark.parametrize("path", ["meta.created", "meta.lastModified", f"{HR}:hired", f"{HR}:stays.since"])
def test_every_moment_compares_as_in_the_language(people: Crowd, path: str, operator: str) -> None:
    """Moments with and without zone, beyond milliseconds, and texts that are none."""
    for text in STAMPS:
        if parse_datetime(text) is not None:
            people.check(f'{path} {operator} "{text}"')


@pytest.mark.parametrize(
    "text",
    [
        "groups pr", "not (groups pr)", 'groups.display co "a"', 'groups[display sw "ß" and not (value eq "x")]',
        'groups.type eq "DIRECT"', 'groups.type eq "indirect"',
        'groups[type eq "indirect" and display co "a"]',
        'groups.$ref co "/Groups/"', f'meta.location sw "{BASE}/Users/"',
        'meta.resourceType eq "User"', 'meta.version eq "W/\\"1\\""', "meta pr", f'meta[location sw "{BASE}"]',
        'schemas co "enterprise"', f'schemas[value eq "{HR}"]', "emails[not (type pr)]", "manager[displayName pr]",
        'manager[not (value eq "zzz")]', 'name[familyName pr and not (givenName pr)]', f"{HR}:level eq 3.0",
        f"{HR}:hours gt 2.25", f"{HR}:flags eq true", 'groups.value ne "x" or active eq true', "x509Certificates pr",
    ],
)  # fmt: skip
def test_what_bodies_do_not_hold_is_found_too(people: Crowd, text: str) -> None:
    """Relations, locations, versions and complex values; absence makes `not` true."""
    people.check(text)


def test_membership_is_asked_of_the_rows(people: Crowd, teams: Crowd) -> None:
    """`groups` and `members` by id, alone and with more."""
    group = next(team for team in teams.resources if any(member["type"] == "Group" for member in team["members"]))
    for member in group["members"][:2] + group["members"][-2:]:
        ask_by_membership(people, teams, group, member["value"])


def ask_by_membership(people: Crowd, teams: Crowd, group: Mapping[str, Any], member: str) -> None:
    for text in (f'groups eq "{group["id"]}"', f'groups.value ne "{group["id"]}"', f'groups[value eq "{group["id"]}"]'):
        people.check(text)
    for text in (
        f'members eq "{member}"', f'not (members.value eq "{member}")',
        f'members[value eq "{member}" and type eq "user"]',
        f'members.$ref ew "{member}"', "members.display pr", "members pr", 'displayName co "a" and members pr',
    ):  # fmt: skip
        teams.check(text)


@given(data=attributes, text=filters_on(TABLE))
@settings(suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture])
def test_any_user_is_found_by_what_holds(store: Store, data: dict[str, Any], text: str) -> None:
    """Any attributes, any filter: one user alone in a connection is found exactly when the filter holds."""
    made = World(store).begin()
    made.add_user(user_draft("ana", more=data))
    Crowd(made, TABLE).check(text)


# --- bounds


def nested_in(text: str, other: str, levels: int) -> str:
    """Return a filter in brackets within brackets, joined by `and` and `or` in turn, so that none can be left out."""
    for level in range(levels):
        text = f"{other} {'or' if level % 2 else 'and'} ({text})"
    return text


def test_the_largest_filter_is_answered(people: Crowd) -> None:
    """256 comparisons, and nesting as deep as it may be: SQLite's parser and expression trees have bounds, too."""
    wide = " or ".join(f'title eq "{number}"' for number in range(MAX_COMPARISONS - 1)) + ' or title eq "ß"'
    people.check(wide)
    people.check(wide.replace(" or ", " and "))
    people.check(nested_in('title eq "a"', "active eq true", MAX_DEPTH))
    people.check(nested_in('not (title eq "a")', "not (active eq true)", MAX_DEPTH - 1))
    inner = nested_in('type eq "a"', "primary eq true", MAX_DEPTH - 1)
    people.check(f"emails[{inner}]")
    half = MAX_DEPTH // 2
    inner = nested_in('type eq "a"', "primary eq true", half - 1)
    both = nested_in(f"emails[{inner}]", "title pr", half)
    people.check(both)
    find(people.world, TABLE, both, order=order("emails.type"), after=Position("a", 1), resumable=True)


def test_filters_of_one_kind_share_one_statement() -> None:
    """The shape of a filter has no values in it, so that hostile values cannot fill a cache."""
    one = narrow(check(parse_filter('userName eq "a" and not (emails.value sw "b")'), USER_TABLE))
    two = narrow(check(parse_filter('userName eq "x" and not (emails.value sw "y")'), USER_TABLE))
    assert one.shape == two.shape
    assert hash(one.shape) == hash(two.shape)
    assert one.values != two.values


def test_only_what_the_database_cannot_fold_is_kept_folded() -> None:
    """ASCII needs no second copy; other text is casefolded throughout, names of attributes excepted."""
    meta = '"meta":{"version":"É"}'
    assert folded('{"userName":"Ana",' + meta.replace("É", "E") + "}") is None
    assert folded('{"userName":"STRASSE ẞ","emails":[{"value":"Σ","primary":true}],' + meta + "}") == (
        '{"userName":"strasse ss","emails":[{"value":"\u03c3","primary":true}]}'
    )


@given(st.sampled_from(NASTY), st.sampled_from(NASTY))
def test_keys_are_one_to_one(one: str, two: str) -> None:
    """Two texts have one key only if they are alike without case, however long they are."""
    assert (folded_key(one) == folded_key(two)) is (one.casefold() == two.casefold())
    assert len(folded_key(one)) <= LONGEST_KEY


def test_a_question_may_take_so_long_and_no_longer(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Past the bound the database stops, and the question is refused as one that asks for too much."""
    monkeypatch.setattr("rolebridge.store.sqlite.CLOCK_STEPS", 10)
    monkeypatch.setattr("rolebridge.store.links.READ_SECONDS", 0.001)
    made = World(store).begin()
    made.add_users(60)
    hurried = Store(store._backend, store._url)
    wide = check(parse_filter(" and ".join(f'title ne "{number}"' for number in range(250))), USER_TABLE)
    with pytest.raises(TooLong, match=r"longer than 0\.001 seconds"), hurried.read() as unit:
        unit.directory(made.organization).find_users(made.okta, wanted=wide, offset=0, limit=1, prefix=BASE)
    while hurried._readers:
        hurried._readers.pop().close()


# --- positions


def order(by: str, *, descending: bool = False) -> Order:
    path = parse_path(by)
    assert isinstance(path, AttrPath)
    return Order(TABLE.resolve(path, compared=True), descending)


def sort_key(resource: Mapping[str, Any], wanted: Order) -> Any:
    """Return what places a resource: the value of the primary element, else of the first one."""
    path = wanted.path
    if path.attribute.multi_valued:
        holder = resource.get(path.schema, {}) if path.schema else resource
        elements = holder.get(path.attribute.name) or [None]
        primary = [item for item in elements if isinstance(item, dict) and item.get("primary") is True]
        value = (primary or elements)[0]
        value = value.get(path.sub.name) if path.sub and isinstance(value, dict) else value
    else:
        value = next(iter(values_at(path, resource)), None)
    if isinstance(value, str) and path.target.type is AttributeType.DATE_TIME:
        instant = parse_datetime(value)
        return None if instant is None else exact_stamp(instant)
    if isinstance(value, str):
        if path.keys[0] in ("userName", "displayName", "externalId"):
            return exact_key(value) if path.target.case_exact else folded_key(value)
        return (value if path.target.case_exact else value.casefold())[:LONGEST_KEY]
    return value


@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize(
    "by",
    [
        "userName", "displayName", "externalId", "id", "meta.created", "meta.location", "active", "title", "profileUrl",
        "name.familyName", "emails", "emails.type", "photos.value", "roles", "department", "manager", f"{HR}:level",
        f"{HR}:hours", f"{HR}:hired", f"{HR}:tags", f"{HR}:code", f"{HR}:flags", f"{HR}:stays.since",
    ],
)  # fmt: skip
def test_every_order_is_that_of_the_values(people: Crowd, by: str, descending: bool) -> None:
    """By any attribute; absent last, first when descending; ties by creation; page by page as at once."""
    wanted = order(by, descending=descending)
    keyed = [(sort_key(resource, wanted), resource["id"]) for resource in people.resources]
    present = sorted((pair for pair in keyed if pair[0] is not None), key=lambda pair: pair[0], reverse=descending)
    if descending:  # `reverse` keeps ties as they came
        present = [pair for key in dict.fromkeys(k for k, _ in present) for pair in keyed if pair[0] == key]
    absent = [pair for pair in keyed if pair[0] is None]
    expected = [id_ for _, id_ in (absent + present if descending else present + absent)]
    assert [answer.id for answer in find(people.world, TABLE, None, order=wanted).answers] == expected
    walked: list[str] = []
    after: Position | None = None
    while True:
        page = find(people.world, TABLE, "userName pr", order=wanted, after=after, resumable=True, limit=17)
        walked += [answer.id for answer in page.answers]
        assert page.total == len(expected)
        if (after := page.next) is None:
            break
    assert walked == expected


@pytest.mark.parametrize("by", ["groups", "groups.display", "name", "meta"])
def test_what_has_no_order_is_refused(people: Crowd, by: str) -> None:
    """Relations and complex attributes place nobody."""
    with pytest.raises(Unsortable, match="nothing can be sorted by"):
        find(people.world, TABLE, None, order=order(by))


# --- anchors


@pytest.fixture
def anchored(store: Store, monkeypatch: pytest.MonkeyPatch) -> World:
    """A connection in which every fifth user has an anchor."""
    monkeypatch.setattr(anchors, "STEP", 5)
    anchors.forget()
    made = World(store).begin()
    made.add_users(23)
    return made


def names(world: World, offset: int, limit: int = 3) -> list[str]:
    return [
        json.loads(answer.body)["userName"] for answer in find(world, TABLE, None, offset=offset, limit=limit).answers
    ]


def test_pages_are_right_wherever_they_begin(anchored: World) -> None:
    """At each offset, twice, past the end too."""
    everyone = [f"user{number}" for number in range(23)]
    for offset in (*range(26), *range(26), 10**9):
        assert names(anchored, offset) == everyone[offset : offset + 3]


def test_anchors_follow_what_comes_and_goes(anchored: World) -> None:
    """New users lengthen them, a deletion anywhere sets them anew; no page is ever off."""
    everyone = [f"user{number}" for number in range(23)]
    assert names(anchored, 17) == everyone[17:20]
    for number in range(23, 41):
        anchored.add_user(f"user{number}")
        everyone.append(f"user{number}")
        for offset in (0, 9, 22, number - 2, number, number + 1):
            assert names(anchored, offset) == everyone[offset : offset + 3]
    for number, place in enumerate((30, 0, 12, 36, 0)):
        delete(anchored, everyone.pop(place))
        for offset in (0, 6, 11, 20, len(everyone) - 1):
            assert names(anchored, offset) == everyone[offset : offset + 3]
        anchored.add_user(f"again{number}")
        everyone.append(f"again{number}")
        assert names(anchored, len(everyone) - 2) == everyone[-2:]


def delete(world: World, name: str) -> None:
    (found,) = find(world, USER_TABLE, f'userName eq "{name}"').answers

    def work(unit: Unit) -> None:
        directory = unit.directory(world.organization)
        stored = directory.user(world.okta, found.id)
        assert stored is not None
        directory.delete_user(stored, NOW)

    world.store.transact(work)


def test_anchors_are_bounded_in_number_and_age(anchored: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only so many connections have some, and nobody believes old ones."""
    monkeypatch.setattr(anchors, "KEPT", 2)
    others = [World(anchored.store).begin() for _ in range(4)]
    for other in others:
        other.add_users(7)
        assert names(other, 6) == ["user6"]
    assert len(anchors._kept) == 2
    held = anchors._kept["users", others[-1].organization, others[-1].okta]
    held.numbers[1] += 1  # as if a late arrival and a deletion had made up for each other
    monkeypatch.setattr(anchors, "LIFE", -1.0)
    assert names(others[-1], 6) == ["user6"]
