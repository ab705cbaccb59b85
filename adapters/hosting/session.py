"""What the tags of a prompt ask of a host that applies LoRAs by itself, and what became of them."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from ...core.errors import UnderdrawingError
from ..prompts.requests import find_adapter
from .options import TITLE
from .receipt import HostReceipt
from .tags import list_presets, read_host_tag

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from .tags import HostTag


class Key(str):
    """Under which a host keeps a file with one tag's block weights and strengths; it writes the file's name."""

    __slots__ = ("name",)

    def __new__(cls, name: str, text: str) -> Key:
        """name: of the file; text: of the tag."""
        made = super().__new__(cls, text)
        made.name = name
        return made

    def translate(self, table: Any, /) -> str:
        """Hosts call this where they write names into the text of a picture."""
        return self.name.translate(table)


class TaggedFile(str):
    """A path that is another one for each tag, for hosts that keep what belongs to a file by its path."""

    __slots__ = ("use",)

    def __new__(cls, path: str, use: Use) -> TaggedFile:
        """use: the tag."""
        made = super().__new__(cls, path)
        made.use = use
        return made

    def __repr__(self) -> str:
        return repr((str(self), self.use.key))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, TaggedFile) and repr(self) == repr(other)

    def __hash__(self) -> int:
        return hash(repr(self))


@dataclass(frozen=True)
class Use:
    """A tag as the host gets it. name: of its file. key: the name, or a `Key` where the tag says more than the host
    reads. items: its arguments. tag: only where there is a `Key`."""

    name: str
    key: str
    items: list[str]
    tag: HostTag | None = None


@dataclass
class HostLoras:
    """Tags and files of one host, from one job to the next.

    receipts: key of a use → what was loaded for it. problems: why tags of the current prompt have no effect.
    """

    uses: list[Use] = field(default_factory=list[Use])
    receipts: dict[str, HostReceipt] = field(default_factory=dict[str, HostReceipt])
    problems: list[str] = field(default_factory=list[str])
    _reported: set[str] = field(default_factory=set[str])

    def begin(
        self,
        tags: Sequence[Sequence[str]],
        find: Callable[[str], None],
        *,
        steps: int,
        hires: bool = False,
        presets: str = "",
        whole: bool = True,
    ) -> list[Use]:
        """Understand the tags of a prompt, each as its arguments; those that cannot be are problems, and left out.

        find: raises UnderdrawingError where the host has no file of that name. presets: own, for `lbw=`. whole: False
        leaves what the host does not read to others.
        """
        self.uses = []
        own, self.problems = list_presets(presets)
        repeated = Counter(items[0] for items in tags if items)
        for items in tags:
            try:
                tag = read_host_tag("lora", items, own) if whole else None
                find(items[0] if tag is None else tag.call.name)
            except UnderdrawingError as error:
                self.problems.append(str(error))
                continue
            if tag is None or not (tag.own or repeated[items[0]] > 1):
                self.uses.append(Use(items[0], items[0], list(items)))
                continue
            name, changed = tag.call.name, tag.list_items(steps, hires=hires)
            self.uses.append(Use(name, Key(name, tag.text), changed, tag))
        return self.uses

    def rewrite(self, params: Sequence[Any], list_use: Callable[[Use], None]) -> list[Any]:
        """The host's objects of tags, in terms that it reads. list_use: lets it know what stands under a `Key`."""
        given: list[Any] = []
        for use in self.uses:
            given.append(type(params[0])(items=use.items))
            if use.tag is not None:
                list_use(use)
                given[-1].positional[0] = use.key
        return given

    def add(self, name: str) -> None:
        """A use that the host adds to those of the prompt."""
        self.uses.append(Use(name, name, [name]))

    def find_strengths(self, call: int, calls: int, steps: int, *, hires: bool = False) -> dict[str, float]:
        """Key → strength on the UNet, of tags that the host does not read whole, in one of its calls, from 0.

        calls: expected in all; samplers may need more than one for a step.
        """
        count = max(steps or 1, 1)
        step = min(call * count // max(calls or count, 1), count - 1) + 1
        return {use.key: use.tag.find_strengths(step, count, hires=hires)[1] for use in self.uses if use.tag}

    def list_receipts(self) -> list[HostReceipt]:
        """Receipts of the current prompt, with the tags that the host does not read whole."""
        held = [(use, self.receipts.get(use.key)) for use in self.uses]
        return [replace(one, tag=use.tag.text if use.tag and use.tag.own else "") for use, one in held if one]

    def list_gaps(self) -> list[str]:
        """What of the current prompt has no effect, a sentence each."""
        return list(dict.fromkeys([*self.problems, *filter(None, (one.gap() for one in self.list_receipts()))]))

    def list_lines(self) -> list[str]:
        """What is to stand in the picture: what the host alone would have done otherwise."""
        return list(dict.fromkeys(one.line() for one in self.list_receipts() if one.acted))

    def list_remarks(self) -> list[str]:
        """How files of the current prompt were read where the loaded model decided that."""
        return list(dict.fromkeys(f"{one.name}: {one.remark}" for one in self.list_receipts() if one.remark))

    def show(self, p: Any, note: Callable[[str], None], *, infotext: bool) -> None:
        """Put receipts into the text of a picture, what has no effect and what was read
        by the model under it, and all into the log, once.

        p: the host's job, with `extra_generation_params` and `comment`.
        """
        lines, told = self.list_lines(), [*self.list_gaps(), *self.list_remarks()]
        if lines and infotext:
            held = p.extra_generation_params.get(TITLE, "").split("; ")
            p.extra_generation_params[TITLE] = "; ".join(dict.fromkeys(filter(None, [*held, *lines])))
        for text in told:
            p.comment(f"{TITLE}: {text}")
        for text in {*lines, *told} - self._reported:
            note(text)
        self._reported.update(lines, told)

    def to_json(self) -> dict[str, Any]:
        """What became of the last prompt, JSON-serialisable."""
        return {"loras": [one.to_json() for one in self.list_receipts()], "problems": self.problems}


def find_unlisted(name: str, folders: Sequence[Path]) -> Path:
    """A file that a host does not list under this name: another ending, another case, a sub-folder.

    Raises UnknownName with what it may have meant.
    """
    return find_adapter(name, folders, f"<lora:{name}>")
