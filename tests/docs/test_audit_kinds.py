"""Every kind of audit row that the program writes is on the page of the audit, and the page names no other."""

from __future__ import annotations

import re

from tests.docs.pages import ROOT

NOUNS = ("user|group|grants|assignment|mapping|workspace|project|guard|hold|proposal|schema|organization|connection|"
         "token|key|client|client_secret|client_key|audit|secret_key|application|application_secret|"
         "application_key|signing_key")  # fmt: skip
KIND = re.compile(rf"[\"`]((?:{NOUNS})\.[a-z]+(?:_[a-z]+)?)[\"`]")
# What four eyes are asked to agree on, not what happened.
ACTS = {"mapping.force", "project.force", "workspace.force", "hold.release", "hold.discard"}
# Put together of a noun and a verb while the program runs, or by the command line.
MADE = {"user.adopted", "group.adopted", "client_secret.added", "client_secret.revoked", "client_key.added",
        "client_key.revoked", "secret_key.rotated", "secret_key.retired", "application_secret.added",
        "application_key.added"}  # fmt: skip


def written() -> set[str]:
    """Return the kinds that stand in the use cases."""
    sources = (ROOT / "src/rolebridge/bridge").glob("*.py")
    return {kind for path in sources for kind in KIND.findall(path.read_text(encoding="utf-8"))} - ACTS


def documented() -> set[str]:
    """Return the kinds that the page names."""
    return set(KIND.findall((ROOT / "docs/reference/audit.md").read_text(encoding="utf-8")))


def test_every_kind_is_documented() -> None:
    """Who reads the audit finds each kind explained."""
    assert written() - documented() == set()


def test_no_other_kind_is_documented() -> None:
    """The page explains nothing that never happens."""
    assert documented() - written() - MADE == set()
