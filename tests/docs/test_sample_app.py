"""The sample application that the documentation shows is the one that the tests run."""

from __future__ import annotations

import re

from tests.docs.pages import ROOT, text_of


def test_the_page_shows_the_file() -> None:
    """Line for line: whoever copies the page has what a browser has signed in to."""
    (shown,) = re.findall(r"^```python\n(.*?)^```$", text_of(ROOT / "docs/sample-app.md"), re.MULTILINE | re.DOTALL)
    assert shown == text_of(ROOT / "src/rolebridge/demo/sample_app.py")
