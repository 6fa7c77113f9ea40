"""Machines for the command line: one with nothing on it, one that is set up, one with people who hold roles."""

from __future__ import annotations

import contextlib
import shutil
from datetime import date
from pathlib import Path

import pytest
from tests.cli.machine import MAPPING, Machine, person


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    """A machine on which nothing was set up."""
    monkeypatch.chdir(tmp_path)
    return Machine(tmp_path)


@pytest.fixture(scope="session")
def ready_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a machine that is `ready`, set up once and copied for each test."""
    home = tmp_path_factory.mktemp("ready")
    machine = Machine(home)
    with contextlib.chdir(home):
        machine.out("init")
        machine.out("connection", "add", "okta", "--profile", "okta")
        machine.write("mappings/acme-vision.yaml", MAPPING)
    return home


@pytest.fixture(scope="session")
def acme_home(ready_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a machine that is `acme`, likewise."""
    home = tmp_path_factory.mktemp("acme")
    shutil.copytree(ready_home, home, dirs_exist_ok=True)
    machine = Machine(home)
    with contextlib.chdir(home):
        machine.provision(
            [
                person("ana.ruiz@acme.example", "Ana Ruiz"),
                person("ben.okafor@acme.example", "Ben Okafor"),
                person("cleo@acme.example", "Cleo Hart", "Contractor"),
                person("max.adler@acme.example", "Max Adler"),
                person("zoe@acme.example", "Zoe Both"),
                person("nora@acme.example", "Nora None"),
            ],
            {
                "lbx-cityscapes-reviewers": ["ana.ruiz@acme.example"],
                "lbx-cityscapes-labelers": ["ana.ruiz@acme.example", "max.adler@acme.example"],
                "LBX Admins": ["ben.okafor@acme.example", "zoe@acme.example"],
                "LBX Auditors": ["zoe@acme.example"],
                "Street Contractors": ["cleo@acme.example", "ana.ruiz@acme.example"],
                "Lunch": ["nora@acme.example"],
            },
        )
        machine.assign_by_hand("ana.ruiz", "cityscapes", "labeler")
        machine.assign_by_hand("nora", "retail", "labeler", until=date(2026, 12, 1))
        machine.out("apply", "mappings")
    return home


@pytest.fixture
def ready(machine: Machine, ready_home: Path) -> Machine:
    """A machine with an installation, the organization `default`, the connection `okta` and mapping files on disk."""
    shutil.copytree(ready_home, machine.home, dirs_exist_ok=True)
    return machine


@pytest.fixture
def acme(machine: Machine, acme_home: Path) -> Machine:
    """A machine whose mapping is in force for seven people: reviewer, admin, contractor, by hand, conflict, nobody."""
    shutil.copytree(acme_home, machine.home, dirs_exist_ok=True)
    return machine
