"""The directory of one organization: users, groups and memberships, by what is done with them.

Users and groups are written in `users`, `groups` and `nesting`; the resolver reads in `people`, which rests on the last
one, and SCIM in `answers`.
"""

from __future__ import annotations

from rolebridge.store.answers import Answers
from rolebridge.store.groups import Groups
from rolebridge.store.people import People
from rolebridge.store.users import Users


class Directory(Users, Groups, People, Answers):
    """Users, groups and memberships of one organization."""

    __slots__ = ()
