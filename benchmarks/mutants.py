"""The small changes of a module's syntax tree that `benchmarks.mutation` tries."""

from __future__ import annotations

import ast
import copy
from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

_COMPARISONS: Final[dict[type[ast.cmpop], type[ast.cmpop]]] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
}
_OPERATORS: Final[dict[type[ast.operator], type[ast.operator]]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.Mult,
    ast.Pow: ast.Mult,
    ast.BitOr: ast.BitAnd,
    ast.BitAnd: ast.BitOr,
    ast.LShift: ast.RShift,
    ast.RShift: ast.LShift,
}
_WORDS: Final = 2  # a text of more is for people to read
_Change = Callable[[ast.AST], ast.AST]


class Mutant(NamedTuple):
    """One change: of the ``place``-th node of a module's tree (in the order of a walk)."""

    source: str
    place: int
    change: _Change

    def tree(self) -> ast.Module:
        """Return the mutated module."""
        tree = ast.parse(self.source)
        node = list(ast.walk(tree))[self.place]
        changed = ast.copy_location(self.change(copy.deepcopy(node)), node)
        _replace(tree, node, changed)
        return ast.fix_missing_locations(tree)

    def describe(self) -> str:
        """Return the line, what stands there and what the mutant has instead."""
        node = list(ast.walk(ast.parse(self.source)))[self.place]
        before = ast.unparse(node).split("\n", 1)[0]
        after = ast.unparse(self.change(copy.deepcopy(node))).split("\n", 1)[0]
        return f"{getattr(node, 'lineno', 0)}: {before}  ->  {after}"


def find_mutants(source: str) -> list[Mutant]:
    """Return every mutant of a module, in the order of its tree."""
    tree = ast.parse(source)
    places = {id(node): place for place, node in enumerate(ast.walk(tree))}
    return [
        Mutant(source, places[id(node)], change)
        for node in _reached(tree)
        for change in _changes(node)
    ]


def _reached(node: ast.AST) -> Iterator[ast.AST]:
    """Yield the nodes that may change: no annotation, docstring, decorator or message."""
    yield node
    for name, value in ast.iter_fields(node):
        if name in ("annotation", "returns", "decorator_list") or isinstance(node, ast.JoinedStr):
            continue
        children = value if isinstance(value, list) else [value]
        for child in children:
            if isinstance(child, ast.AST) and not _is_text(child, node):
                yield from _reached(child)


def _is_text(node: ast.AST, parent: ast.AST) -> bool:
    """Say whether a node is a docstring, an error with its message, or a type."""
    if isinstance(parent, ast.Raise):
        return True
    if isinstance(node, ast.Subscript) and ast.unparse(node.value) == "Literal":
        return True
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _changes(node: ast.AST) -> Iterator[_Change]:
    if isinstance(node, ast.Compare):
        yield from (_compare(k) for k, op in enumerate(node.ops) if type(op) in _COMPARISONS)
    elif isinstance(node, (ast.BinOp, ast.AugAssign)) and type(node.op) in _OPERATORS:
        yield _operate
    elif isinstance(node, ast.BoolOp):
        yield _other_way
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, (ast.Not, ast.USub)):
        yield _without_sign
    elif isinstance(node, ast.Constant) and _constant_of(node.value) is not None:
        yield _constant
    elif isinstance(node, ast.Return) and node.value is not None and not _is_none(node.value):
        yield _return_none
    elif isinstance(node, (ast.If, ast.While, ast.IfExp)) and not isinstance(
        node.test, (ast.Compare, ast.BoolOp, ast.UnaryOp)
    ):
        yield _negate
    if isinstance(node, (ast.Expr, ast.AugAssign, ast.Raise, ast.Continue, ast.Break)):
        yield _leave_out


def _compare(place: int) -> _Change:
    def change(node: ast.AST) -> ast.AST:
        assert isinstance(node, ast.Compare)
        node.ops[place] = _COMPARISONS[type(node.ops[place])]()
        return node

    return change


def _operate(node: ast.AST) -> ast.AST:
    assert isinstance(node, (ast.BinOp, ast.AugAssign))
    node.op = _OPERATORS[type(node.op)]()
    return node


def _other_way(node: ast.AST) -> ast.AST:
    assert isinstance(node, ast.BoolOp)
    node.op = ast.Or() if isinstance(node.op, ast.And) else ast.And()
    return node


def _without_sign(node: ast.AST) -> ast.AST:
    assert isinstance(node, ast.UnaryOp)
    return node.operand


def _constant(node: ast.AST) -> ast.AST:
    assert isinstance(node, ast.Constant)
    return ast.Constant(_constant_of(node.value))


def _constant_of(value: object) -> bool | int | float | str | bytes | None:
    if isinstance(value, bool):
        return not value
    if isinstance(value, (int, float)):
        return value + 1
    if isinstance(value, str):
        return value + "XX" if len(value.split()) <= _WORDS else None
    return value + b"XX" if isinstance(value, bytes) else None


def _return_none(node: ast.AST) -> ast.AST:
    return ast.Return(ast.Constant(None))


def _negate(node: ast.AST) -> ast.AST:
    assert isinstance(node, (ast.If, ast.While, ast.IfExp))
    node.test = ast.UnaryOp(ast.Not(), node.test)
    return node


def _leave_out(node: ast.AST) -> ast.AST:
    return ast.Pass()


def _is_none(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and node.value is None


def _replace(tree: ast.AST, old: ast.AST, new: ast.AST) -> None:
    for parent in ast.walk(tree):
        for name, value in ast.iter_fields(parent):
            if value is old:
                setattr(parent, name, new)
            elif isinstance(value, list) and any(child is old for child in value):
                value[:] = [new if child is old else child for child in value]
