"""When the server says that it listens."""

from __future__ import annotations

import http.client
import json
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.loopback

SERVED = Path(__file__).parent / "served.py"
PATIENCE = 60


def start(folder: Path, **options: object) -> subprocess.Popen[str]:
    """Start a server with two workers, each of which leaves a file in `folder` when its application is made."""
    command = [sys.executable, str(SERVED), json.dumps({"workers": 2, "made": str(folder), **options})]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_announced_once_every_worker_can_answer(tmp_path: Path) -> None:
    """When the address is told, both workers have made their applications, and the first request is answered."""
    with start(tmp_path) as process:
        assert process.stdout is not None
        try:
            url = process.stdout.readline().strip()
            assert len(list(tmp_path.iterdir())) == 2
            client = http.client.HTTPConnection(url.removeprefix("http://"), timeout=PATIENCE)
            client.request("GET", "/anything")
            assert client.getresponse().status == 200
            client.close()
        finally:
            process.terminate()
            process.wait(PATIENCE)
    assert process.returncode == 0


def test_nothing_to_announce(tmp_path: Path) -> None:
    """A server whose application cannot be made ends with 1, and never said that it listens."""
    with start(tmp_path, fails=True) as process:
        said, log = process.communicate(timeout=PATIENCE)
    assert (process.returncode, said) == (1, "")
    assert "a worker cannot start" in log
