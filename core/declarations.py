"""What annotators and operations have in common: declared parameters, and being found in files of their own."""

from __future__ import annotations

import importlib
import importlib.metadata
import pkgutil
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar, get_args

from .params import Field, Params, Value, describe_fields, make_params

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

P = TypeVar("P", bound=Params)
T = TypeVar("T", bound="Declaration[Any]")


class Declaration(Generic[P]):
    """A class with a spec that has an id, and with parameters of the type that its base names."""

    spec: ClassVar[Any]
    params_type: ClassVar[type[Params]] = Params

    def __init_subclass__(cls) -> None:
        """Read the parameter type from ``Base[MyParams]``."""
        super().__init_subclass__()
        for argument in list_type_arguments(cls):
            if issubclass(argument, Params):
                cls.params_type = argument

    @classmethod
    def params(cls, **values: Value) -> P:
        """Validated parameters; raises BadParameter."""
        return make_params(cls.params_type, values, where=cls.spec.id)  # type: ignore[return-value]

    @classmethod
    def fields(cls) -> tuple[Field, ...]:
        """Describe the parameters."""
        return describe_fields(cls.params_type)


def list_type_arguments(cls: type) -> list[type]:
    """Classes among the type arguments of a class's bases: ``class A(Base[X, Y])`` gives X and Y."""
    bases = getattr(cls, "__orig_bases__", ())
    return [argument for base in bases for argument in get_args(base) if isinstance(argument, type)]


def load_declarations(
    sources: Iterable[tuple[str, Callable[[], type[T]]]], check: Callable[[type[T]], None]
) -> tuple[dict[str, type[T]], dict[str, str]]:
    """Classes by id, in order of id; and the sources that cannot be used, with the reason.

    sources: name of a file or entry point, and what loads its class. check: raises for a class that must not be taken.
    """
    found: dict[str, type[T]] = {}
    broken: dict[str, str] = {}
    for name, load in sources:
        try:
            cls = load()
            if cls.spec.id in found:
                raise ValueError(f"the id {cls.spec.id!r} is taken by {found[cls.spec.id].__module__}")
            check(cls)
            found[cls.spec.id] = cls
        except (Exception, SystemExit) as error:  # noqa: BLE001 - one bad file must not take the others down
            broken[name] = f"{type(error).__name__}: {error}"
    return dict(sorted(found.items())), broken


def iter_modules(package: str, path: Iterable[str], base: type[T]) -> Iterator[tuple[str, Callable[[], type[T]]]]:
    """Sources of a package's files; those that start with an underscore are passed over."""
    for module in pkgutil.iter_modules(list(path)):
        if not module.ispkg and not module.name.startswith("_"):
            yield module.name, lambda name=module.name: load_class(f"{package}.{name}", base)


def iter_entry_points(group: str) -> Iterator[tuple[str, Callable[[], Any]]]:
    """Sources of installed plug-ins."""
    for entry in importlib.metadata.entry_points(group=group):
        yield entry.name, entry.load


def load_class(name: str, base: type[T]) -> type[T]:
    """The one class of that base which a module defines. Raises TypeError, and what importing raises."""
    module = importlib.import_module(name)
    own = [v for v in vars(module).values() if isinstance(v, type) and v.__module__ == module.__name__]
    classes = [v for v in own if issubclass(v, base)]
    if len(classes) != 1:
        raise TypeError(f"such a file defines exactly one {base.__name__}, this one has {len(classes)}")
    return classes[0]
