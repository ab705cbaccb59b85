"""Prompts as the hosts read them.

A1111: tags out, `AND` splits, each part is scheduled over the steps, each text is weighted. ComfyUI: weights only;
everything else is words, but for `embedding:name`. `explain` shows both for one prompt.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ...core.errors import BadParameter
from .emphasis import BREAK, Fragment, Mode, parse_emphasis
from .numbers import parse_number
from .schedule import Alternate, Body, Group, Schedule, list_texts, parse_schedule
from .tags import Tag, read_call, split_tags

if TYPE_CHECKING:
    from collections.abc import Iterator

_AND = re.compile(r"\bAND\b")
_SUFFIX = re.compile(r"\s*[-+]?(?:\d+\.?\d*|\.\d+)\s*")
_EMBEDDING = re.compile(r"(?:^|(?<=\s))embedding:\s*(?P<name>[^\s<\[]+)")


@dataclass(frozen=True)
class Subprompt:
    """One of the prompts that `AND` joins: its weight in the composition, and its tree over the steps."""

    body: Body
    weight: float = 1.0


def split_subprompts(text: str) -> list[tuple[str, float]]:
    """Split at the word AND; each part may end in `:weight`, which is also read when there is no AND ("cat :1.2").

    The picture follows uncond + sum of weight * cfg * (cond - uncond). Only positive prompts are composed. Blanks at
    the end of a part go. Raises BadParameter for a weight that is not finite.
    """
    return [_split_weight(part) for part in _AND.split(text)]


def _split_weight(part: str) -> tuple[str, float]:
    text, colon, number = part.rpartition(":")
    if colon and _SUFFIX.fullmatch(number):
        return text.rstrip(), parse_number(number, where=part)
    return part.rstrip(), 1.0


def parse_prompt(text: str) -> tuple[Subprompt, ...]:
    """The tree of a whole positive prompt without tags; equal trees mean equal prompts. Raises BadParameter."""
    return tuple(Subprompt(parse_schedule(part), weight) for part, weight in split_subprompts(text))


def find_embeddings(text: str) -> list[str]:
    """Names in ComfyUI's `embedding:name`, in order: at the start of a fragment or after a blank, to the next blank,
    `<` or `[`.
    """
    fragments = parse_emphasis(text, "comfyui")
    return [found["name"] for fragment in fragments for found in _EMBEDDING.finditer(fragment.text)]


def explain(prompt: str, steps: int = 20, *, hires_steps: int | None = None) -> dict[str, Any]:
    """How A1111 and ComfyUI would read a prompt: plain data, ready for JSON.

    Keys: prompt, steps, a1111 {text, adapters, unknown_tags, errors, subprompts [{text, weight, schedule [{until, text,
    fragments}]}]}, comfyui {text, fragments, embeddings}, differences. Faults are listed, not raised, except for steps.
    """
    errors: list[str] = []
    a1111 = _explain_a1111(prompt, steps, hires_steps, errors)
    comfyui = _explain_comfyui(prompt, errors)
    return {
        "prompt": prompt,
        "steps": steps,
        "a1111": a1111,
        "comfyui": comfyui,
        "errors": errors,
        "differences": list(_list_differences(prompt, a1111)),
    }


def _explain_a1111(prompt: str, steps: int, hires_steps: int | None, errors: list[str]) -> dict[str, Any]:
    text, tags = split_tags(prompt)
    known = [tag for tag in tags if tag.kind in ("lora", "lyco", "loractl")]
    return {
        "text": text,
        "adapters": [read for tag in known if (read := _explain_tag(tag, errors))],
        "other_tags": [tag.text for tag in tags if tag not in known],
        "subprompts": _try(lambda: _explain_subprompts(text, steps, hires_steps), errors) or [],
    }


def _explain_tag(tag: Tag, errors: list[str]) -> dict[str, Any] | None:
    call = _try(lambda: read_call(tag), errors)
    if call is None:
        return None
    fields = ("name", "te", "unet", "dyn", "block_weights", "start", "stop", "hires_te", "hires_unet")
    values = {key: _to_plain(getattr(call, key)) for key in fields}
    return {"tag": tag.text, "read_as": str(call), **values, "ignored": list(call.ignored)}


def _to_plain(value: Any) -> Any:
    return value if value is None or isinstance(value, int | float) else str(value)


def _explain_subprompts(text: str, steps: int, hires_steps: int | None) -> list[dict[str, Any]]:
    return [
        {"text": part, "weight": weight, "schedule": _explain_schedule(part, steps, hires_steps)}
        for part, weight in split_subprompts(text)
    ]


def _explain_schedule(part: str, steps: int, hires_steps: int | None) -> list[dict[str, Any]]:
    entries = list_texts(part, steps, hires_steps=hires_steps)
    return [
        {"until": end, "text": text, "fragments": _explain_fragments(parse_emphasis(text))} for end, text in entries
    ]


def _explain_fragments(fragments: list[Fragment]) -> list[dict[str, Any]]:
    return [
        {"break": True} if fragment == BREAK else {"text": fragment.text, "weight": fragment.weight}
        for fragment in fragments
    ]


def _explain_comfyui(prompt: str, errors: list[str]) -> dict[str, Any]:
    fragments = _try(lambda: parse_emphasis(prompt, "comfyui"), errors) or []
    names = _try(lambda: find_embeddings(prompt), []) or []
    return {"fragments": [{"text": f.text, "weight": f.weight} for f in fragments], "embeddings": names}


def _try(read: Any, errors: list[str]) -> Any:
    try:
        return read()
    except BadParameter as error:
        errors.append(str(error))
        return None


def _list_differences(prompt: str, a1111: dict[str, Any]) -> Iterator[str]:
    """What changes when this prompt moves between the hosts."""
    text = str(a1111["text"])
    if text != prompt:
        yield "ComfyUI has no tags: it encodes them as words, and its loader nodes apply adapters"
    if len(a1111["subprompts"]) > 1:
        yield "ComfyUI does not split at AND"
    if any(sub["weight"] != 1 for sub in a1111["subprompts"]):
        yield "ComfyUI does not read the weight after the last colon"
    if any(len(sub["schedule"]) > 1 for sub in a1111["subprompts"]):
        yield "ComfyUI does not schedule or alternate: the brackets are words"
    if re.search(r"\bBREAK\b", text):
        yield "BREAK starts a new chunk in A1111 outside brackets; it is a word in ComfyUI"
    if "embedding:" in text:
        yield "A1111 calls an embedding by its bare name"
    if _weights(text, "a1111") != _weights(text, "comfyui"):
        yield "the weights differ"


def _weights(text: str, mode: Mode) -> list[tuple[str, float]]:
    """Weight of every letter and digit, so that how fragments are joined does not count."""
    fragments = _try(lambda: parse_emphasis(text, mode), []) or []
    return [(mark, round(fragment.weight, 6)) for fragment in fragments for mark in fragment.text if mark.isalnum()]


__all__ = [
    "BREAK",
    "Alternate",
    "Body",
    "Fragment",
    "Group",
    "Mode",
    "Schedule",
    "Subprompt",
    "explain",
    "find_embeddings",
    "list_texts",
    "parse_emphasis",
    "parse_prompt",
    "parse_schedule",
    "split_subprompts",
]
