"""A browser without scripts: follows redirects, keeps cookies, fills in and sends the forms of pages.

It treats the loopback as a browser does: a cookie that is for secure connections alone is sent there as well.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser
from http.cookiejar import CookieJar, DefaultCookiePolicy
from urllib.error import HTTPError
from urllib.parse import urlencode, urljoin, urlsplit
from urllib.request import HTTPCookieProcessor, ProxyHandler, Request, build_opener


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
        """The first form that has a field or a button of this name."""
        found = [one for one in self.forms if field_ in one.fields or field_ in dict(one.buttons)]
        assert found, f"no form of {self.url} has `{field_}`: {self.text[:3000]}"
        return found[0]


class Surfer:
    """Somebody at a browser of their own."""

    def __init__(self) -> None:
        self.cookies = CookieJar(DefaultCookiePolicy(secure_protocols=("http", "https")))
        self._opener = build_opener(ProxyHandler({}), HTTPCookieProcessor(self.cookies))
        self._opener.addheaders = [("Accept", "text/html,*/*;q=0.8")]  # some sites send only browsers to sign in

    def open(self, url: str) -> Page:
        """Type an address."""
        return self._arrived(Request(url))

    def send(self, page: Page, form: Form, **filled: str) -> Page:
        """Fill in a form of a page and send it; a button that is pressed is filled in too."""
        data = urlencode({**form.fields, **filled})
        if form.method == "GET":
            return self._arrived(Request(f"{form.action.partition('?')[0]}?{data}"))
        origin = "{0.scheme}://{0.netloc}".format(urlsplit(page.url))
        return self._arrived(Request(form.action, data.encode(), {"Origin": origin}))

    def send_field(self, page: Page, name: str, value: str = "", **filled: str) -> Page:
        """Send the form that has this field or button, with a value in it."""
        form = page.form(name)
        return self.send(page, form, **{**filled, name: value or form.fields.get(name, "")})

    def _arrived(self, request: Request) -> Page:
        try:
            answer = self._opener.open(request, timeout=30)
        except HTTPError as error:  # a page like any other
            answer = error
        with answer:
            url, status, text = answer.url, answer.status, answer.read().decode()
        reader = _Reader(url)
        reader.feed(text)
        return Page(url, status, text, tuple(reader.forms))


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
