"""Names of a UNet's modules in the LDM layout, from the model's own keys: pruned and custom UNets are numbered in
another way than the official ones. Read in both directions: an LDM model's keys, and LDM names for diffusers' keys."""

from __future__ import annotations

import re
from collections import defaultdict
from typing import TYPE_CHECKING, NamedTuple

from .parts import UNET
from .spellings import RESNET, STEM
from .wrappers import strip_wrappers

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

_NUMBERED = re.compile(r"(?:.*\.)?((?:input_blocks|middle_block|output_blocks)\.[0-9]+\..+)\.(?:weight|bias)")
_BLOCK = re.compile(r"(down|up)_blocks\.([0-9]+)\.(resnets|attentions|downsamplers|upsamplers)\.([0-9]+)\.(.+)")
_MIDDLE = re.compile(r"mid_block\.(resnets|attentions)\.([0-9]+)\.(.+)")
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


def index_ldm_names(keys: Mapping[str, str]) -> dict[str, str]:
    """LDM name → canonical module of a UNet's modules in numbered blocks: as its own keys have them, else counted.

    keys: canonical module → key of its weight in the model. Empty where the keys are diffusers' and cannot be counted.
    """
    own = {found[1]: module for module, key in keys.items() if (found := _NUMBERED.fullmatch(strip_wrappers(key)))}
    prefix = f"{UNET}."
    return own or {name: prefix + module for name, module in count_blocks(m.removeprefix(prefix) for m in keys).items()}


def count_blocks(modules: Iterable[str]) -> dict[str, str]:
    """LDM name → diffusers name of the modules in blocks; empty where levels or ResNets are missing."""
    names = list(modules)
    blocks = [(found[1], int(found[2]), found[3], int(found[4])) for name in names if (found := _BLOCK.fullmatch(name))]
    inside = {(side, level, kind): set[int]() for side, level, kind, _ in blocks}
    for side, level, kind, index in blocks:
        inside[side, level, kind].add(index)
    lengths = {side: _count_resnets(inside, side) for side in ("down", "up")}
    below = sum(lengths["down"]) + sum(kind == "downsamplers" for _, _, kind in inside) + 1
    whole = lengths["down"] and len(lengths["down"]) == len(lengths["up"])
    if not whole or below != sum(lengths["up"]):  # every block up takes the output of one block down
        return {}
    found = dict[str, str]()
    for name in names:
        if (block := _BLOCK.fullmatch(name)) and (ldm := _number_module(block, lengths, inside)):
            found[ldm] = name
    return found | _number_middle(names)


def _count_resnets(inside: Mapping[tuple[str, int, str], set[int]], side: str) -> list[int]:
    """ResNets of each level; nothing when a level, a ResNet or a sampler between levels is missing."""
    levels = 1 + max((level for own, level, _ in inside if own == side), default=-1)
    counts = [inside.get((side, level, "resnets"), set[int]()) for level in range(levels)]
    samplers = [(side, level, f"{side}samplers") in inside for level in range(levels)]
    whole = all(found and found == set(range(len(found))) for found in counts) and all(samplers[:-1])
    return [len(found) for found in counts] if whole else []


def _number_module(
    block: re.Match[str], lengths: Mapping[str, list[int]], inside: Mapping[tuple[str, int, str], set[int]]
) -> str:
    side, kind, tail = block[1], block[3], block[5]
    level, index = int(block[2]), int(block[4])
    length = lengths[side][level]
    start = sum(lengths[side][:level]) + (level + 1 if side == "down" else 0)
    name = "input_blocks" if side == "down" else "output_blocks"
    match kind:
        case "resnets":
            return f"{name}.{start + index}.0.{RESNET.get(tail, tail)}"
        case "attentions":
            return f"{name}.{start + index}.1.{tail}"
        case "downsamplers":
            return f"{name}.{start + length}.0.op"
        case _:
            attends = length - 1 in inside.get((side, level, "attentions"), ())
            return f"{name}.{start + length - 1}.{2 if attends else 1}.{tail}"


def _number_middle(names: Iterable[str]) -> dict[str, str]:
    """ResNets and attentions in turn, numbered as they follow each other."""
    found = [(int(m[2]), m[1] == "attentions", m[3], m[0]) for name in names if (m := _MIDDLE.fullmatch(name))]
    order = sorted({(index, attends) for index, attends, _, _ in found})
    return {
        f"middle_block.{order.index((index, attends))}.{tail if attends else RESNET.get(tail, tail)}": name
        for index, attends, tail, name in found
    }
