"""Merge methods are found, not listed: one file each in `methods/`, or an entry point."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_args, get_type_hints

import msgspec

from ..core.declarations import iter_entry_points, iter_modules, load_declarations
from ..core.errors import UnknownName
from ..core.params import Params, about, between
from ..core.similar_names import suggest_names
from . import methods as _folder
from .method import Method

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

MethodType = type[Method[Any]]
GROUP = "underdrawing.merge_methods"
FIRST = ("alpha", "beta", "gamma", "strength", "density", "epsilon", "seed", "steps")
"""Order of parameters: hosts that store them by position need it to stay. New ones follow."""


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
            fix = suggest_names(name, self._found, "`underdrawing checkpoint merge --help`")
            raise UnknownName(f"the merge method {name!r} {reason}", fix=fix)
        return self._found[name]


@lru_cache(maxsize=1)
def methods() -> MethodRegistry:
    """Methods of this package and of plug-ins."""
    return MethodRegistry()


def describe_method(method: MethodType) -> str:
    """A few lines of help: its inputs, its formula, its parameters."""
    text = " ".join((method.__doc__ or "").split())
    names = ", ".join(f"{field.name} (default {_format(field.default)})" for field in method.fields())
    return f"[{method.count_inputs()}] {text}" + (f" Parameters: {names}." if names else "")


def _format(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def make_fields_struct(base: type[Params]) -> type[Params]:
    """A base with the choice of a method and the parameters of all before its own; a field that several have is one.

    Its bounds are the widest of them; the method's own are checked when it is chosen.
    """
    own: dict[str, tuple[Any, Any]] = {}
    for method in methods():
        hints = get_type_hints(method.params_type, include_extras=True)
        for field in msgspec.structs.fields(method.params_type):
            kind = own[field.name][0] if field.name in own else hints[field.name]
            own[field.name] = _widen(kind, hints[field.name]), own.get(field.name, ("", field.default))[1]
    choice = Annotated[Literal[tuple(m.spec.id for m in methods())], about("Merge method")]  # type: ignore[misc]
    order = [*(name for name in FIRST if name in own), *(name for name in own if name not in FIRST)]
    rows = [("method", choice, "weighted_sum"), *((name, *own[name]) for name in order)]
    return msgspec.defstruct("MethodFields", rows, bases=(base,), frozen=True, kw_only=True, module=__name__)  # type: ignore[return-value]


def _widen(one: Any, other: Any) -> Any:
    """The type of a number with the lower low and the higher high bound of two."""
    kind, first = get_args(one)[:2]
    second = get_args(other)[1]
    if first.ge is None:
        return one
    low, high = min(first.ge, second.ge), max(first.le, second.le)
    step = (first.extra or {}).get("step", 1)
    return Annotated[kind, between(low, high, first.description, step=step)]


def pick_params(
    method: MethodType, values: dict[str, Any], defaults: dict[str, Any], given: Collection[str] = ()
) -> tuple[dict[str, Any], list[str]]:
    """Of the parameters of all methods those of one; and the names of others that were changed.

    A parameter that was left at the common default has the method's own, unless it was given.
    """
    own = {field.name: field.default for field in method.fields()}
    chosen = {n: own[n] if values[n] == defaults[n] and n not in given else values[n] for n in own}
    return chosen, [name for name in values if name not in own and values[name] != defaults[name]]


def _check(method: MethodType) -> None:
    if not (method.__doc__ or "").strip():
        raise ValueError("a method needs a docstring with its formula")
    if method.spec.weight not in {"alpha", *(field.name for field in method.fields())}:
        raise ValueError(f"{method.spec.id} has no parameter {method.spec.weight}")
