"""The files of `deploy/`, read."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
KUBERNETES = sorted(path for path in (DEPLOY / "kubernetes").glob("*.yaml") if path.name != "kustomization.yaml")
UNITS = sorted((DEPLOY / "systemd").glob("*.service"))


def document(path: Path) -> Any:
    """Return the one YAML document of a file."""
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def instructions() -> list[tuple[int, str, str]]:
    """Return the instructions of the Dockerfile: the stage, the word, the rest, lines joined and comments gone."""
    text = re.sub(r"^#.*\n", "", (DEPLOY / "Dockerfile").read_text(encoding="utf-8"), flags=re.MULTILINE)
    found, stage = [], 0
    for line in text.replace("\\\n", " ").splitlines():
        word, _, rest = line.strip().partition(" ")
        if word:
            stage += word == "FROM"
            found.append((stage, word, " ".join(rest.split())))
    return found


class Unit:
    """A unit of systemd; keys may stand more than once."""

    def __init__(self, path: Path) -> None:
        self.name = path.name
        self._pairs: list[tuple[str, str, str]] = []
        section = ""
        for line in path.read_text(encoding="utf-8").splitlines():
            if line.startswith("["):
                section = line.strip("[]")
            elif line and not line.startswith("#"):
                key, _, value = line.partition("=")
                self._pairs.append((section, key, value))

    def all(self, key: str) -> list[str]:
        return [value for _, found, value in self._pairs if found == key]

    def one(self, key: str) -> str:
        (value,) = self.all(key)
        return value


def pods() -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the pods that the manifests describe, with the kind and name of what makes them."""
    for path in KUBERNETES:
        found = document(path)
        if found["kind"] in {"Deployment", "Job"}:
            yield f"{found['kind']} {found['metadata']['name']}", found["spec"]["template"]


def environment_names() -> Iterator[tuple[str, str]]:
    """Yield every name with our prefix in any file of `deploy/`, with the file's name."""
    for path in sorted(DEPLOY.rglob("*")):
        if path.is_file():
            for name in set(re.findall(r"ROLEBRIDGE_[A-Z_]*[A-Z]", path.read_text(encoding="utf-8"))):
                yield path.name, name
