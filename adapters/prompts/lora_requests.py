"""From the tags of a prompt to LoRAs that are to be applied, for every host."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from ...core.errors import BadParameter, UnderdrawingError
from ...core.operation import WeightedLora
from ..applying.plan import check_receipt, make_plan, make_receipt
from ..applying.receipt import Receipt
from ..reading.files import list_read_files
from .library import Library
from .requests import find_adapter, is_timed, make_timeline, read_presets, truncate_ranks
from .tags import ADAPTERS, read_call, read_tags, split_tags

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from ...core.hooks import HostHooks
    from ..adapter import Adapter
    from ..applying.plan import Plan
    from ..applying.receipt import AdapterReceipt
    from ..applying.weight_access import WeightAccess
    from .block_weights import BlockWeights
    from .tags import AdapterCall, Tag

    Read = Callable[[Path], Adapter]


@dataclass(frozen=True)
class LoraRequest:
    """One adapter to apply. timed: what makes its strengths change while sampling; they are then shares of 1."""

    adapter: Adapter
    unet: float
    encoder: float
    blocks: BlockWeights | None = None
    timed: AdapterCall | None = None


@dataclass
class PromptRequests:
    """What a prompt asks for. text: the prompt without tags. notes: what became of tags, line by line."""

    text: str
    requests: list[LoraRequest] = field(default_factory=list[LoraRequest])
    notes: list[str] = field(default_factory=list[str])


def read_requests(
    prompt: str, folders: Sequence[Path], read: Read, *, presets: str = "", steps: int = 0, skip: bool = False
) -> PromptRequests:
    """Find and read the adapters that the tags of a positive prompt name.

    folders: where LoRAs lie. read: loads a file, so that a host can keep it. presets: own `lbw=` presets, NAME:values
    lines. steps: of the sampler, 0 when not known. skip: a tag that cannot be applied becomes a note, otherwise it
    raises BadParameter, UnknownName or what reading raises.
    """
    text, tags = split_tags(prompt)
    found, own = PromptRequests(text), read_presets(presets)
    for tag in tags:
        try:
            if (request := _request(tag, folders, read, own, steps, found.notes)) is not None:
                found.requests.append(request)
        except UnderdrawingError as error:
            if not skip:
                raise
            found.notes.append(f"skipped {tag.text}: {error}")
    return found


def list_tagged_files(prompt: str | None, folders: Sequence[Path]) -> list[Path]:
    """Files that are read for the tags of a prompt; a name alone where none is found; all LoRAs for None: not known."""
    if prompt is None:
        return Library.scan(folders).list_named(None)
    found: list[Path] = []
    for tag in split_tags(prompt)[1]:
        if tag.kind in ADAPTERS and tag.positional:
            try:
                found += list_read_files(find_adapter(tag.positional[0], folders))
            except UnderdrawingError:
                found.append(Path(tag.positional[0]))
    return found


def _request(
    tag: Tag, folders: Sequence[Path], read: Read, presets: Mapping[str, str], steps: int, notes: list[str]
) -> LoraRequest | None:
    if tag.kind == "hypernet":
        raise BadParameter("hypernetworks are not supported", where=tag.text, fix="take the tag out")
    if tag.kind not in ADAPTERS:
        notes.append(f"removed {tag.text}: it is none of the tags that are read here")
        return None
    call = read_call(tag, presets)
    adapter = truncate_ranks(read(find_adapter(call.name, folders, tag.text)), call.dyn)
    notes += [f"{tag.text}: {word} is not read" for word in call.ignored]
    if (call.hires_te, call.hires_unet) != (None, None):
        notes.append(f"{tag.text}: there is no second pass here, hr is not read")
    if not is_timed(call):
        _, encoder, unet = make_timeline(call)[0]
        return LoraRequest(adapter, unet, encoder, call.block_weights)
    make_timeline(call, steps)  # a place that cannot be known is refused before anything is applied
    return LoraRequest(adapter, 1.0, 1.0, call.block_weights, call)


def plan_requests(
    parts: Mapping[str, WeightAccess],
    requests: Sequence[LoraRequest],
    steps: int,
    host: HostHooks,
    *,
    allow_empty: bool,
    way_out: str = "",
) -> tuple[Plan, Receipt]:
    """What requests change, computed from the weights as they are, and the receipt; keys that are left out are noted.

    Raises BadWeights when one matches nothing or was made for another base model, unless allow_empty, which way_out
    tells how to set; BadParameter.
    """
    changes = [(request.adapter, request.unet, request.encoder, request.blocks) for request in requests]
    plan = make_plan(parts, changes, allow_mismatch=allow_empty, way_out=way_out)
    receipt = add_schedules(make_receipt(changes, plan), requests, steps)
    check_receipt(receipt, allow_empty=allow_empty)
    for text in filter(None, (entry.gap() for entry in receipt.adapters)):
        host.note(text)
    return plan, receipt


def add_schedules(receipt: Receipt, requests: Sequence[LoraRequest], steps: int = 0) -> Receipt:
    """The receipt of these requests, in which those that change while sampling have their true strengths."""
    entries: list[AdapterReceipt] = []
    for entry, request in zip(receipt.adapters, requests, strict=True):
        if request.timed is not None:
            schedule = tuple((begin, unet, te) for begin, te, unet in make_timeline(request.timed, steps))
            unet, encoder = (max((stage[i] for stage in schedule), key=abs) for i in (1, 2))
            entry = replace(entry, strengths=(unet, encoder), schedule=schedule)
        entries.append(entry)
    return Receipt(tuple(entries))


def weighted_loras(text: str, folders: Sequence[Path]) -> tuple[WeightedLora, ...]:
    """LoRAs that tags name with their strengths, for operations on files. Raises BadParameter, UnknownName."""
    calls = read_tags(text).adapters
    if not calls:
        raise BadParameter("no LoRA is named", where="loras", fix="write tags such as <lora:name:0.8>")
    if timed := [call for call in calls if is_timed(call)]:
        raise BadParameter("a file has no steps", where=str(timed[0]), fix="take the starts, stops and curves out")
    strengths = [make_timeline(call)[0] for call in calls]
    return tuple(
        WeightedLora(
            find_adapter(call.name, folders, str(call)), unet, encoder, str(call.block_weights or ""), call.dyn
        )
        for call, (_, encoder, unet) in zip(calls, strengths, strict=True)
    )
