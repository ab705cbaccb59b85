"""A1111's infotext as text: prompt, negative prompt, and a line of `Label: value` pairs.

Source of the form: AUTOMATIC1111/stable-diffusion-webui, modules/infotext_utils.py (read, not copied).
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Mapping

NEGATIVE = "Negative prompt:"
FEWEST = 3
"""A last line with fewer pairs belongs to the prompt."""
LONGEST = 100
"""Labels have fewer letters; without a bound a long line without colons takes time without end."""
LONGEST_LINE = 1 << 18
"""A last line with more letters belongs to the prompt: to look for pairs in megabytes takes seconds."""
_QUOTED = r'"(?:[^"\\]|\\.)*"'
_NESTED = r"\{[^{}]*\}|\[[^\[\]]*\]|\([^()]*\)"
"""Extensions write values in JSON, and Python's tuples, without quotes."""
_PAIR = re.compile(rf"([^\W\d_][^,:\"]{{0,{LONGEST}}}):\s*((?:{_QUOTED}|{_NESTED})(?=\s*(?:,|$))|[^,]*)(?:,|$)")


class Infotext(msgspec.Struct, frozen=True, kw_only=True):
    """An infotext in its three parts. fields: label → value, in order, quotes removed."""

    prompt: str = ""
    negative: str = ""
    fields: dict[str, str] = {}


def parse_infotext(text: str) -> Infotext:
    """Split an infotext. Text without a line of fields is a prompt; nothing is refused.

    >>> parse_infotext("a cat\\nNegative prompt: dogs\\nSteps: 20, Sampler: Euler a, Size: 512x512").fields["Size"]
    '512x512'
    """
    *lines, last = text.strip().split("\n")
    fields = parse_fields(last) if len(last) <= LONGEST_LINE else {}
    if len(fields) < FEWEST:
        lines, fields = [*lines, last], {}
    stripped = [line.strip() for line in lines]
    start = next((i for i, line in enumerate(stripped) if line.startswith(NEGATIVE)), len(stripped))
    negative = "\n".join(stripped[start:])[len(NEGATIVE) :].strip()
    return Infotext(prompt="\n".join(stripped[:start]), negative=negative, fields=fields)


def parse_fields(line: str) -> dict[str, str]:
    """Pairs of one line, also of what stands inside a quoted value. Values in quotes are JSON strings.

    >>> parse_fields('Steps: 20, Model: "a, b", Size: 512x512')
    {'Steps': '20', 'Model': 'a, b', 'Size': '512x512'}
    """
    return {label.strip(): _unquote(value.strip()) for label, value in _PAIR.findall(line)}


def format_infotext(infotext: Infotext) -> str:
    """Join an infotext as A1111 does it; an empty negative prompt gets no line."""
    lines = [infotext.prompt]
    if infotext.negative:
        lines.append(f"{NEGATIVE} {infotext.negative}")
    lines.append(format_fields(infotext.fields))
    return "\n".join(lines).strip()


def format_fields(fields: Mapping[str, str]) -> str:
    """One line of pairs; values that would be split are written as JSON strings."""
    return ", ".join(f"{label}: {_quote(value)}" for label, value in fields.items())


def _quote(value: str) -> str:
    unsafe = any(mark in value for mark in ",:\n\r") or value.startswith('"')
    return json.dumps(value, ensure_ascii=False) if unsafe else value


def _unquote(value: str) -> str:
    if len(value) < 2 or value[0] != '"' or value[-1] != '"':
        return value
    try:
        decoded = json.loads(value)
    except ValueError:
        return value
    return decoded if isinstance(decoded, str) else value
