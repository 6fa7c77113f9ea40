"""Apache with mod_auth_openidc, Debian's, before a site of two pages: who may read them, the claim `groups` says."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import takewhile
from pathlib import Path

import pytest
from tests.third_party.node import running

MODULES = Path("/usr/lib/apache2/modules")
_NEEDED = ("mpm_event", "authn_core", "authz_core", "authz_user", "dir", "auth_openidc")

_CONFIG = """
ServerName 127.0.0.1
Listen 127.0.0.1:{port}
PidFile {folder}/pid
ErrorLog {folder}/error.log
{modules}
DocumentRoot {folder}/site
OIDCProviderMetadataURL {issuer}/.well-known/openid-configuration
OIDCClientID {client_id}
OIDCClientSecret {secret}
OIDCRedirectURI http://127.0.0.1:{port}/callback
OIDCCryptoPassphrase of-this-run-alone
OIDCScope "openid profile email groups roles"
OIDCPKCEMethod S256
OIDCSessionType client-cookie
OIDCCacheType file
OIDCCacheDir {folder}/cache
<Location />
  AuthType openid-connect
  Require claim groups:Street
</Location>
<Location /closed.html>
  AuthType openid-connect
  Require claim groups:Harbour
</Location>
"""


def program() -> str:
    """Return Apache's program; skips the test on a machine without it, or without the module."""
    found = shutil.which("apache2", path="/usr/sbin:/usr/bin")
    if found is None or not (MODULES / "mod_auth_openidc.so").exists():
        pytest.skip("no mod_auth_openidc: apt-get install apache2-bin libapache2-mod-auth-openidc")
    return found


@contextmanager
def apache(folder: Path, port: int, issuer: str, client_id: str, secret: str) -> Iterator[str]:
    """Run it as an application of `issuer` until the block ends; gives its URL."""
    server, url = program(), f"http://127.0.0.1:{port}"
    for name in ("site", "cache"):
        (folder / name).mkdir()
    (folder / "site/index.html").write_text("of the street")
    (folder / "site/closed.html").write_text("of the harbour")
    modules = "\n".join(f"LoadModule {name}_module {MODULES}/mod_{name}.so" for name in _NEEDED)
    if os.geteuid() == 0:  # its processes are somebody else then, who may read what is theirs
        modules += "\nUser www-data\nGroup www-data"
        above = takewhile(lambda one: one != Path(tempfile.gettempdir()), (folder, *folder.parents))
        for one in above:
            one.chmod(one.stat().st_mode | 0o055)
        shutil.chown(folder / "cache", "www-data")
    told = {"port": port, "folder": folder, "modules": modules, "issuer": issuer}
    (folder / "apache.conf").write_text(_CONFIG.format(**told, client_id=client_id, secret=secret))
    words = [server, "-f", str(folder / "apache.conf"), "-DFOREGROUND"]
    with running(words, folder / "log", f"{url}/"):
        yield url
