"""The program behind `make mutants`: what it changes, what it makes of verdicts, and that a mutant takes effect."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.mutants.__main__ import TESTS, of_module, report
from tests.mutants.explained import PAGE, explanations
from tests.mutants.operators import mutants_of
from tests.mutants.running import Verdict

SOURCE = '''
class Box:
    def holds(self, one: int) -> bool:
        """Return whether it does."""
        if one < 3 and not self.closed:
            return True
        return any(found is Kind.OLD for found in self.found)
'''


def test_every_kind_of_change_is_made_and_texts_are_left_alone() -> None:
    """Each mutant is named by where it stands and what it changes."""
    made = mutants_of(SOURCE, "boxes", {"Kind": ("OLD", "NEW")})
    changes = {mutant.change for mutant in made}
    assert {mutant.where for mutant in made} == {"Box.holds"}
    assert {
        "one < 3 → one <= 3",
        "one < 3 → one >= 3",
        "3 → 4",
        "not self.closed → self.closed",
        "one < 3 and (not self.closed) → one < 3",
        "one < 3 and (not self.closed) → one < 3 or not self.closed",
        "one < 3 and (not self.closed) → True",
        "Kind.OLD → Kind.NEW",
        "True → False",
    } <= changes
    assert not any("Return whether" in change for change in changes)


def test_every_mutant_has_a_name_of_its_own() -> None:
    """An explanation speaks of one mutant only."""
    names = [mutant.name for module in TESTS for mutant in of_module(module)]
    assert len(names) == len(set(names)) > 500


def test_every_explanation_names_a_mutant_and_a_reason() -> None:
    """One of a change that can no longer be made would never be missed."""
    named = explanations(PAGE.read_text("utf-8"))
    assert named
    assert named.keys() <= {mutant.name for module in TESTS for mutant in of_module(module)}
    assert all(len(why) > 10 for why in named.values())


def test_what_is_not_explained_fails_and_so_does_an_explanation_of_nothing() -> None:
    """The report says which, line by line; the same verdicts in another order give the same lines."""
    first, second, *others = mutants_of(SOURCE, "guardrails", {})
    verdicts = {first: Verdict.SURVIVED, second: Verdict.TIMEOUT, **dict.fromkeys(others, Verdict.KILLED)}
    many = verdicts | dict.fromkeys(of_module("guardrails"), Verdict.KILLED)
    assert report(many, {}, whole=True)[1] is False
    assert report(many, {first.name: "equivalent"}, whole=True)[1] is True
    assert report(many, {first.name: "equivalent", "gone": "why"}, whole=True)[1] is False
    assert report(many, {first.name: "equivalent", "gone": "why"}, whole=False)[1] is True
    assert report(dict.fromkeys(verdicts, Verdict.SURVIVED), {}, whole=True)[0][-1] == "fewer than 90% are noticed"
    assert report(dict(reversed(many.items())), {}, whole=True) == report(many, {}, whole=True)


def test_a_mutant_takes_effect_and_is_noticed() -> None:
    """Collected, forked, broken and caught, as `make mutants` does it for one function."""
    root = Path(__file__).parents[2]
    command = [sys.executable, "-m", "tests.mutants", "guardrails:_is_past", "--processes", "1"]
    ended = subprocess.run(
        command, cwd=root, env=dict(os.environ), capture_output=True, text=True, timeout=120, check=False
    )
    assert "guardrails" in ended.stdout, ended.stderr
    assert ended.returncode == 0, ended.stdout
    assert "100.0%" in ended.stdout
