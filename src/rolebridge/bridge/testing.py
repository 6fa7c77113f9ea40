"""Running the cases that stand beside mapping files: what administrators expect, before anybody's access moves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from rolebridge.bridge.rulebooks import NOTHING_REGISTERED, compile_rulebook, read_mappings
from rolebridge.core.cases import CaseResult, evaluate, unexercised
from rolebridge.core.diagnostics import Diagnostic, has_errors
from rolebridge.core.errors import RolebridgeError
from rolebridge.core.filters import AttributeTable
from rolebridge.core.mapping import MappingSet, Rule
from rolebridge.core.program import Program
from rolebridge.core.registry import Registry
from rolebridge.core.schemas import USER_TABLE
from rolebridge.mapfile import load_cases


@dataclass(frozen=True, slots=True)
class CaseRun:
    """What became of the cases of a mapping set.

    `results` are in the order of the files. `unexercised` are the rules, by workspace, that spoke of nobody in any
    case. `diagnostics` say what is wrong with the files of cases; with an error among them no case ran.
    """

    results: tuple[CaseResult, ...]
    unexercised: Mapping[str, tuple[Rule, ...]]
    diagnostics: tuple[Diagnostic, ...] = ()

    @property
    def failed(self) -> tuple[CaseResult, ...]:
        """Return the results in which the mapping does not do what its case says."""
        return tuple(result for result in self.results if not result.passed)

    @property
    def passed(self) -> bool:
        """Return whether the files could be read and every case agrees with the mapping."""
        return not self.failed and not has_errors(self.diagnostics)


class CasesFailed(RolebridgeError):
    """That a mapping does not do what the cases beside it say."""

    def __init__(self, run: CaseRun) -> None:
        super().__init__(f"{len(run.failed)} of {len(run.results)} cases fail; nothing was changed")
        self.run = run


def run_cases(
    files: Mapping[str, str], mappings: MappingSet, programs: Sequence[Program], table: AttributeTable
) -> CaseRun:
    """Run every case among `files` against the mapping set that was read from them, compiled as `programs`."""
    cases, diagnostics = load_cases(files, mappings, table=table)
    by_workspace = {program.workspace: program for program in programs}
    if has_errors(diagnostics):
        return CaseRun((), {}, diagnostics)
    results = tuple(evaluate(by_workspace[case.workspace], case) for case in cases)
    return CaseRun(results, {name: _left_out(program, results) for name, program in by_workspace.items()}, diagnostics)


def check_files(
    files: Mapping[str, str],
    connections: Sequence[str] | None = None,
    table: AttributeTable = USER_TABLE,
    registry: Registry = NOTHING_REGISTERED,
) -> tuple[MappingSet | None, tuple[Diagnostic, ...]]:
    """Check mapping files and the cases beside them, as `read_mappings` does; no case runs."""
    mappings, problems = read_mappings(files, connections, table, registry)
    if mappings is None:
        return None, problems
    _, more = load_cases(files, mappings, table=table)
    return mappings, (*problems, *more)


def read_and_run(
    files: Mapping[str, str],
    connections: Sequence[str] | None = None,
    table: AttributeTable = USER_TABLE,
    registry: Registry = NOTHING_REGISTERED,
) -> CaseRun:
    """Read mapping files and the cases beside them, and run these; what is wrong with either is in `diagnostics`.

    `connections`, `table` and `registry` are what `read_mappings` takes.
    """
    mappings, problems = read_mappings(files, connections, table, registry)
    if mappings is None:
        return CaseRun((), {}, problems)
    run = run_cases(files, mappings, compile_rulebook(0, mappings, files, registry).intended, table)
    return replace(run, diagnostics=(*problems, *run.diagnostics))


def _left_out(program: Program, results: Sequence[CaseResult]) -> tuple[Rule, ...]:
    missing = set(unexercised(program, results))
    return tuple(rule for rule in program.mapping.rules if rule.id in missing)
