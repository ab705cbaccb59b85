"""Names of a UNet's modules in the LDM layout, from the model's own keys: pruned and custom UNets are numbered in
another way than the official ones."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, NamedTuple

from .spellings import RESNET, STEM

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_TO_STEM = {ldm: name for name, ldm in STEM.items()}
_TO_RESNET = {ldm: name for name, ldm in RESNET.items()}


class _Entry(NamedTuple):
    """One module of a block: number inside it and the rest of its name."""

    place: str
    tail: str
    name: str


def derive_names(modules: Iterable[str]) -> dict[str, str]:
    """LDM name → diffusers name of all modules of a UNet; empty where blocks are missing and cannot be counted."""
    blocks: dict[str, dict[int, list[_Entry]]] = {side: defaultdict(list) for side in _WALKS}
    found: dict[str, str] = {}
    for name in modules:
        if name in _TO_STEM:
            found[name] = _TO_STEM[name]
        side, _, rest = name.partition(".")
        number, _, rest = rest.partition(".")
        if side in blocks and number.isdecimal():
            place, _, tail = rest.partition(".")
            blocks[side][int(number)].append(_Entry(place, tail, name))
    for side, numbered in blocks.items():
        if sorted(numbered) != list(range(len(numbered))):
            return {}
        for ldm, name in _WALKS[side]([numbered[number] for number in range(len(numbered))]):
            found.setdefault(ldm, name)
    return found if blocks["input_blocks"] else {}


def _walk_down(blocks: list[list[_Entry]]) -> Iterator[tuple[str, str]]:
    level = index = 0
    for entries in blocks[1:]:
        if any(entry.tail.startswith("op") for entry in entries):
            yield from ((entry.name, f"down_blocks.{level}.downsamplers.0.conv") for entry in entries)
            level, index = level + 1, 0
        else:
            yield from _name_block(entries, f"down_blocks.{level}", index)
            index += 1


def _walk_up(blocks: list[list[_Entry]]) -> Iterator[tuple[str, str]]:
    level = index = 0
    for entries in blocks:
        samplers = [entry for entry in entries if entry.place != "0" and entry.tail == "conv"]
        yield from ((entry.name, f"up_blocks.{level}.upsamplers.0.conv") for entry in samplers)
        yield from _name_block([entry for entry in entries if entry not in samplers], f"up_blocks.{level}", index)
        level, index = (level + 1, 0) if samplers else (level, index + 1)


def _walk_middle(blocks: list[list[_Entry]]) -> Iterator[tuple[str, str]]:
    """Here the numbers are the modules themselves: ResNets and attentions in turn."""
    counts = {"resnets": 0, "attentions": 0}
    for entries in blocks:
        own = [_Entry("", f"{entry.place}.{entry.tail}".rstrip("."), entry.name) for entry in entries]
        kind = _find_kind(own)
        yield from _name_entries(own, f"mid_block.{kind}.{counts[kind]}")
        counts[kind] += 1


_WALKS = {"input_blocks": _walk_down, "middle_block": _walk_middle, "output_blocks": _walk_up}


def _name_block(entries: list[_Entry], block: str, index: int) -> Iterator[tuple[str, str]]:
    for place in sorted({entry.place for entry in entries}):
        own = [entry for entry in entries if entry.place == place]
        yield from _name_entries(own, f"{block}.{_find_kind(own)}.{index}")


def _find_kind(entries: list[_Entry]) -> str:
    return "resnets" if any(entry.tail in _TO_RESNET for entry in entries) else "attentions"


def _name_entries(entries: list[_Entry], stem: str) -> Iterator[tuple[str, str]]:
    for entry in entries:
        yield entry.name, f"{stem}.{_TO_RESNET.get(entry.tail, entry.tail)}"
