"""Pages for people: templates, escaped as a rule, and what their answers tell the browser that it must not do.

Nothing on them needs JavaScript. The policy lets a page load our own style sheet and send its forms to ourselves, and
nothing else; no page may be shown inside another.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from rolebridge.web.requests import Response

TEMPLATES: Final = Path(__file__).parent / "templates"
ASSETS: Final = Path(__file__).parent / "assets"
ASSETS_PATH: Final = "/assets"
"""Where the style sheet is, below the base URL."""

_TYPES: Final = {".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml"}
_STATUS: Final = {"flow-too-many": 429, "flow-no-connection": 404}


class Pages:
    """Renders pages at a base URL. `folders` hold the templates of those who have pages."""

    def __init__(self, base_url: str, folders: Iterable[Path] = ()) -> None:
        self._path = urlsplit(base_url).path
        self._environment = Environment(
            loader=FileSystemLoader([TEMPLATES, *folders]),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._environment.globals["at"] = self.at

    def at(self, path: str) -> str:
        """Return a path of ours as links on pages write it: below the path of the base URL; assets by their content."""
        if path.startswith(f"{ASSETS_PATH}/"):
            name = path.removeprefix(f"{ASSETS_PATH}/")
            return f"{self._path}{path}?{_digest(name)}"
        return f"{self._path}{path}"

    def page(
        self,
        template: str,
        status: int = 200,
        *,
        headers: Iterable[tuple[str, str]] = (),
        form_action: str | None = "'self'",
        script: bool = False,
        **context: Any,
    ) -> Response:
        """Return a page. `form_action` is where its forms, and what answers them, may lead (a source list of CSP).

        With None that is anywhere.
        """
        body = self._environment.get_template(template).render(**context).encode()
        scripts = "script-src 'self'; " if script else ""
        forms = "" if form_action is None else f"form-action {form_action}; "
        policy = (
            f"default-src 'none'; style-src 'self'; img-src 'self'; {scripts}{forms}"
            "base-uri 'none'; frame-ancestors 'none'"
        )
        standing = (
            ("Content-Type", "text/html; charset=utf-8"),
            ("Content-Security-Policy", policy),
            ("X-Frame-Options", "DENY"),
            ("X-Content-Type-Options", "nosniff"),
            ("Cache-Control", "no-store"),
            # With `no-referrer` a browser would send its forms without saying that they are ours (`Origin: null`).
            ("Referrer-Policy", "same-origin"),
        )
        return Response(status, (*standing, *headers), body)

    def refused(self, code: str, request_id: str, *, again: str | None = None) -> Response:
        """Return the page that says that a login was refused: its code and the request, and never why.

        `again` is the sealed request to sign in with which they may try again.
        """
        return self.page("refused.html", _STATUS.get(code, 403), code=code, request_id=request_id, again=again)

    def error(self, status: int, title: str, request_id: str) -> Response:
        """Return the page of an answer that is none: nothing there, too much, a defect."""
        return self.page("error.html", status, title=title, request_id=request_id)

    def post_on(self, url: str, fields: Mapping[str, str], *, onward: bool = False) -> Response:
        """Return a page that sends a form on to another site, by itself where there is JavaScript.

        `onward` lets that site redirect the browser to others, by https: an identity provider may sign in elsewhere.
        """
        parts = urlsplit(url)
        origin = f"{parts.scheme}://{parts.netloc}"
        allowed = f"{origin} https:" if onward else origin
        return self.page("post_on.html", form_action=allowed, script=True, url=url, fields=fields, host=parts.hostname)

    def post_again(self, path: str, fields: Mapping[str, str], host: str) -> Response:
        """Return a page that sends on to ourselves what another site posted, so that it comes with all our cookies.

        What answers it may lead to an application at any URL, one of a scheme of its own included.
        """
        url = self.at(path)
        return self.page("post_on.html", form_action=None, script=True, url=url, fields=fields, host=host)


def asset(name: str) -> Response | None:
    """Return a file that pages load; None when there is none of that name."""
    content = _assets().get(name)
    if content is None:
        return None
    headers = (
        ("Content-Type", _TYPES[Path(name).suffix]),
        ("Cache-Control", "public, max-age=31536000, immutable"),
        ("X-Content-Type-Options", "nosniff"),
    )
    return Response(200, headers, content)


@cache
def _assets() -> Mapping[str, bytes]:
    """Return the files that pages load, by name."""
    return {path.name: path.read_bytes() for path in ASSETS.iterdir() if path.suffix in _TYPES}


def _digest(name: str) -> str:
    return hashlib.sha256(_assets()[name]).hexdigest()[:12]
