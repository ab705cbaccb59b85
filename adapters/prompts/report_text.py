"""How both hosts read a prompt, in words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...core.report_text import printable

if TYPE_CHECKING:
    from collections.abc import Iterator

LONGEST = 2000


def prompt_lines(report: dict[str, Any]) -> Iterator[str]:
    """What `explain` says, line by line."""
    yield f"A1111, {report['steps']} steps"
    yield from _a1111(report["a1111"])
    yield "ComfyUI"
    yield f"  {_fragments(report['comfyui']['fragments'])}"
    for name in report["comfyui"]["embeddings"]:
        yield f"  embedding {printable(name)}"
    for title, texts in (("Differences", report["differences"]), ("Wrong", report["errors"])):
        if texts:
            yield title
            yield from (f"  {printable(line, 300)}" for line in texts)


def _a1111(report: dict[str, Any]) -> Iterator[str]:
    for adapter in report["adapters"]:
        yield f"  adapter {printable(adapter['name'])}: {_settings(adapter)}"
    for tag in report["other_tags"]:
        yield f"  {printable(tag)}: no adapter; taken out of the prompt"
    composed = len(report["subprompts"]) > 1
    for number, part in enumerate(report["subprompts"], start=1):
        if composed or part["weight"] != 1:
            yield f"  prompt {number}, weight {part['weight']:g}"
        first = 1
        for entry in part["schedule"]:
            span = f"steps {first}-{entry['until']}: " if len(part["schedule"]) > 1 else ""
            yield f"  {'  ' if composed else ''}{span}{_fragments(entry['fragments'])}"
            first = entry["until"] + 1


def _settings(adapter: dict[str, Any]) -> str:
    te, unet = (_number(adapter[key]) for key in ("te", "unet"))
    strengths = f"strength {unet}" if te == unet else f"strength {unet} on the UNet, {te} on the text encoder"
    labels = ("dyn", "block_weights", "start", "stop", "hires_te", "hires_unet")
    rest = [
        f"{label.replace('_', ' ')} {printable(_number(adapter[label]))}"
        for label in labels
        if adapter[label] is not None
    ]
    ignored = [f"ignored: {printable(', '.join(adapter['ignored']))}"] if adapter["ignored"] else []
    return ", ".join([strengths, *rest, *ignored])


def _number(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _fragments(fragments: list[dict[str, Any]]) -> str:
    """Texts with their weights where these are not 1."""
    return " | ".join(_fragment(fragment) for fragment in fragments) or '""'


def _fragment(fragment: dict[str, Any]) -> str:
    if "break" in fragment:
        return "new chunk"
    weight = "" if fragment["weight"] == 1 else f" x {fragment['weight']:.4g}"
    return f'"{printable(fragment["text"], LONGEST)}"{weight}'
