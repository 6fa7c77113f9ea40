"""The promises of tests/conftest.py that other tests rely on."""

from __future__ import annotations

import socket

import psycopg
import pytest
import pytest_socket
import sqlalchemy


def test_a_postgres_database_is_fresh_and_really_postgres(postgres_database: str) -> None:
    """A test's database is empty, its own, and spoken to through SQLAlchemy's psycopg dialect."""
    engine = sqlalchemy.create_engine(postgres_database)
    with engine.begin() as connection:
        assert sqlalchemy.inspect(connection).get_table_names() == []
        connection.exec_driver_sql("CREATE TABLE mine (id int)")
        name = connection.exec_driver_sql("SELECT current_database()").scalar_one()
    engine.dispose()
    assert name.startswith("t_")


def test_a_second_database_does_not_see_the_first(postgres_database: str, postgres_module_database: str) -> None:
    """Two databases of one session share nothing."""
    plain = [url.replace("+psycopg", "", 1) for url in (postgres_database, postgres_module_database)]
    with psycopg.connect(plain[0]) as first, psycopg.connect(plain[1]) as second:
        first.execute("CREATE TABLE only_here (id int)")
        first.commit()
        assert second.execute("SELECT to_regclass('only_here')").fetchone() == (None,)


def test_sockets_are_refused_where_a_test_did_not_ask() -> None:
    """A unit test that reaches for the network fails, whichever machine it runs on."""
    with (
        pytest.warns(UserWarning, match="A test tried to use socket"),
        pytest.raises(pytest_socket.SocketBlockedError),
    ):
        socket.socket(socket.AF_INET, socket.SOCK_STREAM)


@pytest.mark.loopback
def test_a_loopback_test_reaches_this_machine_only() -> None:
    """The marker `loopback` opens 127.0.0.1 and still refuses every other address."""
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        socket.create_connection(server.getsockname(), timeout=5) as client,
    ):
        assert client.getpeername() == server.getsockname()
    with (
        socket.socket(socket.AF_INET, socket.SOCK_STREAM) as outward,
        pytest.warns(UserWarning, match="192.0.2.1"),
        pytest.raises(pytest_socket.SocketConnectBlockedError),
    ):
        outward.connect(("192.0.2.1", 9))
