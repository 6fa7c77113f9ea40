"""The floor of `bench_scim.py`: Flask and one raw SQL statement a request, durable, behind the same server as ours.

It checks nothing, knows no tenant, no token and no SCIM: what a request costs before any of the work begins.
"""

from __future__ import annotations

import json
import sqlite3
import sys
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4

from flask import Flask, Response, request

SCHEMA = """
CREATE TABLE IF NOT EXISTS users (
    id TEXT PRIMARY KEY, name TEXT UNIQUE, external TEXT UNIQUE, active INTEGER, body TEXT
);
CREATE TABLE IF NOT EXISTS members (group_id TEXT, user_id TEXT, PRIMARY KEY (group_id, user_id)) WITHOUT ROWID;
"""
JSON = "application/scim+json"


def make(path: str) -> Flask:
    """Return the application over the database at `path`."""
    app = Flask("floor")
    database = sqlite3.connect(path, isolation_level=None)
    database.executescript("PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;" + SCHEMA)
    constant = json.dumps({"Resources": ["x" * 600] * 100}).encode()

    @app.get("/scim/v2/Users/<id_>")
    def get(id_: str) -> Response:
        row = database.execute("SELECT body FROM users WHERE id = ?", (id_,)).fetchone()
        return Response(row[0], content_type=JSON)

    @app.get("/scim/v2/Users")
    def find() -> Response:
        wanted = request.args.get("filter")
        if wanted is None:
            return Response(constant, content_type=JSON)
        row = database.execute("SELECT body FROM users WHERE name = ?", (wanted.split('"')[1],)).fetchone()
        body = f'{{"totalResults":{int(row is not None)},"Resources":[{row[0] if row else ""}]}}'
        return Response(body, content_type=JSON)

    @app.post("/scim/v2/Users")
    def create() -> Response:
        raw: Any = json.loads(request.get_data())
        id_ = str(uuid4())
        body = json.dumps(raw | {"id": id_})
        values = (id_, raw["userName"], raw["externalId"], True, body)
        database.execute("INSERT INTO users VALUES (?, ?, ?, ?, ?)", values)
        return Response(body, 201, content_type=JSON)

    @app.patch("/scim/v2/Users/<id_>")
    def change(id_: str) -> Response:
        active = json.loads(request.get_data())["Operations"][0]["value"]
        query = "UPDATE users SET active = ? WHERE id = ? RETURNING body"
        row = database.execute(query, (active, id_)).fetchone()
        return Response(row[0], content_type=JSON)

    @app.patch("/scim/v2/Groups/<id_>")
    def move(id_: str) -> Response:
        for operation in json.loads(request.get_data())["Operations"]:
            for value in operation["value"]:
                if operation["op"] == "add":
                    database.execute("INSERT OR IGNORE INTO members VALUES (?, ?)", (id_, value["value"]))
                else:
                    database.execute("DELETE FROM members WHERE group_id = ? AND user_id = ?", (id_, value["value"]))
        return Response(status=204)

    return app


if __name__ == "__main__":
    from rolebridge.cli.serving import Address, run

    run(partial(make, str(Path(sys.argv[1]) / "floor.db")), Address(port=int(sys.argv[2])))
