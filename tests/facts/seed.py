"""Running what a platform's page says as cases of a mapping: the sentence, the person, and what becomes of them."""

from __future__ import annotations

from rolebridge.bridge.testing import read_and_run
from rolebridge.core.diagnostics import has_errors


def assert_so(mapping: str, quote: str, case: str) -> None:
    """Assert that a case of `mapping` comes out as it says; `quote` is the sentence of the page that it proves."""
    cases = f"workspace: w\ncases:\n  - {{name: page, on: 2026-12-01, {case}}}\n"
    run = read_and_run({"w.yaml": mapping, "w.test.yaml": cases})
    assert not has_errors(run.diagnostics), [f"{one.place}: {one.detail}" for one in run.diagnostics]
    assert len(run.results) == 1
    assert run.failed == (), quote


def assert_refused(mapping: str, code: str, quote: str) -> None:
    """Assert that a mapping is refused for one reason alone: that the page says otherwise."""
    errors = [one.code for one in read_and_run({"w.yaml": mapping}).diagnostics if one.severity == "error"]
    assert errors == [code], quote
