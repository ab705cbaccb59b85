"""Tags of hosts that apply LoRAs by themselves: what they read, and what is read for them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ...core.errors import BadParameter
from ..prompts.curves import Curve
from ..prompts.requests import is_timed, read_presets
from ..prompts.tags import ADAPTERS, read_call, split_tags

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ..prompts.tags import AdapterCall

EDITS = ("weight", "lbw", "start", "stop")
"""What `edit_tags` can set."""


@dataclass(frozen=True)
class HostTag:
    """A tag of a host's prompt, understood. text: the tag without its brackets and kind, its key among others.

    own: whether it asks for more than the host reads: block weights, a start, a stop, a curve, another strength in the
    second pass.
    """

    call: AdapterCall
    text: str
    own: bool

    def list_items(self, steps: int, *, hires: bool = False) -> list[str]:
        """The arguments as the host reads them: name, strengths in the first step, ranks."""
        te, unet = self.find_strengths(1, steps, hires=hires)
        dyn = [] if self.call.dyn is None else [str(self.call.dyn)]
        return [self.call.name, repr(te), repr(unet), *dyn]

    def find_factor(self, module: str, base_model: str) -> float:
        """What the block weights multiply the strength of a module with, by its canonical name."""
        blocks = self.call.block_weights
        return 1.0 if blocks is None else blocks.weight_of(module, base_model)

    def find_strengths(self, step: int, steps: int, *, hires: bool = False) -> tuple[float, float]:
        """On the text encoders and on the UNet in a step, counted from 1.

        Hosts encode a prompt once for all steps: the text encoders have what the first step has in which the tag works.
        """
        call = self.call
        unet = call.strengths(step, steps, hires=hires)[1]
        te = call.hires_te if hires and call.hires_te is not None else call.te
        return te.at(self._find_first(steps), steps) if isinstance(te, Curve) else te, unet

    def _find_first(self, steps: int) -> int:
        return next((step for step in range(1, steps + 1) if self.call.is_active(step, steps)), 1)


def read_host_tag(kind: str, items: Sequence[str], presets: Mapping[str, str] | None = None) -> HostTag:
    """Understand the arguments of a tag as a host split them. Raises BadParameter that names the tag."""
    text = ":".join(items)
    found = split_tags(f"<{kind}:{text}>")[1]
    if not found:
        raise BadParameter("the tag names no file", where=f"<{kind}:{text}>", fix=f"write <{kind}:NAME:1>")
    call = read_call(found[0], presets)
    return HostTag(call, text, bool(call.block_weights or is_timed(call) or has_hires(call)))


def has_hires(call: AdapterCall) -> bool:
    """Whether a tag has strengths of its own for the second pass."""
    return (call.hires_te, call.hires_unet) != (None, None)


def list_presets(text: str) -> tuple[dict[str, str], list[str]]:
    """Own presets for `lbw=`, NAME:values with semicolons or lines between, and what is wrong with them."""
    try:
        return read_presets(text.replace(";", "\n")), []
    except BadParameter as error:
        return {}, [str(error)]


def edit_tags(prompt: str, what: str, value: str) -> str:
    """The prompt with one thing set in all of its tags. what: of `EDITS`; weight is the strength on everything.

    Raises BadParameter: no tag, or a value that cannot be read.
    """
    tags = [tag for tag in split_tags(prompt)[1] if tag.kind in ADAPTERS]
    if not tags:
        raise BadParameter("the prompt names no LoRA", where=what, fix="write a tag such as <lora:name:1>")
    for tag in tags:
        named = [(key, held) for key, held in tag.named if key not in ({"te", "unet"} if what == "weight" else {what})]
        positional = list(tag.positional)
        if what == "weight":
            positional[1:3] = [value, value] if len(positional) > 3 else [value]
        else:
            named.append((what, value))
        text = f"<{tag.kind}:{':'.join([*positional, *(f'{key}={held}' for key, held in named)])}>"
        read_call(split_tags(text)[1][0])
        prompt = prompt.replace(tag.text, text)
    return prompt


__all__ = ["EDITS", "HostTag", "edit_tags", "has_hires", "list_presets", "read_host_tag"]
