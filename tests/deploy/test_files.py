"""`deploy/`: what no engine runs here is held to the rules that an engine, or somebody who breaks in, would show."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
from pathlib import Path
from typing import Any

import kubernetes_validate  # type: ignore[import-untyped]
import pytest
from click import Group
from tests.deploy.files import DEPLOY, KUBERNETES, ROOT, UNITS, Unit, document, environment_names, instructions, pods

from rolebridge.cli.main import cli
from rolebridge.settings import CONFIG_VARIABLE, SETTINGS

USER = 10001


def is_command(words: list[str]) -> bool:
    """Return whether these words call a command of the program, with options that it has."""
    group: Any = cli
    while words and isinstance(group, Group):
        group = group.commands.get(words[0])
        words = words[1:]
    if group is None or isinstance(group, Group):
        return False
    known = {option for parameter in group.params for option in parameter.opts}
    return all(word in known or not word.startswith("-") for word in words)


def test_only_settings_that_there_are() -> None:
    """Every variable with our prefix, in any file, is a setting, or compose's own choice of an image."""
    known = {setting.variable for setting in SETTINGS} | {CONFIG_VARIABLE, "ROLEBRIDGE_VERSION"}
    assert [(file, name) for file, name in environment_names() if name not in known] == []


# --- the container ---------------------------------------------------------------------------------------------


def test_the_image_is_built_from_locks() -> None:
    """Packages come from the hash-locked requirements as wheels; our own is built without an index."""
    installs = [rest for stage, word, rest in instructions() if word == "RUN" and "pip install" in rest]
    assert len(installs) == 2
    assert "--require-hashes --only-binary :all: --requirement requirements.lock" in installs[0]
    assert "--no-deps --no-index --no-build-isolation ." in installs[1]


def test_the_last_stage_holds_no_tools() -> None:
    """What runs is a copy of the environment: nothing is installed in the last stage, no source is copied into it."""
    stages = [rest for _, word, rest in instructions() if word == "FROM"]
    assert len(stages) == 2
    assert stages[0].endswith(" AS build")
    copies = [rest for stage, word, rest in instructions() if stage == 2 and word == "COPY"]
    assert copies == ["--from=build /opt/rolebridge /opt/rolebridge"]
    runs = " ".join(rest for stage, word, rest in instructions() if stage == 2 and word == "RUN")
    assert not re.search(r"\b(pip|apt-get|curl|wget)\b", runs)


def test_nobody_is_root() -> None:
    """The program runs as a user of its own, by number, so that an engine can check it; the last word on it is this."""
    users = [rest for stage, word, rest in instructions() if stage == 2 and word == "USER"]
    assert users == [f"{USER}:{USER}"]


def test_the_image_says_how_it_is_run() -> None:
    """A check of health, the signal to stop, ports, and forms of commands that need no shell."""
    last = {word: rest for stage, word, rest in instructions() if stage == 2}
    assert "/healthz" in last["HEALTHCHECK"]
    assert last["STOPSIGNAL"] == "SIGTERM"
    assert last["EXPOSE"] == "8080 9464"
    assert last["ENTRYPOINT"] == '["rolebridge"]'
    assert last["CMD"] == '["serve"]'
    assert not any(word == "ADD" for _, word, _ in instructions())


def test_images_are_named_with_a_version() -> None:
    """No image floats with `latest`."""
    images = [rest.split()[0] for _, word, rest in instructions() if word == "FROM"]
    images += [service["image"] for name, service in compose()["services"].items() if name == "database"]
    for image in images:
        tag = image.rpartition(":")[2]
        assert tag != "latest", image
        assert re.match(r"\$\{PYTHON\}-slim|\d", tag), image


def test_only_what_is_built_reaches_the_engine() -> None:
    """The context of the build is a list of what is taken, and each of it is there: no data, no keys, no history."""
    lines = (DEPLOY / "Dockerfile.dockerignore").read_text(encoding="utf-8").splitlines()
    rules = [line for line in lines if line and not line.startswith("#")]
    assert rules[0] == "*"
    taken = {rule[1:] for rule in rules if rule.startswith("!")}
    copied = {
        path for stage, word, rest in instructions() if (stage, word) == (1, "COPY") for path in rest.split()[:-1]
    }
    assert copied == taken
    assert all((ROOT / path).exists() for path in taken)


# --- compose ---------------------------------------------------------------------------------------------------


def compose() -> Any:
    return document(DEPLOY / "compose.yaml")


@pytest.mark.parametrize("name", ["migrate", "server", "worker"])
def test_services_of_compose(name: str) -> None:
    """Each is locked in, no root, no capability, a root file system read only, and is a command that there is."""
    service = compose()["services"][name]
    assert service["read_only"] is True
    assert service["user"] == f"{USER}:{USER}"
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert any(mount.startswith("/tmp") for mount in service["tmpfs"])
    assert is_command(service["command"])


def test_nobody_from_outside_reaches_compose() -> None:
    """Ports are of this machine, where a proxy ends TLS; the database has none."""
    services = compose()["services"]
    ports = [port for service in services.values() for port in service.get("ports", ())]
    assert ports
    assert all(port.startswith("127.0.0.1:") for port in ports)
    assert "ports" not in services["database"]


def test_compose_starts_in_order() -> None:
    """The database is asked first, then brought to the schema, then worked with."""
    services = compose()["services"]
    assert services["migrate"]["depends_on"] == {"database": {"condition": "service_healthy"}}
    for name in ("server", "worker"):
        assert services[name]["depends_on"] == {"migrate": {"condition": "service_completed_successfully"}}
    assert services["migrate"]["command"] == ["db", "upgrade"]


def test_compose_names_every_secret_that_it_needs() -> None:
    """What must be filled in stands in the example, empty where it is secret, and compose refuses to start without."""
    needed = set(re.findall(r"\$\{([A-Z_]+):\?", (DEPLOY / "compose.yaml").read_text(encoding="utf-8")))
    lines = (DEPLOY / "compose.env.example").read_text(encoding="utf-8").splitlines()
    example = dict(line.split("=", 1) for line in lines if "=" in line and not line.startswith("#"))
    assert set(example) == needed
    assert example["ROLEBRIDGE_SECRET_KEY"] == example["POSTGRES_PASSWORD"] == ""


# --- systemd ---------------------------------------------------------------------------------------------------

HARDENED = {
    "NoNewPrivileges": "yes",
    "CapabilityBoundingSet": "",
    "ProtectSystem": "strict",
    "ProtectHome": "yes",
    "PrivateTmp": "yes",
    "PrivateDevices": "yes",
    "ProtectKernelTunables": "yes",
    "ProtectKernelModules": "yes",
    "ProtectControlGroups": "yes",
    "RestrictAddressFamilies": "AF_INET AF_INET6 AF_UNIX",
    "RestrictNamespaces": "yes",
    "RestrictSUIDSGID": "yes",
    "LockPersonality": "yes",
    "UMask": "0077",
    "User": "rolebridge",
}


@pytest.mark.parametrize("path", UNITS, ids=lambda path: path.name)
def test_units_are_locked_in(path: Path) -> None:
    """A service has a user of its own, may do what it needs and nothing else, and runs a command that there is."""
    unit = Unit(path)
    assert {key: unit.one(key) for key in HARDENED} == HARDENED
    assert unit.all("SystemCallFilter")[0] == "@system-service"
    command = unit.one("ExecStart").replace("/bin/sh -c 'exec ", "").rstrip("'")
    words = shlex.split(command)
    assert words[0] == "/opt/rolebridge/bin/rolebridge"
    assert is_command(words[1:])


def test_a_server_is_not_given_up() -> None:
    """Whatever ends a server, it is started again, slower than systemd's limit of five starts in ten seconds."""
    for name in ("rolebridge.service", "rolebridge-worker.service"):
        unit = Unit(DEPLOY / "systemd" / name)
        assert unit.one("Restart") == "on-failure"
        assert int(unit.one("RestartSec")) > 2
        assert int(unit.one("TimeoutStopSec")) > 30
        assert unit.one("KillMode") == "mixed"


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not on this machine")
def test_systemd_understands_the_units(tmp_path: Path) -> None:
    """systemd itself finds nothing wrong with them, once the program is where they look for it."""
    program = shutil.which("true")
    assert program
    for path in (*UNITS, *(DEPLOY / "systemd").glob("*.timer")):
        text = path.read_text(encoding="utf-8").replace("/opt/rolebridge/bin/rolebridge", program)
        (tmp_path / path.name).write_text(text, encoding="utf-8")
    files = sorted(str(path) for path in tmp_path.iterdir())
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *files], capture_output=True, check=False, timeout=60
    )
    said = [line for line in done.stderr.decode().splitlines() if "rolebridge" in line]
    assert (done.returncode, said) == (0, [])


# --- Kubernetes ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", KUBERNETES, ids=lambda path: path.name)
def test_manifests_are_what_kubernetes_knows(path: Path) -> None:
    """Each manifest fits the schema of its kind, with no member that the schema does not have."""
    kubernetes_validate.validate(document(path), "1.31", strict=True)


def test_everything_is_applied() -> None:
    """The kustomization names every manifest but the example of the Secret."""
    named = set(document(DEPLOY / "kubernetes/kustomization.yaml")["resources"])
    assert named == {path.name for path in KUBERNETES} - {"secret.example.yaml"}


@pytest.mark.parametrize(("name", "pod"), list(pods()), ids=[name for name, _ in pods()])
def test_pods_are_locked_in(name: str, pod: dict[str, Any]) -> None:
    """A pod satisfies the restricted standard, asks the cluster nothing, has bounds, and is a command that there is."""
    spec = pod["spec"]
    assert spec["automountServiceAccountToken"] is False
    assert spec["enableServiceLinks"] is False
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["securityContext"]["runAsUser"] == USER
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    (container,) = spec["containers"]
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert {"requests", "limits"} <= set(container["resources"])
    assert {mount["mountPath"] for mount in container["volumeMounts"]} == {"/tmp"}
    assert [source for entry in container["envFrom"] for source in entry] == ["configMapRef", "secretRef"]
    assert is_command(container["args"])


def test_probes_ask_what_there_is() -> None:
    """Liveness asks the process alone, so that a database that is away restarts nobody; readiness asks both."""
    (server,) = document(DEPLOY / "kubernetes/server.yaml")["spec"]["template"]["spec"]["containers"]
    ports = {port["name"]: port["containerPort"] for port in server["ports"]}
    assert (
        server["livenessProbe"]["httpGet"] == server["startupProbe"]["httpGet"] == {"path": "/healthz", "port": "http"}
    )
    assert server["readinessProbe"]["httpGet"] == {"path": "/readyz", "port": "http"}
    settings = document(DEPLOY / "kubernetes/settings.yaml")["data"]
    assert ports == {
        "http": int(settings["ROLEBRIDGE_BIND"].rpartition(":")[2]),
        "metrics": int(settings["ROLEBRIDGE_METRICS_BIND"].rpartition(":")[2]),
    }


def test_selectors_find_the_servers() -> None:
    """Service, disruption budget and Deployment speak of the same pods, and of no worker's."""
    labels = {name: pod["metadata"]["labels"] for name, pod in pods()}
    server = document(DEPLOY / "kubernetes/server.yaml")["spec"]["selector"]["matchLabels"]
    assert document(DEPLOY / "kubernetes/service.yaml")["spec"]["selector"] == server
    assert document(DEPLOY / "kubernetes/disruption-budget.yaml")["spec"]["selector"]["matchLabels"] == server
    found = [name for name, of in labels.items() if server.items() <= of.items()]
    assert found == ["Deployment rolebridge-server"]
    everybody = document(DEPLOY / "kubernetes/network-policy.yaml")["spec"]["podSelector"]["matchLabels"]
    assert all(everybody.items() <= of.items() for of in labels.values())


def test_settings_and_secrets_are_apart() -> None:
    """No secret stands in the settings, and the example of the Secret is empty."""
    settings = document(DEPLOY / "kubernetes/settings.yaml")["data"]
    secret = document(DEPLOY / "kubernetes/secret.example.yaml")["stringData"]
    assert set(secret.values()) == {""}
    assert not set(secret) & set(settings)
    assert not any("KEY" in name or "DATABASE" in name for name in settings)
