"""Small wrong changes to a function, each of which some test should notice.

A mutant is one node of the function's syntax tree replaced by another. Texts for people and annotations are left
alone: what a message says is held by the tests that quote it.
"""

from __future__ import annotations

import ast
import copy
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

Function = ast.FunctionDef | ast.AsyncFunctionDef

_COMPARISONS: Final[Mapping[type[ast.cmpop], tuple[type[ast.cmpop], ...]]] = {
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.Lt: (ast.LtE, ast.GtE),
    ast.LtE: (ast.Lt, ast.Gt),
    ast.Gt: (ast.GtE, ast.LtE),
    ast.GtE: (ast.Gt, ast.Lt),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
}
_ARITHMETIC: Final[Mapping[type[ast.operator], type[ast.operator]]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.BitOr: ast.BitAnd,
    ast.BitAnd: ast.BitOr,
}
_CALLS: Final[Mapping[str, str]] = {"min": "max", "max": "min", "any": "all", "all": "any", "sorted": "list"}


@dataclass(frozen=True, slots=True)
class Mutant:
    """One wrong change. `where` is the function's qualified name, `change` says it in source text.

    Of several equal changes in one function the later ones have a number at their end, so that each has its own name
    whatever line it stands on.
    """

    module: str
    where: str
    line: int
    change: str
    body: ast.Module = field(compare=False, repr=False)
    """A module with nothing but the changed function, in its class if it has one."""

    @property
    def name(self) -> str:
        """Return what explanations call it."""
        return f"{self.module}: {self.where}: {self.change}"


def mutants_of(source: str, module: str, enums: Mapping[str, Sequence[str]]) -> list[Mutant]:
    """Return every mutant of a module's functions, in the order of the file.

    `enums` are the enumerations that its code names, each with its members in order.
    """
    made: list[Mutant] = []
    for class_name, function in _functions(ast.parse(source)):
        where = f"{class_name}.{function.name}" if class_name else function.name
        seen: Counter[str] = Counter()
        for node, new in _changes(function, enums):
            change = f"{_text(node)} → {_text(new)}"
            seen[change] += 1
            if seen[change] > 1:
                change = f"{change} ({seen[change]})"
            made.append(Mutant(module, where, _line(node), change, _with(class_name, function, node, new)))
    return made


def _functions(tree: ast.Module) -> Iterator[tuple[str, Function]]:
    for statement in tree.body:
        if isinstance(statement, Function):
            yield "", statement
        elif isinstance(statement, ast.ClassDef):
            yield from ((statement.name, inner) for inner in statement.body if isinstance(inner, Function))


def _with(class_name: str, function: Function, node: ast.AST, new: ast.AST) -> ast.Module:
    memo: dict[int, object] = {}
    changed = copy.deepcopy(function, memo)
    target = memo[id(node)]
    assert isinstance(target, ast.AST)
    _Replacing(target, new).visit(changed)
    inside: ast.stmt = changed
    if class_name:
        inside = ast.parse(f"class {class_name}: pass").body[0]
        assert isinstance(inside, ast.ClassDef)
        inside.body = [changed]
    return ast.fix_missing_locations(ast.Module([inside], []))


class _Replacing(ast.NodeTransformer):
    def __init__(self, old: ast.AST, new: ast.AST) -> None:
        self.old, self.new = old, new

    def visit(self, node: ast.AST) -> ast.AST:
        if node is self.old:
            return ast.copy_location(copy.deepcopy(self.new), node)
        return self.generic_visit(node)


def _text(node: ast.AST) -> str:
    text = " ".join(ast.unparse(node).split())
    return text if len(text) <= 100 else f"{text[:60]} … {text[-35:]}"


def _line(node: ast.AST) -> int:
    return node.lineno if isinstance(node, ast.expr | ast.stmt) else node.iter.lineno  # type: ignore[attr-defined]


# --- the changes -------------------------------------------------------------------------------------------------


def _changes(function: Function, enums: Mapping[str, Sequence[str]]) -> Iterator[tuple[ast.AST, ast.AST]]:
    """Yield every node of a function that can be changed, with what takes its place."""
    for node in _nodes(function):
        match node:
            case ast.Compare():
                yield from _compared(node)
            case ast.BoolOp():
                yield from _combined(node)
            case ast.BinOp() | ast.UnaryOp():
                yield from _operated(node)
            case ast.If() | ast.While() | ast.IfExp() | ast.comprehension():
                yield from _forced(node)
            case ast.Constant():
                yield from _other_constant(node)
            case ast.Call():
                yield from _called(node)
            case ast.Attribute(value=ast.Name(id=name)) if node.attr in enums.get(name, ()):
                yield node, _other_member(node, list(enums[name]))
            case ast.Set() if len(node.elts) > 1:
                yield from ((node, ast.Set(_without(node.elts, at))) for at in range(len(node.elts)))
            case ast.Lambda(body=ast.Tuple() as key) if len(key.elts) > 1:
                yield from ((key, ast.Tuple(_without(key.elts, at), ast.Load())) for at in range(len(key.elts)))
            case ast.stmt():
                yield from _removed(node)


def _nodes(function: Function) -> Iterator[ast.AST]:
    """Walk what a function does, in the order of the file: no annotations, docstrings, formatted texts, asserts."""
    waiting: list[ast.AST] = list(reversed(function.body))
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.JoinedStr | ast.Assert) or _is_docstring(node):
            continue
        yield node
        children = list(ast.iter_child_nodes(node))
        if isinstance(node, ast.AnnAssign):
            children = [node.value] if node.value else []
        elif isinstance(node, ast.FunctionDef):
            children = list(node.body)
        waiting += reversed(children)


def _is_docstring(node: ast.AST) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _compared(node: ast.Compare) -> Iterator[tuple[ast.AST, ast.AST]]:
    for at, operator in enumerate(node.ops):
        for other in _COMPARISONS[type(operator)]:
            ops = [*node.ops[:at], other(), *node.ops[at + 1 :]]
            yield node, ast.Compare(node.left, ops, node.comparators)


def _combined(node: ast.BoolOp) -> Iterator[tuple[ast.AST, ast.AST]]:
    """Yield the other connective, and the same one without each of its parts."""
    yield node, ast.BoolOp(ast.Or() if isinstance(node.op, ast.And) else ast.And(), node.values)
    for at in range(len(node.values)):
        left = _without(node.values, at)
        yield node, left[0] if len(left) == 1 else ast.BoolOp(node.op, left)


def _operated(node: ast.BinOp | ast.UnaryOp) -> Iterator[tuple[ast.AST, ast.AST]]:
    if isinstance(node, ast.UnaryOp):
        if isinstance(node.op, ast.Not):
            yield node, node.operand
    elif type(node.op) in _ARITHMETIC:
        yield node, ast.BinOp(node.left, _ARITHMETIC[type(node.op)](), node.right)


def _other_member(node: ast.Attribute, members: Sequence[str]) -> ast.Attribute:
    other = members[(members.index(node.attr) + 1) % len(members)]
    return ast.Attribute(node.value, other, ast.Load())


def _forced(node: ast.If | ast.While | ast.IfExp | ast.comprehension) -> Iterator[tuple[ast.AST, ast.AST]]:
    if isinstance(node, ast.comprehension):
        yield from ((test, _constant(True)) for test in node.ifs)
    else:
        yield node.test, _constant(True)
        yield node.test, _constant(False)


def _other_constant(node: ast.Constant) -> Iterator[tuple[ast.AST, ast.AST]]:
    if isinstance(node.value, bool):
        yield node, _constant(not node.value)
    elif isinstance(node.value, int | float):
        yield node, _constant(node.value + 1)
    elif node.value == "":
        yield node, _constant("mutated")


def _called(node: ast.Call) -> Iterator[tuple[ast.AST, ast.AST]]:
    if isinstance(node.func, ast.Name) and node.func.id in _CALLS:
        other = ast.Name(_CALLS[node.func.id], ast.Load())
        keywords = [] if other.id == "list" else node.keywords
        yield node, ast.Call(other, node.args, keywords)
    if len(node.args) > 1 and not any(isinstance(one, ast.Starred) for one in node.args[:2]):
        first, second, *rest = node.args
        if ast.dump(first) != ast.dump(second):
            yield node, ast.Call(node.func, [second, first, *rest], node.keywords)


def _removed(node: ast.stmt) -> Iterator[tuple[ast.AST, ast.AST]]:
    """Yield nothing in place of a statement that does something."""
    match node:
        case ast.Continue():
            yield node, ast.Break()
            yield node, ast.Pass()
        case ast.Break() | ast.Expr() | ast.AugAssign() | ast.Raise():
            yield node, ast.Pass()
        case ast.Return(value=value) if value is None:
            yield node, ast.Pass()
        case ast.Assign(targets=[ast.Attribute() | ast.Subscript()]):
            yield node, ast.Pass()


def _without(nodes: Sequence[ast.expr], at: int) -> list[ast.expr]:
    return [*nodes[:at], *nodes[at + 1 :]]


def _constant(value: bool | int | float | str) -> ast.Constant:
    return ast.Constant(value)
