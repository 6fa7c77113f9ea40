"""Who is meant by a member that a source names: by its own id, a name, an externalId or an id of ours."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from rolebridge.bridge.import_entries import GroupEntry, Import, Named, Reference
from rolebridge.store.bulk import Bulk
from rolebridge.store.documents import exact_key, folded_key


def resolved_users(bulk: Bulk, wanted: Import, references: Iterable[Reference]) -> dict[str, str]:
    """Return which users references name: text → id, for those that name any.

    The source's own ids come first, then userNames, externalIds, and ids of ours.
    """
    left = dict.fromkeys(one.text for one in references if one.named is not Named.GROUP)
    connection_id = wanted.caller.connection_id
    found: dict[str, str] = {}

    def take(named: Mapping[str, str]) -> None:
        found.update(named)
        for text in named:
            left.pop(text)

    ids = bulk.source_ids(wanted.id, map(source_text, left))
    sources = {text: ids[key] for text in left if (key := exact_key(source_text(text))) in ids}
    owned = bulk.owned_users(connection_id, sources.values()) if sources else set()
    take({text: id_ for text, id_ in sources.items() if id_ in owned})
    holders = bulk.name_holders(left)
    take(
        {
            text: holder.id
            for text in left
            if (holder := holders.get(folded_key(text))) is not None and holder.connection_id == connection_id
        }
    )
    externals = bulk.users_by_external(connection_id, left)
    take({text: externals[key] for text in left if (key := exact_key(text)) in externals})
    ours = bulk.owned_users(connection_id, left)
    take({text: text for text in left if text in ours})
    return found


def resolved_groups(bulk: Bulk, wanted: Import, references: Iterable[Reference]) -> dict[str, str]:
    """Return which groups references name, as `_resolved_users` does."""
    texts = [one.text for one in references if one.named is not Named.USER]
    connection_id = wanted.caller.connection_id
    ids = bulk.source_ids(wanted.id, map(source_text, texts))
    owned = bulk.owned_groups(connection_id, [*ids.values(), *texts])
    names = bulk.groups_by_name(connection_id, texts)
    externals = bulk.groups_by_external(connection_id, texts)
    found = {}
    for text in texts:
        source = ids.get(exact_key(source_text(text)))
        known = source if source in owned else None
        known = known or names.get(folded_key(text)) or externals.get(exact_key(text))
        known = known or (text if text in owned else None)
        if known is not None:
            found[text] = known
    return found


def imagined_before(wanted: Import, text: str) -> bool:
    """Return whether a dry run would have made what a member is called."""
    return hash(text) in wanted.imagined or hash(folded_key(text)) in wanted.imagined


def source_text(text: str) -> str:
    """Return under which text an id of the source is remembered."""
    return f"id {text}"


def nesting_text(entry: GroupEntry) -> str:
    """Return under which text it is remembered that a group has members who are no users."""
    return f"nesting {folded_key(entry.display)}"
