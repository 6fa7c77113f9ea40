"""Runs the tests against each mutant: collected once, then a fork for each, which stops at the first failing test.

A fork changes the code of one function in place, so that whoever imported it has the changed one. Hypothesis draws the
same examples every time, and time is counted in CPU seconds: the verdicts do not depend on how busy the machine is.
"""

from __future__ import annotations
import __future__

import importlib
import os
import resource
import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from enum import StrEnum
from functools import cached_property
from types import CodeType, FunctionType
from typing import Final

import pytest
from _pytest.runner import runtestprotocol
from tests.mutants.operators import Mutant

CPU_SECONDS: Final = 120
"""After so many a mutant is taken to run for ever; without one the slowest selection takes a tenth of it."""
_SURVIVED, _KILLED, _BROKEN = 0, 1, 2


class Verdict(StrEnum):
    """What became of a mutant; a test that never ends has noticed it too."""

    KILLED = "killed"
    TIMEOUT = "timeout"
    SURVIVED = "survived"


class Broken(Exception):
    """That the tests fail without any mutant, or that a mutant could not be put in place."""


class Runner:
    """A pytest plugin that takes the place of running the tests once.

    `tests` are the files, by module, whose tests must notice its mutants, in the order in which they run. `tell` hears
    of each verdict as it comes, in no order.
    """

    def __init__(
        self,
        mutants: Sequence[Mutant],
        tests: Mapping[str, Sequence[str]],
        processes: int,
        tell: Callable[[Mutant, Verdict], None],
    ) -> None:
        self.mutants = mutants
        self.tests = tests
        self.processes = processes
        self.tell = tell
        self.verdicts: dict[Mutant, Verdict] = {}
        self.problem = ""

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Judge every mutant, instead of running the collected tests."""
        try:
            self._without_mutants(session, "the tests do not pass without a mutant")
            self._judge_all(session)
            # Files that somebody edits meanwhile may fail tests that import late: then no verdict means anything.
            self._without_mutants(session, "the tests pass no more: was something edited while they ran?")
        except Broken as broken:
            self.problem = str(broken)
        return True

    def _without_mutants(self, session: pytest.Session, otherwise: str) -> None:
        """Make sure that the tests pass as things are: otherwise every mutant would seem to be noticed."""
        modules = sorted({mutant.module for mutant in self.mutants})
        items = {item.nodeid: item for module in modules for item in self._items(session, module)}
        if not items:
            raise Broken("no tests were collected")
        if _ended(_fork(lambda: _run(list(items.values())))) is not Verdict.SURVIVED:
            raise Broken(otherwise)

    def _judge_all(self, session: pytest.Session) -> None:
        running: dict[int, Mutant] = {}
        for mutant in self.mutants:
            if len(running) >= self.processes:
                self._wait(running)
            running[_fork(_judged(mutant, self._items(session, mutant.module)))] = mutant
        while running:
            self._wait(running)

    def _wait(self, running: dict[int, Mutant]) -> None:
        process, status = os.wait()
        mutant = running.pop(process)
        try:
            self.verdicts[mutant] = _verdict(status)
            self.tell(mutant, self.verdicts[mutant])
        except Broken as broken:
            raise Broken(f"{mutant.name}: {broken}") from None

    def _items(self, session: pytest.Session, module: str) -> list[pytest.Item]:
        files = list(self.tests[module])
        found = [item for item in session.items if item.path.name in files]
        return sorted(found, key=lambda item: files.index(item.path.name))


def _judged(mutant: Mutant, items: Sequence[pytest.Item]) -> Callable[[], int]:
    def judge() -> int:
        put_in_place(mutant)
        return _run(items)

    return judge


def _run(items: Sequence[pytest.Item]) -> int:
    for item, following in zip(items, [*items[1:], None], strict=True):
        if any(report.failed for report in runtestprotocol(item, log=False, nextitem=following)):
            return _KILLED
    return _SURVIVED


def _fork(work: Callable[[], int]) -> int:
    """Return the id of a process of its own that does some work and ends with what comes of it."""
    process = os.fork()
    if process:
        return process
    status = _BROKEN
    try:
        resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS + 5))
        nowhere = os.open(os.devnull, os.O_RDWR)
        os.dup2(nowhere, 1)
        status = work()
    finally:
        os._exit(status)  # whatever happened, nothing of the parent's may run twice


def _ended(process: int) -> Verdict:
    return _verdict(os.waitpid(process, 0)[1])


def _verdict(status: int) -> Verdict:
    if os.WIFSIGNALED(status):
        # A deep recursion may end a process as well: that is noticed.
        return Verdict.TIMEOUT if os.WTERMSIG(status) in {signal.SIGXCPU, signal.SIGKILL} else Verdict.KILLED
    match os.WEXITSTATUS(status):
        case 0:
            return Verdict.SURVIVED
        case 1:
            return Verdict.KILLED
        case _:
            raise Broken("it could not be put in place")


# --- putting a mutant in place -------------------------------------------------------------------------------------


def put_in_place(mutant: Mutant) -> None:
    """Give the live function the mutant's code."""
    module = importlib.import_module(f"rolebridge.core.{mutant.module}")
    flags = __future__.annotations.compiler_flag
    compiled = compile(mutant.body, str(module.__file__), "exec", flags=flags, dont_inherit=True)
    code = next(found for found in _codes(compiled) if found.co_qualname == mutant.where)
    owner: object = module
    for part in mutant.where.split("."):
        owner = vars(owner)[part]
    _function(owner).__code__ = code


def _codes(code: CodeType) -> Iterator[CodeType]:
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield constant
            yield from _codes(constant)


def _function(found: object) -> FunctionType:
    """Return the function in a property, a class method or the like."""
    match found:
        case property(fget=FunctionType() as inside):
            return inside
        case staticmethod() | classmethod():
            return _function(found.__func__)
        case cached_property():
            return _function(found.func)
        case FunctionType():
            return found
        case _:
            raise Broken(f"{found!r} is no function")
