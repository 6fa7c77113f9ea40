"""Groups in groups as the command line tells them."""

from __future__ import annotations

from tests.cli.machine import MAPPING, Machine, person

from rolebridge.app import open_installation
from rolebridge.bridge.callers import Caller
from rolebridge.core.directory import GroupChange, MemberAction, MemberStep


def test_explain_and_access_tell_through_which_groups_a_role_comes(ready: Machine) -> None:
    """`through group Street Team, member of LBX Admins`, and the way out is leaving the first."""
    ready.write("mappings/acme-vision.yaml", MAPPING)
    ready.provision([person("ana@acme.example", "Ana")], {"Street Team": ["ana@acme.example"], "LBX Admins": []})
    nest(ready, "Street Team", "LBX Admins")
    ready.out("apply", "mappings")
    assert "rule admins, group Street Team in LBX Admins" in ready.out("explain", "ana")
    told = ready.out("explain", "ana", "--project", "cityscapes")
    assert "through group Street Team, member of LBX Admins," in told
    assert '"via": [' in ready("explain", "ana", "--json").stdout
    assert "group Street Team in LBX Admins" in ready.out("access", "--user", "ana")


def nest(machine: Machine, child: str, parent: str) -> None:
    """Put a group into another, as an identity provider does."""
    installation = open_installation(machine.settings_of().settings, clock=lambda: machine.now)
    try:
        organization = installation.administration.organization(None)
        owner = installation.administration.connection(organization, "okta")
        caller = Caller(organization.id, owner.id, owner.name, owner.profile, "test")
        with installation.store.read() as unit:
            directory = unit.directory(organization.id)
            (inner,), (outer,) = directory.group_by_name(child), directory.group_by_name(parent)
        change = GroupChange(steps=(MemberStep(MemberAction.ADD, (inner.id,)),))
        installation.provisioning.change_group(caller, outer.id, change, refuse_unknown=True)
    finally:
        installation.close()
