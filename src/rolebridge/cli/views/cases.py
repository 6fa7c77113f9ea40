"""Cases of a mapping that were run: what fails, expected and got and why, and the rules that no case exercises."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping

from rolebridge.bridge.diagnostic_documents import run_document
from rolebridge.bridge.testing import CaseRun
from rolebridge.cli.terminal import bad, counted, doubtful, faint, good, one_line, strong
from rolebridge.cli.views import diagnostics
from rolebridge.core.cases import CaseResult, Mismatch

document = run_document


def text(run: CaseRun, files: Mapping[str, str], *, verbose: bool = False, coverage: bool = False) -> str:
    """Return the failing cases (all with `verbose`), with `coverage` the rules left out, and a line of counts."""
    parts = [diagnostics.text(run.diagnostics, files).removesuffix("\n")] if run.diagnostics else []
    parts += [_case(result) for result in run.results if verbose or not result.passed]
    if coverage:
        parts += _left_out(run)
    return "\n".join([*parts, _summary(run)])


def _case(result: CaseResult) -> str:
    case = result.case
    mark = good("✓") if result.passed else bad("✗")
    lines = [f"{mark} {strong(one_line(case.name))}  {faint(f'{case.workspace}, {case.place}')}"]
    lines += [line for mismatch in result.mismatches for line in _mismatch(mismatch)]
    return "\n".join(lines)


def _mismatch(mismatch: Mismatch) -> Iterator[str]:
    yield f"    expected  {one_line(mismatch.expected)}  {faint(str(mismatch.place))}"
    yield f"    got       {one_line(mismatch.got)}"
    if mismatch.why:
        yield f"    why       {one_line(mismatch.why)}"


def _left_out(run: CaseRun) -> list[str]:
    rules = [
        f"{doubtful('!')} {workspace}: no case exercises rule {strong(rule.id)}  {faint(str(rule.place))}"
        for workspace, left in run.unexercised.items()
        for rule in left
    ]
    return rules or ([f"{good('✓')} every rule is exercised by a case"] if run.results else [])


def _summary(run: CaseRun) -> str:
    mark = good("✓") if run.passed else bad("✗")
    if not run.results:
        return f"{mark} no case ran, {diagnostics.counted_text(run.diagnostics)}"
    workspaces = Counter(result.case.workspace for result in run.results)
    failing = f"{len(run.failed)} fail" if run.failed else "all pass"
    return f"{mark} {counted(len(run.results), 'case')} in {counted(len(workspaces), 'workspace')}, {failing}"
