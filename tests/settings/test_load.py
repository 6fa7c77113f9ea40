"""Where settings come from, what they may be, and which sentence refuses them."""

from __future__ import annotations

import secrets
from pathlib import Path

import pytest

from rolebridge.settings import SETTINGS, Bind, SettingsError, load, read_secret_key


@pytest.fixture(autouse=True)
def _empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test sees a `rolebridge.toml` of the person who runs it."""
    monkeypatch.chdir(tmp_path)


def problems_of(environ: dict[str, str], file: Path | None = None) -> tuple[str, ...]:
    with pytest.raises(SettingsError) as caught:
        load(environ, file)
    return caught.value.problems


def test_nothing_set_gives_a_bridge_for_this_machine() -> None:
    """Without any setting: a SQLite file below the working directory, loopback only, no key."""
    settings = load({})
    assert settings.database_url == "sqlite:///var/rolebridge.db"
    assert settings.secret_key is None
    assert settings.bind == Bind("127.0.0.1", 8080)
    assert settings.base_url == "http://127.0.0.1:8080"
    assert settings.workers == 2
    assert settings.max_body_bytes == 16 * 1024 * 1024
    assert settings.request_timeout == 30.0


def test_the_base_url_follows_the_bind_address() -> None:
    """Who only moves the port need not repeat it in the base URL."""
    assert load({"ROLEBRIDGE_BIND": "[::1]:9000"}).base_url == "http://[::1]:9000"


GOOD = [
    ("DATABASE_URL", "sqlite:////srv/rolebridge.db", "sqlite:////srv/rolebridge.db"),
    ("DATABASE_URL", "postgres://u:p@db/rb", "postgresql+psycopg://u:p@db/rb"),
    (
        "DATABASE_URL",
        "postgresql://db/rb?sslmode=verify-full",
        "postgresql+psycopg://db/rb?sslmode=verify-full",
    ),
    ("DATABASE_URL", "postgresql+psycopg://u:@/rb?host=/run/pg", "postgresql+psycopg://u:@/rb?host=/run/pg"),
    ("BASE_URL", "https://Bridge.Example/rolebridge/", "https://bridge.example/rolebridge"),
    ("BASE_URL", "https://[2001:db8::1]:8443", "https://[2001:db8::1]:8443"),
    ("BIND", "localhost:80", Bind("localhost", 80)),
    ("BIND", "[::]:65535", Bind("::", 65535)),
    ("WORKERS", "64", 64),
    ("MAX_BODY_BYTES", "65536", 65536),
    ("REQUEST_TIMEOUT", "2.5", 2.5),
]


@pytest.mark.parametrize(("name", "text", "value"), GOOD)
def test_a_setting_is_read_from_its_variable(name: str, text: str, value: object) -> None:
    """Each kind of value in its accepted spellings, normalised."""
    assert getattr(load({f"ROLEBRIDGE_{name}": text}), name.lower()) == value


SQLITE = "must name a file, as in `sqlite:///var/rolebridge.db`; data in memory is lost"
POSTGRES = "must name a database, as in `postgresql://user@host/rolebridge`"
SCHEME = "must begin with `sqlite:///` or `postgresql://`"
NO_KEY = "is neither base64url nor hexadecimal text of at least 32 random bytes"
BASE = "must begin with `https://` (or `http://` on this machine) and a host"
BIND = "must be a host and a port, as in `127.0.0.1:8080` or `[::1]:8080`"
BAD = [
    ("DATABASE_URL", "", SCHEME),
    ("DATABASE_URL", "mysql://root:hunter2@db/rb", SCHEME),
    ("DATABASE_URL", "postgresql+asyncpg://db/rb", SCHEME),
    ("DATABASE_URL", "sqlite://", SQLITE),
    ("DATABASE_URL", "sqlite:///:memory:", SQLITE),
    ("DATABASE_URL", "sqlite:///rb.db?mode=ro", "takes no parameters after a SQLite file"),
    ("DATABASE_URL", "postgresql://u:hunter2@db", POSTGRES),
    ("DATABASE_URL", "postgresql://u:hunter2/x@db/?host=db/rb", POSTGRES),
    ("SECRET_KEY", "", NO_KEY),
    ("SECRET_KEY", "hunter2 hunter2 hunter2 hunter2 hunter2", NO_KEY),
    ("SECRET_KEY", "schlüssel" * 8, NO_KEY),
    ("SECRET_KEY_FILE", "/does/not/exist", "cannot be read: No such file or directory"),
    ("SECRET_KEY_FILE", "", "cannot be read: Is a directory"),
    ("BASE_URL", "bridge.example", BASE),
    ("BASE_URL", "ftp://bridge.example", BASE),
    ("BASE_URL", "https://", BASE),
    ("BASE_URL", "https://bridge.example:port", "is not a URL"),
    ("BASE_URL", "https://[::1", "is not a URL"),
    ("BASE_URL", "https://ana:hunter2@bridge.example", "must not carry a user or password"),
    ("BASE_URL", "https://bridge.example/?a=1", "must end before any `?` or `#`"),
    ("BASE_URL", "https://bridge.example/#", "must end before any `?` or `#`"),
    ("BASE_URL", "https://bridge.example/a b", "must be plain ASCII without spaces"),
    ("BASE_URL", "https://brücke.example", "must be plain ASCII without spaces"),
    ("BIND", "8080", BIND),
    ("BIND", ":8080", BIND),
    ("BIND", "::1:8080", BIND),
    ("BIND", "127.0.0.1:0", BIND),
    ("BIND", "127.0.0.1:65536", BIND),
    ("BIND", "127.0.0.1:٨٠", BIND),
    ("WORKERS", "0", "must be a whole number from 1 to 64"),
    ("WORKERS", "65", "must be a whole number from 1 to 64"),
    ("WORKERS", "2.0", "must be a whole number from 1 to 64"),
    ("WORKERS", "", "must be a whole number from 1 to 64"),
    ("MAX_BODY_BYTES", "16 MiB", "must be a whole number from 65536 to 268435456"),
    ("MAX_BODY_BYTES", "9" * 5000, "must be a whole number from 65536 to 268435456"),
    ("REQUEST_TIMEOUT", "nan", "must be a number of seconds from 1 to 600"),
    ("REQUEST_TIMEOUT", "0.5", "must be a number of seconds from 1 to 600"),
    ("REQUEST_TIMEOUT", "1e2", "must be a number of seconds from 1 to 600"),
]


@pytest.mark.parametrize(("name", "text", "refusal"), BAD)
def test_a_value_that_cannot_be_used_is_refused_by_name(name: str, text: str, refusal: str) -> None:
    """The message names the variable and what would be right; a password in the value never shows."""
    (problem,) = problems_of({f"ROLEBRIDGE_{name}": text})
    assert problem == f"ROLEBRIDGE_{name}: {refusal}"
    assert "hunter2" not in problem


@pytest.mark.parametrize("spell", [secrets.token_bytes(40).hex, lambda: secrets.token_urlsafe(32)])
def test_a_secret_key_may_be_hexadecimal_or_base64url(spell: object) -> None:
    """Both common spellings of random bytes are read to at least 32 bytes."""
    assert callable(spell)
    key = load({"ROLEBRIDGE_SECRET_KEY": spell()}).secret_key
    assert key is not None
    assert len(key) in {32, 40}


def test_padded_standard_base64_is_the_same_key() -> None:
    """`openssl rand -base64 32` works as it is."""
    urlsafe = load({"ROLEBRIDGE_SECRET_KEY": "-_" * 21 + "w"}).secret_key
    assert load({"ROLEBRIDGE_SECRET_KEY": "+/" * 21 + "w="}).secret_key == urlsafe


def test_a_secret_key_file_is_read_and_trimmed(tmp_path: Path) -> None:
    """A mounted secret with its final newline gives the key."""
    (tmp_path / "key").write_text(bytes(range(32)).hex() + "\n")
    assert load({"ROLEBRIDGE_SECRET_KEY_FILE": "key"}).secret_key == bytes(range(32))


@pytest.mark.parametrize(
    ("content", "refusal"),
    [(b"\xff" * 40, "is not UTF-8 text"), (b"a" * 70_000, "is larger than 65,536 bytes"), (b"\n", NO_KEY)],
)
def test_a_secret_key_file_with_something_else_is_refused(tmp_path: Path, content: bytes, refusal: str) -> None:
    """Binary, huge and empty files each have their own sentence."""
    (tmp_path / "key").write_bytes(content)
    assert problems_of({"ROLEBRIDGE_SECRET_KEY_FILE": "key"}) == (f"ROLEBRIDGE_SECRET_KEY_FILE: {refusal}",)


def test_a_key_and_a_key_file_in_one_place_are_refused() -> None:
    """Two keys leave open which one is meant."""
    environ = {"ROLEBRIDGE_SECRET_KEY": "ab" * 32, "ROLEBRIDGE_SECRET_KEY_FILE": "/dev/null"}
    assert problems_of(environ)[0] == (
        "ROLEBRIDGE_SECRET_KEY_FILE: there is also ROLEBRIDGE_SECRET_KEY; keep one of them"
    )


def test_the_environment_wins_over_the_file(tmp_path: Path) -> None:
    """A file gives what the environment leaves out; also a key file there yields to a key here."""
    (tmp_path / "rolebridge.toml").write_text('workers = 8\nbind = "[::1]:1"\nsecret_key_file = "/nowhere"\n')
    settings = load({"ROLEBRIDGE_BIND": "127.0.0.1:2", "ROLEBRIDGE_SECRET_KEY": "ab" * 32})
    assert (settings.workers, settings.bind.port) == (8, 2)
    assert settings.secret_key == b"\xab" * 32


def test_a_file_is_chosen_by_argument_then_variable_then_name(tmp_path: Path) -> None:
    """The command line's file beats `ROLEBRIDGE_CONFIG`, which beats `rolebridge.toml`."""
    for name, workers in [("argument", 3), ("variable", 4), ("rolebridge", 5)]:
        (tmp_path / f"{name}.toml").write_text(f"workers = {workers}\n")
    environ = {"ROLEBRIDGE_CONFIG": "variable.toml"}
    assert load(environ, Path("argument.toml")).workers == 3
    assert load(environ).workers == 4
    assert load({}).workers == 5


FILES = [
    ("workers = ", "Invalid value"),
    ("wrokers = 3", "s.toml: wrokers: there is no such setting; did you mean `workers`?"),
    ("[serve]\nworkers = 3", "s.toml: serve: there is no such setting"),
    ("workers = true", "s.toml: workers: must be a whole number from 1 to 64"),
    ("bind = ['127.0.0.1:80']", "s.toml: bind: must be a text, a number, `true` or `false`"),
    ("workers = 3.0", "s.toml: workers: must be a whole number from 1 to 64"),
    ("workers = 3\nworkers = 3", "s.toml: not valid TOML: Cannot overwrite a value"),
    ("# " + "x" * 70_000, "s.toml: is larger than 65,536 bytes"),
]


@pytest.mark.parametrize(("content", "refusal"), FILES)
def test_a_file_that_says_something_else_is_refused(tmp_path: Path, content: str, refusal: str) -> None:
    """The message names the file and, where there is one, the key."""
    (tmp_path / "s.toml").write_text(content)
    (problem,) = problems_of({}, Path("s.toml"))
    assert problem.startswith("s.toml: ")
    assert refusal in problem


def test_yes_and_no_may_be_written_as_toml_has_them(tmp_path: Path) -> None:
    """`four_eyes = true` means what it says, as `"yes"` does."""
    for written, meant in (("true", True), ("false", False), ('"yes"', True)):
        file = tmp_path / "s.toml"
        file.write_text(f"four_eyes = {written}\n", encoding="utf-8")
        assert load({}, file).four_eyes is meant


def test_a_named_file_must_be_there() -> None:
    """A missing file that somebody asked for is an error, not an empty one."""
    assert problems_of({"ROLEBRIDGE_CONFIG": "gone.toml"}) == ("gone.toml: cannot be read: No such file or directory",)


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("ROLEBRIDGE_SECRETKEY", "; did you mean `ROLEBRIDGE_SECRET_KEY`?"),
        ("ROLEBRIDGE_CONFIGURATION", "; did you mean `ROLEBRIDGE_CONFIG`?"),
        ("ROLEBRIDGE_XYZ", ""),
        ("ROLEBRIDGE_BINDS", "; did you mean `ROLEBRIDGE_BIND`?"),
    ],
)
def test_an_unknown_variable_is_an_error(name: str, hint: str) -> None:
    """A misspelt safeguard must not be silently off."""
    assert problems_of({name: "1"}) == (f"{name}: there is no such setting{hint}",)


@pytest.mark.parametrize(
    "name",
    [
        "ROLEBRIDGE_SERVICE_HOST",
        "ROLEBRIDGE_SERVICE_PORT",
        "ROLEBRIDGE_SERVICE_PORT_HTTP",
        "ROLEBRIDGE_PORT",
        "ROLEBRIDGE_PORT_8080_TCP_ADDR",
        "ROLEBRIDGE_WEB_PORT_8080_TCP",
    ],
)
def test_what_kubernetes_says_about_services_is_no_setting(name: str) -> None:
    """A Service called `rolebridge` puts such variables into every pod; they are passed over."""
    assert load({name: "tcp://10.0.0.1:8080"}) == load({})


def test_every_problem_is_reported_at_once(tmp_path: Path) -> None:
    """One start shows all that is wrong, in the file and in the environment, a line each."""
    (tmp_path / "rolebridge.toml").write_text("workers = 0\nfoo = 1\n")
    with pytest.raises(SettingsError) as caught:
        load({"ROLEBRIDGE_BIND": "x", "ROLEBRIDGE_FOO": "1", "PATH": "/bin"})
    places = [problem.split(": ")[0] for problem in caught.value.problems]
    assert places == ["rolebridge.toml", "ROLEBRIDGE_FOO", "ROLEBRIDGE_BIND", "rolebridge.toml"]
    assert str(caught.value).split("\n") == list(caught.value.problems)


def test_every_default_can_be_read() -> None:
    """A default is written as a person would write it, and passes the same checks."""
    for setting in SETTINGS:
        if setting.default is not None:
            setting.read(setting.default)


# --- several secret keys, metrics, logs


def test_a_file_of_several_keys(tmp_path: Path) -> None:
    """The first line of the key file is the present key, the others are those before it."""
    texts = [secrets.token_urlsafe(32) for _ in range(3)]
    file = tmp_path / "secret.key"
    file.write_text("\n".join(texts) + "\n", encoding="utf-8")
    loaded = load({"ROLEBRIDGE_SECRET_KEY_FILE": str(file)})
    assert loaded.secret_key == read_secret_key(texts[0])
    assert loaded.previous_secret_keys == (read_secret_key(texts[1]), read_secret_key(texts[2]))
    assert loaded.secret_key_file == file


def test_previous_keys_of_the_environment_and_of_the_file(tmp_path: Path) -> None:
    """Both are kept, each key once, and never the present one."""
    one, two, three = (secrets.token_urlsafe(32) for _ in range(3))
    file = tmp_path / "secret.key"
    file.write_text(f"{one}\n{two}\n", encoding="utf-8")
    environ = {
        "ROLEBRIDGE_SECRET_KEY_FILE": str(file),
        "ROLEBRIDGE_PREVIOUS_SECRET_KEYS": f"{three}, {two} {one}",
    }
    assert load(environ).previous_secret_keys == (read_secret_key(three), read_secret_key(two))


def test_too_many_keys() -> None:
    """More keys than are looked up under are refused, and no key stands in the refusal."""
    keys = [secrets.token_urlsafe(32) for _ in range(9)]
    (problem,) = problems_of({"ROLEBRIDGE_PREVIOUS_SECRET_KEYS": ",".join(keys)})
    assert problem == "ROLEBRIDGE_PREVIOUS_SECRET_KEYS: holds 9 keys, more than 8"


def test_a_broken_previous_key_is_not_repeated() -> None:
    """A text that is no key is refused without being told."""
    (problem,) = problems_of({"ROLEBRIDGE_PREVIOUS_SECRET_KEYS": "p@ssw0rd!"})
    assert problem.startswith("ROLEBRIDGE_PREVIOUS_SECRET_KEYS: is neither base64url nor hexadecimal text")
    assert "p@ssw0rd" not in problem


def test_no_key_is_shown() -> None:
    """`repr` tells how many earlier keys there are, and none of them."""
    key = secrets.token_urlsafe(32)
    shown = repr(load({"ROLEBRIDGE_PREVIOUS_SECRET_KEYS": key}))
    assert "previous_secret_keys=<1 keys>" in shown
    assert repr(read_secret_key(key))[2:-1] not in shown


@pytest.mark.parametrize(
    ("text", "bind"),
    [
        ("9464", Bind("127.0.0.1", 9464)),
        ("0.0.0.0:9464", Bind("0.0.0.0", 9464)),
        ("[::1]:9464", Bind("::1", 9464)),
    ],
)
def test_metrics_address(text: str, bind: Bind) -> None:
    """A port alone is one of this machine; without the setting there are no metrics."""
    assert load({"ROLEBRIDGE_METRICS_BIND": text}).metrics_bind == bind
    assert load({}).metrics_bind is None


@pytest.mark.parametrize(
    ("name", "text", "problem"),
    [
        ("METRICS_BIND", "0", "must be a host and a port, as in `127.0.0.1:8080` or `[::1]:8080`"),
        ("LOG_FORMAT", "xml", "must be `text` or `json`"),
        ("LOG_LEVEL", "verbose", "must be `debug`, `info`, `warning` or `error`"),
        ("ACCESS_LOG", "true", "must be `yes` or `no`"),
    ],
)
def test_what_cannot_be_meant(name: str, text: str, problem: str) -> None:
    """Other words are refused, with those that there are."""
    assert problems_of({f"ROLEBRIDGE_{name}": text}) == (f"ROLEBRIDGE_{name}: {problem}",)
