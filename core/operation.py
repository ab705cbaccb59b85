"""Operations: what a user can run that is no annotator. One declaration each; every host derives its surface from it.

An operation is one class in a file of its own in an `operations` folder of its room. Its inputs are a struct whose
fields are slots, its parameters a `Params` struct, its docstring is the help:

>>> class Inputs_(Inputs):
...     file: Annotated[Path, slot("lora", "File to look into")]
>>> [(s.name, s.kind, s.repeat) for s in slots(Inputs_)]
[('file', 'lora', 'one')]
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Literal, TypeVar, get_args, get_type_hints

import msgspec

from .errors import WriteFailed
from .params import Field, Params, Value, fields, make

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from numpy import uint8
    from numpy.typing import NDArray

    from .errors import UnderdrawingError
    from .hooks import FileKind, HostHooks
    from .progress import Progress

SlotKind = Literal["lora", "loras", "checkpoint", "embedding", "poses", "text", "weights", "file"]
"""What a slot takes. Each host maps a kind to what means the same there: a checkpoint is a file or a loaded model,
poses are a JSON file or a list in memory, several LoRAs with strengths are files with options or tags in a text."""
Repeat = Literal["one", "each", "all"]
"""one: takes one. each: a host may give several, and the operation runs once for each. all: takes a list at once."""
Host = Literal["cli", "comfyui", "a1111"]


class Slot(msgspec.Struct, frozen=True):
    """An input. live: a checkpoint may also be a model that the host has loaded. name: filled in from the field."""

    kind: SlotKind
    help: str
    repeat: Repeat = "one"
    live: bool = False
    optional: bool = False
    name: str = ""


class Target(msgspec.Struct, frozen=True):
    """What an operation writes, or gives back where the host keeps such things in memory.

    suffix: of the file; empty for a folder. last: on a command line it is the last argument in place of an option.
    unnamed: a host that asks for a name may be given none, which means that of the input.
    """

    kind: FileKind
    help: str
    suffix: str = ".safetensors"
    last: bool = False
    unnamed: bool = False
    name: str = ""


class Inputs(msgspec.Struct, frozen=True, kw_only=True):
    """Base of every set of inputs. Fields are ``Annotated[type, slot(...) or target(...)]``."""


def slot(kind: SlotKind, text: str, *, repeat: Repeat = "one", live: bool = False, optional: bool = False) -> Slot:
    """Declare an input; text is its help."""
    return Slot(kind, text, repeat, live, optional)


def target(
    kind: FileKind, text: str, *, suffix: str = ".safetensors", last: bool = False, unnamed: bool = False
) -> Target:
    """Declare what is written; text is its help."""
    return Target(kind, text, suffix, last, unnamed)


@cache
def slots(inputs: type[Inputs]) -> tuple[Slot, ...]:
    """Inputs of an operation in order of declaration."""
    return tuple(d for d in _declarations(inputs) if isinstance(d, Slot))


@cache
def target_of(inputs: type[Inputs]) -> Target | None:
    """What an operation writes; None when it only reports."""
    return next((d for d in _declarations(inputs) if isinstance(d, Target)), None)


def _declarations(inputs: type[Inputs]) -> list[Slot | Target]:
    hints = get_type_hints(inputs, include_extras=True)
    found = ((f.name, meta) for f in msgspec.structs.fields(inputs) for meta in get_args(hints[f.name])[1:])
    return [msgspec.structs.replace(d, name=name) for name, d in found if isinstance(d, (Slot, Target))]


class WeightedLora(msgspec.Struct, frozen=True):
    """A LoRA file with the strengths it is wanted at. blocks: block weights or a preset as in ``lbw=``, or empty.

    ranks: only so many of the first ranks count (``dyn=``); None for all.
    """

    path: Path
    unet: float = 1.0
    text_encoder: float = 1.0
    blocks: str = ""
    ranks: int | None = None


class Picture(msgspec.Struct, frozen=True):
    """A picture, uint8 [H, W, 3] RGB. info: what its PNG says of it. ending: added to its name."""

    pixels: NDArray[uint8]
    info: dict[str, Any] = {}
    ending: str = ""


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """What came of a run. text: for people, lines; data: the same as JSON. complete: False when something was wrong.

    files: what was written. notes: what a user should know besides. errors: what failed while the rest went on. poses
    (OpenPose documents; batch: as a list) and pictures are written or handed on by the host.
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


class Job(msgspec.Struct, frozen=True):
    """Circumstances of a run.

    consent: whether the user agreed to what the operation asks consent for. overwrite: whether files may be replaced.
    """

    host: HostHooks
    consent: bool = True
    overwrite: bool = True

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
    """id: group and verb, "lora.extract". hosts: where it is offered. names: what a host calls it instead of by its id.

    consent: what the user agrees to by running it; None if nothing. volatile: its answer changes by itself.
    added: parameters that came after others were stored in workflows, by position; such hosts show them last.
    old_names: earlier names of parameters, still accepted in this version.
    """

    id: str
    title: str
    hosts: tuple[Host, ...] = ("cli", "comfyui", "a1111")
    names: dict[Host, str] = {}
    consent: Consent | None = None
    volatile: bool = False
    added: tuple[str, ...] = ()
    old_names: dict[str, str] = {}

    @property
    def group(self) -> str:
        """First part of the id."""
        return self.id.partition(".")[0]

    @property
    def verb(self) -> str:
        """Second part of the id."""
        return self.id.partition(".")[2]


I = TypeVar("I", bound=Inputs)  # noqa: E741 - beside P, as everywhere for inputs and parameters
P = TypeVar("P", bound=Params)


class Operation(ABC, Generic[I, P]):
    """Base of every operation; its first line of help is what lists of commands show."""

    spec: ClassVar[Spec]
    inputs_type: ClassVar[type[Inputs]] = Inputs
    params_type: ClassVar[type[Params]] = Params

    def __init_subclass__(cls) -> None:
        for base in getattr(cls, "__orig_bases__", ()):
            for argument in get_args(base):
                if isinstance(argument, type) and issubclass(argument, Inputs):
                    cls.inputs_type = argument
                elif isinstance(argument, type) and issubclass(argument, Params):
                    cls.params_type = argument

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
        return make(cls.params_type, values, where=cls.spec.id)  # type: ignore[return-value]

    @classmethod
    def fields(cls) -> tuple[Field, ...]:
        """Describe the parameters."""
        return fields(cls.params_type)

    @classmethod
    def slots(cls) -> tuple[Slot, ...]:
        """Describe the inputs."""
        return slots(cls.inputs_type)

    @classmethod
    def target(cls) -> Target | None:
        """Describe what is written."""
        return target_of(cls.inputs_type)

    @classmethod
    def summary(cls) -> str:
        """First line of its help."""
        return (cls.__doc__ or "").strip().partition("\n")[0]


def run(operation: type[Operation[Any, Any]], inputs: dict[str, Any], values: dict[str, Value], job: Job) -> Report:
    """Run an operation with inputs and parameter values as a host has them. Raises BadParameter and what it raises."""
    chosen = operation.params(**values)
    return operation().run(operation.inputs_type(**inputs), chosen, job)
