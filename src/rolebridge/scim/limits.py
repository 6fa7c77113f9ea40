"""What one request may ask for, in one place because it is announced and enforced in different ones."""

from __future__ import annotations

from typing import Final

DEFAULT_PAGE: Final = 100
"""Resources of a page when the client does not say."""

MAX_PAGE: Final = 200
"""Resources of a page at most; announced as `filter.maxResults` and `pagination.maxPageSize`."""

CURSOR_TIMEOUT: Final = 3600
"""Seconds that a cursor is good for; announced as `pagination.cursorTimeout`."""

MAX_USER_BODY: Final = 256 * 1024
"""Bytes of a user's body. It bounds the time of a PATCH: its filters, times the values that they look at."""

MAX_MEMBERS: Final = 100_000
"""Members of a group that one request may list, unless a setting says otherwise: each may cost a resolution."""

MAX_BULK_OPERATIONS: Final = 1000
"""Operations of a bulk request at most; announced as `bulk.maxOperations`."""

MAX_BULK_BODY: Final = 4 * 1024 * 1024
"""Bytes of a bulk request at most; announced as `bulk.maxPayloadSize`. A user in it is still a `MAX_USER_BODY`."""
