"""`make mutants`: how many wrong changes of the modules that decide would go unnoticed by their tests.

Ends with 1 when fewer than nine in ten are noticed, when a survivor is not explained in docs/mutants.md, or when an
explanation speaks of none; with 2 when the tests do not pass as things are.
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from enum import EnumType
from pathlib import Path
from typing import Final

import pytest
from tests.mutants.explained import PAGE, explanations
from tests.mutants.operators import Mutant, mutants_of
from tests.mutants.running import Runner, Verdict

ROOT: Final = Path(__file__).parents[2]
LEAST: Final = 0.90
_RESOLVER: Final = (
    "test_resolver_truth_tables.py",
    "test_resolver_edges.py",
    "test_explanation.py",
    "test_resolver_laws.py",
    "test_generated_laws.py",
)
TESTS: Final[Mapping[str, Sequence[str]]] = {
    "resolver": _RESOLVER,
    "claims": _RESOLVER,
    "guardrails": ("test_guardrails.py", "test_holding_laws.py"),
    "permissions": ("test_decision_edges.py", "test_permissions.py", "test_decision_laws.py"),
    "delegation": ("test_decision_edges.py", "test_delegation.py", "test_decision_laws.py"),
}
"""The modules of core that decide, and the tests that must notice when they decide otherwise."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program and return its exit code."""
    parser = argparse.ArgumentParser(prog="make mutants", description=__doc__)
    parser.add_argument("only", nargs="*", help="modules or functions (resolver, claims:_Hearing.keep); all otherwise")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--list", action="store_true", help="list the mutants without running anything")
    options = parser.parse_args(arguments)
    mutants = [mutant for module in TESTS for mutant in of_module(module) if _is_chosen(mutant, options.only)]
    if options.list:
        print(*(f"{mutant.line}: {mutant.name}" for mutant in mutants), sep="\n")
        return 0
    runner = run(mutants, options.processes)
    if runner.problem:
        print(runner.problem, file=sys.stderr)
        return 2
    lines, passed = report(runner.verdicts, explanations(PAGE.read_text("utf-8")), whole=not options.only)
    print(*lines, sep="\n")
    return 0 if passed else 1


def of_module(module: str) -> list[Mutant]:
    """Return the mutants of one module of core."""
    live = importlib.import_module(f"rolebridge.core.{module}")
    enums = {name: list(found.__members__) for name, found in vars(live).items() if isinstance(found, EnumType)}
    return mutants_of(Path(str(live.__file__)).read_text("utf-8"), module, enums)


def run(mutants: Sequence[Mutant], processes: int) -> Runner:
    """Judge mutants by the tests of their modules."""
    os.environ["HYPOTHESIS_PROFILE"] = "mutants"
    chosen = {mutant.module for mutant in mutants}
    names = dict.fromkeys(name for module in TESTS if module in chosen for name in TESTS[module])
    files = [str(path) for name in names if (path := ROOT / "tests" / "core" / name).exists()]
    runner = Runner(mutants, TESTS, processes, _tell)
    options = ["-q", "--no-header", "--no-summary", "-p", "no:cacheprovider", "--capture=no", f"--rootdir={ROOT}"]
    pytest.main([*options, *files], plugins=[runner])
    return runner


def _tell(mutant: Mutant, verdict: Verdict) -> None:
    """Show on the standard error output that the program is alive, and who got through."""
    if verdict is Verdict.SURVIVED:
        print(f"survived: {mutant.name}", file=sys.stderr, flush=True)


def _is_chosen(mutant: Mutant, only: Sequence[str]) -> bool:
    return not only or mutant.module in only or f"{mutant.module}:{mutant.where}" in only


def report(verdicts: Mapping[Mutant, Verdict], explained: Mapping[str, str], *, whole: bool) -> tuple[list[str], bool]:
    """Return the lines of the report, the same for the same verdicts, and whether all is well.

    `whole` says that every mutant ran: only then is it known which explanations speak of none.
    """
    ordered = sorted(verdicts, key=lambda one: (list(TESTS).index(one.module), one.line, one.name))
    survivors = [mutant for mutant in ordered if verdicts[mutant] is Verdict.SURVIVED]
    lines = [_row("module", "mutants", "killed", "timeout", "survived", "noticed")]
    modules = dict.fromkeys(mutant.module for mutant in ordered)
    lines += [_counted(module, [verdicts[one] for one in ordered if one.module == module]) for module in modules]
    lines.append(_counted("all", list(verdicts.values())))
    unexplained = [mutant for mutant in survivors if mutant.name not in explained]
    lines += [f"survived, not explained: {one.name}  (core/{one.module}.py:{one.line})" for one in unexplained]
    if survivors and not unexplained:
        lines.append(f"all {len(survivors)} survivors are explained in docs/mutants.md")
    stale = sorted(explained.keys() - {mutant.name for mutant in survivors}) if whole else []
    lines += [f"explained, but it does not survive: {name}" for name in stale]
    enough = len(survivors) <= (1 - LEAST) * len(verdicts)
    if not enough:
        lines.append(f"fewer than {LEAST:.0%} are noticed")
    return lines, enough and not unexplained and not stale


def _counted(name: str, verdicts: Sequence[Verdict]) -> str:
    found = Counter(verdicts)
    noticed = (len(verdicts) - found[Verdict.SURVIVED]) / len(verdicts) if verdicts else 1.0
    counts = (found[verdict] for verdict in (Verdict.KILLED, Verdict.TIMEOUT, Verdict.SURVIVED))
    return _row(name, len(verdicts), *counts, f"{noticed:.1%}")


def _row(name: str, *cells: object) -> str:
    return f"{name:<12}" + "".join(f"{cell!s:>10}" for cell in cells)


def _with_one_order_of_sets() -> None:
    """Start anew with a fixed order of sets of texts: a mutant that leaves out `sorted` is else noticed by luck."""
    if os.environ.get("PYTHONHASHSEED") != "0":
        command = [sys.executable, "-m", "tests.mutants", *sys.argv[1:]]
        os.execve(sys.executable, command, {**os.environ, "PYTHONHASHSEED": "0"})


if __name__ == "__main__":
    _with_one_order_of_sets()
    sys.exit(main())
