"""Questions for resources: lists, `POST /.search`, pages by index and by cursor (RFC 7644 §3.4.2, §3.4.3, RFC 9865)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from rolebridge.bridge.callers import Caller
from rolebridge.bridge.provisioning import Provisioning
from rolebridge.scim import answers
from rolebridge.scim.answers import Projection
from rolebridge.scim.cursors import CursorSeal, Mark
from rolebridge.scim.errors import invalid_cursor
from rolebridge.scim.preconditions import tagged
from rolebridge.scim.queries import Query, question_of, read_queries
from rolebridge.scim.schemas import SchemaSet
from rolebridge.scim.tolerances import Reading
from rolebridge.store.records import GroupAnswer, Page, Position, UserAnswer

USERS: Final = "Users"
GROUPS: Final = "Groups"


def user_text(base: str, user: UserAnswer, projection: Projection) -> str:
    """Return the text of a user as answered."""
    body = tagged(user.body, user.groups)
    return answers.resource_text(body, f"{base}/Users/{user.id}", projection, "groups", user.groups)


def group_text(base: str, group: GroupAnswer, projection: Projection) -> str:
    """Return the text of a group as answered."""
    members = ",".join(group.members or ())
    return answers.resource_text(group.body, f"{base}/Groups/{group.id}", projection, "members", members)


class _Found(NamedTuple):
    """How many resources of an endpoint there are, the texts of some, and where more begin."""

    total: int
    texts: list[str]
    next: Position | None


@dataclass(frozen=True, slots=True)
class Searching:
    """One connection's questions for users, for groups, or for both."""

    provisioning: Provisioning
    caller: Caller
    schemas: SchemaSet
    reading: Reading
    seal: CursorSeal

    def find(self, endpoints: tuple[str, ...], parameters: Mapping[str, str]) -> bytes:
        """Return the ListResponse for query parameters, asked at one endpoint or at the root. Raises `ScimError`.

        Of the users and groups that are asked for together, the users come first, each sorted among themselves.
        """
        resources = [self.schemas.user if endpoint == USERS else self.schemas.group for endpoint in endpoints]
        queries = dict(zip(endpoints, read_queries(parameters, resources, self.reading), strict=True))
        query = queries[endpoints[0]]
        if query.cursor is None:
            return self._by_index(queries, query)
        question = (self.caller.connection_id, *endpoints, *question_of(parameters))
        mark = self.seal.open(query.cursor, question) if query.cursor else Mark(endpoints[0])
        total, texts, reached = self._by_cursor(queries, query.count, mark)
        following = None if reached is None else self.seal.seal(reached, question)
        return answers.cursor_response(total, texts, following)

    def _by_index(self, queries: Mapping[str, Query], query: Query) -> bytes:
        total = 0
        texts: list[str] = []
        for endpoint, asked in queries.items():
            offset = max(0, query.offset - total)
            found = self._ask(endpoint, asked, query.count - len(texts), offset=offset)
            total += found.total
            texts += found.texts
        return answers.list_response(total, query.start_index, texts)

    def _by_cursor(self, queries: Mapping[str, Query], count: int, mark: Mark) -> tuple[int, list[str], Mark | None]:
        """Return the total, the texts after a mark, and the mark that more begin at."""
        if mark.endpoint not in queries:
            raise invalid_cursor("the cursor was not given out for this endpoint")
        total = 0
        texts: list[str] = []
        following: Mark | None = None
        reached = False
        for endpoint, asked in queries.items():
            reached = reached or endpoint == mark.endpoint
            after = mark.position if endpoint == mark.endpoint else None
            wanted = count - len(texts) if reached and following is None else 0
            found = self._ask(endpoint, asked, wanted, after=after, resumable=True)
            total += found.total
            texts += found.texts
            if reached and following is None and count:
                if found.next is not None:
                    following = Mark(endpoint, found.next)
                elif not wanted and found.total:
                    following = Mark(endpoint)
        return total, texts, following

    def _ask(self, endpoint: str, query: Query, limit: int, *, offset: int = 0, **how: Any) -> _Found:
        base, projection = self.provisioning.scim_base, query.projection
        if endpoint == USERS:
            users: Page[UserAnswer] = self.provisioning.find_users(
                self.caller,
                query.wanted,
                offset=offset,
                limit=limit,
                with_groups=projection.related("groups"),
                order=query.order,
                **how,
            )
            return _Found(users.total, [user_text(base, user, projection) for user in users.answers], users.next)
        groups: Page[GroupAnswer] = self.provisioning.find_groups(
            self.caller,
            query.wanted,
            offset=offset,
            limit=limit,
            with_members=projection.related("members"),
            order=query.order,
            **how,
        )
        return _Found(groups.total, [group_text(base, group, projection) for group in groups.answers], groups.next)
