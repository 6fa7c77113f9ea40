"""Numbers in shared memory: what is counted, whose row it is, and how Prometheus reads it."""

from __future__ import annotations

import multiprocessing
import os

import pytest
from prometheus_client.parser import text_string_to_metric_families

from rolebridge.web.metrics import OTHER, Family, Gauge, Shared, Tally, exposition

ASKED = Family("asked_total", "Questions.", {"door": ("front", "back"), "method": ("GET",)})
LASTED = Family("lasted_seconds", "Durations.", {"door": ("front",)}, (0.1, 1.0))
PLAIN = Family("plain_total", "Without labels.", {})
FAMILIES = (ASKED, LASTED, PLAIN)


def read(shared: Shared) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """Return all samples as Prometheus' own library reads them."""
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(exposition(shared))
        for sample in family.samples
    }


def test_counts_and_durations_are_read_back() -> None:
    """Counters add up, buckets are cumulative, and their sum and count agree."""
    shared = Shared(FAMILIES, 1)
    tally = Tally(FAMILIES, shared)
    tally.count("asked_total", "front", "GET")
    tally.count("asked_total", "front", "GET", by=2)
    for seconds in (0.05, 0.1, 0.5, 7.0):
        tally.observe("lasted_seconds", "front", value=seconds)
    front = (("door", "front"),)
    assert read(shared) == {
        ("asked_total", (*front, ("method", "GET"))): 3.0,
        ("lasted_seconds_bucket", (*front, ("le", "0.1"))): 2.0,
        ("lasted_seconds_bucket", (*front, ("le", "1"))): 3.0,
        ("lasted_seconds_bucket", (*front, ("le", "+Inf"))): 4.0,
        ("lasted_seconds_sum", front): pytest.approx(7.65),
        ("lasted_seconds_count", front): 4.0,
        ("plain_total", ()): 0.0,
    }


def test_no_label_makes_a_series_of_its_own() -> None:
    """Whatever stands in a label that was not declared is counted as one and the same."""
    shared = Shared(FAMILIES, 1)
    tally = Tally(FAMILIES, shared)
    for number in range(1_000):
        tally.count("asked_total", f"door {number}", "GE\nT")
    tally.count("asked_total", "front", "BREW")
    assert read(shared) == {
        ("asked_total", (("door", OTHER), ("method", OTHER))): 1000.0,
        ("asked_total", (("door", "front"), ("method", OTHER))): 1.0,
        ("plain_total", ()): 0.0,
    }


def test_what_is_remembered_of_unknown_labels_is_bounded() -> None:
    """A client that invents methods costs no memory."""
    tally = Tally(FAMILIES)
    before = len(tally._places)
    for number in range(1_000):
        tally.count("asked_total", "front", f"METHOD{number}")
    assert len(tally._places) == before


def _count_once(shared: Shared) -> None:
    Tally(FAMILIES, shared).count("plain_total")


def test_processes_add_up_and_leave_their_rows() -> None:
    """Each process counts for itself; one that comes after another takes its row and its numbers over."""
    shared = Shared(FAMILIES, 2)
    spawn = multiprocessing.get_context("spawn")
    for _ in range(3):
        process = spawn.Process(target=_count_once, args=(shared,))
        process.start()
        process.join()
        assert process.exitcode == 0
    assert read(shared)["plain_total", ()] == 3.0


def test_a_process_too_many_is_not_counted(caplog: pytest.LogCaptureFixture) -> None:
    """Without a free row a process works on and says that nobody reads its numbers."""
    shared = Shared(FAMILIES, 1)
    shared.owners[0] = os.getppid()
    Tally(FAMILIES, shared).count("plain_total")
    assert read(shared)["plain_total", ()] == 0.0
    assert "1 processes count already" in caplog.text


def test_one_that_was_killed_while_it_claimed_keeps_nobody_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """The lock of a process that is gone is passed over after a while."""
    monkeypatch.setattr("rolebridge.web.metrics._CLAIM_SECONDS", 0.01)
    shared = Shared(FAMILIES, 1)
    shared.claiming.acquire()
    Tally(FAMILIES, shared).count("plain_total")
    assert read(shared)["plain_total", ()] == 1.0


def test_gauges_are_escaped() -> None:
    """A value of a label may hold any text, and every line stays one."""
    text = exposition(None, [Gauge("held", "What is held.", ("name",), {('a "b" \\ \n c',): 0.5})])
    (family,) = text_string_to_metric_families(text)
    assert [(sample.labels, sample.value) for sample in family.samples] == [({"name": 'a "b" \\ \n c'}, 0.5)]
