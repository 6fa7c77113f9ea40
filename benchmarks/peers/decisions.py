"""cedarpy and casbin asked who holds which role: run by bench_decisions.py with their own environment."""

from __future__ import annotations

import json
import statistics
import sys
import tempfile
import time
from pathlib import Path

import casbin
import cedarpy

MODEL = """
[request_definition]
r = sub, obj, act
[policy_definition]
p = sub, obj, act
[role_definition]
g = _, _
[policy_effect]
e = some(where (p.eft == allow))
[matchers]
m = g(r.sub, p.sub) && r.obj == p.obj && r.act == p.act
"""


def cedar(question):
    """Return a function that asks Cedar: one policy for each rule, the user's entity with its groups for parents."""
    policies = cedarpy.PolicySet.from_str(
        "\n".join(
            f'permit(principal in Group::"{group}", action == Action::"{role}", resource == Project::"{project}");'
            for group, (project, role) in question["rules"].items()
        )
    )

    def ask(user, project, role):
        parents = [{"type": "Group", "id": group} for group in question["members"][user]]
        entities = [{"uid": {"type": "User", "id": user}, "attrs": {}, "parents": parents}]
        request = {
            "principal": f'User::"{user}"',
            "action": f'Action::"{role}"',
            "resource": f'Project::"{project}"',
            "context": {},
        }
        return cedarpy.is_authorized(request, policies, entities).allowed

    return ask


def with_casbin(question, folder):
    """Return a function that asks casbin: a policy line for each rule, a grouping line for each membership."""
    (folder / "model.conf").write_text(MODEL)
    lines = [f"p, {group}, {project}, {role}" for group, (project, role) in question["rules"].items()]
    lines += [f"g, {user}, {group}" for user, groups in question["members"].items() for group in groups]
    (folder / "policy.csv").write_text("\n".join(lines))
    enforcer = casbin.FastEnforcer(str(folder / "model.conf"), str(folder / "policy.csv"), cache_key_order=(1, 2))
    return enforcer.enforce


def main():
    """Read the questions, print each engine's median and answers."""
    question = json.load(sys.stdin)
    said = {}
    with tempfile.TemporaryDirectory() as folder:
        engines = {"cedarpy": cedar(question), "casbin": with_casbin(question, Path(folder))}
        for name, ask in engines.items():
            times, answers = [], []
            for asked in question["asked"]:
                begun = time.perf_counter_ns()
                answers.append(bool(ask(*asked)))
                times.append(time.perf_counter_ns() - begun)
            said[name] = {"median": statistics.median(times) / 1_000, "answers": answers}
    print(json.dumps(said))


main()
