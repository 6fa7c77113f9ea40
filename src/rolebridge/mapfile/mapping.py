"""An organization's mapping files → one `MappingSet`, or everything that is wrong with them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import PurePath
from types import MappingProxyType
from typing import Final

from rolebridge.core.catalogue import Catalogue
from rolebridge.core.diagnostics import Diagnostic, Place, has_errors
from rolebridge.core.filters import AttributeTable
from rolebridge.core.mapping import MappingSet, Project, WorkspaceMapping
from rolebridge.mapfile.catalogue import own_catalogues
from rolebridge.mapfile.files import holds_cases, holds_catalogue, holds_mapping, holds_variables
from rolebridge.mapfile.reading import Sink
from rolebridge.mapfile.variables import Substitution, Variables, read_variables
from rolebridge.mapfile.workspace import WorkspaceReader
from rolebridge.mapfile.yamlsource import Node, parse_yaml

_NOTHING: Final[Mapping[str, Mapping[str, Project]]] = MappingProxyType({})


def load_mapping_set(
    files: Mapping[str, str],
    catalogues: Mapping[str, Catalogue],
    *,
    table: AttributeTable,
    connections: Sequence[str] | None,
    registered: Mapping[str, Mapping[str, Project]] | None = _NOTHING,
) -> tuple[MappingSet | None, tuple[Diagnostic, ...]]:
    """Read all mapping files of an organization, by name, and return what they say and what is wrong with them.

    `catalogues` are the platforms' role models by id, `table` the attributes that a `when:` may use (`core.schemas`).
    `connections` are the names of the organization's connections; None when they are not known here, and then any
    may be named. `registered` are the projects, by workspace, that exist beside the declared ones; None for files that
    were checked before, whose projects may have changed since. The set is None when there is any error: a set with an
    error changes nothing. No files make an empty set; files with cases are passed over (`load_cases`). Files beside the
    mappings may hold variables and catalogues of the organization's own. Diagnostics are ordered by file and place.
    """
    known = frozenset(connections) if connections is not None else None
    sources, found = _documents(files)
    with_catalogues = {name: root for name, root in sources.items() if holds_catalogue(name)}
    own, more = own_catalogues(with_catalogues, files, catalogues)
    everything = {**catalogues, **own}
    found += more
    mappings: list[WorkspaceMapping] = []
    first: dict[str, str] = {}
    for name, root in sources.items():
        if not holds_mapping(name):
            continue
        sink = Sink()
        read = WorkspaceReader(everything, table, known, sink, registered).read(root)
        if read.workspace is not None:
            earlier = first.setdefault(read.workspace.text, str(read.workspace.place))
            if earlier != str(read.workspace.place):
                detail = f"workspace `{read.workspace.text}` is described at {earlier} already"
                sink.add("duplicate-id", read.workspace, detail, help_="one file describes one workspace")
        if read.mapping is not None:
            mappings.append(read.mapping)
        found += sink.found
    found.sort(key=lambda one: one.place or Place("", 0, 0))
    if has_errors(found):
        return None, tuple(found)
    return MappingSet(tuple(mappings), files_digest(files), MappingProxyType(everything)), tuple(found)


def _documents(files: Mapping[str, str]) -> tuple[dict[str, Node], list[Diagnostic]]:
    """Return the documents of all files but those with cases and variables, the variables put in, and what is wrong."""
    found: list[Diagnostic] = []
    variables = Variables()
    with_variables = sorted(name for name in files if holds_variables(name))
    for name in with_variables:
        sink = Sink()
        root, problems = parse_yaml(files[name], name)
        sink.take(problems)
        read = read_variables(root, sink) if root is not None else Variables()
        if name != with_variables[0] and root is not None:
            detail = f"`{with_variables[0]}` holds variables as well, and there can be one such file"
            sink.add("several-variables", root, detail, help_="choose one: `--vars FILE`")
        else:
            variables = read
        found += sink.found
    sources: dict[str, Node] = {}
    for name in sorted(name for name in files if not (holds_cases(name) or holds_variables(name))):
        sink = Sink()
        root, problems = parse_yaml(files[name], name)
        sink.take(problems)
        if root is not None:
            sources[name] = Substitution(variables, sink).of(root)
        found += sink.found
    for entry in variables.values.values():
        if entry.key.text not in variables.used:
            detail = f"no file uses `{entry.key.text}`"
            found.append(Diagnostic("variable-unused", detail, entry.key.place, entry.key.excerpt))
    return sources, found


def files_digest(files: Mapping[str, str]) -> str:
    """Return the SHA-256 (hexadecimal) over the names and contents of mapping files; cases decide nothing.

    Of a name only the last part counts, so that it does not matter from where the same folder is read. Lengths stand
    before the parts, so that no two sets of files give the same bytes.
    """
    digest = hashlib.sha256()
    for part in (
        part
        for name, text in sorted((PurePath(name).name, text) for name, text in files.items() if not holds_cases(name))
        for part in (name, text)
    ):
        data = part.encode("utf-8", "surrogatepass")
        digest.update(len(data).to_bytes(8, "big"))
        digest.update(data)
    return digest.hexdigest()
