"""Decisions and platforms' permission tables as JSON, the same from command line and API."""

from __future__ import annotations

from typing import Any

from rolebridge.bridge.deciding import Decided
from rolebridge.bridge.delegating import Answered
from rolebridge.bridge.grant_documents import grant_document
from rolebridge.core.catalogue import Catalogue, Reach, Role
from rolebridge.core.permissions import Cell, Finding, permissions_of


def decision_document(decided: Decided) -> dict[str, Any]:
    """Return an answer with every cell that speaks, the deciding ones first, and the grants they are read for."""
    decision, catalogue = decided.decision, decided.program.catalogue
    return {
        "user": decided.user_name,
        "workspace": decided.program.workspace,
        "project": decided.project,
        "permission": decision.permission,
        "name": permissions_of(catalogue)[decision.permission],
        "answer": decision.answer,
        "cell": cell_document(decision.cell),
        "reason": decision.reason or None,
        "found": [_finding(decided, found) for found in decision.found],
    }


def verdict_document(answered: Answered) -> dict[str, Any]:
    """Return whether somebody may give or take a role, with the catalogue's rule that it is read from."""
    verdict = answered.verdict
    return {
        "actor": answered.actor,
        "target": answered.target,
        "workspace": answered.program.workspace,
        "project": answered.project,
        "slot": answered.slot,
        "role": answered.role,
        "answer": verdict.answer,
        "why": verdict.why,
        "rule": verdict.rule.id if verdict.rule else None,
    }


def cell_document(cell: Cell) -> dict[str, Any]:
    """Return a cell as JSON has it."""
    return {"value": cell.value, "note": cell.note or None, "setting": cell.setting or None}


def _role_document(role: Role) -> dict[str, Any]:
    return {
        "id": role.id,
        "name": role.name,
        "aliases": list(role.aliases),
        "assignable": role.assignable,
        "reach": role.reach,
        "project_override": role.project_override if role.reach is not Reach.NONE else None,
        "needs_work": role.needs_work,
        "sees": role.sees,
    }


def catalogue_document(catalogue: Catalogue) -> dict[str, Any]:
    """Return a platform's role model as JSON: slots with their roles, settings, and every cell of its tables."""
    return {
        "platform": catalogue.id,
        "name": catalogue.name,
        "slots": [
            {
                "id": slot.id,
                "name": slot.name,
                "level": slot.level,
                "holds": slot.cardinality,
                "roles": [_role_document(role) for role in slot.roles.values()],
            }
            for slot in catalogue.slots.values()
        ],
        "member_states": dict(catalogue.member_states),
        "settings": [{"id": setting.id, "name": setting.name} for setting in catalogue.settings.values()],
        "permissions": [
            {
                "matrix": matrix.id,
                "permission": row.id,
                "name": row.name,
                "section": row.section or None,
                "note": row.note or None,
                "cells": {column.id: cell_document(row.cell(column.id)) for column in matrix.columns},
            }
            for matrix in catalogue.matrices
            for row in matrix.rows.values()
        ],
        "custom_role_permissions": dict(catalogue.custom_roles.permissions) if catalogue.custom_roles else {},
    }


def _finding(decided: Decided, found: Finding) -> dict[str, Any]:
    return {
        "matrix": found.matrix,
        "column": found.column,
        "cell": cell_document(found.cell),
        "through": [
            {"slot": role.slot, "role": role.role, "grant": grant_document(decided.grants[role])}
            for role in found.through
        ],
    }
