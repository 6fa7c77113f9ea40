"""A browser without scripts: follows redirects, keeps cookies, fills in and sends the forms of pages.

It treats the loopback as a browser does: a cookie that is for secure connections alone is sent there as well.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser
from http.cookiejar import CookieJar, DefaultCookiePolicy
from types import TracebackType
from typing import Self
from urllib.parse import urljoin, urlsplit

import httpx

_HOPS = 20


@dataclass
class Form:
    """A form: where it goes, and what it holds; `buttons` are the named ones, of which one is pressed."""

    action: str
    method: str = "GET"
    fields: dict[str, str] = field(default_factory=dict)
    buttons: list[tuple[str, str]] = field(default_factory=list)


@dataclass(frozen=True)
class Page:
    """What was answered in the end: `url` is where."""

    url: str
    status: int
    text: str
    forms: tuple[Form, ...]

    @property
    def path(self) -> str:
        return urlsplit(self.url).path

    def form(self, field_: str) -> Form:
        """The one form that has a field or a button of this name."""
        found = [one for one in self.forms if field_ in one.fields or field_ in dict(one.buttons)]
        assert len(found) == 1, f"{len(found)} forms of {self.url} have `{field_}`: {self.text[:3000]}"
        return found[0]


class Surfer:
    """Somebody at a browser of their own. Use it in a `with`."""

    def __init__(self) -> None:
        jar = CookieJar(DefaultCookiePolicy(secure_protocols=("http", "https")))
        self.http = httpx.Client(cookies=jar, follow_redirects=True, timeout=30, max_redirects=_HOPS)
        self.seen: list[str] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.http.close()

    def open(self, url: str) -> Page:
        """Type an address."""
        return self._arrived(self.http.get(url))

    def send(self, page: Page, form: Form, **filled: str) -> Page:
        """Fill in a form of a page and send it; a button that is pressed is filled in too."""
        values = {**form.fields, **filled}
        origin = "{0.scheme}://{0.netloc}".format(urlsplit(page.url))
        if form.method == "GET":
            return self._arrived(self.http.get(form.action, params=values))
        return self._arrived(self.http.post(form.action, data=values, headers={"Origin": origin}))

    def send_field(self, page: Page, name: str, value: str = "", **filled: str) -> Page:
        """Send the form that has this field or button, with a value in it."""
        form = page.form(name)
        return self.send(page, form, **{**filled, name: value or form.fields.get(name, "")})

    def _arrived(self, answer: httpx.Response) -> Page:
        self.seen += [str(one.url) for one in (*answer.history, answer)]
        reader = _Reader(str(answer.url))
        reader.feed(answer.text)
        return Page(str(answer.url), answer.status_code, answer.text, tuple(reader.forms))


class _Reader(HTMLParser):
    """Reads the forms of a page."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self._url = url
        self._select = ""
        self.forms: list[Form] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        said = {name: value or "" for name, value in attrs}
        if tag == "form":
            method = said.get("method", "GET").upper()
            self.forms.append(Form(urljoin(self._url, said.get("action", "")), method))
        elif self.forms and tag == "input":
            self._input(said)
        elif self.forms and tag == "button" and said.get("type", "submit") == "submit" and said.get("name"):
            self.forms[-1].buttons.append((said["name"], said.get("value", "")))
        elif self.forms and tag == "select":
            self._select = said.get("name", "")
        elif self.forms and tag == "option" and self._select:
            self.forms[-1].fields.setdefault(self._select, said.get("value", ""))

    def _input(self, said: dict[str, str]) -> None:
        kind = said.get("type", "text")
        if kind == "submit" and said.get("name"):
            self.forms[-1].buttons.append((said["name"], said.get("value", "")))
        elif kind in {"checkbox", "radio"} and "checked" not in said:
            return
        elif kind != "submit" and said.get("name"):
            self.forms[-1].fields[said["name"]] = said.get("value", "")
