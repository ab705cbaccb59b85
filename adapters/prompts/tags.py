"""Extra-network tags in a prompt: `<lora:NAME:TE:UNET:DYN>`, `<lyco:>`, `<hypernet:>`, split exactly as A1111 1.10
does.

Read as well: hako-mikan's `lbw=`, `lbwe=`, `x=`, `start=`, `stop=`, `step=` and loractl's curves `0@0,1@0.5`, `hr=`,
`hrte=`,
`hrunet=`. Where this differs from A1111: a weight that is no number is an error that names the tag (A1111 then drops
every network of that kind with a line in its log), and a name given twice is applied twice, each time with its own
strengths (A1111 uses the last pair for both). ComfyUI has no tags: it encodes them as words.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ...core.errors import BadParameter
from .block_lists import is_blocks
from .block_weights import parse_blocks
from .curves import Curve, format_strength, parse_strength, strength_at
from .numbers import Moment, format_number, is_active, parse_number

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .block_weights import BlockWeights
    from .curves import Strength

_TAG = re.compile(r"<(?P<kind>\w+):(?P<arguments>[^>]+)>")
ADAPTERS = ("lora", "lyco", "loractl")
_NAMED = frozenset({"te", "unet", "dyn", "lbw", "w", "lbwe", "x", "start", "stop", "step", "hr", "hrte", "hrunet"})


@dataclass(frozen=True)
class Tag:
    """A tag as it was split. positional: arguments in order, the name first; named: arguments with exactly one `=`."""

    kind: str
    positional: tuple[str, ...]
    named: tuple[tuple[str, str], ...]
    text: str

    @property
    def options(self) -> dict[str, str]:
        """Named arguments; of one given twice the last counts."""
        return dict(self.named)


@dataclass(frozen=True, kw_only=True)
class AdapterCall:
    """One use of an adapter. te, unet: strengths, a number or a curve over the steps.

    dyn: how many ranks of a plain LoRA to keep, or None. hires_te, hires_unet: strengths of the second pass, None for
    the same. start, stop: when it works. ignored: arguments that nothing reads, which A1111 drops in silence.
    """

    name: str
    te: Strength = 1.0
    unet: Strength = 1.0
    dyn: int | None = None
    block_weights: BlockWeights | None = None
    start: Moment | None = None
    stop: Moment | None = None
    hires_te: Strength | None = None
    hires_unet: Strength | None = None
    kind: str = "lora"
    ignored: tuple[str, ...] = ()

    def is_active(self, step: int, steps: int) -> bool:
        """Whether it works in step, counted from 1 to steps."""
        return is_active(step, steps, self.start, self.stop)

    def strengths(self, step: int, steps: int, *, hires: bool = False) -> tuple[float, float]:
        """Strength on the text encoders and on the UNet in step (1 to steps); 0 outside start and stop."""
        if not self.is_active(step, steps):
            return 0.0, 0.0
        te = self.hires_te if hires and self.hires_te is not None else self.te
        unet = self.hires_unet if hires and self.hires_unet is not None else self.unet
        return strength_at(te, step, steps), strength_at(unet, step, steps)

    def __str__(self) -> str:
        options = {"dyn": self.dyn, "start": self.start, "stop": self.stop}
        hires = {"hrte": self.hires_te, "hrunet": self.hires_unet}
        parts = [self.name, format_strength(self.te), format_strength(self.unet)]
        parts += [f"{key}={value}" for key, value in options.items() if value is not None]
        parts += [str(self.block_weights)] if self.block_weights else []
        parts += [f"{key}={format_strength(value)}" for key, value in hires.items() if value is not None]
        return f"<{self.kind}:{':'.join([*parts, *self.ignored])}>"


@dataclass(frozen=True)
class HypernetCall:
    """A hypernetwork asked for by the prompt: recognised, so that it can be refused by name."""

    name: str
    strength: float

    def __str__(self) -> str:
        return f"<hypernet:{self.name}:{format_number(self.strength)}>"


@dataclass(frozen=True)
class TaggedPrompt:
    """A prompt without its tags, and what they ask for in order of appearance; unknown: tags of other kinds."""

    text: str
    adapters: tuple[AdapterCall, ...]
    hypernets: tuple[HypernetCall, ...]
    unknown: tuple[Tag, ...]


def split_tags(prompt: str) -> tuple[str, tuple[Tag, ...]]:
    """The prompt with every `<word:...>` cut out, nothing put in their place, and the tags.

    For positive prompts, before scheduling and emphasis are read: a LoRA cannot be scheduled by brackets. In a negative
    prompt A1111 leaves tags as they stand.
    """
    return _TAG.sub("", prompt), tuple(_tag(found) for found in _TAG.finditer(prompt))


def read_tags(prompt: str, presets: Mapping[str, str] | None = None) -> TaggedPrompt:
    """Split and understand the tags of a positive prompt. presets: own `lbw=` presets, name -> list.

    Raises BadParameter that names the tag.
    """
    text, tags = split_tags(prompt)
    adapters = tuple(read_call(tag, presets) for tag in tags if tag.kind in ADAPTERS)
    hypernets = tuple(_hypernet(tag) for tag in tags if tag.kind == "hypernet")
    return TaggedPrompt(text, adapters, hypernets, tuple(t for t in tags if t.kind not in (*ADAPTERS, "hypernet")))


def read_call(tag: Tag, presets: Mapping[str, str] | None = None) -> AdapterCall:
    """Understand a `lora`, `lyco` or `loractl` tag. Raises BadParameter that names the tag and the argument."""
    name = _name(tag)
    options, values, where = tag.options, list(tag.positional[1:]), tag.text
    blocks, dynamic = _old_blocks(values, presets), options.get("x", "")
    if blocks and len(values) > 2:
        dynamic = dynamic or values.pop(2)
    te = parse_strength(options.get("te", values[0] if values else "1"), where=where)
    unet = options.get("unet", values[1] if len(values) > 1 and not blocks else None)
    start, stop = _range(options, where)
    return AdapterCall(
        name=name,
        te=te,
        unet=te if unet is None else parse_strength(unet, where=where),
        dyn=_dyn(options.get("dyn", values[2] if len(values) > 2 else None), where),
        block_weights=_blocks(options, blocks, dynamic, presets, where),
        start=start,
        stop=stop,
        hires_te=_optional(options.get("hrte", options.get("hr")), where),
        hires_unet=_optional(options.get("hrunet", options.get("hr")), where),
        kind=tag.kind,
        ignored=(*values[3:], *(f"{key}={value}" for key, value in tag.named if key not in _NAMED)),
    )


def _tag(found: re.Match[str]) -> Tag:
    arguments = found["arguments"].split(":")
    named = tuple((key, value) for key, _, value in (a.partition("=") for a in arguments if a.count("=") == 1))
    return Tag(found["kind"], tuple(a for a in arguments if a.count("=") != 1), named, found[0])


def _name(tag: Tag) -> str:
    if not tag.positional or not tag.positional[0].strip():
        raise BadParameter("the tag names no file", where=tag.text, fix=f"write <{tag.kind}:NAME:1>")
    return tag.positional[0]


def _hypernet(tag: Tag) -> HypernetCall:
    return HypernetCall(_name(tag), parse_number(tag.positional[1], where=tag.text) if len(tag.positional) > 1 else 1.0)


def _old_blocks(values: list[str], presets: Mapping[str, str] | None) -> str:
    """hako-mikan's form before `lbw=`: a list or a preset where A1111 has the UNet strength."""
    return values[1] if len(values) > 1 and is_blocks(values[1], presets) else ""


def _blocks(
    options: dict[str, str], old: str, dynamic: str, presets: Mapping[str, str] | None, where: str
) -> BlockWeights | None:
    text, elements = options.get("lbw", options.get("w", old)), options.get("lbwe", "")
    if not text and not elements:
        return None
    try:
        return parse_blocks(
            text, elements, dynamic=parse_number(dynamic, where="x") if dynamic else 1.0, presets=presets
        )
    except BadParameter as error:
        raise BadParameter(f"{error.where}: {error.what}", where=where, fix=error.fix) from error


def _range(options: dict[str, str], where: str) -> tuple[Moment | None, Moment | None]:
    both = options.get("step", "")
    first, dash, last = both.partition("-")
    if both and not (dash and first and last):
        raise BadParameter(f"step={both} is not a range", where=where, fix="write step=5-15")
    texts = (first or options.get("start"), last or options.get("stop"))
    start, stop = (Moment.parse(text, where=where) if text is not None else None for text in texts)
    if start and stop and start.fraction != stop.fraction:
        start, stop = start.as_fraction(), stop.as_fraction()
    if start and stop and start.fraction == stop.fraction and start.value >= stop.value:
        raise BadParameter(
            f"it would start at {start} and stop at {stop}, so never work", where=where, fix="swap start and stop"
        )
    return start, stop


def _dyn(text: str | None, where: str) -> int | None:
    if text is None:
        return None
    if not re.fullmatch(r"\s*\+?\d+\s*", text) or int(text) < 1:
        raise BadParameter(f"dyn {text!r} is not a number of ranks", where=where, fix="write a whole number from 1")
    return int(text)


def _optional(text: str | None, where: str) -> Strength | None:
    return None if text is None else parse_strength(text, where=where)


__all__ = [
    "ADAPTERS",
    "AdapterCall",
    "Curve",
    "HypernetCall",
    "Tag",
    "TaggedPrompt",
    "read_call",
    "read_tags",
    "split_tags",
]
