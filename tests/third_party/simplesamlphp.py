"""SimpleSAMLphp, Debian's, as a SAML identity provider: its usual settings, one person, its built-in pages."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest
from tests.third_party.node import running

from rolebridge.demo.idp import SigningKey

UNPACKED = Path(__file__).parents[2] / ".simplesamlphp"

_CONFIG = """<?php
$config = [
    'baseurlpath' => '{url}/', 'certdir' => '{folder}/', 'loggingdir' => '{folder}/', 'datadir' => '{folder}/',
    'tempdir' => '{folder}/tmp', 'metadatadir' => '{folder}/metadata/', 'timezone' => 'UTC',
    'secretsalt' => 'of this run alone', 'auth.adminpassword' => 'of this run alone',
    'technicalcontact_email' => 'nobody@example.org', 'enable.saml20-idp' => true, 'store.type' => 'phpsession',
    'session.cookie.secure' => false, 'session.duration' => 28800, 'logging.handler' => 'file',
    'metadata.sources' => [['type' => 'flatfile']],
    'module.enable' => ['exampleauth' => true, 'core' => true, 'saml' => true],
];
"""
_PEOPLE = """<?php
$config = ['people' => ['exampleauth:UserPass', 'ana:correct horse' => [
    'uid' => ['ana'], 'mail' => ['{mail}'], 'groups' => ['Street', 'Night'],
]]];
"""
_HOSTED = """<?php
$metadata['__DYNAMIC:1__'] = [
    'host' => '__DEFAULT__', 'privatekey' => 'key.pem', 'certificate' => 'cert.pem', 'auth' => 'people',
    'authproc' => [3 => [
        'class' => 'saml:AttributeNameID', 'attribute' => 'mail',
        'Format' => 'urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress',
    ]],
];
"""
_REMOTE = """<?php
$metadata['{entity_id}'] = [
    'AssertionConsumerService' => '{acs_url}', 'assertion.encryption' => {encrypted},
    'NameIDFormat' => 'urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress',
    'keys' => [['type' => 'X509Certificate', 'signing' => true, 'encryption' => true, 'X509Certificate' => '{key}']],
];
"""


def unpacked() -> Path:
    """Return the folder with SimpleSAMLphp, which is fetched from Debian the first time.

    Skips the test on a machine without PHP or Debian's tools: nothing of the machine is changed for it.
    """
    for tool in ("php", "apt-get", "dpkg-deb"):
        if shutil.which(tool) is None:
            pytest.skip(f"{tool} is not on this machine")
    modules = subprocess.run(["php", "-m"], capture_output=True, text=True, check=True).stdout.lower().split()
    if not {"dom", "mbstring", "openssl"} <= set(modules):
        pytest.skip("PHP has no dom or mbstring: apt-get install php-xml php-mbstring")
    program = UNPACKED / "usr/share/simplesamlphp"
    if not program.exists():
        UNPACKED.mkdir(exist_ok=True)
        command = ["apt-get", "-qq", "download", "simplesamlphp"]
        got = subprocess.run(command, cwd=UNPACKED, capture_output=True, text=True, check=False)
        if got.returncode != 0:
            pytest.skip(f"simplesamlphp cannot be downloaded: {got.stderr.strip()[-200:]}")
        (package,) = UNPACKED.glob("*.deb")
        subprocess.run(["dpkg-deb", "--extract", str(package), str(UNPACKED)], check=True)
    return program


@dataclass(frozen=True)
class SimpleSaml:
    """A running SimpleSAMLphp."""

    folder: Path
    url: str

    @property
    def metadata_url(self) -> str:
        return f"{self.url}/saml2/idp/metadata.php"

    def trust(self, entity_id: str, acs_url: str, certificate: str, *, encrypted: bool) -> None:
        """Log people in to a service provider, whose certificate (base64) assertions are encrypted for if wanted."""
        told = {"entity_id": entity_id, "acs_url": acs_url, "key": certificate, "encrypted": str(encrypted).lower()}
        (self.folder / "metadata/saml20-sp-remote.php").write_text(_filled(_REMOTE, told))


@contextmanager
def simplesamlphp(folder: Path, port: int, mail: str) -> Iterator[SimpleSaml]:
    """Run it with one person, who has an address."""
    program, running_one = unpacked(), SimpleSaml(folder, f"http://127.0.0.1:{port}")
    # Its folder of settings is a link into /etc: each run has a copy of the program with settings of its own.
    copy, settings = folder / "program", folder / "program/config"
    shutil.copytree(program, copy, symlinks=True, ignore=shutil.ignore_patterns("config"))
    shutil.copytree(UNPACKED / "etc/simplesamlphp", settings)
    key = SigningKey.make(datetime.now(UTC))
    (folder / "key.pem").write_bytes(key.private_pem)
    (folder / "cert.pem").write_bytes(key.certificate_pem)
    (folder / "metadata").mkdir()
    told = {"url": running_one.url, "folder": str(folder), "mail": mail}
    for name, text in (
        ("program/config/config.php", _CONFIG),
        ("program/config/authsources.php", _PEOPLE),
        ("metadata/saml20-idp-hosted.php", _HOSTED),
    ):
        (folder / name).write_text(_filled(text, told))
    server = ["php", "-S", f"127.0.0.1:{port}", "-t", str(copy / "www")]
    environ = {"SIMPLESAMLPHP_CONFIG_DIR": str(settings)}
    with running(server, folder / "log", running_one.metadata_url, environ):
        yield running_one


def _filled(text: str, told: Mapping[str, str]) -> str:
    for name, value in told.items():
        text = text.replace(f"{{{name}}}", value)
    return text
