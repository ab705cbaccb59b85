"""Merge methods are found, not listed: one file each in `methods/`, or an entry point."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

from ..core.declarations import iter_entry_points, iter_modules, load_declarations
from ..core.errors import UnknownName
from ..core.params import describe_fields
from . import methods as _folder
from .method import Method

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..core.params import Field

MethodType = type[Method[Any]]
GROUP = "underdrawing.merge_methods"


class MethodRegistry:
    """All methods; files that fail to import keep their reason."""

    def __init__(self, package: str = _folder.__name__, group: str = GROUP) -> None:
        sources = [*iter_modules(package, _folder.__path__, Method), *iter_entry_points(group)]
        self._found, self.broken = load_declarations(sources, _check)

    def __iter__(self) -> Iterator[MethodType]:
        """In order of id."""
        return iter(self._found.values())

    def __getitem__(self, name: str) -> MethodType:
        """The method with an id. Raises UnknownName."""
        if name not in self._found:
            reason = f"could not be imported ({self.broken[name]})" if name in self.broken else "does not exist"
            raise UnknownName(f"the merge method {name!r} {reason}", fix=f"choose one of {', '.join(self._found)}")
        return self._found[name]

    def fields(self) -> dict[str, tuple[Field, list[str]]]:
        """Every parameter of any method, and the methods that have it."""
        found: dict[str, tuple[Field, list[str]]] = {}
        for method in self:
            for field in describe_fields(method.params_type):
                found.setdefault(field.name, (field, []))[1].append(method.spec.id)
        return found


@lru_cache(maxsize=1)
def methods() -> MethodRegistry:
    """Methods of this package and of plug-ins."""
    return MethodRegistry()


def describe_method(method: MethodType) -> str:
    """A few lines of help: its inputs, its formula, its parameters."""
    text = " ".join((method.__doc__ or "").split())
    names = ", ".join(f"{field.name} (default {_format(field.default)})" for field in method.fields())
    return f"{method.spec.id} [{method.count_inputs()}]: {text}" + (f" Parameters: {names}." if names else "")


def _format(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _check(method: MethodType) -> None:
    if not (method.__doc__ or "").strip():
        raise ValueError("a method needs a docstring with its formula")
    if method.spec.weight not in {"alpha", *(field.name for field in method.fields())}:
        raise ValueError(f"{method.spec.id} has no parameter {method.spec.weight}")
