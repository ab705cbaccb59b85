"""Operations: what a user can run that is no annotator. One declaration each; every host derives its surface from it.

An operation is one class in a file of its own in an `operations` folder of its room: inputs are a struct of slots,
parameters a `Params` struct, the docstring is the help.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Literal, TypeVar

import msgspec

from .annotator import build_pip_command
from .declarations import Declaration, list_type_arguments
from .errors import MissingExtra, WriteFailed
from .imports import report_broken_imports
from .params import Params, Value, current_values, make_params
from .slots import Inputs, Slot, Target, WeightedLora, slot, slots, target, target_of

if TYPE_CHECKING:
    from collections.abc import Mapping
    from contextlib import AbstractContextManager

    from numpy import uint8
    from numpy.typing import NDArray

    from .errors import UnderdrawingError
    from .hooks import HostHooks
    from .progress import Progress

__all__ = [
    "Consent",
    "Inputs",
    "Job",
    "ModelWeights",
    "Operation",
    "Picture",
    "Report",
    "Spec",
    "WeightedLora",
    "run",
    "run_alone",
    "slot",
    "target",
]

Host = Literal["cli", "comfyui", "a1111"]


class Picture(msgspec.Struct, frozen=True):
    """A picture, uint8 [H, W, 3] RGB. info: what its PNG says of it. ending: added to its name."""

    pixels: NDArray[uint8]
    info: dict[str, Any] = {}
    ending: str = ""


class ModelWeights(msgspec.Struct, frozen=True):
    """A model as a file would hold it: tensors by key, the header's metadata, and the recipe to make it again by."""

    tensors: dict[str, Any]
    metadata: dict[str, str]
    recipe: str = ""


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """What came of a run. text: for people, lines; data: the same as JSON. complete: False when something was wrong.

    files: what was written. notes: what a user should know besides. errors: what failed while the rest went on. poses
    (OpenPose documents; batch: as a list), pictures and a model are written or handed on by the host.
    """

    text: str = ""
    data: Any = None
    files: tuple[Path, ...] = ()
    notes: tuple[str, ...] = ()
    errors: tuple[UnderdrawingError, ...] = ()
    complete: bool = True
    poses: tuple[dict[str, Any], ...] | None = None
    batch: bool = False
    pictures: tuple[Picture, ...] = ()
    model: ModelWeights | None = None


class Job(msgspec.Struct, frozen=True):
    """Circumstances of a run.

    consent: whether the user agreed to what the operation asks consent for. overwrite: whether files may be replaced.
    given: names of the parameters that the user gave; the others have their defaults.
    """

    host: HostHooks
    consent: bool = True
    overwrite: bool = True
    given: frozenset[str] = frozenset()

    def progress(self, title: str, total: int = 0, unit: str = "") -> AbstractContextManager[Progress]:
        """The host's progress of one part of the run, as `HostHooks.progress`."""
        return self.host.progress(title, total, unit)

    def check_free(self, path: Path) -> None:
        """Raise WriteFailed when a file is there that may not be replaced."""
        if not self.overwrite and path.exists():
            raise WriteFailed("exists already", where=path.name, fix="choose another name, or switch overwrite on")


class Consent(msgspec.Struct, frozen=True):
    """What a user agrees to. name: of the switch, in hosts where running a graph is no consent."""

    name: str
    help: str


class Spec(msgspec.Struct, frozen=True, kw_only=True):
    """id: group and verb, "lora.extract", or one word for a group of one. hosts: where it is offered. names: what a
    host calls it instead of by its id.

    consent: what the user agrees to by running it; None if nothing. volatile: its answer changes by itself.
    added: parameters that came after others were stored in workflows, by position; such hosts show them last.
    """

    id: str
    title: str
    hosts: tuple[Host, ...] = ("cli", "comfyui", "a1111")
    names: dict[Host, str] = {}
    consent: Consent | None = None
    volatile: bool = False
    added: tuple[str, ...] = ()

    def is_agreed(self, given: Mapping[str, Any]) -> bool:
        """Whether consent is not needed or was given, in hosts where it is a switch among the inputs."""
        return self.consent is None or bool(given.get(self.consent.name))

    @property
    def group(self) -> str:
        """First part of the id."""
        return self.id.partition(".")[0]

    @property
    def verb(self) -> str:
        """Second part of the id; empty where the group is the operation."""
        return self.id.partition(".")[2]

    @property
    def command(self) -> str:
        """Words of its command."""
        return self.id.replace(".", " ").replace("_", "-")


I = TypeVar("I", bound=Inputs)  # noqa: E741 - beside P, as everywhere for inputs and parameters
P = TypeVar("P", bound=Params)


class Operation(Declaration[P], ABC, Generic[I, P]):
    """Base of every operation; its first line of help is what lists of commands show."""

    spec: ClassVar[Spec]
    inputs_type: ClassVar[type[Inputs]] = Inputs

    def __init_subclass__(cls) -> None:
        """Read the types of inputs and parameters from ``Operation[MyInputs, MyParams]``."""
        super().__init_subclass__()
        for argument in list_type_arguments(cls):
            if issubclass(argument, Inputs):
                cls.inputs_type = argument

    @abstractmethod
    def run(self, inputs: I, params: P, job: Job) -> Report:
        """Do it. Raises UnderdrawingError, and Cancelled through its progress; then nothing is half written."""

    def suffix(self, params: P) -> str:
        """Ending of what is written with these parameters; empty for a folder."""
        written = target_of(self.inputs_type)
        return written.suffix if written else ""

    @classmethod
    def params(cls, **values: Value) -> P:
        """Validated parameters; raises BadParameter."""
        return make_params(cls.params_type, values, where=cls.spec.id, command=cls.spec.command)  # type: ignore[return-value]

    @classmethod
    def slots(cls) -> tuple[Slot, ...]:
        """Describe the inputs."""
        return slots(cls.inputs_type)

    @classmethod
    def target(cls) -> Target | None:
        """Describe what is written."""
        return target_of(cls.inputs_type)

    @classmethod
    def details(cls) -> dict[str, tuple[tuple[str, str], ...]]:
        """Tables that its help ends with: title → rows of a name and what it means."""
        return {}

    @classmethod
    def hints(cls) -> dict[str, dict[str, Any]]:
        """What a graphical host can make of a parameter beyond its kind, as JSON: name of the parameter → hints.

        uses: of a choice, each choice → the parameters that it reads. layouts: of block weights, number of weights →
        names of the blocks; presets: name → weights.
        """
        return {}

    @classmethod
    def summary(cls) -> str:
        """First line of its help."""
        return (cls.__doc__ or "").strip().partition("\n")[0]


def run(operation: type[Operation[Any, Any]], inputs: dict[str, Any], values: dict[str, Value], job: Job) -> Report:
    """Run an operation with inputs and parameter values as a host has them.

    Raises BadParameter, MissingExtra for a package that is not installed, and what the operation raises.
    """
    where = operation.spec.id
    current, notes = current_values(operation.params_type, values, where=where)
    for note in notes:
        job.host.note(note)
    try:
        job = msgspec.structs.replace(job, given=frozenset(current))
        with report_broken_imports(where):
            return operation().run(operation.inputs_type(**inputs), operation.params(**current), job)
    except ModuleNotFoundError as error:
        module = (error.name or "").partition(".")[0]
        if not module or module == __name__.partition(".")[0]:
            raise
        raise MissingExtra(f"needs {module}", where=where, fix=build_pip_command([module])) from error


def run_alone(
    operation: type[Operation[Any, Any]], inputs: dict[str, Any], values: dict[str, Value], job: Job, label: str = ""
) -> Report:
    """Run an operation where nothing goes on after a failure: the first error is raised.

    Notes go to the host, behind label if there is one. Raises what `run` raises.
    """
    report = run(operation, inputs, values, job)
    for note in report.notes:
        job.host.note(f"{label}: {note}" if label else note)
    if report.errors:
        raise report.errors[0]
    return report
