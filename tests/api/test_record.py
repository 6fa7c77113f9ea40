"""The record over the API: exported page by page as lines, and people's data taken out of it."""

from __future__ import annotations

import csv
import io
import json

import pytest
from tests.api.talking import Tenant, holds, problem

from rolebridge.api.endpoints.audit import LINES
from rolebridge.api.endpoints.reviews import TABLE
from rolebridge.web.problems import Kind


def pages(tenant: Tenant, path: str, accept: str) -> list[str]:
    """Return the texts of all pages, each of which leads to the next one."""
    texts: list[str] = []
    at: str | None = f"/api/v1{path}"
    while at:
        headers = {"Authorization": f"Bearer {tenant.key('auditor')}", "Accept": accept}
        answer = tenant.client.get(at, headers=headers)
        assert (answer.status_code, answer.mimetype) == (200, accept), answer.data
        texts.append(answer.text)
        link = answer.headers.get("Link")
        at = link.partition("<")[2].partition(">")[0].removeprefix("http://127.0.0.1:8080") if link else None
    return texts


def test_the_audit_is_exported_in_lines(acme: Tenant) -> None:
    """Oldest first, each row once, in pages that lead on; the same rows as JSON, with what it takes to verify them."""
    acme.key("owner"), acme.key("auditor")
    acme.installation.auditing.seal(acme.organization.id)
    texts = pages(acme, "/audit/export?limit=4", LINES)
    assert len(texts) > 2
    rows = [json.loads(line) for text in texts for line in text.splitlines()]
    numbers = [row["number"] for row in rows]
    assert numbers == sorted(set(numbers))
    whole = {row["number"] for row in acme.get("/audit", limit="200").body["audit"]}
    assert set(numbers) == whole
    assert all(set(row["chain"]["salts"]) == {"before", "after", "reason"} for row in rows)
    first = holds(acme.get("/audit/export", limit="4"), "AuditExport")
    assert first["audit"] == rows[:4]
    assert first["next_cursor"]
    kinds = {row["kind"] for row in acme.get("/audit/export", kind="user.").body["audit"]}
    assert kinds == {"user.created"}
    problem(acme.ask("GET", "/audit/export", headers={"Accept": "text/html"}), Kind.NOT_ACCEPTABLE)
    problem(acme.get("/audit/export", cursor="WyJ4Il0"), Kind.INVALID)


def test_an_owner_takes_somebodys_data_out_of_the_record(acme: Tenant) -> None:
    """Of somebody who is deleted; the chain stays whole, and nothing tells the name any more."""
    id_ = acme.user("gone@acme.example")
    there = acme.ask("POST", f"/users/{id_}/erasure", {"reason": "asked for"})
    assert "deleted" in problem(there, Kind.INVALID)["detail"]
    assert acme.scim("DELETE", f"/Users/{id_}").status == 204
    problem(acme.ask("POST", f"/users/{id_}/erasure", {"reason": "x"}, key=acme.key("operator")), Kind.FORBIDDEN)
    problem(acme.ask("POST", f"/users/{id_}/erasure", {"reason": " "}), Kind.INVALID)
    problem(acme.ask("POST", "/users/nobody/erasure", {"reason": "x"}), Kind.NOT_FOUND)
    done = holds(acme.ask("POST", "/users/gone@acme.example/erasure", {"reason": "asked for"}), "Erased")
    assert (done["user_id"], done["rows"] > 0) == (id_, True)
    rows = acme.get("/audit", subject_id=id_).body["audit"]
    assert "gone@acme.example" not in json.dumps(rows)
    assert rows[0]["kind"] == "user.erased"
    assert acme.get("/audit/verification").body["whole"] is True


def test_a_workspace_is_reviewed(acme: Tenant) -> None:
    """As JSON and as a table with columns for the decision; a name that would be a formula is none."""
    ids = [acme.user(f"+{number}@acme.example") for number in range(25)]
    acme.group("lbx-retail-reviewers", *ids)
    path = "/workspaces/vision/review"
    first = holds(acme.get(path, limit="5"), "Review")
    assert len(first["review"]) >= 5
    rows = list(csv.DictReader(io.StringIO("".join(pages(acme, f"{path}?limit=5", TABLE)))))
    assert {row["user_name"] for row in rows} >= {"ana@acme.example", "ben@acme.example"}
    assert len({(row["user_id"], row["project"], row["slot"], row["role"]) for row in rows}) == len(rows)
    assert {row["decision"] for row in rows} == {""}
    assert {f"'+{number}@acme.example" for number in range(25)} <= {row["user_name"] for row in rows}
    assert not [cell for row in rows for cell in row.values() if cell.startswith(("=", "+", "-", "@"))]
    assert [row["user_id"] for row in first["review"]] == [row["user_id"] for row in rows[: len(first["review"])]]
    problem(acme.get("/workspaces/nowhere/review"), Kind.NOT_FOUND)
    problem(acme.get(path, acme.key("owner", "lab")), Kind.NOT_FOUND)


@pytest.mark.parametrize(("form", "begins"), [("mermaid", "flowchart LR\n"), ("dot", "digraph explanation {\n")])
def test_an_explanation_as_a_graph(acme: Tenant, form: str, begins: str) -> None:
    """As text, in which no name of an identity provider leaves its quotes; other formats there are none."""
    id_ = acme.user(f'{form}"]; n0 --> x["@acme.example')
    headers = {"Authorization": f"Bearer {acme.key('reader')}"}
    said = acme.client.get(f"/api/v1/explanations?user={id_}&format={form}", headers=headers)
    assert (said.status_code, said.mimetype) == (200, "text/plain")
    assert said.text.startswith(begins)
    assert ("n0 --> x" in said.text) is (form == "dot")
    assert form == "mermaid" or 'dot\\"]; n0 --> x[\\"@acme.example' in said.text
    assert acme.get("/explanations", user=id_, format="json").kind == "application/json"
    problem(acme.get("/explanations", user=id_, format="svg"), Kind.INVALID)
