"""What a session keeps stands under keys that one module owns: no other reads or writes them, none is used twice."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PAGES = Path(__file__).resolve().parents[4] / "pages"
MODULES = sorted(PAGES.rglob("*.py"))
STYLE = ("bl-wrap", "bl-chart-")  # begin the keys of containers that only style sheets know


def state_keys(tree: ast.AST) -> Iterator[ast.expr]:
    """Yields what session state is asked for, in whatever way."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Subscript) and is_state(node.value):
            yield node.slice
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and is_state(node.func.value):
            yield from node.args[:1]
        elif isinstance(node, ast.Compare) and any(is_state(side) for side in node.comparators):
            yield node.left


def is_state(node: ast.expr) -> bool:
    return isinstance(node, ast.Attribute) and node.attr == "session_state"


def arguments(call: ast.Call) -> list[ast.expr]:
    """Returns what of a call may be a key."""
    return [*call.args, *(given.value for given in call.keywords if given.arg == "key")]


def keys_of(path: Path) -> set[str]:
    """Returns the keys that a module names, of made-up ones the beginning: of widgets and containers, and constants."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    named = [given for node in ast.walk(tree) if isinstance(node, ast.Call) for given in arguments(node)]
    for node in tree.body:
        if isinstance(node, ast.Assign):
            named += node.value.elts if isinstance(node.value, ast.Tuple) else [node.value]
    named = [node.values[0] if isinstance(node, ast.JoinedStr) and node.values else node for node in named]
    return {
        node.value
        for node in named
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value.startswith(("bl-", "bl."))
    }


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.relative_to(PAGES).as_posix())
def test_keys_of_session_state_have_names(path: Path) -> None:
    literal = [f"line {key.lineno}" for key in state_keys(ast.parse(path.read_text())) if isinstance(key, ast.Constant)]
    assert literal == []


def test_each_key_is_of_one_module() -> None:
    owners: dict[str, list[str]] = {}
    for path in MODULES:
        for key in keys_of(path):
            owners.setdefault(key, []).append(path.relative_to(PAGES).as_posix())
    assert len(owners) > 300
    shared = {key: found for key, found in owners.items() if len(found) > 1 and not key.startswith(STYLE)}
    assert shared == {}
