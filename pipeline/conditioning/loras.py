"""LoRAs that the tags of a prompt name: on the model while pictures are made, changed over the steps, taken off."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ...adapters.applying.patcher import Patcher
from ...adapters.applying.receipt import Receipt
from ...adapters.applying.weight_access import access_weights
from ...adapters.modules.parts import TEXT_ENCODER, TEXT_ENCODER_2, UNET
from ...adapters.prompts.lora_requests import LoraRequest, plan_requests
from ...adapters.prompts.requests import find_adapter, is_timed, make_timeline, truncate_ranks
from ...adapters.prompts.tags import ADAPTERS, AdapterCall, read_call, split_tags
from ...adapters.reading.load import load_adapter
from ...core.errors import BadParameter, UnknownName
from ..models.finding import name_folder

UNCLOSED = re.compile(r"<(?:lora|lyco|loractl|hypernet):[^>]*$")
"""A tag without end, in a prompt without the others."""

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path
    from types import TracebackType

    from ...adapters.adapter import Adapter
    from ...core.hooks import HostHooks
    from ..models.model import Model

    Strengths = tuple[float, ...]


@dataclass(frozen=True)
class LoraUse:
    """A LoRA file and how a tag wants it. hires: in which pass it works, where the second has a prompt of its own."""

    adapter: Adapter
    call: AdapterCall
    hires: bool | None = None

    def find_strengths(self, step: int, steps: int, *, hires: bool) -> tuple[float, float]:
        """On text encoders and UNet in a step, counted from 0."""
        if self.hires is not None and self.hires != hires:
            return 0.0, 0.0
        return self.call.strengths(step + 1, steps, hires=hires)


@dataclass(frozen=True)
class PromptLoras:
    """A prompt without its tags, the LoRAs these name, and what became of other tags."""

    text: str
    uses: tuple[LoraUse, ...]
    notes: tuple[str, ...]


def read_loras(prompt: str, folders: Sequence[Path], spare: Sequence[Path] = ()) -> PromptLoras:
    """Read the LoRAs that a positive prompt names. Raises UnknownName, BadParameter, BadWeights, UnsafeFile.

    spare: folders that count where the others have no file of a name; what is taken from them is noted.
    """
    text, tags = split_tags(prompt)
    uses: list[LoraUse] = []
    notes: list[str] = []
    notes += [f"{start[:60]!r} has no > at its end: it is read as words" for start in UNCLOSED.findall(text)]
    for tag in tags:
        if tag.kind == "hypernet":
            raise BadParameter("hypernetworks are not supported", where=tag.text, fix="take the tag out")
        if tag.kind not in ADAPTERS:
            notes.append(f"removed {tag.text}: it is none of the tags that are read here")
            continue
        call = read_call(tag)
        notes += [f"{tag.text}: {word} is not read" for word in call.ignored]
        if not folders and not spare:
            what = f"no LoRA is called {call.name!r} (looked for in no folder)"
            raise UnknownName(what, where=tag.text, fix=name_folder("LoRA"))
        path = find_adapter(call.name, folders, tag.text, spare)
        if any(path.is_relative_to(folder.absolute()) for folder in spare):
            notes.append(f"{tag.text}: the LoRA of that name that comes with the package")
        uses.append(LoraUse(truncate_ranks(load_adapter(path), call.dyn), call))
    names = Counter(use.call.name for use in uses)
    notes += [
        f"LoRA {name} is named {count} times: the strengths add; A1111 gives the last one to each"
        for name, count in names.items()
        if count > 1
    ]
    return PromptLoras(text, tuple(uses), tuple(notes))


class ModelLoras:
    """LoRAs on a model. As a context manager it takes them off when left, whatever happened, bit for bit.

    receipt: what became of every key of every file.
    """

    def __init__(self, model: Model, uses: Sequence[LoraUse], steps: int, host: HostHooks) -> None:
        """Check that they fit. Raises BadWeights for one of another base model or of which nothing fits."""
        self._uses = uses
        self._unet = Patcher(unet=model.unet)
        encoders = name_text_encoders(model)
        self._encoders = Patcher(text_encoder=encoders.get(TEXT_ENCODER), text_encoder_2=encoders.get(TEXT_ENCODER_2))
        self._set: dict[str, Strengths] = {}
        parts = {part: access_weights(part, module) for part, module in {UNET: model.unet, **encoders}.items()}
        requests = [_make_request(use) for use in uses]
        self.receipt = Receipt(()) if not uses else plan_requests(parts, requests, steps, host, allow_empty=False)[1]

    def find_encoder_strengths(self, step: int, steps: int, *, hires: bool = False) -> Strengths:
        """On the text encoders in a step, counted from 0."""
        return tuple(use.find_strengths(step, steps, hires=hires)[0] for use in self._uses)

    def patch_encoders(self, strengths: Strengths) -> None:
        """Let the text encoders have the LoRAs at these strengths."""
        self._patch("text", self._encoders, strengths)

    def patch_unet(self, step: int, steps: int, *, hires: bool = False) -> None:
        """Let the UNet have what belongs to a step, counted from 0; nothing is done where that is what it has."""
        self._patch(UNET, self._unet, tuple(use.find_strengths(step, steps, hires=hires)[1] for use in self._uses))

    def _patch(self, name: str, patcher: Patcher, strengths: Strengths) -> None:
        if self._set.get(name, ()) == strengths:
            return
        self._set.pop(name, None)
        changes = [
            (use.adapter, strength, strength, use.call.block_weights)
            for use, strength in zip(self._uses, strengths, strict=True)
        ]
        patcher.set(changes, allow_empty=True, allow_mismatch=True)
        self._set[name] = strengths

    def clear(self) -> None:
        """Take everything off."""
        self._set.clear()
        try:
            self._unet.clear()
        finally:
            self._encoders.clear()

    def __enter__(self) -> ModelLoras:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.clear()


def name_text_encoders(model: Model) -> dict[str, Any]:
    """Text encoders by part; the refiner's only one is the second."""
    parts = (TEXT_ENCODER_2,) if model.family == "sdxl_refiner" else (TEXT_ENCODER, TEXT_ENCODER_2)
    return dict(zip(parts, model.text_encoders, strict=False))


def _make_request(use: LoraUse) -> LoraRequest:
    call = use.call
    if is_timed(call):
        return LoraRequest(use.adapter, 1.0, 1.0, call.block_weights, call)
    _, encoder, unet = make_timeline(call)[0]
    return LoraRequest(use.adapter, unet, encoder, call.block_weights)
