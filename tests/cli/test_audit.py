"""The audit at the command line: read, exported, verified, erased from."""

from __future__ import annotations

import csv
import hashlib
import io
import json

from tests.cli.machine import Machine, person

from rolebridge.core.chain import beginning


def test_lists_what_happened(acme: Machine) -> None:
    """Newest first: when, who, what, about whom, in a line what changed, and by which request."""
    head, *lines = acme.out("audit", "list", "--kind", "mapping.applied").splitlines()
    assert head.split() == ["TIME", "(UTC)", "WHO", "WHAT", "ABOUT", "REQUEST", "ID"]
    assert len(lines) == 1
    grants = acme.out("audit", "list", "--user", "ana.ruiz", "--kind", "grants.changed")
    assert "ana.ruiz@acme.example" in grants
    assert "+acme-vision/cityscapes reviewer" in grants


def test_lists_page_by_page(acme: Machine) -> None:
    """Where there is more it is said how to go on, in text and in JSON."""
    text = acme.out("audit", "list", "--limit", "2")
    place = text.splitlines()[-1].removeprefix("older ones: --before ")
    document = acme.json("audit", "list", "--limit", "2")
    assert str(document["before"]) == place
    further = acme.json("audit", "list", "--limit", "2", "--before", place)["audit"]
    assert further[0]["number"] < document["audit"][-1]["number"]
    assert acme.out("audit", "list", "--actor", "os:nobody") == "nothing of that is recorded\n"


def test_a_request_leads_to_what_it_did(acme: Machine) -> None:
    """The id that a refusal or answer shows finds the rows."""
    [row] = acme.json("audit", "list", "--kind", "mapping.applied")["audit"]
    of_request = acme.json("audit", "list", "--request", row["request_id"])["audit"]
    assert {"mapping.applied", "grants.changed"} <= {one["kind"] for one in of_request}


def test_verifies_and_keeps_an_anchor(acme: Machine) -> None:
    """Sealed, whole, with an anchor that holds later; a wrong one leaves with exit code 1."""
    assert "not sealed yet" in acme.out("audit", "verify")
    sealed = acme.json("audit", "seal")["sealed"]
    found = acme.json("audit", "verify")
    assert (found["whole"], found["rows"], found["unsealed"]["rows"]) == (True, sealed, 0)
    acme.out("org", "list")
    assert "the chain is whole" in acme.out("audit", "verify", "--anchor", found["anchor"])
    wrong = f"1:{'0' * 64}"
    result = acme("audit", "verify", "--anchor", wrong)
    assert result.exit_code == 1
    assert "the chain breaks at 1" in result.stdout
    assert "is no anchor" in acme.refused("audit", "verify", "--anchor", "nonsense")


def test_an_export_verifies_elsewhere(acme: Machine) -> None:
    """Whoever has the lines can follow the chain with a hash function and nothing of ours."""
    acme.out("audit", "seal")
    rows = [json.loads(line) for line in acme.out("audit", "export").splitlines()]
    link = beginning(acme.json("org", "list")["organizations"][0]["id"])
    for row in sorted(rows, key=lambda row: row["chain"]["position"]):
        commitments = [
            None
            if row[name] is None
            else hashlib.sha256(bytes.fromhex(row["chain"]["salts"][name]) + row[name].encode()).hexdigest()
            for name in ("before", "after", "reason")
        ]
        head = [row["number"], row["at"], row["kind"], row["actor"], row["request_id"], *row["subject"].values()]
        text = json.dumps([*head, *commitments], ensure_ascii=False, separators=(",", ":"))
        digest = hashlib.sha256(text.encode()).digest()
        link = hashlib.sha256(link + digest).digest()
        assert (row["chain"]["digest"], row["chain"]["link"]) == (digest.hex(), link.hex())
    assert acme.json("audit", "verify")["anchor"] == f"{len(rows)}:{link.hex()}"


def test_exports_as_csv(acme: Machine) -> None:
    """The same rows for a spreadsheet."""
    table = list(csv.DictReader(io.StringIO(acme.out("audit", "export", "--format", "csv", "--kind", "user."))))
    assert {row["kind"] for row in table} == {"user.created"}
    assert len(table) == 6


def test_erases_a_deleted_person(acme: Machine) -> None:
    """Only who is deleted, only with a reason; afterwards no row has the name, and the chain is whole."""
    assert "still in the directory" in acme.refused("audit", "erase", "nora", "--reason", "request 17")
    acme.delete_user("nora@acme.example")
    assert "nora@acme.example" in acme.out("audit", "export")
    said = acme.out("audit", "erase", "nora@acme.example", "--reason", "request 17")
    assert said.startswith("personal data of nora@acme.example erased from ")
    assert "nora" not in acme.out("audit", "export")
    found = acme.json("audit", "verify")
    assert found["whole"]
    assert found["erased"] > 0
    assert "(erased)" in acme.out("audit", "list")
    assert "there is no deleted user" in acme.refused("audit", "erase", "nora@acme.example", "--reason", "again")


def test_names_do_not_rewrite_the_terminal(ready: Machine) -> None:
    """A hostile name stays on its line and writes nothing but itself."""
    ready.provision([person("eve\x1b[2J@acme.example", "Eve\nHEAD")], {})
    text = ready.out("audit", "list", "--kind", "user.created")
    assert "\x1b[2J" not in text
    assert len(text.splitlines()) == 2
