"""Modules import each other in one direction; imports inside functions count, those for type checkers do not."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from tests.support.tree import modules, tree_of

if TYPE_CHECKING:
    from collections.abc import Iterator

Graph = dict[str, set[str]]

DELIBERATE = {"underdrawing.core.annotator": {"underdrawing.core.execute"}}
"""An annotator is called like a function: the declaration leads on to what runs it, when it is called."""


def imports(tree: ast.AST) -> Iterator[ast.ImportFrom]:
    """Relative imports of a module, at any depth, except those that only a type checker follows."""
    if isinstance(tree, ast.If) and ast.unparse(tree.test) == "TYPE_CHECKING":
        children: list[ast.AST] = [*tree.orelse]
    else:
        children = [*ast.iter_child_nodes(tree)]
    if isinstance(tree, ast.ImportFrom) and tree.level:
        yield tree
    for child in children:
        yield from imports(child)


def imported(name: str) -> set[str]:
    """Modules of the package that a module imports."""
    path = modules()[name]
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    found: set[str] = set()
    for node in imports(tree_of(path)):
        base = package.rsplit(".", node.level - 1)[0] if node.level > 1 else package
        module = f"{base}.{node.module}" if node.module else base
        targets = {f"{module}.{alias.name}" for alias in node.names}
        found |= {target if target in modules() else module for target in targets}
    return found & set(modules()) - {name}


def circle(graph: Graph) -> list[str]:
    """Path of one circle, its first module at both ends; empty if there is none."""
    done: set[str] = set()

    def walk(name: str, path: list[str]) -> list[str]:
        if name in path:
            return [*path[path.index(name) :], name]
        if name not in done:
            for target in sorted(graph[name]):
                if found := walk(target, [*path, name]):
                    return found
            done.add(name)
        return []

    for name in graph:
        if found := walk(name, []):
            return found
    return []


def test_there_is_no_circle() -> None:
    graph = {name: imported(name) - DELIBERATE.get(name, set()) for name in modules()}
    path = circle(graph)
    assert not path, "modules import each other: " + " → ".join(path)


def test_the_deliberate_pair_exists() -> None:
    assert all(targets <= imported(name) for name, targets in DELIBERATE.items())


def test_a_circle_is_found() -> None:
    assert circle({"a": {"b"}, "b": {"c"}, "c": {"b"}}) == ["b", "c", "b"]
    assert circle({"a": {"b", "c"}, "b": {"c"}, "c": set()}) == []
    code = "if TYPE_CHECKING:\n    from . import a\nelse:\n    from . import b\ndef f():\n    from . import c"
    assert [node.names[0].name for node in imports(ast.parse(code))] == ["b", "c"]
