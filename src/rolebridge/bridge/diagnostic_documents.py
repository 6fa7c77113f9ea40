"""What is wrong with mapping files, and which of their cases fail: as JSON, the same from command line and API."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from rolebridge.bridge.testing import CaseRun
from rolebridge.core.cases import CaseResult
from rolebridge.core.diagnostics import Diagnostic, Severity


def counted(diagnostics: Iterable[Diagnostic]) -> tuple[int, int]:
    """Return how many errors and how many warnings there are."""
    severities = [diagnostic.severity for diagnostic in diagnostics]
    return severities.count(Severity.ERROR), severities.count(Severity.WARNING)


def diagnostics_document(diagnostics: Sequence[Diagnostic]) -> dict[str, Any]:
    """Return diagnostics as JSON has them, with their counts."""
    errors, warnings = counted(diagnostics)
    return {"errors": errors, "warnings": warnings, "diagnostics": [diagnostic_document(one) for one in diagnostics]}


def diagnostic_document(diagnostic: Diagnostic) -> dict[str, Any]:
    """Return one diagnostic as JSON has it."""
    place = diagnostic.place
    return {
        "severity": diagnostic.severity,
        "code": diagnostic.code,
        "summary": diagnostic.summary,
        "detail": diagnostic.detail,
        "help": diagnostic.help,
        "place": {"file": place.file, "line": place.line, "column": place.column} if place else None,
        "excerpt": diagnostic.excerpt,
    }


def run_document(run: CaseRun) -> dict[str, Any]:
    """Return a run of cases as JSON has it."""
    return {
        "passed": run.passed,
        "cases": [case_document(result) for result in run.results],
        "unexercised": [
            {"workspace": workspace, "rule": rule.id, "place": str(rule.place)}
            for workspace, rules in run.unexercised.items()
            for rule in rules
        ],
        **diagnostics_document(run.diagnostics),
    }


def case_document(result: CaseResult) -> dict[str, Any]:
    """Return one case that was run as JSON has it."""
    case = result.case
    return {
        "workspace": case.workspace,
        "name": case.name,
        "place": str(case.place),
        "passed": result.passed,
        "mismatches": [
            {"place": str(one.place), "expected": one.expected, "got": one.got, "why": one.why}
            for one in result.mismatches
        ],
        "rules": sorted(result.exercised),
    }
