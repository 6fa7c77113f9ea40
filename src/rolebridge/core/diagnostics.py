"""Diagnostics: what is wrong with an administrator's file, where, and what to do about it.

A diagnostic is data. Whoever finds a problem builds one and goes on looking, so that a file's problems are
reported together; only a view (CLI text, JSON, a web page) decides how it reads. Codes live in one register
so that each is documented, has one severity, and keeps its summary constant.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

_LONGEST_COMPARED: Final = 64


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """A position in a file: `line` and `column` count from 1, `file` is the name as the administrator gave it."""

    file: str
    line: int
    column: int

    def __str__(self) -> str:
        """Return `file:line:column`, the form editors and terminals turn into a link."""
        return f"{self.file}:{self.line}:{self.column}"


class Severity(StrEnum):
    """How much a problem matters: a file with an `error` changes nothing, a `warning` is only shown."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class Code:
    """One kind of problem: its stable id, its severity and its constant one-line summary."""

    id: str
    severity: Severity
    summary: str


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One problem found.

    `detail` says what is wrong with this very input and why it matters, in one line, lower case, the user's own
    text in backticks. `excerpt` is the offending text as it stands in the file (its length is what to underline).
    `help` is what to do, when that is known.
    """

    code: str
    detail: str
    place: Place | None = None
    excerpt: str = ""
    help: str | None = None

    @property
    def severity(self) -> Severity:
        """Return the severity that the register gives this diagnostic's code."""
        return REGISTER[self.code].severity

    @property
    def summary(self) -> str:
        """Return the constant summary that the register gives this diagnostic's code."""
        return REGISTER[self.code].summary


def has_errors(diagnostics: Iterable[Diagnostic]) -> bool:
    """Return whether any of the diagnostics is an error, that is whether the input must change nothing."""
    return any(diagnostic.severity is Severity.ERROR for diagnostic in diagnostics)


def did_you_mean(word: str, known: Iterable[str]) -> str | None:
    """Return a help line naming the known words nearest to `word`, or None when nothing is near.

    Of a long word the beginning is compared: comparing costs the square.
    """
    folded = {name.casefold(): name for name in known}
    begins = word[:_LONGEST_COMPARED].casefold()
    near = [folded[match] for match in difflib.get_close_matches(begins, folded, n=2, cutoff=0.6)]
    if not near:
        return None
    return "did you mean " + " or ".join(f"`{name}`" for name in near) + "?"


def _error(id_: str, summary: str) -> Code:
    return Code(id_, Severity.ERROR, summary)


def _warning(id_: str, summary: str) -> Code:
    return Code(id_, Severity.WARNING, summary)


REGISTER: dict[str, Code] = {
    code.id: code
    for code in (
        # reading YAML
        _error("file-unreadable", "the file cannot be read"),
        _error("file-too-large", "the file is larger than a mapping file may be"),
        _error("file-not-utf8", "the file is not UTF-8 text"),
        _error("yaml-syntax", "the file is not valid YAML"),
        _error("yaml-duplicate-key", "a key is written twice"),
        _error("yaml-anchor", "anchors, aliases and tags are not part of the language"),
        _error("yaml-tab", "a tab is used where only spaces are allowed"),
        _error("yaml-documents", "the file holds more than one document"),
        _error("yaml-depth", "the file is nested too deeply"),
        _error("too-many-problems", "the file has more problems than are shown"),
        # shape of a mapping or catalogue file
        _error("unknown-key", "a key is not part of the language"),
        _error("missing-key", "a required key is missing"),
        _error("wrong-type", "a value has the wrong shape"),
        _error("bad-id", "an id is not well formed"),
        _error("duplicate-id", "an id is used twice"),
        # names that must exist
        _error("unknown-platform", "the platform has no catalogue"),
        _error("unknown-slot", "the platform has no such slot"),
        _error("unknown-role", "the slot has no such role"),
        _error("unknown-project", "the project is not declared"),
        _error("unknown-connection", "the organization has no such connection"),
        _error("unknown-permission", "the catalogue has no such permission"),
        _error("unknown-setting", "the platform has no such setting"),
        _error("unknown-account-kind", "the platform has no such account kind"),
        _error("connections-missing", "the organization has several connections and the file names none"),
        # rules
        _error("role-not-assignable", "the role cannot be assigned"),
        _error("role-needs-list", "the slot holds one role"),
        _error("rule-without-effect", "a rule grants and denies nothing"),
        _error("rule-grants-and-denies", "a rule both grants and denies"),
        _error("projects-missing", "a project role needs projects"),
        _error("projects-without-project-role", "projects have no meaning without a project role"),
        _error("matches-no-project", "a project selector can match nothing"),
        _error("bad-pattern", "a group pattern is not well formed"),
        _error("unquoted-capture", "a capture must be quoted"),
        _error("unknown-capture", "a capture is used but not matched"),
        _error("capture-without-values", "a capture has no closed set of values"),
        _error("pattern-matches-nothing", "a pattern can match nothing"),
        _warning("taken-literally", "a name looks as if a pattern was meant"),
        _warning("capture-unused", "a capture is never used"),
        _warning("value-unused", "values are given for a capture that the pattern does not have"),
        _error("bad-condition", "a condition is not a valid filter"),
        _error("unknown-attribute", "a condition uses an attribute that no schema has"),
        _error("bad-date", "a date is not a whole day"),
        _error("empty-period", "a rule ends before it begins"),
        _error("not-ranked", "`highest` needs a rank that the catalogue does not have"),
        _error("conflict-order-incomplete", "a conflict order leaves out a role that rules grant"),
        _error("merge-not-possible", "the slot cannot be merged in this way"),
        _warning("possible-conflict", "rules can conflict and nothing says which one wins"),
        _warning("rule-never-wins", "a rule can never win"),
        _warning("deny-not-carried-out", "a project deny does not reach holders of an all-projects role"),
        _error("custom-roles-not-supported", "the platform has no custom roles"),
        _error("too-many-custom-roles", "there are more custom roles than the platform allows"),
        _error("bad-guard", "a guard rail is not well formed"),
        # variables
        _error("unknown-variable", "there is no such variable"),
        _error("several-variables", "several files hold variables"),
        _warning("variable-unused", "a variable is never used"),
        # cases of a mapping
        _error("unknown-rule", "the mapping has no such rule"),
        _error("case-without-mapping", "cases are written for a workspace that no file describes"),
        _error("case-without-day", "a case of a mapping with dates does not say which day it is"),
        # catalogues
        _error("catalogue-inconsistent", "the catalogue contradicts itself"),
    )
}
"""Every code that a diagnostic may carry, by id."""
